"""What another address would make of an order, before anybody confirms it: it is really changed, looked at, and taken
back again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from orders import kinds
from orders.actors import Actor
from orders.changing import readdressing
from orders.changing.readdressing import Recipient
from orders.changing.stamping import stamp_of
from orders.fulfilling import moving
from orders.locking import lock_order, lock_sub_orders
from orders.models import ActorKind, DeliveryPromise, Order, OrderEvent, SubOrder
from orders.models.sub_order import BEFORE_RELEASE
from orders.reviewing import holds
from orders.telling.timeline import changes_of


@dataclass(frozen=True, slots=True)
class PartMoved:
    """What becomes of a sub-order: its warehouse now ("": none yet) and then ("": none has all of it alone), by when it
    is promised now and would come then (None: not known), and what carrying it costs then (fen)."""

    number: str
    warehouse: str
    then: str
    promised_by: datetime | None
    arrives_at: datetime | None
    freight_fen: int | None


@dataclass(frozen=True, slots=True)
class ReaddressPreview:
    """What a change of the recipient would do. `changes` are old and new values by name; `gaps` what would still be
    missing of the address, as sentences; `parts` only where another region is chosen."""

    stamp: str
    last_event: int
    changes: Mapping[str, tuple[str, str]]
    gaps: Sequence[str]
    parts: Sequence[PartMoved]


@transaction.atomic
def preview(order_id: int, new: Recipient, *, version: int | None = None) -> ReaddressPreview:
    """What changing the recipient would do now; nothing is changed. Raises what `readdressing.change_recipient` does.
    Each sub-order that is to go elsewhere is asked of the warehouses by itself."""
    order = lock_order(order_id, version=version)
    sub_orders = lock_sub_orders(order_id)
    stamp = stamp_of(order, sub_orders)
    last_event = order.events.order_by("-id").values_list("id", flat=True).first() or 0
    warehouses = dict(SubOrder.objects.filter(order=order_id).values_list("pk", "warehouse__code"))
    promises = DeliveryPromise.objects.filter(order_id=order_id, superseded_at=None)
    promised = dict(promises.values_list("sub_order_id", "promised_by"))
    undone = transaction.savepoint()
    try:
        then = readdressing.change_recipient(order_id, new, actor=Actor(ActorKind.JOB, "preview"))
        told = OrderEvent.objects.filter(order=order_id, pk__gt=last_event, kind=kinds.RECIPIENT_CHANGED.code).first()
        changes = changes_of(told) if told else {}
        gaps = holds.remedies(Order.objects.select_related("region").get(pk=order_id))
        moved = []
        if then.region_id and then.region_id != order.region_id:
            rows = SubOrder.objects.filter(order=order_id, state__in=BEFORE_RELEASE).select_related("order")
            for part in rows.order_by("id"):
                if not part.is_virtual:
                    moved.append(_of_part(part, warehouses[part.pk] or "", promised.get(part.pk)))
    finally:
        transaction.savepoint_rollback(undone)
    return ReaddressPreview(stamp, last_event, changes, gaps, moved)


def _of_part(part: SubOrder, warehouse: str, promised_by: datetime | None) -> PartMoved:
    chosen = [one for one in moving.options(part) if one.is_chosen]
    if len(chosen) != 1:
        codes = ", ".join(one.code for one in chosen)
        return PartMoved(part.number, warehouse, codes, promised_by, None, None)
    (one,) = chosen
    return PartMoved(part.number, warehouse, one.code, promised_by, one.arrives_at, one.freight_fen)
