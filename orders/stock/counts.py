"""Stock-takes with a second look: counted by page, scanner or file, then approved; what was found is a fact."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from inventory import coded, counting, hosting, receiving, reserving
from inventory.models import (
    CountState,
    MovementNote,
    Sku,
    SkuBarcode,
    Stock,
    StockCount,
    StockCountLine,
    StockMovement,
    Warehouse,
)
from inventory.purchasing import OtherContents
from oms.common import tickets
from oms.common.copying import array
from oms.common.door.api import check_version
from oms.common.errors import FieldError, OmsError
from oms.common.models import Team
from oms.common.tickets import Shown
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.stock import stocktaking

UNITS_MISSING = tickets.register_kind(
    tickets.TicketKind(
        "units_missing",
        gettext_lazy("Goods that a count did not find"),
        "stock",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=4),
        reasons={
            "": gettext_lazy(
                "%(warehouse)s lacks %(units)s units of %(sku)s that are promised to orders it is working on."
            )
        },
        remedies=gettext_lazy(
            "Cancel sub-orders at the warehouse, so that they are sourced anew; then write the frozen units off on the"
            " page of the stock. Where the goods turn up, free them there."
        ),
        can_retry=False,
    )
)


def _show(ids: Collection[int]) -> Mapping[int, Shown]:
    found = Stock.objects.filter(pk__in=ids).select_related("warehouse", "sku")
    return {one.pk: Shown(str(one), reverse("admin:inventory_stock_change", args=[one.pk])) for one in found}


tickets.register_subject("stock", _show)


@dataclass(frozen=True, slots=True)
class Counted:
    """Units that lie there of a SKU, by its code or barcode."""

    code: str
    units: int


def begin(warehouse: Warehouse, *, merchant: Merchant | None = None, reason: str = "", actor: Actor) -> StockCount:
    """A new count of a warehouse: of a merchant's goods, or of all. Raises NotKept where they cannot lie there."""
    if merchant is not None and not hosting.host(warehouse).takes(merchant.pk):
        raise hosting.not_kept(warehouse)
    return StockCount.objects.create(warehouse=warehouse, merchant=merchant, reason=reason, counted_by=actor.name)


@transaction.atomic
def count(count_id: int, rows: Sequence[Counted], *, adds: bool = False) -> list[FieldError]:
    """Note what was counted, each row for itself; returns what is wrong with the others. A SKU that is counted again
    gets the newer figure, or (`adds`, as a scanner does) the sum; what the books said stays that of the first time.

    Raises OmsError where the count is not open any more.
    """
    taken = StockCount.objects.select_related("warehouse").get(pk=count_id)
    skus = Sku.objects.all() if taken.merchant_id is None else Sku.objects.filter(merchant=taken.merchant_id)
    found, wrong = _read(rows, _skus(taken.warehouse, skus, {row.code for row in rows}))
    # The stock before the count, as where one is booked: what the books say is not between two bookings then.
    reserving.lock_stock(receiving.rows_of({(taken.warehouse_id, sku) for sku in found.values()}).values())
    taken = StockCount.objects.select_for_update(of=("self",)).select_related("warehouse").get(pk=count_id)
    if taken.state != CountState.COUNTING:
        raise OmsError(_("This count is closed. Reopen it, or begin another."))
    units: dict[int, int] = {}
    for index, sku in found.items():
        units[sku] = rows[index].units + (units.get(sku, 0) if adds else 0)
    _note(taken, units, adds=adds)
    return wrong


def _read(rows: Sequence[Counted], known: Mapping[str, Sequence[Sku]]) -> tuple[dict[int, int], list[FieldError]]:
    """The SKUs (ids) of the rows, by the places of these, and what is wrong with the other rows."""
    found: dict[int, int] = {}
    wrong: list[FieldError] = []
    for index, row in enumerate(rows):
        skus = known.get(row.code, [])
        if len(skus) != 1:
            several = _("Several merchants have %(sku)s here. Begin a count that says whose goods it is of.")
            text = several if skus else _("There is no SKU %(sku)s.")
            wrong.append(FieldError(f"rows.{index}.code", "not_found", text % {"sku": row.code}))
        elif skus[0].sells_codes:
            wrong.append(FieldError(f"rows.{index}.code", coded.CountedByCodes.code, str(coded.refusal(skus[0]))))
        elif not 0 <= row.units <= counting.MOST_UNITS:
            detail = _("Give a whole number from 0 to %(most)d.") % {"most": counting.MOST_UNITS}
            wrong.append(FieldError(f"rows.{index}.units", "invalid", detail))
        else:
            found[index] = skus[0].pk
    return found, wrong


