"""Merchants keeping their own catalogue."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from inventory.models import Sku
from oms.common.door.api import check_version
from oms.common.errors import OmsError
from oms.merchants.models import Merchant


class SkuExists(OmsError):
    """The merchant has a SKU of that code already."""

    code = "duplicate"


def add_sku(merchant: Merchant, values: dict[str, Any]) -> Sku:
    """A new SKU of the merchant. Raises SkuExists."""
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
    """Change what is given. Orders keep the names and prices that they came with. Raises ChangedMeanwhile."""
    sku = Sku.objects.select_for_update(of=("self",)).get(pk=sku_id)
    check_version(sku, version)
    if values:
        Sku.objects.filter(pk=sku_id).update(**values)
    return Sku.objects.get(pk=sku_id)
