"""Goods that a WMS on the 奇门 form must know before it is asked to send them: told once, and once they changed."""

import hashlib
from collections.abc import Collection, Mapping

from django.db.models.functions import Now

from logistics.models import WarehouseItem
from logistics.warehouses.adapters.qimen import bodies, contents, wire
from logistics.warehouses.adapters.qimen.contents import Article
from logistics.warehouses.adapters.qimen.setup import Setup
from oms.common import masking
from oms.common.models import Connection
from oms.common.work import xml
from oms.common.work.calling import Unclear


class Goods:
    """The goods of one call; `ids` is what the warehouse calls SKUs (by id), `trouble` why it does not know them."""

    def __init__(self, link: Connection, mine: Setup, warehouse: str, sku_ids: Collection[int]) -> None:
        self.link, self.mine, self.warehouse = link, mine, warehouse
        self.articles = contents.articles(sku_ids)
        self.ids: dict[int, str] = {}
        self.trouble: dict[int, str] = {}
        self._kept = {one.sku_id: one for one in WarehouseItem.objects.filter(connection=link, sku_id__in=sku_ids)}

    def tell(self, *, again: bool = False) -> None:
        """Tell of those that it does not know, or knows otherwise; of all, `again`. Raises httpx.HTTPError where the
        connection is down."""
        for sku_id, article in self.articles.items():
            kept = self._kept.get(sku_id)
            told = self._told(article)
            if kept is not None and kept.told == told and not again:
                self.ids[sku_id] = kept.their_id
                continue
            self._tell(article, told, is_new=kept is None or not kept.told)

    def _told(self, article: Article) -> str:
        body = bodies.item(article, self.mine, self.warehouse, is_new=True)
        return hashlib.sha256(xml.write("request", body).encode()).hexdigest()[:32]

    def _tell(self, article: Article, told: str, *, is_new: bool) -> None:
        try:
            body = bodies.item(article, self.mine, self.warehouse, is_new=is_new)
            said = wire.ask(self.link, self.mine, "singleitem.synchronize", body)
        except Unclear as unclear:
            self.trouble[article.sku_id] = f"{article.code}: {unclear}"
            return
        if said.is_done or said.has_any(self.mine.options.repeated):
            self.trouble.pop(article.sku_id, None)
            self.ids[article.sku_id] = said.text("itemId")
            self._keep(article.sku_id, told=told, their_id=said.text("itemId")[:60], refusal="")
        else:
            self.trouble[article.sku_id] = f"{article.code}: {said.reason}"
            self._keep(article.sku_id, told="", refusal=masking.mask_text(said.reason)[:300] or "–")

    def _keep(self, sku_id: int, **values: str) -> None:
        WarehouseItem.objects.update_or_create(
            connection=self.link, sku_id=sku_id, defaults={**values, "told_at": Now()}
        )

    def forget(self, sku_ids: Collection[int]) -> None:
        """It does not know them after all: the next call tells of them anew."""
        WarehouseItem.objects.filter(connection=self.link, sku_id__in=sku_ids).update(told="")

    def trouble_of(self, sku_ids: Collection[int]) -> str:
        """Why some of these SKUs cannot be sent, in the warehouse's words; empty where all can."""
        return "; ".join(self.trouble[sku_id] for sku_id in sku_ids if sku_id in self.trouble)


def known(link: Connection, warehouse_id: int) -> Mapping[str, list[str]]:
    """The codes of the SKUs that it knows and that the warehouse has a stock row of, by their merchant's code."""
    rows = WarehouseItem.objects.filter(connection=link, sku__stock__warehouse_id=warehouse_id).exclude(told="")
    found: dict[str, list[str]] = {}
    for merchant, code in rows.order_by("sku__code").values_list("sku__merchant__code", "sku__code"):
        found.setdefault(merchant, []).append(code)
    return found
