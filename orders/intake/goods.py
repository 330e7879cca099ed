"""What an order needs to know of the goods that it names."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from inventory.models import UNKNOWN_GOODS, Sku, Stock, StorageClass
from oms.merchants.models import Merchant


class CodTerms(StrEnum):
    """Whether a merchant's goods may be paid on delivery."""

    YES = "yes"
    NO = "no"
    IN_OUR_WAREHOUSES = "in_our_warehouses"  # only those that lie there


# SQL for the terms of a merchant `m`.
COD_TERMS = f"""
    CASE WHEN m.accepts_cod THEN '{CodTerms.YES}' WHEN NOT m.accepts_cod THEN '{CodTerms.NO}'
         WHEN m.kind = '{Merchant.Kind.SELF_OPERATED}' THEN '{CodTerms.YES}'
         ELSE '{CodTerms.IN_OUR_WAREHOUSES}' END
"""


class UnknownGoods(msgspec.Struct, frozen=True):
    """What a door says of goods that nobody knows: whether it gives them no price, so that the list price counts once
    it is known what they are, and whether they are virtual."""

    is_unpriced: bool = False
    is_virtual: bool = False


NOTHING_SAID = UnknownGoods()


class KnownSku(msgspec.Struct, frozen=True, gc=False):
    """What intake needs to know of a SKU."""

    id: int
    code: str
    merchant: str
    name: str
    is_virtual: bool
    cod: CodTerms
    floor_price: int = 0  # fen a unit; no deduction of an order may push it lower


def lying_with_us(sku_ids: Iterable[int]) -> frozenset[int]:
    """Those of the SKUs for which a warehouse of ours has a place. One statement."""
    ours = Stock.objects.filter(
        sku__in=list(sku_ids), warehouse__is_active=True, warehouse__merchant__kind=Merchant.Kind.SELF_OPERATED
    )
    return frozenset(ours.order_by().values_list("sku_id", flat=True).distinct())


def placeholder(merchant: Merchant, *, is_virtual: bool = False) -> KnownSku:
    """What lines point to whose goods nobody has named yet, virtual where the caller says so; made where the merchant
    has none. At most three statements."""
    every = Sku._base_manager
    found = every.filter(merchant=merchant, code=UNKNOWN_GOODS).values_list("pk", flat=True).first()
    if found is None:
        new = Sku(merchant=merchant, code=UNKNOWN_GOODS, storage_class=StorageClass.GENERAL, is_active=False)
        every.bulk_create([new], ignore_conflicts=True)
        found = every.values_list("pk", flat=True).get(merchant=merchant, code=UNKNOWN_GOODS)
    # Whether it may be paid on delivery is asked once it is known what it is.
    return KnownSku(found, UNKNOWN_GOODS, merchant.code, "", is_virtual, CodTerms.YES)
