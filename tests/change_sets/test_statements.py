"""What a change costs: as many statements for many lines as for few."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orders.fulfilling import allocating, splitting
from orders.models import Order
from orders.reviewing import deciding
from tests import factories, steps
from tests.change_sets.helpers import add, adjust, change, seen, units

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


def order_of(shop: factories.Shop, lines: int) -> tuple[Order, list[factories.Sku]]:
    """A paid, split order of so many lines, and as many SKUs beside it."""
    skus = [factories.SkuFactory(merchant=shop.merchant) for _ in range(2 * lines)]
    for sku in skus:
        factories.StockFactory(sku=sku, warehouse=shop.warehouse)
    order = shop.place_order(*[(sku, 3, "20.00") for sku in skus[:lines]], freight_amount="0.00")
    steps.pay(order)
    factories.run(deciding.run, splitting.run, allocating.run)
    return order, skus[lines:]


def counted(shop: factories.Shop, lines: int) -> tuple[int, int]:
    order, others = order_of(shop, lines)
    wish = [units(position, 2) for position in range(1, lines + 1)]
    wish += [adjust("-1.00", position) for position in range(1, lines + 1)]
    wish += [add(sku, unit_price="1.00") for sku in others]
    with CaptureQueriesContext(
        connection,
    ) as looked:
        seen(order, *wish)
    with CaptureQueriesContext(connection) as done:
        assert change(order, *wish).state == "confirmed"
    return len(looked), len(done)


def test_as_many_for_many_lines_as_for_few(shop):
    assert counted(shop, 12) == counted(shop, 2)
    assert steps.broken_invariants() == []
