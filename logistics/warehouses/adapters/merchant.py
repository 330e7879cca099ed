"""Warehouses that their merchant runs (protocol `merchant`): what they are asked for lies on the merchants' pages and
in the API, and the merchant answers there (`logistics.by_merchant`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from logistics.warehouses.adapters import Answer, Request
from oms.common.models import Connection


class MerchantWarehouse:
    """See `logistics.warehouses.adapters.WarehouseSystem`."""

    def release(self, link: Connection, requests: Sequence[Request]) -> Mapping[str, Answer]:
        """Every order is taken: the merchant sees it from now on."""
        return {request.reference: Answer(taken=True) for request in requests}

    def cancel(self, link: Connection, references: Sequence[str]) -> Mapping[str, Answer]:
        """A person of the merchant answers."""
        return {reference: Answer(taken=False, is_later=True) for reference in references}

    def stock(self, link: Connection, warehouse: str) -> Mapping[str, Any] | None:
        """Its stock is that of the books, which the merchant keeps by itself."""
        return None


WAREHOUSE = MerchantWarehouse()
