"""The goods that merchants name by the LOC interface: by their SKUs' codes, or by the codes of the channel."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from inventory.models import Sku, StorageClass
from oms.common.money import yuan
from oms.doors.loc.base import CHANNEL, Code, LocError
from oms.merchants.models import Merchant
from orders.matching import known


@dataclass(frozen=True, slots=True)
class Listed:
    """Goods that a LOC caller may name: what one piece costs by the list (yuan; 0: not known), and whether nothing of
    it is packed. One that is not `is_known` waits until somebody says what it is."""

    price: Decimal
    is_virtual: bool
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The goods that a LOC caller named, by code; with `may_wait` the channel takes codes that nobody knows."""

    goods: Mapping[str, Listed]
    may_wait: bool

    def find(self, code: str, attr: str) -> Listed:
        """What the code stands for. Raises LocError."""
        if code in self.goods:
            return self.goods[code]
        if not self.may_wait:
            raise LocError(Code.ITEM_NOT_FOUND, _("There is no item %(code)s.") % {"code": code}, attr=attr)
        return Listed(Decimal(0), is_virtual=True, is_known=False)


def listed_goods(merchant: Merchant, codes: Iterable[str]) -> Catalogue:
    """The goods of these codes: what the codes of the channel stand for, where it matches SKUs, else the SKUs."""
    codes = [code for code in codes if "\0" not in code]
    skus = Sku.objects.visible_to(merchant).filter(code__in=codes, is_active=True)
    listed = {sku.code: Listed(sku.list_price, sku.storage_class == StorageClass.VIRTUAL) for sku in skus}
    matching = _matching(merchant)
    for (_channel, code), parts in known.read(matching, codes).items() if matching else ():
        price, is_virtual = yuan(known.list_price_of(parts)), all(part.sku.is_virtual for part in parts)
        listed[code] = Listed(price, is_virtual, is_known=all(part.is_sold for part in parts))
    return Catalogue(listed, may_wait=bool(matching))


def sku_of(merchant: Merchant, code: str) -> Sku:
    """The merchant's own SKU that the code means: what the channel's code stands for, where that is one unit of one
    SKU, else the SKU of that code. Raises LocError."""
    visible = Sku.objects.visible_to(merchant)
    matching = _matching(merchant)
    parts = known.read(matching, [code]) if matching else {}
    for part in (of_code[0] for of_code in parts.values() if len(of_code) == 1 and of_code[0].units == 1):
        if sku := visible.filter(pk=part.sku.id).first():
            return sku
    sku = visible.filter(code=code).first() if "\0" not in code else None
    if sku is None:
        raise LocError(Code.ITEM_NOT_FOUND, _("There is no such item."), attr="item_id")
    return sku


def _matching(merchant: Merchant) -> list[int]:
    """The merchant's channel of this interface, if it matches codes to SKUs."""
    return list(merchant.channels.filter(code=CHANNEL, matches_skus=True).values_list("pk", flat=True))
