"""The workers' doors into the pipeline: one task that runs a stage until nothing is ready."""

import logging
import time

from celery import shared_task
from django.conf import settings

from inventory.promising import calendar_watch
from inventory.replenishing import levels, watching
from logistics.carriers import balances, senders
from logistics.floor import gathering
from logistics.routing import planning
from logistics.virtual import stocking
from logistics.warehouses import comparing, inquiring
from logistics.watching import learning
from oms.checking import running as checking
from oms.common import metrics
from oms.common.work import jobs, nudging, schedule
from oms.common.work.calling import OutsideStage
from oms.common.work.claiming import run_until_empty
from oms.common.work.heartbeat import SWEEP, Pulse, beat
from oms.merchants.webhooks import endpoints, purging
from oms.pipeline import PIPELINE, STAGES
from oms.telling import gathering as news_gathering
from orders.actors import job
from orders.asked import forgetting
from orders.changing import half_bundles
from orders.fulfilling import waking
from orders.intake import address_words, rejecting
from orders.promising import awaiting
from orders.stock import coming, demand, expiring
from payments.invoicing import commission
from payments.reconciling import downloading, refreshing
from payments.statements import closing

logger = logging.getLogger(__name__)

# A task gives way to others after this long; beat or a nudge brings it back.
SLICE_SECONDS = 5.0


@shared_task(name=nudging.TASK, acks_late=True, ignore_result=True)
def run_stage(name: str) -> int:
    """Run a stage batch by batch until nothing is ready; returns the number of rows claimed.

    A stage that calls other systems gets a task for each connection that is due, in a queue of their own: workers of
    this one are never held up by a silent system.
    """
    stage = STAGES[name]
    if isinstance(stage, OutsideStage):
        for connection_id in stage.due_connections():
            run_outside.apply_async([name, connection_id], expires=30)
        return 0
    started = time.monotonic()
    with metrics.stage_run(name):
        claimed = run_until_empty(stage, settings.STAGE_BATCH, until=started + SLICE_SECONDS)
    if claimed:
        metrics.count_stage(name, claimed, time.monotonic() - started)
        nudging.nudge(*stage.wakes)
    return claimed


@shared_task(name="oms.run_outside", acks_late=True, ignore_result=True)
def run_outside(name: str, connection_id: int) -> int:
    """Send what is due of a stage over one connection; returns the number of rows claimed."""
    stage = STAGES[name]
    assert isinstance(stage, OutsideStage)  # noqa: S101 - only such are sent here
    started = time.monotonic()
    total = 0
    with metrics.stage_run(name):
        while time.monotonic() < started + SLICE_SECONDS:
            claimed = stage.run_over(connection_id, settings.STAGE_BATCH)
            total += claimed
            if not claimed:
                break
    if total:
        metrics.count_stage(name, total, time.monotonic() - started)
        nudging.nudge(*stage.wakes)
    return total


@shared_task(name="oms.sign_of_life", ignore_result=True)
def sign_of_life() -> None:
    """Note that beat, the broker and a worker are there; it overtakes everything else that waits for a worker."""
    beat(SWEEP)


@shared_task(name="oms.sweep", ignore_result=True)
def sweep() -> None:
    """Run every stage in turn: what beat calls every few seconds, so that a lost nudge loses nothing.

    A stage that fails as a whole does not stop those after it. The sign of life is given between stages too: where much
    is to be done, each of them may take seconds, in all workers.
    """
    pulse = Pulse(SWEEP)
    for stage in PIPELINE:
        pulse.beat()
        try:
            run_stage(stage.name)
        except Exception:
            # Its work is still in its rows; the next sweep tries again.
            logger.exception("stage %s failed", stage.name)


@shared_task(name="oms.tell_merchants", ignore_result=True)
def tell_merchants() -> int:
    """Write what merchants are to be told, and forget what is old; returns how many receivers were due."""
    news_gathering.forget()
    total = 0
    while written := news_gathering.gather():
        total += written
    return total


@shared_task(name="oms.send_webhook_notices", ignore_result=True)
def send_webhook_notices() -> int:
    """Tell merchants whose webhook endpoints were disabled; returns how many."""
    return endpoints.send_notices()


@shared_task(name="oms.purge_webhooks", ignore_result=True)
def purge_webhooks() -> int:
    """Forget webhook events that are over; returns how many."""
    return purging.purge()


