"""What an order needs to know of the goods that it names."""

import msgspec

from inventory.cod import CodTerms
from inventory.models import UNKNOWN_GOODS, Sku, StorageClass
from oms.merchants.models import Merchant


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
