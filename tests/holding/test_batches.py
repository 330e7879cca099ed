"""Carts and batches: nothing expired is set aside, what expires first goes first, what is given back expires last."""

from datetime import timedelta

import pytest

from inventory import holding, lots, receiving
from inventory.hold_plans import Item, NewHold
from inventory.holding import GivenBack
from inventory.models import HoldPurpose, LotPromise, Sku, StockLot
from inventory.receiving import Arrived
from tests import factories, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def milk(shop: factories.Shop) -> Sku:
    """A SKU with units that nobody swept though they are expired, and some that are best before later."""
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    for lot, units, days in (("GONE", 4, -1), ("LATE", 5, 30), ("SOON", 2, 2)):
        arrived = Arrived(sku.pk, units, lot=lot, best_before=lots.today() + timedelta(days))
        receiving.receive_all(shop.warehouse.pk, [arrived], actor="gate")
    return sku


def set_aside(shop: factories.Shop, sku: Sku, units: int) -> holding.Outcome:
    """So many units for a cart."""
    item = Item(1, sku.code, sku.pk, shop.merchant.pk, sku.storage_class, units)
    return holding.set_aside(NewHold(shop.merchant.pk, shop.channel.pk, HoldPurpose.CART, [item], 600), actor="test")


def promised() -> dict[str, int]:
    return dict(LotPromise.objects.filter(demand_kind="hold").values_list("lot__lot", "quantity"))


def test_a_cart_gets_what_expires_first_of_what_may_be_sold(shop, milk):
    assert set_aside(shop, milk, 3).hold_id is not None
    assert promised() == {"SOON": 2, "LATE": 1}
    assert steps.broken_invariants() == []


def test_units_that_are_expired_are_none_that_a_cart_is_told_of_or_gets(shop, milk):
    outcome = set_aside(shop, milk, 8)
    assert (outcome.hold_id, [lack.units for lack in outcome.lacking]) == (None, [7])
    assert promised() == {}
    assert set_aside(shop, milk, 7).hold_id is not None
    assert promised() == {"SOON": 2, "LATE": 5}
    again = set_aside(shop, milk, 1)
    assert (again.hold_id, [lack.units for lack in again.lacking]) == (None, [0])
    assert steps.broken_invariants() == []


def test_what_a_cart_gives_back_expires_last(shop, milk):
    hold = set_aside(shop, milk, 4).hold_id
    assert hold is not None
    holding.release_some(hold, [GivenBack(1, 1, milk.code)], actor="test")
    assert promised() == {"SOON": 2, "LATE": 1}
    holding.release_some(hold, [GivenBack(1, 2, milk.code)], actor="test")
    assert promised() == {"SOON": 1}
    assert dict(StockLot.objects.values_list("lot", "reserved")) == {"GONE": 0, "LATE": 0, "SOON": 1}
    assert steps.broken_invariants() == []
