"""The ledger is the only writer of stock, and what can be promised follows from it by one formula."""

import pytest
from django.db import IntegrityError, connection, transaction

from inventory import availability, reserving
from inventory.models import Stock, StockMovement
from inventory.reserving import Demand, Withdrawal
from tests import factories, steps

pytestmark = pytest.mark.django_db


def test_a_movement_changes_its_row_and_nothing_else_does():
    stock = factories.StockFactory(on_hand=5)

    StockMovement.objects.create(stock=stock, kind="adjustment", on_hand_change=-2, frozen_change=1)

    stock = Stock.objects.get(pk=stock.pk)
    assert (stock.on_hand, stock.reserved, stock.frozen, stock.available) == (3, 0, 1, 2)
    for column in ("on_hand", "reserved", "frozen"):
        with pytest.raises(IntegrityError, match="changes by its ledger only"), transaction.atomic():
            Stock.objects.filter(pk=stock.pk).update(**{column: 2})
    with pytest.raises(IntegrityError, match="changes by its ledger only"), transaction.atomic():
        Stock.objects.create(sku=factories.SkuFactory(), warehouse=stock.warehouse, on_hand=1)
    for change in (StockMovement.objects.all().delete, lambda: StockMovement.objects.update(note="other")):
        with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
            change()
    assert Stock.objects.get(pk=stock.pk).on_hand == 3
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("on_hand", "reserved", "frozen", "safety", "expected"),
    [(10, 3, 2, 1, 4), (10, 0, 0, 0, 10), (10, 3, 2, 5, 0), (10, 3, 2, 6, 0), (2, 2, 0, 7, 0), (2, 2, 3, 0, 0)],
)
def test_sql_and_python_say_the_same_of_what_can_be_promised(on_hand, reserved, frozen, safety, expected):
    figures = {"on_hand": on_hand, "reserved": reserved, "frozen": frozen, "safety_stock": safety}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {availability.available_sql('s')} FROM (SELECT %s AS on_hand, %s AS reserved, %s AS frozen,"
            " %s AS safety_stock) AS s",
            list(figures.values()),
        )
        assert cursor.fetchone() == (expected,)
    assert availability.available(**figures) == expected


def test_safety_stock_and_frozen_units_are_promised_to_nobody_and_safety_stock_leaves_when_it_left():
    stock = factories.StockFactory(on_hand=10, safety_stock=4)
    StockMovement.objects.create(stock=stock, kind="adjustment", frozen_change=2)

    served = reserving.reserve([Demand(1, 101, stock.pk, 3), Demand(2, 102, stock.pk, 2)], actor="test")

    assert served == {1}, "4 can be promised"
    missing = reserving.withdraw([Withdrawal(stock.pk, 103, 6)], actor="test")
    stock = Stock.objects.get(pk=stock.pk)
    assert (stock.on_hand, stock.reserved, stock.frozen, stock.available) == (5, 3, 2, 0)
    assert missing == {103: 1}, "of the 10 units 3 are promised and 2 are frozen"
