"""Virtual goods skip warehouse and carrier: a code is delivered to the buyer, who confirms the receipt.

Orders whose merchant delivers by itself (the LOC interface) are left to it.
"""

import secrets
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, transaction
from django.utils.translation import gettext as _

from inventory import reserving
from inventory.models import StorageClass
from logistics import kinds
from logistics.models import VirtualDelivery
from oms.common import secrecy
from oms.common.errors import OmsError
from oms.common.work import nudging
from oms.common.work.claiming import Queue, Stage, claim
from orders import actors, isolating, timeline
from orders.actors import Actor
from orders.fulfilling import derived as fulfilment
from orders.fulfilling.presale import NOT_YET
from orders.locking import lock_order, lock_sub_orders
from orders.models import SubOrder, SubOrderLine, SubOrderState
from orders.reviewing.holds import ORDER_IS_HELD

_MERCHANT_DELIVERS = "EXISTS (SELECT FROM orders_order o WHERE o.id = q.order_id AND o.merchant_delivers)"
QUEUE = Queue(
    SubOrder,
    f"q.state = '{SubOrderState.ALLOCATED}' AND q.storage_class = '{StorageClass.VIRTUAL}'",
    unless=f"q.cancel_requested_at IS NOT NULL OR {ORDER_IS_HELD} OR {_MERCHANT_DELIVERS} OR {NOT_YET}",
)

# So many characters at the end of a code are shown to staff, if it has four times as many.
HINT = 4


class CannotDeliver(OmsError):
    """There is nothing to deliver now."""

    code = "cannot_deliver"


class DeliveredOtherwise(OmsError):
    """Something else was delivered before."""

    code = "delivered_otherwise"


def run(limit: int) -> int:
    """Deliver up to `limit` virtual sub-orders; returns how many."""
    with connection.cursor() as cursor:
        # The order is locked before its sub-orders, so the first look takes no locks.
        cursor.execute(
            f"SELECT q.id, q.order_id FROM orders_suborder q WHERE {QUEUE.condition()} ORDER BY q.ready_at LIMIT %s",
            [limit],
        )
        ready = cursor.fetchall()
    return isolating.work_on("deliver_virtual", ready, _deliver)


def _deliver(sub_order_ids: list[int], order_ids: list[int]) -> int:
    mine = claim(QUEUE, len(sub_order_ids), only=sub_order_ids)
    if not mine:
        return 0
    VirtualDelivery.objects.bulk_create(
        [
            VirtualDelivery(sub_order_id=key, **_sealed(VirtualDelivery.Kind.ACTIVATION_CODE, _new_code()))
            for key in mine
        ]
    )
    _book(mine, order_ids, actors.job("deliver_virtual"))
    return len(mine)


@transaction.atomic
def deliver(order_id: int, kind: VirtualDelivery.Kind, content: str, *, actor: Actor) -> None:
    """Deliver the merchant's own code, link or account for the order's virtual parts; said again, nothing happens.

    Raises CannotDeliver where nothing virtual is ready, and DeliveredOtherwise.
    """
    order = lock_order(order_id)
    parts = [part for part in lock_sub_orders(order_id) if part.is_virtual and part.state != SubOrderState.CANCELLED]
    earlier = VirtualDelivery.objects.filter(sub_order__in=parts)
    if parts and len(earlier) == len(parts):
        if any((delivery.kind, delivery.opened()) != (kind, content) for delivery in earlier):
            raise DeliveredOtherwise(_("Something else was delivered for this order before."))
        return
    if not parts:
        raise CannotDeliver(
            _("Nothing virtual of the order is ready: %(state)s.") % {"state": order.get_state_display()}
        )
    for part in parts:
        if part.state != SubOrderState.ALLOCATED or part.cancel_requested_at or order.open_holds:
            state = _("held") if order.open_holds else part.get_state_display()
            raise CannotDeliver(_("Nothing virtual of the order is ready: %(state)s.") % {"state": state})
    VirtualDelivery.objects.bulk_create([VirtualDelivery(sub_order=part, **_sealed(kind, content)) for part in parts])
    _book([part.pk for part in parts], [order_id], actor)
    nudging.nudge("complete", "owing")


def _book(mine: list[int], order_ids: list[int], actor: Actor) -> None:
    """Take the sub-orders to delivered, their units out of the stock, and tell the timeline."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborder SET state = '{SubOrderState.DELIVERED}', shipped_at = now(), delivered_at = now(),
                ready_at = NULL
            WHERE id = ANY(%s)
            """,
            [mine],
        )
        cursor.execute(
            """
            UPDATE orders_order SET owed_changed_since = coalesce(owed_changed_since, now()) WHERE id IN (
                SELECT order_id FROM orders_suborder WHERE id = ANY(%s) AND payment_method = 'cod')
            """,
            [mine],
        )
    lines = SubOrderLine.objects.filter(sub_order_id__in=mine).values_list("id", flat=True)
    reserving.consume(list(lines), actor="deliver_virtual")
    timeline.record_of_sub_orders(mine, kinds.VIRTUAL_DELIVERED, actor)
    fulfilment.refresh(order_ids)


def _sealed(kind: VirtualDelivery.Kind, content: str) -> dict[str, Any]:
    return {"kind": kind, "content": secrecy.seal(content), "hint": hint_of(kind, content)}


def hint_of(kind: VirtualDelivery.Kind, content: str) -> str:
    """What tells a delivery apart without giving it away: the end of a long code, a link's host, nothing of an
    account.
    """
    if kind == VirtualDelivery.Kind.DOWNLOAD_LINK:
        return (urlsplit(content).hostname or "")[:80]
    if kind == VirtualDelivery.Kind.ACTIVATION_CODE and len(content) >= 4 * HINT:
        return f"…{content[-HINT:]}"
    return ""


def _new_code() -> str:
    """An activation code of 80 random bits, in groups that can be read out."""
    text = secrets.token_hex(10).upper()
    return "-".join(text[i : i + 5] for i in range(0, 20, 5))


STAGE = Stage("deliver_virtual", run, wakes=("complete", "owing"), queue=QUEUE)