@shared_task(name="oms.wake_all_backorders", ignore_result=True)
def wake_all_backorders() -> None:
    """Try backordered sub-orders again, each in its turn; a safety net under the wake stage."""
    if waking.wake_all(int(time.time()) // 60 % waking.NET_PARTS):
        nudging.nudge("allocate")


@shared_task(name="oms.expire_stock", ignore_result=True)
def expire_stock() -> int:
    """Take batches past their best-before and codes past their day from sale; returns how many units."""
    return expiring.expire() + stocking.expire()


@shared_task(name="oms.compare_stock", ignore_result=True)
def compare_stock() -> int:
    """Ask connected warehouses once a day what lies there, to compare it with the books; returns how many answered."""
    return comparing.ask()


@shared_task(name="oms.ask_warehouses", ignore_result=True)
def ask_warehouses() -> int:
    """Ask warehouses how far orders are whose next word is late; returns how many were answered."""
    return inquiring.ask()


@shared_task(name="oms.gather_waves", ignore_result=True)
def gather_waves() -> int:
    """Gather what waits on the floors of warehouses that are run here into waves; returns how many."""
    return gathering.gather()


@shared_task(name="oms.plan_routes", ignore_result=True)
def plan_routes() -> int:
    """Draft today's routes of stations that have something to bring and no plan yet; returns how many."""
    return planning.make_what_is_missing()


@shared_task(name="oms.watch_senders", ignore_result=True)
def watch_senders() -> int:
    """Tell people of warehouses without the phone that carriers want of a sender; returns how many there are."""
    return senders.watch()


@shared_task(name="oms.count_waybills", ignore_result=True)
def count_waybills() -> None:
    """Have every account that sells waybills asked, now and then, how many are left."""
    balances.begin()


@shared_task(name="oms.purge_jobs", ignore_result=True)
def purge_jobs() -> None:
    """Forget the files of jobs that were over long ago."""
    jobs.purge()


@shared_task(name="oms.reconcile", ignore_result=True)
def reconcile() -> int:
    """Fetch the bills that are due, and look again at what differed; returns how many files were read."""
    read = downloading.download_due()
    refreshing.refresh()
    return read


@shared_task(name="oms.close_statements", ignore_result=True)
def close_statements() -> int:
    """Close the periods of merchants that are over; returns how many statements were made."""
    return closing.close_due(actor=job("close_statements"))


@shared_task(name="oms.invoice_commissions", ignore_result=True)
def invoice_commissions() -> int:
    """Invoice merchants for what approved statements charge them; returns how many invoices were asked for."""
    return len(commission.invoice_all(by="invoice"))


@shared_task(name="oms.forget_rejected_orders", ignore_result=True)
def forget_rejected_orders() -> int:
    """Delete refused rows whose time is over; returns how many."""
    return rejecting.forget()


@shared_task(name="oms.index_addresses", ignore_result=True)
def index_addresses() -> int:
    """Let new orders be found by words of their addresses; returns how many."""
    return address_words.write()


@shared_task(name="oms.forget_recipients", ignore_result=True)
def forget_recipients() -> int:
    """Take names, phones and addresses away from orders that were over long ago; returns from how many."""
    return forgetting.forget()


@shared_task(name="oms.watch_calendar", ignore_result=True)
def watch_calendar() -> None:
    """Tell people of years whose holidays are not known."""
    calendar_watch.look()


@shared_task(name="oms.learn_demand", ignore_result=True)
def learn_demand() -> int:
    """Gather what the last days wanted, and work out the alert lines that are not of today; returns how many."""
    demand.gather()
    return levels.refresh(seconds=60.0)


@shared_task(name="oms.promise_goods", ignore_result=True)
def promise_goods() -> int:
    """Say anew to who waits when goods on order should come, and what of them is left to be sold ahead; returns to how
    many something else is said."""
    coming.tell()
    return awaiting.run()


@shared_task(name="oms.tell_half_bundles", ignore_result=True)
def tell_half_bundles() -> int:
    """Call a person for orders that keep half bundles since a cancellation; returns for how many."""
    return half_bundles.run()


@shared_task(name="oms.learn_deadlines", ignore_result=True)
def learn_deadlines() -> int:
    """Learn from past scans how long each step of a parcel takes by carrier and lane; returns how many are known."""
    return learning.learn()


@shared_task(name="oms.watch_alert_lines", ignore_result=True)
def watch_alert_lines() -> int:
    """Look at one part of the alert lines; returns how many positions came down to theirs."""
    return watching.watch(part=int(time.time()) // 60, seconds=20.0)


@shared_task(name="oms.check_invariants", ignore_result=True)
def check_invariants() -> int:
    """By night, look at what must always hold; returns at how many invariants."""
    return checking.check_by_night()


@shared_task(name="oms.watch_tasks", ignore_result=True)
def watch_tasks() -> int:
    """Tell people of scheduled tasks that are off, late or failing; returns how many there are."""
    return schedule.watch()
