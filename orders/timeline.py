"""Writing the one story of an order. Stages write theirs in bulk; services on one order use `record`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from oms.common.copying import copy_rows
from oms.common.errors import OmsError
from orders.actors import Actor
from orders.models import ActorKind, Order, OrderEvent


def record(
    order_id: int,
    kind: str,
    actor: Actor,
    *,
    sub_order_id: int | None = None,
    from_state: str = "",
    to_state: str = "",
    is_public: bool = False,
    **data: Any,
) -> None:
    """Append one event to the order's timeline, in the running transaction."""
    OrderEvent.objects.create(
        order_id=order_id,
        sub_order_id=sub_order_id,
        kind=kind,
        actor_kind=actor.kind,
        actor=actor.name,
        from_state=from_state,
        to_state=to_state,
        is_public=is_public,
        data=data or None,
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """An event for `record_all`, of whatever order."""

    order_id: int
    kind: str
    actor: Actor
    data: Mapping[str, Any]
    is_public: bool = False


def record_all(entries: Iterable[Entry]) -> None:
    """Append these events to the timelines of their orders, in this order and in the running transaction. One COPY."""
    rows = [
        (entry.order_id, entry.kind, entry.actor.kind, entry.actor.name, entry.is_public, json.dumps(dict(entry.data)))
        for entry in entries
    ]
    if rows:
        copy_rows("orders_orderevent", ("order_id", "kind", "actor_kind", "actor", "is_public", "data"), rows)


def record_of_sub_orders(
    sub_order_ids: Iterable[int], kind: str, actor: Actor, *, to_state: str = "", is_public: bool = False, **data: Any
) -> None:
    """Append the same event for each sub-order; its number and warehouse are filled in. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO orders_orderevent
                (order_id, sub_order_id, kind, actor_kind, actor, to_state, is_public, data)
            SELECT s.order_id, s.id, %(kind)s, %(actor_kind)s, %(actor)s, %(to_state)s, %(public)s,
                jsonb_build_object('number', s.number, 'warehouse', w.code) || %(data)s::jsonb
            FROM orders_suborder s LEFT JOIN inventory_warehouse w ON w.id = s.warehouse_id
            WHERE s.id = ANY(%(ids)s) ORDER BY s.id
            """,
            {
                "ids": list(sub_order_ids),
                "kind": kind,
                "actor_kind": actor.kind,
                "actor": actor.name,
                "to_state": to_state,
                "public": is_public,
                "data": json.dumps(data),
            },
        )


@transaction.atomic
def add_note(order_id: int, *, text: str, actor: Actor) -> None:
    """Keep a note of staff or merchant on the order. Raises OmsError if it is empty or too long."""
    text = text.strip()
    if not text:
        raise OmsError(_("A note needs a text."), attr="text")
    if len(text) > 2000:
        raise OmsError(_("A note has at most 2,000 characters."), attr="text")
    Order.objects.only("id").get(pk=order_id)
    # A merchant's note is its own to read again; staff's notes stay with staff.
    record(order_id, "merchant_note" if actor.kind == ActorKind.MERCHANT else "note", actor, text=text)
