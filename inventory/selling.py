"""What merchants sell, and keeping their own catalogue."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from inventory import costing, lots, reserving
from inventory.models import Sku, SkuBarcode, Stock
from oms.common.door.api import check_version
from oms.common.errors import OmsError
from oms.common.models import ClockTime
from oms.merchants.models import Merchant


def catalogue_of(merchant: Merchant) -> QuerySet[Sku]:
    """The SKUs, with their merchants, that channels of the merchant may sell now: its own, and a self-operated merchant
    those of every active one."""
    skus = Sku.objects.filter(is_active=True).select_related("merchant")
    if merchant.kind != Merchant.Kind.SELF_OPERATED:
        return skus.filter(merchant=merchant)
    return skus.filter(sold_for_all(merchant))


def sold_for_all(merchant: Merchant) -> Q:
    """The SKUs that channels of a self-operated merchant may sell now: its own, and those of every active merchant that
    is no sandbox."""
    return Q(merchant=merchant) | (
        Q(merchant__status=Merchant.Status.ACTIVE) & ~Q(merchant__kind=Merchant.Kind.SANDBOX)
    )


def sold_by(merchant: Merchant, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Sku]:
    """Those of the SKUs (merchant's code, SKU's code) that channels of the merchant may sell now. One statement."""
    pairs = set(wanted)
    skus = catalogue_of(merchant).filter(code__in={code for _owner, code in pairs})
    return {(sku.merchant.code, sku.code): sku for sku in skus if (sku.merchant.code, sku.code) in pairs}


class BarcodeTaken(OmsError):
    """Another SKU of the merchant has the barcode."""

    code = "duplicate"


class SkuExists(OmsError):
    """The merchant has a SKU of that code already."""

    code = "duplicate"


def add_sku(merchant: Merchant, values: dict[str, Any]) -> Sku:
    """A new SKU of the merchant.

    Raises SkuExists, BarcodeTaken, and OmsError for half of a size or of what taxes it.
    """
    barcodes = values.pop("barcodes", ())
    cost, cost_from = _cost_in(values)
    _check(Sku(**values))
    try:
        with transaction.atomic():
            sku = Sku.objects.create(merchant=merchant, **values)
            set_barcodes(sku, barcodes)
            if cost is not None:
                costing.set_cost(sku.pk, cost, cost_from, actor=merchant.code)
    except IntegrityError as error:
        if "sku_code_is_unique_in_merchant" not in str(error):
            raise
        raise SkuExists(_("You have a SKU %(code)s already.") % {"code": values["code"]}, attr="code") from error
    return Sku.objects.get(pk=sku.pk)


@transaction.atomic
def change_sku(sku_id: int, values: dict[str, Any], *, version: int, actor: str = "") -> Sku:
    """Change what is given; `actor` is the merchant unless said. Orders keep the names and prices that they came with.
    Raises ChangedMeanwhile, BarcodeTaken, and OmsError for half of a size or of what taxes it."""
    sku = Sku.objects.select_for_update(of=("self",)).get(pk=sku_id)
    check_version(sku, version)
    kept_batches = sku.wants_batches
    barcodes = values.pop("barcodes", None)
    cost, cost_from = _cost_in(values)
    for name, value in values.items():
        setattr(sku, name, value)
    _check(sku)
    if sku.sells_codes and sku.wants_batches:
        raise OmsError(_("What sells codes is virtual and keeps no batches."), attr="wants_batches")
    if values:
        Sku.objects.filter(pk=sku_id).update(**values)
    if barcodes is not None:
        set_barcodes(sku, barcodes)
    if cost is not None:
        costing.set_cost(sku_id, cost, cost_from, actor=actor or sku.merchant.code)
    if sku.wants_batches != kept_batches:
        follow_batches(sku, actor=sku.merchant.code)
    return Sku.objects.get(pk=sku_id)


def _cost_in(values: dict[str, Any]) -> tuple[Decimal | None, date | None]:
    """Take the cost price (yuan) out of the values, and from when on it counts. Raises OmsError for a day alone."""
    cost, cost_from = values.pop("cost_price", None), values.pop("cost_from", None)
    if cost_from is not None and cost is None:
        raise OmsError(_("Give the cost price with the day from which on it counts."), attr="cost_price")
    return cost, cost_from


def set_barcodes(sku: Sku, codes: Sequence[str]) -> None:
    """These are the SKU's barcodes now. Raises BarcodeTaken where another SKU of the merchant has one of them."""
    wanted = list(dict.fromkeys(codes))
    kept = set(SkuBarcode.objects.filter(sku=sku).values_list("code", flat=True))
    if kept == set(wanted):
        return
    SkuBarcode.objects.filter(sku=sku).exclude(code__in=wanted).delete()
    # What is shown of the SKU changed, which its counter does not see.
    Sku.objects.filter(pk=sku.pk).update(changed_at=ClockTime(), version=F("version") + 1)
    made = [SkuBarcode(merchant_id=sku.merchant_id, sku=sku, code=code) for code in wanted]
    SkuBarcode.objects.bulk_create(made, ignore_conflicts=True)
    taken = SkuBarcode.objects.filter(merchant_id=sku.merchant_id, code__in=wanted).exclude(sku=sku).first()
    if taken is not None:
        shown = {"code": taken.code, "sku": taken.sku.code}
        raise BarcodeTaken(_("SKU %(sku)s has the barcode %(code)s already.") % shown, attr="barcodes")


def follow_batches(sku: Sku, *, actor: str) -> None:
    """Begin to keep batches of what lies there, or stop. Needs an open transaction in which the SKU was changed.

    Raises OmsError where it is to stop while units lie there: what they were told apart by would be lost.
    """
    rows = Stock.objects.filter(sku=sku)
    reserving.lock_stock(list(rows.values_list("pk", flat=True)))
    if sku.wants_batches:
        lots.begin(sku.pk, actor=actor)
    elif rows.filter(on_hand__gt=0).exists():
        raise OmsError(_("Units lie there by batches. These can be given up when none is left."), attr="wants_batches")
    else:
        rows.update(keeps_lots=False)


def _check(sku: Sku) -> None:
    """Length, width and height are said together; class and rate of tax too, and why no tax is charged only with a rate
    of 0."""
    if len({size is None for size in (sku.length_mm, sku.width_mm, sku.height_mm)}) > 1:
        raise OmsError(_("Give length, width and height together."), attr="length_mm")
    if bool(sku.tax_code) != (sku.tax_rate is not None):
        raise OmsError(_("Give tax class and rate together."), attr="tax_rate")
    if sku.tax_mark and sku.tax_rate != 0:
        raise OmsError(_("With a reason for no tax the rate is 0."), attr="tax_mark")
