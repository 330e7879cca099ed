"""Whether goods may be paid on delivery: what their merchant says of it, else where they lie."""

from collections.abc import Callable, Iterable
from enum import StrEnum

from django.db import connection

from inventory import hosting
from inventory.models import Stock
from oms.common.copying import array
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


def takes_cod(terms: CodTerms, sku_id: int, lies_with_us: Callable[[int], bool]) -> bool:
    """Whether a SKU of a merchant with these terms may be paid on delivery; `lies_with_us` is asked, by the SKU's id,
    only where that decides it."""
    return terms == CodTerms.YES or (terms == CodTerms.IN_OUR_WAREHOUSES and lies_with_us(sku_id))


def lying_with_us(sku_ids: Iterable[int]) -> frozenset[int]:
    """Those of the SKUs for which a warehouse of ours has a place. One statement."""
    ours = Stock.objects.filter(
        sku__in=list(sku_ids), warehouse__is_active=True, warehouse__merchant__kind=Merchant.Kind.SELF_OPERATED
    ).filter(hosting.is_kept())
    return frozenset(ours.order_by().values_list("sku_id", flat=True).distinct())


def refusing_cod(sku_ids: Iterable[int]) -> frozenset[int]:
    """Those of the SKUs that may not be paid on delivery. At most two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s.id, {COD_TERMS} FROM inventory_sku s JOIN merchants_merchant m ON m.id = s.merchant_id"
            " WHERE s.id = ANY(%s::bigint[])",
            [array(sku_ids)],
        )
        terms = {sku_id: CodTerms(said) for sku_id, said in cursor.fetchall()}
    undecided = [sku_id for sku_id, said in terms.items() if said == CodTerms.IN_OUR_WAREHOUSES]
    ours = lying_with_us(undecided) if undecided else frozenset()
    return frozenset(sku_id for sku_id, said in terms.items() if not takes_cod(said, sku_id, ours.__contains__))
