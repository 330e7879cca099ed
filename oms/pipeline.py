"""The pipeline: every stage, in the order in which an order meets them."""

from functools import partial

from logistics import (
    alerting,
    cancelling,
    dispatching,
    releasing,
    tracking,
    virtual_delivery,
    warehouse_events,
)
from logistics.adapters import sandbox as logistics_sandbox
from oms.common import jobs, sandbox
from oms.common.claiming import Stage
from oms.merchants.webhooks import serving
from orders import allocating, completing, review, splitting, waking
from payments import books, expiring, noticing, requesting
from payments.providers import sandbox as payment_sandbox

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
    wakes=("apply_notices", "warehouse_events", "track"),
    backlog=sandbox.backlog,
)

PIPELINE = (
    requesting.INTEND_STAGE,
    requesting.REQUEST_STAGE,
    noticing.STAGE,
    expiring.STAGE,
    review.STAGE,
    splitting.STAGE,
    waking.STAGE,
    allocating.STAGE,
    releasing.STAGE,
    virtual_delivery.STAGE,
    cancelling.STAGE,
    warehouse_events.STAGE,
    dispatching.STAGE,
    tracking.STAGE,
    completing.STAGE,
    books.STAGE,
    requesting.REFUND_STAGE,
    requesting.CHASE_STAGE,
    alerting.STAGE,
    jobs.STAGE,
    SANDBOX_STAGE,
)
# Webhooks last: what the other stages did is to be told. No worker runs that stage, it has processes of its own.
PIPELINE_AND_WEBHOOKS = (*PIPELINE, serving.STAGE)
STAGES = {stage.name: stage for stage in PIPELINE}
