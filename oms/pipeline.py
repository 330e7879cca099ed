"""The pipeline: every stage, in the order in which an order meets them."""

from functools import partial

from logistics.adapters import sandbox as logistics_sandbox
from logistics.carriers import dispatching, tracking
from logistics.virtual import delivering
from logistics.warehouses import events, releasing, stopping
from logistics.watching import alerts
from oms.common.work import jobs, sandbox
from oms.common.work.claiming import Stage
from oms.merchants.webhooks import serving
from orders.fulfilling import allocating, completing, splitting, waking
from orders.reviewing import deciding
from payments.owing import balancing
from payments.providers import sandbox as payment_sandbox
from payments.taking import expiring, noticing, requesting

SANDBOX_STAGE = Stage(
    "sandbox",
    partial(
        sandbox.answer,
        {
            "payment": payment_sandbox.notify,
            "warehouse": logistics_sandbox.report_from_warehouses,
            "carrier": logistics_sandbox.report_from_carriers,
        },
    ),
    wakes=("payment_facts", "warehouse_events", "track"),
    backlog=sandbox.backlog,
)

PIPELINE = (
    requesting.INTEND_STAGE,
    requesting.REQUEST_STAGE,
    noticing.STAGE,
    expiring.STAGE,
    deciding.STAGE,
    splitting.STAGE,
    waking.STAGE,
    allocating.STAGE,
    releasing.STAGE,
    delivering.STAGE,
    stopping.STAGE,
    events.STAGE,
    dispatching.STAGE,
    tracking.STAGE,
    completing.STAGE,
    balancing.STAGE,
    requesting.REFUND_STAGE,
    requesting.CHASE_STAGE,
    alerts.STAGE,
    jobs.STAGE,
    SANDBOX_STAGE,
)
# Webhooks last: what the other stages did is to be told. No worker runs that stage, it has processes of its own.
PIPELINE_AND_WEBHOOKS = (*PIPELINE, serving.STAGE)
STAGES = {stage.name: stage for stage in PIPELINE}
