"""Goods that were bought: what is on order, and the receipts that come of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory import coded, hosting
from inventory.hosting import Host
from inventory.models import (
    PurchaseOrder,
    PurchaseOrderLine,
    PurchaseState,
    Quality,
    Sku,
    Warehouse,
)
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE
from oms.common import tickets
from oms.common.door.api import check_version
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.models import Team, TicketResult
from oms.common.tickets import Shown, Trouble
from oms.merchants.models import Merchant


@dataclass(frozen=True, slots=True)
class Bought:
    """Units of a SKU (by code) that were bought; without a day of its own it comes on the purchase order's."""

    sku: str
    quantity: int
    expected_on: date | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """Units that are on order for a place and not there yet, by the day when they should be (None: nobody knows)."""

    warehouse_id: int
    sku_id: int
    expected_on: date | None
    units: int


@dataclass(frozen=True, slots=True)
class Unloaded:
    """Units of a SKU (by code or barcode) that came, as somebody at the gate tells them, with their serial numbers
    where the SKU has such."""

    sku: str
    units: int
    quality: str = Quality.GOOD
    lot: str = ""
    best_before: date | None = None
    serials: Sequence[str] = ()


# Who gives a later day mistyped it.
LONGEST_WAIT = timedelta(days=730)
# Nothing was decided about their end.
UNFINISHED = (PurchaseState.DRAFT, PurchaseState.OPEN)
TO_BUY = tickets.register_kind(
    tickets.TicketKind(
        "purchase_to_approve",
        gettext_lazy("A purchase is to be approved"),
        "purchase_order",
        team=Team.LOGISTICS,
        due_within=timedelta(days=1),
        reasons={
            "": gettext_lazy("Purchase order %(number)s for %(warehouse)s is a draft: nothing of it is expected.")
        },
        remedies=gettext_lazy("Approve it with its supplier and the day on which it should come, or call it off."),
        can_retry=False,
    )
)


def _shown(order_ids: Collection[int]) -> dict[int, Shown]:
    found = PurchaseOrder.objects.filter(pk__in=order_ids)
    return {one.pk: Shown(str(one), reverse("admin:inventory_purchaseorder_change", args=[one.pk])) for one in found}


tickets.register_subject("purchase_order", _shown)


class OtherContents(OmsError):
    """The reference was used for something else."""

    code = "duplicate"


class NotExpected(OmsError):
    """The purchase order is over, or of another warehouse."""

    code = "not_open"


def expected(warehouse_ids: Collection[int], sku_ids: Collection[int]) -> list[Expected]:
    """What is on order and not there yet, the earliest first; `incoming.expected` has what else comes."""
    day = Coalesce("expected_on", "order__expected_on")
    rows = (
        open_lines()
        .filter(order__warehouse_id__in=warehouse_ids, sku_id__in=sku_ids)
        .values_list("order__warehouse_id", "sku_id", day)
        .annotate(units=Sum(F("quantity") - F("received")))
        .order_by(day.asc(nulls_last=True), "order__warehouse_id", "sku_id")
    )
    return [Expected(*row) for row in rows]


def open_lines() -> QuerySet[PurchaseOrderLine]:
    """Lines of which something is still expected."""
    return PurchaseOrderLine.objects.filter(order__state=PurchaseState.OPEN, received__lt=F("quantity"))


