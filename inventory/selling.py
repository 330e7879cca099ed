"""What merchants sell, and keeping their own catalogue."""

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from inventory.models import Sku
from oms.common.door.api import check_version
from oms.common.errors import OmsError
from oms.merchants.models import Merchant


def sold_by(merchant: Merchant, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Sku]:
    """Those of the SKUs (merchant's code, SKU's code) that channels of the merchant may sell now: its own, and a
    self-operated merchant those of every active one. One statement."""
    pairs = set(wanted)
    skus = Sku.objects.filter(code__in={code for _owner, code in pairs}, is_active=True).select_related("merchant")
    if merchant.kind != Merchant.Kind.SELF_OPERATED:
        skus = skus.filter(merchant=merchant)
    return {
        (sku.merchant.code, sku.code): sku
        for sku in skus
        if (sku.merchant.code, sku.code) in pairs
        and (sku.merchant_id == merchant.pk or sku.merchant.status == Merchant.Status.ACTIVE)
    }


class SkuExists(OmsError):
    """The merchant has a SKU of that code already."""

    code = "duplicate"


def add_sku(merchant: Merchant, values: dict[str, Any]) -> Sku:
    """A new SKU of the merchant. Raises SkuExists, and OmsError for half of what taxes it."""
    _check_tax(Sku(**values))
    try:
        with transaction.atomic():
            sku = Sku.objects.create(merchant=merchant, **values)
    except IntegrityError as error:
        if "sku_code_is_unique_in_merchant" not in str(error):
            raise
        raise SkuExists(_("You have a SKU %(code)s already.") % {"code": values["code"]}, attr="code") from error
    return Sku.objects.get(pk=sku.pk)


@transaction.atomic
def change_sku(sku_id: int, values: dict[str, Any], *, version: int) -> Sku:
    """Change what is given. Orders keep the names and prices that they came with. Raises ChangedMeanwhile,
    and OmsError for half of what taxes it."""
    sku = Sku.objects.select_for_update(of=("self",)).get(pk=sku_id)
    check_version(sku, version)
    for name, value in values.items():
        setattr(sku, name, value)
    _check_tax(sku)
    if values:
        Sku.objects.filter(pk=sku_id).update(**values)
    return Sku.objects.get(pk=sku_id)


def _check_tax(sku: Sku) -> None:
    """Class and rate are said together, and why no tax is charged only with a rate of 0."""
    if bool(sku.tax_code) != (sku.tax_rate is not None):
        raise OmsError(_("Give tax class and rate together."), attr="tax_rate")
    if sku.tax_mark and sku.tax_rate != 0:
        raise OmsError(_("With a reason for no tax the rate is 0."), attr="tax_mark")
