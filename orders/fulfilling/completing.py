"""The complete stage: what the buyer has had long enough, or confirmed, is completed; then the order is."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.work import clock, nudging
from oms.common.work.claiming import Stage
from orders import actors, isolating, kinds
from orders.actors import Actor
from orders.fulfilling import derived as fulfilment
from orders.fulfilling.trouble import RECEIPT_DENIED
from orders.locking import lock_order
from orders.models import Order, OrderEvent, SubOrder, SubOrderState
from orders.telling import timeline


class NotDelivered(OmsError):
    """Receipt can only be confirmed of what was delivered."""

    code = "not_delivered"


def _due() -> tuple[str, str]:
    """What is to be completed, as SQL: the wait, and FROM and what follows. The column stands alone in the comparison,
    so that the index ends the search, however much is delivered and not yet due."""
    seconds = clock.scaled(timedelta(seconds=settings.COMPLETE_AFTER_SECONDS)).total_seconds()
    wait = f"make_interval(secs => {seconds})"
    return wait, (
        f"FROM orders_suborder s WHERE s.state = '{SubOrderState.DELIVERED}' AND s.needs_person_since IS NULL"
        f" AND s.delivered_at <= {clock.horizon()} - {wait} ORDER BY s.delivered_at"
    )


def run(limit: int) -> int:
    """Complete up to `limit` delivered sub-orders; returns how many."""
    _wait, rows = _due()
    with connection.cursor() as cursor:
        # The order is locked before its sub-orders, so the claim only reads here.
        cursor.execute(f"SELECT s.id, s.order_id {rows} LIMIT %s", [limit])
        due = cursor.fetchall()
    return isolating.work_on("complete", due, lambda keys, _orders: _complete(keys, actors.job("complete")))


def backlog() -> str:
    """Sub-orders that the buyer has had long enough."""
    wait, rows = _due()
    return f"SELECT s.delivered_at + {wait} AS due, {isolating.needs_person('s.order_id')} AS needs_person {rows}"


def _complete(sub_order_ids: Sequence[int], actor: Actor) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborder SET state = '{SubOrderState.COMPLETED}', completed_at = now(), ready_at = NULL
            WHERE id IN (SELECT id FROM orders_suborder WHERE id = ANY(%s) AND state = '{SubOrderState.DELIVERED}'
                         AND needs_person_since IS NULL ORDER BY id FOR NO KEY UPDATE)
            RETURNING id, order_id
            """,
            [list(sub_order_ids)],
        )
        moved = cursor.fetchall()
    timeline.record_of_sub_orders([key for key, _order in moved], kinds.SUB_ORDER_COMPLETED, actor)
    orders = {order_id for _key, order_id in moved}
    fulfilment.refresh(orders)
    # Who fulfilled it is owed its money, whatever becomes of the order's other parts.
    Order.objects.filter(pk__in=orders, owed_changed_since=None).update(owed_changed_since=Now())
    return len(moved)


@transaction.atomic
def confirm_receipt(sub_order_id: int, *, actor: Actor) -> None:
    """The buyer says that it came, perhaps after denying it: complete the sub-order now. Raises NotDelivered."""
    sub_order = SubOrder.objects.only("order_id").get(pk=sub_order_id)
    lock_order(sub_order.order_id)
    sub_order = SubOrder.objects.select_for_update(no_key=True, of=("self",)).get(pk=sub_order_id)
    if sub_order.state == SubOrderState.COMPLETED:
        return
    if sub_order.state != SubOrderState.DELIVERED:
        raise NotDelivered(
            _("Sub-order %(number)s is not delivered yet: %(state)s.")
            % {"number": sub_order.number, "state": sub_order.get_state_display()}
        )
    timeline.record_of_sub_orders([sub_order_id], kinds.RECEIPT_CONFIRMED, actor)
    if sub_order.needs_person_since:
        SubOrder.objects.filter(pk=sub_order_id).update(needs_person_since=None)
        tickets.close_tickets([RECEIPT_DENIED], [sub_order_id], closed_by=actor.name)
    _complete([sub_order_id], actor)
    nudging.nudge("owing")


@transaction.atomic
def deny_receipt(order_id: int, *, actor: Actor, sub_order_id: int | None = None) -> None:
    """The buyer has not confirmed that it came: what counts as delivered (of all parts, or of one) is not completed by
    the clock before a person, who is called by a ticket, or the buyer says so. The timeline tells it, once until then.
    """
    lock_order(order_id)
    parts = SubOrder.objects.filter(order=order_id, state=SubOrderState.DELIVERED)
    if sub_order_id is not None:
        parts = parts.filter(pk=sub_order_id)
    delivered = list(parts.order_by("id").select_for_update(no_key=True, of=("self",)))
    stopped = [part.pk for part in delivered if part.needs_person_since is None]
    SubOrder.objects.filter(pk__in=stopped).update(needs_person_since=Now())
    troubles = [tickets.Trouble(part.pk, values={"number": part.number}, about_id=order_id) for part in delivered]
    tickets.open_tickets(RECEIPT_DENIED, troubles, opened_by=actor.name)
    if stopped or not OrderEvent.objects.filter(order_id=order_id, kind=kinds.RECEIPT_NOT_CONFIRMED.code).exists():
        timeline.record(order_id, kinds.RECEIPT_NOT_CONFIRMED, actor)


STAGE = Stage("complete", run, wakes=("owing",), backlog=backlog)
