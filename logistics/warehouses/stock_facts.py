"""What warehouses tell of their stock, applied: reports are compared, counts and changes booked, and what came or went
of stock orders is received and sent. See `logistics.warehouses.stock_notices`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from inventory import hosting, lots, purchase_arrivals, purchasing, receiving, serials, transfer_arrivals, transferring
from inventory.lots import LotMove
from inventory.models import Quality, Sku, StockCount, StockLot, StockMovement, TransferLine, Warehouse
from inventory.purchasing import Unloaded
from logistics.models import StockOrder, StockOrderKind, StockOrderState, WarehouseOrder
from logistics.warehouses import comparing, returned_goods, stock_notices
from logistics.warehouses.announcing import STOCK_ORDER_TROUBLE, trouble
from logistics.warehouses.comparing import StockReport
from logistics.warehouses.stock_notices import Change, Count, Counted, Moved, Noted
from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.masking import mask_text
from oms.common.models import FactState, InboundFact, Topic
from oms.common.work.callbacks import STOCK_REPORT
from oms.common.work.facts import APPLIED, NO_EFFECT, Fact, FactWork, Verdict, fact_stage
from orders import actors
from orders.stock import counts, stocktaking

ACTOR = actors.job("stock_facts")
# Words on a stock order that people must see.
_TROUBLES = ("EXCEPTION", "REJECT", "CANCELED", "CLOSED", "CANCELEDFAIL")
_OF_ORDERS = (
    stock_notices.GOODS_RECEIVED,
    stock_notices.GOODS_SENT,
    stock_notices.GOODS_RETURNED,
    stock_notices.DOCUMENT_NOTED,
)
_MOST_OF_A_REFERENCE = 64


def _understand(fact: Fact) -> Any:
    """What it says. Raises ValueError for another kind, msgspec.ValidationError for a wrong body."""
    if fact.kind == STOCK_REPORT:
        return msgspec.convert(fact.body, StockReport)
    return stock_notices.read(fact.kind, fact.body)


@dataclass(frozen=True, slots=True)
class _Place:
    code: str
    connection_id: int


def _locate(found: Sequence[Fact]) -> dict[int, int]:
    """The warehouse (id) of each fact, as far as only the connection that it came over speaks of it. A count whose
    pages are not all there waits."""
    numbers = {fact.subject for fact in found if fact.kind in _OF_ORDERS}
    orders = {
        _Place(number, link): warehouse
        for number, link, warehouse in StockOrder.objects.filter(number__in=numbers).values_list(
            "number", "connection_id", "warehouse_id"
        )
    }
    asked = {fact.id: _place_of(fact) for fact in found if fact.kind not in _OF_ORDERS}
    places = {
        _Place(code, link): key
        for code, link, key in Warehouse.objects.filter(code__in={one.code for one in asked.values()}).values_list(
            "code", "connection_id", "pk"
        )
    }
    located = {key: places[one] for key, one in asked.items() if one in places}
    for fact in found:
        if (place := _Place(fact.subject, fact.connection_id)) in orders and fact.kind in _OF_ORDERS:
            located[fact.id] = orders[place]
        if fact.kind == stock_notices.STOCK_COUNT and _pages(fact) is None:
            located.pop(fact.id, None)
    return located


def _place_of(fact: Fact) -> _Place:
    code = str(fact.body.get("warehouse", "")) if fact.kind == stock_notices.STOCK_COUNT else fact.subject
    return _Place(code, fact.connection_id)


def _pages(fact: Fact) -> list[Count] | None:
    """All pages of the count that the fact is a page of; None while some are missing."""
    told = InboundFact.objects.filter(
        connection_id=fact.connection_id, kind=fact.kind, subject=fact.subject, topic=Topic.STOCK
    ).exclude(state=FactState.DISCARDED)
    pages: dict[int, Count] = {}
    for body in told.order_by("-id").values_list("body", flat=True):
        page = msgspec.convert(body, Count)
        pages[page.page] = page  # of a page that was told twice the first one counts
    wanted = range(1, max(page.pages for page in pages.values()) + 1)
    return [pages[number] for number in wanted] if all(number in pages for number in wanted) else None


def _lock(warehouse_ids: Iterable[int]) -> set[int]:
    rows = Warehouse.objects.filter(pk__in=list(warehouse_ids)).order_by("pk")
    return set(rows.select_for_update(no_key=True, skip_locked=True, of=("self",)).values_list("pk", flat=True))


def _apply(found: Sequence[Fact], _warehouse_ids: Sequence[int]) -> Mapping[int, Verdict]:
    verdicts = {}
    for fact in sorted(found, key=lambda fact: (fact.occurred_at, fact.id)):
        verdicts[fact.id] = _APPLIED_BY[fact.kind](fact, _understand(fact))
    return verdicts


def _compare(fact: Fact, report: StockReport) -> Verdict:
    place = Warehouse.objects.get(code=fact.subject, connection_id=fact.connection_id)
    differs = comparing.compare(place, report, fact.occurred_at)
    return Verdict(FactState.CONTRADICTED, "stock_differs") if differs else APPLIED


# --- What was counted, and what changed


def _count(fact: Fact, page: Count) -> Verdict:
    """Book the whole count with the first of its pages that is worked on; the others have no effect any more."""
    place = Warehouse.objects.get(code=page.warehouse, connection_id=fact.connection_id)
    reference = fact.subject[:_MOST_OF_A_REFERENCE]
    if StockCount.objects.filter(warehouse=place, reference=reference).exists():
        return NO_EFFECT
    good: dict[int, int] = {}
    others: list[tuple[Sku, Counted]] = []
    for part in _pages(fact) or [page]:
        skus = _skus(place, part.merchant, {item.sku for item in part.items})
        for item in part.items:
            sku = skus[item.sku]
            if item.quality == Quality.GOOD:
                good[sku.pk] = good.get(sku.pk, 0) + item.difference
            else:
                others.append((sku, item))
    reason = fact.key[:200]
    if not good:
        # Something must say that it was booked.
        good = {sku.pk: 0 for sku, _item in others[:1]}
    if not good:
        return NO_EFFECT
    counts.tell_differences(place, good, reference=reference, reason=reason, actor=ACTOR)
    for sku, item in others:
        _change_quality(place, sku, item.quality, item.difference, note=reference)
    return APPLIED


def _change(fact: Fact, change: Change) -> Verdict:
    """Book a change, where the warehouse's changes are booked at all and it is of no document that we know."""
    if not change.moves_stock:
        return Verdict(FactState.NO_EFFECT, "only_noted")
    if change.document and (
        WarehouseOrder.objects.filter(number=change.document).exists()
        or StockOrder.objects.filter(number=change.document).exists()
    ):
        return Verdict(FactState.NO_EFFECT, "is_confirmed_apart")
    place = Warehouse.objects.get(code=fact.subject, connection_id=fact.connection_id)
    sku = _skus(place, change.merchant, {change.sku})[change.sku]
    if not change.difference:
        return NO_EFFECT
    if change.quality != Quality.GOOD:
        _change_quality(place, sku, change.quality, change.difference, note=change.document)
        return APPLIED
    difference = {sku.pk: change.difference}
    counts.tell_differences(place, difference, reference=_reference(fact.key), reason=fact.key[:200], actor=ACTOR)
    return APPLIED


