"""Asking warehouses to stop what they have: the stages behind a cancellation after release.

`orders.changing.cancelling` leaves the wish on the sub-order. The first stage passes it on to the warehouse order, and
grants at once what no warehouse has; the second asks. What a warehouse answers is kept as a fact, whether it comes at
once or later, and worked on with the warehouse's other news (`logistics.warehouses.events`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from logistics.models import WarehouseOrder, WarehouseOrderState
from logistics.warehouses import adapters, giving_up, works
from logistics.warehouses.notices import Notice
from logistics.warehouses.works import LINES_OF, GivenUp
from oms.common.copying import array
from oms.common.masking import mask_text
from oms.common.models import Connection, Topic
from oms.common.work import clock, facts, nudging
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue, Stage, claim
from orders import actors, isolating
from orders.changing.cancelling import finish_requests
from orders.models import SubOrder
from orders.models.sub_order import BEFORE_RELEASE, LEFT_WAREHOUSE

WISHES = Queue(SubOrder, "q.cancel_requested_at IS NOT NULL")
# Patience with a warehouse is a deadline, no wait of ours that a drain may skip: it would ask for ever.
QUEUE = Queue(
    WarehouseOrder,
    "q.stop_requested_at IS NOT NULL AND q.stop_answered_at IS NULL"
    " AND coalesce(q.stop_patient_until, '-infinity') <= now()",
)
# A warehouse that said that it will answer later is asked again after so long.
PATIENCE = timedelta(hours=1)


def pass_on(limit: int) -> int:
    """Pass up to `limit` wishes on; returns how many."""
    with connection.cursor() as cursor:
        # The order is locked before its sub-orders, so the first look takes no locks.
        cursor.execute(
            f"SELECT q.id, q.order_id FROM orders_suborder q WHERE {WISHES.condition()} ORDER BY q.ready_at LIMIT %s",
            [limit],
        )
        found = cursor.fetchall()
    return isolating.work_on(PASS_ON_STAGE.name, found, _pass_on)


def _pass_on(sub_order_ids: list[int], order_ids: list[int]) -> int:
    mine = claim(WISHES, len(sub_order_ids), only=sub_order_ids)
    if not mine:
        return 0
    states = dict(SubOrder.objects.filter(pk__in=mine).values_list("pk", "state"))
    held = works.lock(current_works(mine))
    # What was never sent is nobody's business but ours; what was merged with what is cancelled goes by itself.
    unsent = {
        key: GivenUp(work, WarehouseOrderState.CANCELLED)
        for key, work in held.items()
        if work.state == WarehouseOrderState.INTENDED and not work.was_sent
    }
    works.lock_stock(held.values())
    giving_up.give_up(list(unsent.values()))
    giving_up.cancel([key for key in mine if states[key] in BEFORE_RELEASE])
    giving_up.let_go_on({key: "" for key in mine if states[key] in LEFT_WAREHOUSE})
    ask_to_stop([key for key, work in held.items() if key not in unsent and not work.is_asked_to_stop])
    # From here on the warehouse order is the queue.
    SubOrder.objects.filter(pk__in=mine).update(ready_at=None)
    finish_requests(order_ids, actor=actors.job(PASS_ON_STAGE.name))
    return len(mine)


def current_works(sub_order_ids: Sequence[int]) -> list[int]:
    """The warehouse orders that these sub-orders go with, as far as they are not gone."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT w.id FROM {LINES_OF} JOIN logistics_warehouseorder w ON w.id = wl.warehouse_order_id
            WHERE l.sub_order_id = ANY(%s::bigint[]) AND w.is_current AND w.state <> '{WarehouseOrderState.SHIPPED}'
            """,
            [array(sub_order_ids)],
        )
        return [key for (key,) in cursor.fetchall()]


def ask_to_stop(warehouse_order_ids: Sequence[int]) -> None:
    """Let the next stage ask the warehouses to stop these locked warehouse orders."""
    if not warehouse_order_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_warehouseorder SET stop_requested_at = now(), stop_answered_at = NULL, stop_answer = '',
                stop_patient_until = NULL, ready_at = now(), attempts = 0, last_error = '', needs_person_since = NULL
            WHERE id = ANY(%s::bigint[])
            """,
            [array(warehouse_order_ids)],
        )
    nudging.nudge("send_stop")


PASS_ON_STAGE = Stage("cancel_at_warehouse", pass_on, wakes=("send_stop", "owing", "wake"), queue=WISHES)


# --- Asking


@dataclass(frozen=True, slots=True)
class _Stop:
    """A warehouse order that is to be stopped."""

    reference: str


def _prepare(keys: Sequence[int]) -> Mapping[int, _Stop]:
    rows = WarehouseOrder.objects.filter(pk__in=keys).values_list("pk", "number")
    return {key: _Stop(number) for key, number in rows}


def _ask(link: Connection, stops: Sequence[_Stop]) -> Mapping[str, adapters.Answer]:
    return adapters.of(link).cancel(link, [stop.reference for stop in stops])


@transaction.atomic
def _finish(outcomes: Outcomes[adapters.Answer]) -> None:
    """Keep what was answered as facts; what is answered later is asked about again, should nothing come."""
    answers = outcomes.taken | outcomes.refused
    later = [key for key, answer in answers.items() if answer.is_later]
    rows = WarehouseOrder.objects.filter(pk__in=answers).values_list("pk", "number", "connection_id", "lease_token")
    told: dict[int, list[facts.News]] = {}
    for key, number, connection_id, token in rows:
        answer = answers[key]
        if not answer.is_later:
            kind = Notice.STOPPED if answer.taken else Notice.NOT_STOPPED
            body = {"text": mask_text(answer.reason)}
            news = facts.News(f"answer:{number}:stop:{token}", kind, number, timezone.now(), body)
            told.setdefault(connection_id, []).append(news)
    WarehouseOrder.objects.filter(pk__in=answers).update(ready_at=None, lease_until=None, attempts=0, last_error="")
    WarehouseOrder.objects.filter(pk__in=later).update(
        ready_at=timezone.now(), stop_patient_until=timezone.now() + clock.scaled(PATIENCE)
    )
    for connection_id, news_of_one in told.items():
        facts.receive(connection_id, Topic.WAREHOUSE, news_of_one)


STAGE = outside_stage("send_stop", Call(QUEUE, _prepare, _ask, _finish, too_late=_finish))
run = STAGE.run
