"""`bench placement`: parcels and kilometres of the second half of the real days, with the stock where it lies today and
with the same units where the demand of the first half says that they should lie.

Each SKU's units are shared out anew among the warehouses that may keep it, none are added. Both ways choose by the
default rules, the serving region first; stock is not consumed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from django.db import connection

from inventory.availability import available_sql
from inventory.loading import load_folder
from inventory.models import Sku
from inventory.replenishing.demand import Place, home_of
from inventory.replenishing.placing import placed, shares
from inventory.sourcing import rulebook
from inventory.sourcing.choosing import Available
from inventory.sourcing.rulebook import Book
from oms.benchmarks import sourcing, stage
from oms.benchmarks.sourcing import REGION_FIRST, Goods, Tally
from orders.intake.bodies import OrderBody, decode


def run(folder: Path, orders: int) -> dict[str, float]:
    """Parcels, kilometres and unfilled lines of the second half by both ways, and what the proposed one saves."""
    bodies = [body for body in map(decode, stage.order_lines(folder, orders)) if isinstance(body, OrderBody)]
    first, last = (pick(body.ordered_at.date().toordinal() for body in bodies) for pick in (min, max))
    middle = date.fromordinal(first + (last - first + 1) // 2)
    with stage.own_database("oms_bench_placement"):
        load_folder(folder, progress=lambda rows, _name: rows)
        book = rulebook.current()
        learned, measured = (
            list(
                sourcing.goods_of(
                    [body for body in bodies if (body.ordered_at.date() < middle) is early], of_classes=False
                )
            )
            for early in (True, False)
        )
        book.routes.prepare({one.region_code for one in (*learned, *measured)})
        today = _today()
        proposed = _proposed(book, learned, today)
        now, then = (_count(book, measured, stock) for stock in (today, proposed))
    lines = sum(len(one.wants) for one in measured)
    figures: dict[str, float] = {"orders": len({one.order for one in measured}), "lines": lines}
    for name, tally in (("today", now), ("proposed", then)):
        figures |= {
            f"{name}_parcels": tally.parcels,
            f"{name}_million_km": round(tally.km / 1e6, 3),
            f"{name}_unfilled_lines_percent": round(100 * tally.unfilled / lines, 3),
        }
    return figures | {
        "saves_parcels_percent": round(100 * (1 - then.parcels / now.parcels), 2),
        "saves_km_percent": round(100 * (1 - then.km / now.km), 2),
    }


def _count(book: Book, goods: Sequence[Goods], stock: Mapping[Place, int]) -> Tally:
    available: Available = dict(stock)
    return sourcing.count(book, goods, sourcing.by(REGION_FIRST), lambda _book, _batch: available)


def _today() -> dict[Place, int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT warehouse_id, sku_id, {available_sql('s')} FROM inventory_stock s")
        return {(warehouse, sku): units for warehouse, sku, units in cursor.fetchall()}


def _proposed(book: Book, learned: Sequence[Goods], today: Mapping[Place, int]) -> dict[Place, int]:
    """The units of each SKU, shared out among its merchant's warehouses by what they should have sent."""
    classes = dict(Sku.objects.values_list("pk", "storage_class"))
    sold: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    usual: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for one in learned:
        for want in one.wants:
            kind = classes[want.sku_id]
            home = home_of(book.routes, one.merchant_id, kind, one.region_code)
            if home is not None:
                sold[want.sku_id][home] += want.quantity
                usual[f"{one.merchant_id} {kind}"][home] += want.quantity
    units: dict[int, int] = defaultdict(int)
    for (_warehouse, sku), count in today.items():
        units[sku] += count
    found: dict[Place, int] = {}
    for sku, merchant in Sku.objects.values_list("pk", "merchant_id"):
        expected = shares(sold.get(sku, {}), usual[f"{merchant} {classes[sku]}"])
        found |= {(warehouse, sku): count for warehouse, count in placed(units[sku], expected).items()}
    return found