def _reference(key: str) -> str:
    """The key, or what stands for one that is longer than a reference."""
    return key if len(key) <= _MOST_OF_A_REFERENCE else f"{key[:39]}:{sha256(key.encode()).hexdigest()[:24]}"


def _skus(place: Warehouse, merchant: str, codes: set[str]) -> dict[str, Sku]:
    """The SKUs of that merchant (by code; empty: the warehouse's own), which the warehouse keeps. Raises OmsError."""
    owner = {"merchant__code": merchant} if merchant else {"merchant_id": place.merchant_id}
    host = hosting.host(place)
    found = {
        sku.code: sku
        for sku in Sku.objects.filter(code__in=codes, **owner)
        if host.may_keep(sku.merchant_id, sku.storage_class)
    }
    if missing := codes - found.keys():
        raise OmsError(_("There is no SKU %(sku)s.") % {"sku": f"{merchant} {', '.join(sorted(missing))}".strip()})
    return found


def _change_quality(place: Warehouse, sku: Sku, quality: str, units: int, *, note: str) -> None:
    """Book units that are not good: more, or fewer as far as the books have any. Raises OmsError."""
    if units > 0:
        kind = StockMovement.Kind.STOCK_TAKE
        receiving.receive_all(
            place.pk, [receiving.Arrived(sku.pk, units, quality)], actor=ACTOR.name, note=note[:200], kind=kind
        )
        return
    (stock_id,) = receiving.rows_of({(place.pk, sku.pk)}).values()
    stocktaking.lock_for_counting([stock_id])
    there = StockLot.objects.filter(stock_id=stock_id, quality=quality, on_hand__gt=0).order_by("pk")
    taken = lots.spread(-units, [(one.pk, one.on_hand) for one in there])
    if sum(some for _key, some in taken) < -units:
        raise OmsError(_("There are not so many units of that quality: %(sku)s.") % {"sku": sku.code})
    moves = [LotMove(key, -some) for key, some in taken]
    lots.book(moves, StockMovement.Kind.STOCK_TAKE, actor=ACTOR.name, note=note[:200])


# --- What came and went of stock orders


def _locked(fact: Fact) -> StockOrder:
    rows = StockOrder.objects.select_related("warehouse", "purchase_order__merchant", "transfer__merchant")
    return rows.select_for_update(no_key=True, of=("self",)).get(number=fact.subject, connection_id=fact.connection_id)


