"""Writing the one story of an order. Stages write theirs in bulk; services on one order use `record`."""

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import InvalidToken
from django.db import connection, transaction
from django.utils.translation import gettext as _

from oms.common import secrecy
from oms.common.copying import copy_rows
from oms.common.errors import OmsError
from orders import kinds
from orders.actors import Actor
from orders.kinds import EventKind
from orders.models import ActorKind, Order, OrderEvent

logger = logging.getLogger(__name__)
LONGEST_NOTE = 2000


def record(
    order_id: int,
    kind: EventKind,
    actor: Actor,
    *,
    sub_order_id: int | None = None,
    from_state: str = "",
    to_state: str = "",
    changes: Mapping[str, tuple[str, str]] | None = None,
    **data: Any,
) -> None:
    """Append one event to the order's timeline, in the running transaction.

    `changes` are old and new values by name; they may be personal, so they are kept sealed (`changes_of`). Raises
    ValueError for data that the kind does not name.
    """
    _check(kind, data)
    OrderEvent.objects.create(
        order_id=order_id,
        sub_order_id=sub_order_id,
        kind=kind.code,
        actor_kind=actor.kind,
        actor=actor.name,
        from_state=from_state,
        to_state=to_state,
        data=data or None,
        sealed=secrecy.seal(json.dumps(changes)) if changes else None,
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """An event for `record_all`, of whatever order; of a kind that moves nothing."""

    order_id: int
    kind: EventKind
    actor: Actor
    data: Mapping[str, Any]


def record_all(entries: Iterable[Entry]) -> None:
    """Append these events to the timelines of their orders, in this order and in the running transaction. One COPY.

    Raises ValueError for data that a kind does not name.
    """
    rows = []
    for entry in entries:
        _check(entry.kind, entry.data)
        data = json.dumps(dict(entry.data))
        rows.append((entry.order_id, entry.kind.code, entry.actor.kind, entry.actor.name, data))
    if rows:
        copy_rows("orders_orderevent", ("order_id", "kind", "actor_kind", "actor", "data"), rows)


def record_of_sub_orders(sub_order_ids: Iterable[int], kind: EventKind, actor: Actor, **data: Any) -> None:
    """Append the same event for each sub-order; its number and warehouse are filled in. One statement.

    Of a kind that moves, each sub-order's last move is told: call it once after every move. Raises ValueError for data
    that the kind does not name.
    """
    _check(kind, data)
    moves = "s.moved_from, s.state" if kind.moves else "'', ''"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_orderevent
                (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state, data)
            SELECT s.order_id, s.id, %(kind)s, %(actor_kind)s, %(actor)s, {moves},
                jsonb_build_object('number', s.number, 'warehouse', w.code) || %(data)s::jsonb
            FROM orders_suborder s LEFT JOIN inventory_warehouse w ON w.id = s.warehouse_id
            WHERE s.id = ANY(%(ids)s) ORDER BY s.id
            """,
            {
                "ids": list(sub_order_ids),
                "kind": kind.code,
                "actor_kind": actor.kind,
                "actor": actor.name,
                "data": json.dumps(data),
            },
        )


def _check(kind: EventKind, data: Collection[str]) -> None:
    unknown = set(data) - kind.fields
    if unknown:
        raise ValueError(f"events of the kind {kind} have no {', '.join(sorted(unknown))}")


def changes_of(event: OrderEvent) -> dict[str, tuple[str, str]]:
    """Old and new values, by name, of what the event changed; for those who may see them. None where no key opens
    them."""
    if event.sealed is None:
        return {}
    try:
        opened = json.loads(secrecy.unseal(event.sealed))
    except InvalidToken:
        logger.warning("no key opens what event %d changed", event.pk)
        return {}
    return {name: (old, new) for name, (old, new) in opened.items()}


def note_text(text: str) -> str:
    """What a person wrote, as it is kept. Raises OmsError if it is empty or too long."""
    said = text.strip()
    if not said:
        raise OmsError(_("A note needs a text."), attr="text")
    if len(said) > LONGEST_NOTE:
        raise OmsError(_("A note has at most 2,000 characters."), attr="text")
    return said


@transaction.atomic
def add_note(order_id: int, *, text: str, actor: Actor) -> None:
    """Keep a plain note of staff or merchant on the order; those of `orders.changing.noting` can do more. Raises
    Order.DoesNotExist, OmsError if it is empty or too long."""
    said = note_text(text)
    Order.objects.only("id").get(pk=order_id)
    # A merchant's note is its own to read again; staff's notes stay with staff.
    record(order_id, kinds.MERCHANT_NOTE if actor.kind == ActorKind.MERCHANT else kinds.NOTE, actor, text=said)
