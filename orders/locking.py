"""Locking an order for a change: always the order first, then its sub-orders by id."""

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from oms.common.errors import ChangedMeanwhile
from oms.common.transactions import require_transaction
from orders.models import Order, SubOrder


def lock_order(order_id: int, *, version: int | None = None) -> Order:
    """The order, locked. Needs an open transaction.

    Raises Order.DoesNotExist, and ChangedMeanwhile if a `version` is given and is not the order's any more.
    """
    require_transaction("lock_order")
    order = Order.objects.select_for_update(no_key=True, of=("self",)).get(pk=order_id)
    if version is not None and order.version != version:
        raise ChangedMeanwhile(_("The order was changed meanwhile. Look at it again and repeat what you wanted."))
    return order


def lock_sub_orders(order_id: int) -> list[SubOrder]:
    """The sub-orders of a locked order, locked by id.

    While we wait for a sub-order, the allocate stage may split parts off it, which the waiting statement does not see.
    So it looks again until there are no new ones: the parts of locked sub-orders cannot grow more.
    """
    require_transaction("lock_sub_orders")
    locked: list[SubOrder] = []
    while True:
        others = SubOrder.objects.filter(order_id=order_id).exclude(pk__in=[part.pk for part in locked])
        new = list(others.order_by("id").select_for_update(no_key=True, of=("self",)))
        if not new:
            return locked
        locked += new


def lock_sub_order(sub_order_id: int) -> SubOrder:
    """The sub-order, locked with its order and all that the order has. Needs an open transaction. Raises
    SubOrder.DoesNotExist."""
    order_id = SubOrder.objects.values_list("order_id", flat=True).get(pk=sub_order_id)
    lock_order(order_id)
    return next(part for part in lock_sub_orders(order_id) if part.pk == sub_order_id)


def lock_orders(order_ids: Iterable[int]) -> list[int]:
    """Lock the orders by id, skipping those that others hold; returns the ids locked. Needs an open transaction."""
    require_transaction("lock_orders")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM orders_order WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
            [list(order_ids)],
        )
        return [key for (key,) in cursor.fetchall()]


def lock_orders_of(rows: QuerySet[Any]) -> None:
    """Lock the orders of these rows by id, waiting for whoever holds them. Needs an open transaction."""
    require_transaction("lock_orders_of")
    orders = Order.objects.filter(pk__in=rows.order_by().values("order")).order_by("pk")
    list(orders.select_for_update(no_key=True, of=("self",)).values_list("pk"))


def mark_changed(order_id: int) -> None:
    """Let a locked order count as changed where something beside it was: who looked at it before must look again."""
    Order.objects.filter(pk=order_id).update(remark=F("remark"))
