"""Carts of buyers, by the API."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import F
from django.http import HttpResponse
from rest_framework.test import APIClient

from inventory.models import DemandKind, LotPromise, Sku, Stock, StockHold, StockHoldLine, StockLot
from orders.models import Order
from orders.stock import held
from tests.api.calls import send

URL = "/api/v1/reservations"
Units = Counter[int]


def reserve(api: APIClient, *lines: tuple[Sku | str, int], **changes: Any) -> HttpResponse:
    """Ask to set so many units of each SKU (or code) aside."""
    rows = [{"sku": sku if isinstance(sku, str) else sku.code, "quantity": units} for sku, units in lines]
    return send(api, {"lines": rows, **changes}, URL)


def reserved(api: APIClient, *lines: tuple[Sku | str, int], **changes: Any) -> dict[str, Any]:
    """The reservation that was granted."""
    answer = reserve(api, *lines, **changes)
    assert answer.status_code == 201, answer.content
    return answer.json()


def let_time_pass(number: str) -> None:
    """Its time is over, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inventory_stockhold SET created_at = now() - interval '2 hours',"
            " expires_at = clock_timestamp() - interval '1 second' WHERE id = %s",
            [StockHold.id_of(number)],
        )


def figures(sku: Sku) -> list[tuple[int, int]]:
    """On hand and reserved of the SKU, by warehouse."""
    return list(Stock.objects.filter(sku=sku).order_by("warehouse__code").values_list("on_hand", "reserved"))


@dataclass
class Cart:
    """What was set aside, by SKU id, as far as it should still be, and its order. `is_freed`: its time is over, and
    somebody came by."""

    hold_id: int
    number: str
    units: Units
    expires_at: datetime
    state: str = "held"
    is_freed: bool = False
    order: Order | None = None


def held_by(holds: Iterable[StockHold]) -> dict[int, Units]:
    """What these have now by SKU, by id."""
    found = {}
    for key, shown in held.read(holds).items():
        found[key] = Units()
        for line in shown.lines:
            for sku_id, goods in line.goods_by_sku.items():
                found[key][sku_id] += goods.held
    return {key: +units for key, units in found.items()}


def check_batches(hold_id: int, today: date) -> None:
    """What was just set aside is of the batches that expire first, but of none that is expired."""
    lines = StockHoldLine.objects.filter(hold=hold_id)
    mine = LotPromise.objects.filter(demand_kind=DemandKind.HOLD, demand_id__in=lines.values("pk"))
    taken: dict[int, list[date]] = defaultdict(list)
    for stock_id, day in mine.values_list("lot__stock", "lot__best_before"):
        taken[stock_id].append(day or date.max)
    for stock_id, days in taken.items():
        assert min(days) >= today
        free = StockLot.objects.filter(stock=stock_id, quality="good", on_hand__gt=F("reserved") + F("frozen"))
        left = [lot.best_before or date.max for lot in free.exclude(best_before__lt=today)]
        assert not left or min(left) >= max(days)
