"""The pipeline: every stage, in the order in which an order meets them."""

from functools import partial

from logistics.carriers import (
    balances,
    cancelling,
    choosing,
    dispatching,
    polling,
    recognising,
    sharing,
    subscribing,
    tracking,
    urging,
)
from logistics.carriers.adapters import sandbox as sandbox_carriers
from logistics.carriers.recalling import calling as recalls
from logistics.returning import following as return_parcels
from logistics.returning import picking_up
from logistics.virtual import delivering, settling
from logistics.warehouses import (
    announcing,
    events,
    moving_away,
    readdressing,
    releasing,
    sending,
    stock_facts,
    stopping,
)
from logistics.warehouses.adapters import sandbox as sandbox_warehouses
from logistics.watching import alerts, promises, telling
from oms.common.messages import sending as telling_buyers
from oms.common.work import jobs, sandbox
from oms.common.work.claiming import Stage
from oms.merchants.webhooks import serving
from oms.telling import sending as telling_merchants
from orders.changing import chasing, later_gifts, undoing
from orders.fulfilling import allocating, completing, ending_waits, freeing, splitting, waking
from orders.matching import releasing as releasing_matched
from orders.promising import keeping
from orders.returning import deadlines as returns
from orders.reviewing import deciding
from payments.balances import expiring as expiring_balances
from payments.disputing import asking as asking_about_disputes
from payments.exchanging import following as exchanges
from payments.invoicing import advancing, mailing, planning
from payments.owing import balancing
from payments.providers import sandbox as payment_sandbox
from payments.taking import asking, closing, differences, expiring, noticing, recording, requesting

SANDBOX_STAGE = Stage(
    "sandbox",
    partial(
        sandbox.answer,
        {
            "payment": payment_sandbox.notify,
            sandbox_warehouses.SYSTEM: sandbox_warehouses.report,
            sandbox_carriers.SYSTEM: sandbox_carriers.report,
        },
    ),
    wakes=("payment_facts", "warehouse_facts", "carrier_facts"),
    backlog=sandbox.backlog,
)

PIPELINE = (
    recording.COLLECTED_STAGE,
    requesting.INTEND_STAGE,
    requesting.REQUEST_STAGE,
    asking.PAYMENT_STAGE,
    noticing.STAGE,
    expiring.STAGE,
    closing.STAGE,
    differences.REQUEST_STAGE,
    differences.END_STAGE,
    releasing_matched.STAGE,
    undoing.STAGE,
    deciding.STAGE,
    splitting.STAGE,
    freeing.STAGE,
    waking.STAGE,
    allocating.STAGE,
    ending_waits.STAGE,
    keeping.STAGE,
    releasing.STAGE,
    sending.STAGE,
    delivering.STAGE,
    settling.STAGE,
    moving_away.STAGE,
    stopping.PASS_ON_STAGE,
    stopping.STAGE,
    readdressing.STAGE,
    events.STAGE,
    stock_facts.STAGE,
    announcing.WRITE_STAGE,
    announcing.STAGE,
    chasing.STAGE,
    choosing.STAGE,
    dispatching.STAGE,
    recognising.STAGE,
    picking_up.SEND_STAGE,
    picking_up.WATCH_STAGE,
    return_parcels.STAGE,
    subscribing.STAGE,
    urging.STAGE,
    polling.STAGE,
    cancelling.STAGE,
    balances.STAGE,
    sharing.STAGE,
    tracking.STAGE,
    recalls.STAGE,
    recalls.CHASE_STAGE,
    returns.STAGE,
    completing.STAGE,
    later_gifts.STAGE,
    balancing.STAGE,
    exchanges.STAGE,
    requesting.REFUND_STAGE,
    asking.REFUND_STAGE,
    asking_about_disputes.STAGE,
    requesting.CHASE_STAGE,
    planning.STAGE,
    advancing.STAGE,
    mailing.STAGE,
    expiring_balances.STAGE,
    alerts.STAGE,
    telling.STAGE,
    promises.STAGE,
    telling_merchants.STAGE,
    telling_buyers.MAIL,
    telling_buyers.SMS,
    jobs.STAGE,
    SANDBOX_STAGE,
)
# Webhooks last: what the other stages did is to be told. No worker runs that stage, it has processes of its own.
PIPELINE_AND_WEBHOOKS = (*PIPELINE, serving.STAGE)
STAGES = {stage.name: stage for stage in PIPELINE}
