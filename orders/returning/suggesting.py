"""Whose a parcel may be that nobody knows: returns and sub-orders that fit by serial number, waybill, phone and
goods."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from oms.common.copying import array
from oms.common.states import listed
from orders.asked import parcels
from orders.models import ReturnRequest, StrayParcel, SubOrder
from orders.models.return_request import ENDED_WITHOUT, EXPECTED, ReturnState
from orders.models.sub_order import ARRIVED
from orders.returning import serials

MOST = 12
_WITHIN = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A return, or a sub-order of which nobody asked for one, that the parcel may be of, with what speaks for it."""

    part: SubOrder
    request: ReturnRequest | None
    by_serial: bool
    by_waybill: bool
    by_phone: bool
    by_goods: bool

    @property
    def weight(self) -> int:
        """How much speaks for it: a serial number more than a waybill, that more than a phone, and that more than
        goods."""
        return 8 * self.by_serial + 4 * self.by_waybill + 2 * self.by_phone + self.by_goods


def suggest(parcel: StrayParcel) -> Sequence[Suggestion]:
    """The likeliest first. A fixed number of statements."""
    units = [(unit.sku_id, unit.serials) for unit in parcel.units.all() if unit.sku_id is not None]
    skus = [sku_id for sku_id, _numbers in units]
    numbered = {*serials.whose([(sku_id, one) for sku_id, numbers in units for one in numbers])}
    outgoing = (
        {one.sub_order_id for one in parcels.find(waybills=[parcel.waybill_number])} if parcel.waybill_number else set()
    )
    open_ones = ReturnRequest.objects.filter(state__in=[*EXPECTED, *ENDED_WITHOUT, ReturnState.REQUESTED])
    named = Q(waybill_number=parcel.waybill_number) if parcel.waybill_number else Q(pk=None)
    told = Q(sub_order__in=outgoing | numbered) | Q(sub_order__in=_parts(parcel.phone_tail, skus))
    related = ("order", "sub_order", "reason")
    rows = list(open_ones.filter(named | told).select_related(*related).order_by("-pk")[: 3 * MOST])
    with_return = {row.sub_order_id for row in rows}
    others = (outgoing | numbered | {*_parts(parcel.phone_tail, skus)}) - with_return
    parts = SubOrder.objects.filter(pk__in=others, state__in=ARRIVED).select_related("order").order_by("-pk")
    goods = _goods_of([*with_return, *others])
    found = [_weighed(parcel, row.sub_order, row, outgoing, numbered, goods, skus) for row in rows] + [
        _weighed(parcel, part, None, outgoing, numbered, goods, skus) for part in parts[: 3 * MOST]
    ]
    return sorted((one for one in found if one.weight), key=lambda one: (-one.weight, one.request is None))[:MOST]


def _weighed(
    parcel: StrayParcel,
    part: SubOrder,
    request: ReturnRequest | None,
    outgoing: set[int],
    numbered: set[int],
    goods: dict[int, set[int]],
    skus: Sequence[int],
) -> Suggestion:
    is_named = bool(parcel.waybill_number and request and request.waybill_number == parcel.waybill_number)
    return Suggestion(
        part,
        request,
        part.pk in numbered,
        is_named or part.pk in outgoing,
        bool(parcel.phone_tail) and part.order.recipient_phone.endswith(parcel.phone_tail),
        bool(skus) and {*skus} <= goods.get(part.pk, set()),
    )


def _parts(phone_tail: str, sku_ids: Sequence[int]) -> list[int]:
    """Sub-orders that arrived lately, have one of these SKUs, and whose recipient's phone ends so, if that is known;
    the newest first."""
    if not sku_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT s.id FROM orders_orderline ol
            JOIN orders_suborderline l ON l.order_line_id = ol.id JOIN orders_suborder s ON s.id = l.sub_order_id
            JOIN orders_order o ON o.id = s.order_id
            WHERE ol.sku_id = ANY(%s::bigint[]) AND s.state IN ({listed(ARRIVED)}) AND s.delivered_at > %s
              AND (%s = '' OR right(o.recipient_phone, 4) = %s)
              AND l.quantity > l.returned_quantity
            ORDER BY s.id DESC LIMIT %s
            """,
            [array(sku_ids), timezone.now() - _WITHIN, phone_tail, phone_tail, 3 * MOST],
        )
        return [key for (key,) in cursor.fetchall()]


def _goods_of(part_ids: Sequence[int]) -> dict[int, set[int]]:
    """The SKUs (ids) of sub-orders."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.sub_order_id, ol.sku_id FROM orders_suborderline l"
            " JOIN orders_orderline ol ON ol.id = l.order_line_id WHERE l.sub_order_id = ANY(%s::bigint[])",
            [array(part_ids)],
        )
        found: dict[int, set[int]] = {}
        for part, sku in cursor.fetchall():
            found.setdefault(part, set()).add(sku)
        return found
