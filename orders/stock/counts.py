"""Stock-takes with a second look: counted by page, scanner or file, then approved; what was found is a fact."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory import counting, hosting, receiving
from inventory.models import (
    CountState,
    MovementNote,
    Sku,
    SkuBarcode,
    Stock,
    StockCount,
    StockCountLine,
    Warehouse,
)
from oms.common import tickets
from oms.common.errors import ChangedMeanwhile, FieldError, OmsError
from oms.common.models import Team
from oms.common.tickets import Shown
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


def begin(warehouse: Warehouse, *, reason: str = "", actor: Actor) -> StockCount:
    """A new count of a warehouse."""
    return StockCount.objects.create(warehouse=warehouse, reason=reason, counted_by=actor.name)


@transaction.atomic
def count(count_id: int, rows: Sequence[Counted], *, adds: bool = False) -> list[FieldError]:
    """Note what was counted, each row for itself; returns what is wrong with the others. A SKU that is counted again
    gets the newer figure, or (`adds`, as a scanner does) the sum; what the books said stays that of the first time.

    Raises OmsError where the count is not open any more.
    """
    taken = StockCount.objects.select_for_update(of=("self",)).select_related("warehouse").get(pk=count_id)
    if taken.state != CountState.COUNTING:
        raise OmsError(_("This count is closed. Reopen it, or begin another."))
    wrong: list[FieldError] = []
    known = _skus(taken.warehouse, {row.code for row in rows})
    for index, row in enumerate(rows):
        found = known.get(row.code, [])
        if len(found) != 1:
            several = _("Several merchants have %(sku)s. Name its SKU code.")
            text = several if found else _("There is no SKU %(sku)s.")
            wrong.append(FieldError(f"rows.{index}.code", "not_found", text % {"sku": row.code}))
        elif not 0 <= row.units <= counting.MOST_UNITS:
            detail = _("Give a whole number from 0 to %(most)d.") % {"most": counting.MOST_UNITS}
            wrong.append(FieldError(f"rows.{index}.units", "invalid", detail))
        else:
            _note(taken, found[0], row.units, adds=adds)
    return wrong


def _note(taken: StockCount, sku: Sku, units: int, *, adds: bool) -> None:
    place = (taken.warehouse_id, sku.pk)
    stock = Stock.objects.get(pk=receiving.rows_of([place])[place])
    line, is_new = StockCountLine.objects.get_or_create(
        count=taken, stock=stock, defaults={"expected": stock.on_hand, "counted": units}
    )
    if not is_new:
        StockCountLine.objects.filter(pk=line.pk).update(counted=F("counted") + units if adds else units)


def _skus(warehouse: Warehouse, codes: set[str]) -> dict[str, list[Sku]]:
    """The SKUs it keeps that a code or barcode may mean: those of the warehouse's merchant before those of guests."""
    found: dict[str, list[Sku]] = {}
    for sku in Sku.objects.filter(code__in=codes):
        found.setdefault(sku.code, []).append(sku)
    for barcode in SkuBarcode.objects.filter(code__in=codes).select_related("sku"):
        if all(sku.pk != barcode.sku_id for sku in found.get(barcode.code, [])):
            found.setdefault(barcode.code, []).append(barcode.sku)
    place = hosting.host(warehouse)
    kept = {
        code: [sku for sku in skus if place.may_keep(sku.merchant_id, sku.storage_class)]
        for code, skus in found.items()
    }
    own = {code: [sku for sku in skus if sku.merchant_id == warehouse.merchant_id] for code, skus in kept.items()}
    return {code: own[code] or skus for code, skus in kept.items()}


def _locked(count_id: int, version: int) -> StockCount:
    taken = StockCount.objects.select_for_update().get(pk=count_id)
    if taken.version != version:
        raise ChangedMeanwhile(_("The count was changed meanwhile. Look at it again."), attr="version")
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
    """Book every difference. What lacks beyond the promises that can be taken away is frozen, and a ticket opened.

    Raises ChangedMeanwhile, and OmsError without a reason.
    """
    if not reason.strip():
        raise OmsError(_("Say why the figures differ."), attr="reason")
    # Sub-orders are locked before stock, and the count after both: nobody waits for a count while holding stock.
    lines = list(StockCountLine.objects.filter(count_id=count_id).select_related("stock__sku", "stock__warehouse"))
    lines.sort(key=lambda line: (line.stock.warehouse_id, line.stock.sku_id))
    stocktaking.lock_for_counting([line.stock_id for line in lines if line.difference])
    taken = _locked(count_id, version)
    taken.approve()
    troubles = []
    for line in lines:
        if not line.difference:
            continue
        note = MovementNote.STOCK_TAKE
        line.missing = stocktaking.find_difference(line.stock_id, line.difference, actor=actor, note=note)
        if line.missing:
            line.save(update_fields=["missing"])
            values = {"warehouse": line.stock.warehouse.code, "sku": line.stock.sku.code, "units": line.missing}
            troubles.append(tickets.Trouble(line.stock_id, "", values))
    tickets.open_tickets(UNITS_MISSING, troubles, opened_by=actor.name)
    return _decide(taken, reason, actor)


def _decide(taken: StockCount, reason: str, actor: Actor) -> StockCount:
    taken.reason, taken.decided_by, taken.decided_at = reason.strip()[:200], actor.name, timezone.now()
    taken.save(update_fields=["state", "reason", "decided_by", "decided_at"])
    return taken