def _note(taken: StockCount, units: Mapping[int, int], *, adds: bool) -> None:
    """Write units by SKU (id), whose stock is locked, into the count's lines. A few statements."""
    rows = receiving.rows_of({(taken.warehouse_id, sku) for sku in units})
    ordered = [(rows[taken.warehouse_id, sku], some) for sku, some in units.items()]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO inventory_stockcountline AS line (count_id, stock_id, expected, counted, after_movement)
            SELECT %s, s.id, s.on_hand, w.units,
                coalesce((SELECT max(m.id) FROM inventory_stockmovement m WHERE m.stock_id = s.id), 0)
            FROM unnest(%s::bigint[], %s::int[]) WITH ORDINALITY AS w(id, units, place)
            JOIN inventory_stock s USING (id) ORDER BY w.place
            ON CONFLICT (count_id, stock_id) DO UPDATE SET counted = {"line.counted + " if adds else ""}EXCLUDED.counted
            """,
            [taken.pk, array(key for key, _units in ordered), array(some for _key, some in ordered)],
        )


def _skus(warehouse: Warehouse, skus: QuerySet[Sku], codes: set[str]) -> dict[str, list[Sku]]:
    """Those of the SKUs that it keeps and that a code or barcode may mean: codes before barcodes of a merchant."""
    found: dict[str, list[Sku]] = {}
    for sku in skus.filter(code__in=codes):
        found.setdefault(sku.code, []).append(sku)
    for barcode in SkuBarcode.objects.filter(code__in=codes, sku__in=skus).select_related("sku"):
        if all(sku.merchant_id != barcode.merchant_id for sku in found.get(barcode.code, [])):
            found.setdefault(barcode.code, []).append(barcode.sku)
    place = hosting.host(warehouse)
    return {
        code: [sku for sku in several if place.may_keep(sku.merchant_id, sku.storage_class)]
        for code, several in found.items()
    }


def _locked(count_id: int, version: int) -> StockCount:
    taken = StockCount.objects.select_for_update().get(pk=count_id)
    check_version(taken, version)
    return taken


@transaction.atomic
def submit(count_id: int, *, version: int) -> StockCount:
    """All is counted: it may be approved. Raises OmsError where nothing was counted, ChangedMeanwhile."""
    taken = _locked(count_id, version)
    if not taken.lines.exists():
        raise OmsError(_("Nothing was counted yet."))
    taken.submit()
    taken.save(update_fields=["state"])
    return taken


@transaction.atomic
def reopen(count_id: int, *, version: int) -> StockCount:
    """Something is to be counted again. Raises ChangedMeanwhile."""
    taken = _locked(count_id, version)
    taken.reopen()
    taken.save(update_fields=["state"])
    return taken


@transaction.atomic
def dismiss(count_id: int, *, reason: str, actor: Actor, version: int) -> StockCount:
    """It counts for nothing. Raises ChangedMeanwhile."""
    taken = _locked(count_id, version)
    taken.dismiss()
    return _decide(taken, reason, actor)


@transaction.atomic
def approve(count_id: int, *, reason: str, actor: Actor, version: int) -> StockCount:
    """Book every difference, less what other counts booked of it meanwhile. What lacks beyond the promises that can be
    taken away is frozen, and a ticket opened.

    Raises ChangedMeanwhile, and OmsError without a reason.
    """
    if not reason.strip():
        raise OmsError(_("Say why the figures differ."), attr="reason")
    # Sub-orders are locked before stock, and the count after both: nobody waits for a count while holding stock.
    lines = list(StockCountLine.objects.filter(count_id=count_id).select_related("stock__sku", "stock__warehouse"))
    lines.sort(key=lambda line: (line.stock.warehouse_id, line.stock.sku_id))
    stocktaking.lock_for_counting([line.stock_id for line in lines])
    taken = _locked(count_id, version)
    taken.approve()
    booked = _booked_since(count_id)
    left = {line.stock_id: line.difference - booked.get(line.stock_id, 0) for line in lines}
    differences = {stock_id: units for stock_id, units in left.items() if units}
    missing = stocktaking.find_differences(differences, actor=actor, note=MovementNote.STOCK_TAKE)
    troubles = []
    lacking = [line for line in lines if line.stock_id in missing]
    for line in lacking:
        line.missing = missing[line.stock_id]
        values = {"warehouse": line.stock.warehouse.code, "sku": line.stock.sku.code, "units": line.missing}
        troubles.append(tickets.Trouble(line.stock_id, "", values))
    StockCountLine.objects.bulk_update(lacking, ["missing"])
    tickets.open_tickets(UNITS_MISSING, troubles, opened_by=actor.name)
    return _decide(taken, reason, actor)


def _booked_since(count_id: int) -> dict[int, int]:
    """Units that other counts booked since the lines of this one were counted first, by stock row. Only counts lock the
    stock before they write: their movements come in the order of their numbers."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT line.stock_id, sum(m.on_hand_change)::int
            FROM inventory_stockcountline line JOIN inventory_stockmovement m
                ON m.stock_id = line.stock_id AND m.id > line.after_movement
            WHERE line.count_id = %s AND m.kind = '{StockMovement.Kind.STOCK_TAKE}' AND m.note = %s
            GROUP BY 1
            """,
            [count_id, MovementNote.STOCK_TAKE],
        )
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class ToldCount:
    """What came of a count that was told as a whole: the lines of its rows, by their places, and what is wrong with the
    other rows."""

    lines: Mapping[int, StockCountLine]
    wrong: Sequence[FieldError]


@transaction.atomic
def tell(
    merchant: Merchant, warehouse: Warehouse, rows: Sequence[Counted], *, reference: str, reason: str, actor: Actor
) -> ToldCount:
    """Note and book what the merchant counted of its goods in a warehouse, as far as the rows can be read; told again
    by the same reference it is booked no second time.

    Raises OtherContents where the reference stands for another count, and OmsError without a reason.
    """
    found, wrong = _read(rows, _skus(warehouse, Sku.objects.visible_to(merchant), {row.code for row in rows}))
    first: dict[int, int] = {}
    for index, sku in found.items():
        if first.setdefault(sku, index) != index:
            detail = _("This SKU stands in an earlier line.")
            wrong.append(FieldError(f"rows.{index}.code", "named_twice", detail))
    if not first:
        return ToldCount({}, wrong)
    units = {sku: rows[index].units for sku, index in first.items()}
    taken, is_new = StockCount.objects.get_or_create(
        warehouse=warehouse, reference=reference, defaults={"counted_by": actor.name, "merchant": merchant}
    )
    if is_new:
        # What the books say is read under the locks: of two counts at once each books what the other left.
        stocktaking.lock_for_counting(list(receiving.rows_of({(warehouse.pk, sku) for sku in units}).values()))
        _note(taken, units, adds=False)
        submit(taken.pk, version=taken.version)
        version = StockCount.objects.values_list("version", flat=True).get(pk=taken.pk)
        approve(taken.pk, reason=reason, actor=actor, version=version)
    lines = {line.stock.sku_id: line for line in taken.lines.select_related("stock")}
    if {sku: line.counted for sku, line in lines.items()} != units:
        text = pgettext("count", "The reference %(reference)s was used for other goods.") % {"reference": reference}
        raise OtherContents(text, attr="reference")
    return ToldCount({index: lines[sku] for sku, index in first.items()}, wrong)


@transaction.atomic
def tell_differences(
    warehouse: Warehouse, differences: Mapping[int, int], *, reference: str, reason: str, actor: Actor
) -> StockCount | None:
    """Note and book what a warehouse found of its SKUs (by id) beyond what the books say, or fewer (negative), by the
    number of its count; None where that was told before. Raises OmsError without a reason."""
    taken, is_new = StockCount.objects.get_or_create(
        warehouse=warehouse, reference=reference, defaults={"counted_by": actor.name}
    )
    if not is_new:
        return None
    rows = receiving.rows_of({(warehouse.pk, sku) for sku in differences})
    stocktaking.lock_for_counting(list(rows.values()))
    there = dict(Stock.objects.filter(pk__in=rows.values()).values_list("sku_id", "on_hand"))
    _note(taken, {sku: max(there[sku] + units, 0) for sku, units in differences.items()}, adds=False)
    submit(taken.pk, version=taken.version)
    version = StockCount.objects.values_list("version", flat=True).get(pk=taken.pk)
    return approve(taken.pk, reason=reason, actor=actor, version=version)


def _decide(taken: StockCount, reason: str, actor: Actor) -> StockCount:
    taken.reason, taken.decided_by, taken.decided_at = reason.strip()[:200], actor.name, timezone.now()
    taken.save(update_fields=["state", "reason", "decided_by", "decided_at"])
    return taken