def on_order(places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Units on order by (warehouse id, SKU id), also of drafts: what somebody is to buy is not suggested again."""
    wanted = set(places)
    found: dict[tuple[int, int], int] = dict.fromkeys(wanted, 0)
    lines = PurchaseOrderLine.objects.filter(
        order__state__in=UNFINISHED,
        received__lt=F("quantity"),
        order__warehouse_id__in={warehouse for warehouse, _sku in wanted},
        sku_id__in={sku for _warehouse, sku in wanted},
    )
    for warehouse, sku, units in lines.values_list("order__warehouse_id", "sku_id").annotate(
        units=Sum(F("quantity") - F("received"))
    ):
        if (warehouse, sku) in wanted:
            found[warehouse, sku] += units
    return found


@transaction.atomic
def order(
    merchant: Merchant,
    number: str,
    warehouse: Warehouse,
    lines: Sequence[Bought],
    *,
    supplier: str = "",
    expected_on: date | None = None,
    is_draft: bool = False,
    actor: str,
) -> PurchaseOrder:
    """Note what was bought; the same number with the same contents again changes nothing. Of a draft nothing is
    expected before it is approved, and a ticket asks for that.

    Raises WrongFields for rows that cannot be taken and for days that are over or too late, and OtherContents where the
    number stands for something else.
    """
    skus = _by_code(merchant, lines)
    if wrong := _problems(skus, lines, warehouse):
        raise WrongFields(wrong)
    found, is_new = PurchaseOrder.objects.get_or_create(
        merchant=merchant,
        number=number,
        defaults={
            "warehouse": warehouse,
            "supplier": supplier,
            "expected_on": expected_on,
            "created_by": actor,
            "state": PurchaseState.DRAFT if is_draft else PurchaseState.OPEN,
        },
    )
    contents = sorted((skus[line.sku].pk, line.quantity, line.expected_on) for line in lines)
    if is_new:
        # Only of what is new: told again another day, it is the same order still.
        if wrong := _wrong_days(expected_on, lines):
            raise WrongFields(wrong)
        PurchaseOrderLine.objects.bulk_create(
            [
                PurchaseOrderLine(order=found, sku_id=sku, quantity=quantity, expected_on=day)
                for sku, quantity, day in contents
            ]
        )
        if is_draft:
            values = {"number": number, "warehouse": warehouse.code}
            tickets.open_tickets(TO_BUY, [Trouble(found.pk, values=values)], opened_by=actor)
    elif found.warehouse_id != warehouse.pk or contents != sorted(
        found.lines.values_list("sku_id", "quantity", "expected_on")
    ):
        raise OtherContents(_("There is another purchase order %(number)s.") % {"number": number}, attr="number")
    return PurchaseOrder.objects.get(pk=found.pk)


def _by_code(merchant: Merchant, lines: Sequence[Bought]) -> dict[str, Sku]:
    return {sku.code: sku for sku in Sku.objects.visible_to(merchant).filter(code__in={line.sku for line in lines})}


def problems(merchant: Merchant, lines: Sequence[Bought], warehouse: Warehouse) -> list[FieldError]:
    """What keeps these lines from being bought for the warehouse, by row."""
    return _problems(_by_code(merchant, lines), lines, warehouse)


def _problems(skus: Mapping[str, Sku], lines: Sequence[Bought], warehouse: Warehouse) -> list[FieldError]:
    wrong = []
    place = hosting.host(warehouse)
    seen: set[str] = set()
    if not lines:
        wrong.append(FieldError("lines", "required", _("Give at least one line.")))
    for row, line in enumerate(lines):
        if line.sku not in skus:
            wrong.append(unknown_sku(row, line.sku))
        if line.sku in seen:
            wrong.append(FieldError(f"lines.{row}.sku", "named_twice", _("This SKU stands in an earlier line.")))
        seen.add(line.sku)
        if line.sku in skus:
            wrong += hosting.wrong_keeper(row, skus[line.sku], place)
            wrong += coded.wrong_line(row, skus[line.sku])
        wrong += wrong_units(row, line.quantity, "quantity")
    return wrong


def wrong_day(day: date | None, attr: str) -> list[FieldError]:
    """What is wrong with a day on which goods should come: it is over, or so late that it is a slip."""
    today = timezone.localdate()
    if day is not None and day < today:
        return [FieldError(attr, "invalid", _("The day is over already: give today or a later one."))]
    if day is not None and day > today + LONGEST_WAIT:
        last = (today + LONGEST_WAIT).isoformat()
        text = _("The day is more than two years ahead: give one up to %(last)s, or none while nobody knows it.")
        return [FieldError(attr, "invalid", text % {"last": last})]
    return []


def _wrong_days(expected_on: date | None, lines: Sequence[Bought]) -> list[FieldError]:
    days = [
        ("expected_on", expected_on),
        *((f"lines.{row}.expected_on", one.expected_on) for row, one in enumerate(lines)),
    ]
    return [error for attr, day in days for error in wrong_day(day, attr)]


def unknown_sku(row: int, code: str) -> FieldError:
    """That the row names a SKU that the merchant does not have."""
    return FieldError(f"lines.{row}.sku", "not_found", _("There is no SKU %(sku)s.") % {"sku": code})


def wrong_units(row: int, units: int, attr: str) -> list[FieldError]:
    """What is wrong with the number of units of a row, if anything."""
    if 1 <= units <= MOST_UNITS_OF_A_LINE:
        return []
    detail = _("Give a whole number from 1 to %(most)d.") % {"most": MOST_UNITS_OF_A_LINE}
    return [FieldError(f"lines.{row}.{attr}", "invalid", detail)]


@transaction.atomic
def end(order_id: int, *, is_cancelled: bool, actor: str, version: int | None = None) -> PurchaseOrder:
    """Expect nothing more of a purchase order; a draft is always cancelled. Raises ChangedMeanwhile where a `version`
    is given that is not the row's any more, and NotExpected where it is over."""
    found = _locked(order_id, version)
    if found.state not in UNFINISHED:
        raise NotExpected(_("The purchase order is over."))
    if is_cancelled or found.state == PurchaseState.DRAFT:
        found.cancel()
    else:
        found.close()
    found.save(update_fields=["state"])
    tickets.close_tickets([TO_BUY], [order_id], closed_by=actor)
    return PurchaseOrder.objects.get(pk=order_id)


@transaction.atomic
def approve(
    order_id: int, *, supplier: str, expected_on: date, actor: str, version: int | None = None
) -> PurchaseOrder:
    """A draft is bought: from whom, and when all of it should come. From now on it is expected, and promised.

    Raises ChangedMeanwhile where a `version` is given that is not the row's any more, NotExpected where it is no draft,
    WrongFields without a supplier and for a day that is over or too late, and NotKept where its goods may not lie there
    any more.
    """
    found = _locked(order_id, version)
    if found.state != PurchaseState.DRAFT:
        raise NotExpected(_("Only drafts are approved."))
    wrong = []
    if not supplier.strip():
        wrong.append(FieldError("supplier", "required", _("Say from whom it is bought.")))
    wrong += wrong_day(expected_on, "expected_on")
    if wrong:
        raise WrongFields(wrong)
    lines = list(found.lines.select_related("sku"))
    place = hosting.host(found.warehouse)
    if not all(place.may_keep(line.sku.merchant_id, line.sku.storage_class) for line in lines):
        raise hosting.not_kept(found.warehouse)
    found.approve()
    found.supplier, found.expected_on = supplier.strip()[:120], expected_on
    found.approved_by, found.approved_at = actor[:80], timezone.now()
    found.save(update_fields=["state", "supplier", "expected_on", "approved_by", "approved_at"])
    # Their own days were what the policies' lead times made of them.
    found.lines.update(expected_on=None)
    tickets.close_tickets([TO_BUY], [order_id], result=TicketResult.DONE, closed_by=actor)
    return PurchaseOrder.objects.get(pk=order_id)


def _locked(order_id: int, version: int | None) -> PurchaseOrder:
    found = PurchaseOrder.objects.select_for_update(of=("self",)).select_related("warehouse").get(pk=order_id)
    if version is not None:
        check_version(found, version)
    return found


def by_code_or_barcode(merchant: Merchant, codes: Collection[str]) -> dict[str, Sku]:
    """The merchant's SKUs by what they were called: their code, or else a barcode. Others are left out."""
    mine = Sku.objects.visible_to(merchant)
    found = {
        code: sku
        for sku in mine.filter(barcodes__code__in=codes).prefetch_related("barcodes")
        for code in (barcode.code for barcode in sku.barcodes.all())
    }
    return {**found, **{sku.code: sku for sku in mine.filter(code__in=codes)}}


def wrong_place(row: int, sku: Sku, place: Host) -> list[FieldError]:
    """What keeps the SKU of a row from lying in the warehouse, if anything."""
    if sku.storage_class in place.warehouse.storage_classes:
        return hosting.wrong_keeper(row, sku, place) or coded.wrong_line(row, sku)
    text = _("Warehouse %(code)s does not keep goods of this storage class.") % {"code": place.warehouse.code}
    return [FieldError(f"lines.{row}.sku", "storage_class_not_kept", text)]