def _receive(fact: Fact, moved: Moved) -> Verdict:
    """Receive what came; of what does not come although nothing more will, a person is told."""
    row = _locked(fact)
    if row.return_request_id is not None:
        return _take_back(fact, moved)
    reference = _reference(fact.key)
    if row.kind == StockOrderKind.OUT:
        raise OmsError(_("Goods came of %(number)s, which goes out.") % {"number": row.number})
    unloaded = _with_fitting_numbers(row, moved, reference)
    if unloaded and row.transfer is not None:
        transfer_arrivals.receive(
            row.transfer.pk, unloaded, reference=reference, actor=ACTOR.name, note=row.number, is_fact=True
        )
    elif unloaded and row.purchase_order is not None:
        purchase_arrivals.receive_goods(
            row.warehouse,
            unloaded,
            reference=reference,
            actor=ACTOR.name,
            merchant=row.purchase_order.merchant,
            purchase_order=row.purchase_order,
            note=row.number,
            is_fact=True,
        )
    if moved.is_final:
        _end(row)
        missing = _missing(row)
        if missing:
            _tell(row, "short", goods=missing)
    return APPLIED if unloaded or moved.is_final else NO_EFFECT


def _with_fitting_numbers(row: StockOrder, moved: Moved, reference: str) -> Sequence[Unloaded]:
    """What came, with the serial numbers that can be kept; of others a person is told."""
    told = [Unloaded(one.sku, one.quantity, one.quality, one.lot, one.best_before, one.serials) for one in moved.lines]
    of = row.transfer or row.purchase_order
    if of is None or not any(one.serials for one in told):
        return told
    serials.lock(number for one in told for number in one.serials)
    skus = purchasing.by_code_or_barcode(of.merchant, {one.sku for one in told})
    transfer_id = row.transfer.pk if row.transfer is not None else None
    kept = serials.keep_what_fits(skus, told, reference=reference, transfer_id=transfer_id)
    if kept.left_out:
        _tell(row, "numbers_not_kept", goods=kept.left_out)
    return kept.unloaded


def _take_back(fact: Fact, moved: Moved) -> Verdict:
    """Goods of a return came: they are received and inspected as the warehouse says."""
    row = _locked(fact)
    if row.return_request_id is None:
        raise OmsError(_("Goods came back of %(number)s, which is no return.") % {"number": row.number})
    trouble_of, goods = returned_goods.take(row, moved, actor=ACTOR)
    if moved.is_final:
        _end(row)
    if trouble_of:
        _tell(row, trouble_of, goods=goods)
        return Verdict(FactState.CONTRADICTED, trouble_of)
    return APPLIED if moved.lines or moved.is_final else NO_EFFECT


def _missing(row: StockOrder) -> str:
    """What of it did not come, in words."""
    if row.purchase_order is not None:
        lines = [(one.sku.code, one.quantity - one.received) for one in row.purchase_order.lines.select_related("sku")]
    else:
        moved = TransferLine.objects.filter(transfer=row.transfer).select_related("sku")
        lines = [(one.sku.code, one.shipped - one.received) for one in moved]
    return ", ".join(f"{code} × {units}" for code, units in lines if units > 0)


def _send(fact: Fact, moved: Moved) -> Verdict:
    """Send the transfer on its way once the warehouse said that all left; what is not as it was set aside is left to a
    person."""
    row = _locked(fact)
    if row.transfer is None or row.kind != StockOrderKind.OUT:
        raise OmsError(_("Goods left for %(number)s, which comes in.") % {"number": row.number})
    units = dict(row.told)
    for one in moved.lines:
        units[one.sku] = units.get(one.sku, 0) + one.quantity
    row.told = units
    row.save(update_fields=["told"])
    if not moved.is_final:
        return APPLIED
    _end(row)
    wanted = dict(row.transfer.lines.values_list("sku__code", "quantity"))
    gone = {code: some for code, some in units.items() if some}
    if gone != wanted:
        goods = ", ".join(f"{code} {gone.get(code, 0)}/{wanted.get(code, 0)}" for code in sorted({*gone, *wanted}))
        _tell(row, "sent_other", goods=goods)
        return Verdict(FactState.CONTRADICTED, "sent_other")
    transferring.ship(row.transfer.pk, actor=ACTOR.name, note=row.number)
    return APPLIED


def _end(row: StockOrder) -> None:
    if row.state not in (StockOrderState.DONE, StockOrderState.REFUSED):
        row.finish()
        row.ready_at = None
        row.save(update_fields=["state", "ready_at"])


def _note(fact: Fact, noted: Noted) -> Verdict:
    if noted.word not in _TROUBLES:
        return NO_EFFECT
    _tell(_locked(fact), "told", text=mask_text(f"{noted.word} {noted.text}".strip())[:300])
    return APPLIED


def _tell(row: StockOrder, reason: str, **values: str) -> None:
    tickets.open_tickets(STOCK_ORDER_TROUBLE, [trouble(row, reason, **values)], opened_by=ACTOR.name)


_APPLIED_BY: Mapping[str, Callable[[Fact, Any], Verdict]] = {
    STOCK_REPORT: _compare,
    stock_notices.STOCK_COUNT: _count,
    stock_notices.STOCK_CHANGED: _change,
    stock_notices.GOODS_RECEIVED: _receive,
    stock_notices.GOODS_SENT: _send,
    stock_notices.GOODS_RETURNED: _take_back,
    stock_notices.DOCUMENT_NOTED: _note,
}
WORK = FactWork(Topic.STOCK, _locate, _lock, _apply, _understand)
STAGE = fact_stage(WORK)
run = STAGE.run
