"""Selling ahead: carts get units that are on order, as far as the channel may sell them, and their orders wait."""

from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from inventory import holding, preselling, purchasing, receiving, sharing
from inventory.models import ComingGoods, StockHold, StockHoldLine, Warehouse
from inventory.purchasing import Bought
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, freeing, splitting
from orders.matching import matches
from orders.matching.matches import NewComponent, NewMatch
from orders.models import SubOrder
from orders.reviewing import deciding
from orders.stock import coming
from tests import factories, steps
from tests.api.calls import errors_of, send
from tests.holding import carts
from tests.holding.carts import reserve, reserved
from tests.holding.test_races import at_once, deadlocks, wanted

pytestmark = pytest.mark.django_db
SHARES = "/api/v1/stock/shares"


def day(ahead: int) -> date:
    return timezone.localdate() + timedelta(days=ahead)


def buy(shop: factories.Shop, units: int, ahead: int = 3, number: str = "PO-1", **more: Any) -> Any:
    bought = [Bought(shop.sku.code, units)]
    return steps.buy(shop.merchant, number, shop.warehouse, bought, expected_on=day(ahead), **more)


@pytest.fixture
def on_presale(api, shop):
    """The shop's channel sells half of what is on order ahead: 40 units of 80; 100 are there."""
    shop.channel.code = shop.merchant.code
    shop.channel.save()
    rows = [{"channel": shop.channel.code, "sku": shop.sku.code, "presale_percent": 50}]
    assert send(api, {"shares": rows}, SHARES).json()["results"][0]["status"] == "changed"
    buy(shop, 80)
    coming.tell()
    return shop


def sellable(api, shop):
    rows = api.get("/api/v1/stock", {"updated_since": "2020-01-01T00:00:00Z"}).json()["results"]
    row = next(row for row in rows if row["sku"] == shop.sku.code)
    return row["ahead"], {one["channel"]: one["sellable"] for one in row["channels"]}[shop.channel.code]


def goods(cart):
    return [(one["quantity"], one["held"], one["ahead"]) for line in cart["lines"] for one in line["goods"]]


def test_half_of_what_is_on_order_is_listed_and_set_aside_once_the_stock_is_not_enough(api, on_presale):
    shop = on_presale
    assert sellable(api, shop) == (80, 140)

    assert goods(reserved(api, (shop.sku, 90))) == [(90, 90, 0)]
    # Ten are there: the line comes whole from what is on order.
    ahead = reserved(api, (shop.sku, 25))
    assert goods(ahead) == [(25, 25, 25)]
    assert errors_of(reserve(api, (shop.sku, 28))) == {("lines.0.quantity", "insufficient_stock")}
    assert goods(reserved(api, (shop.sku, 10), (shop.other_sku, 1))) == [(10, 10, 0), (1, 1, 0)]
    assert carts.figures(shop.sku) == [(100, 100)]
    coming.tell()
    assert sellable(api, shop) == (55, 27)
    assert steps.broken_invariants() == []


def test_without_presale_and_of_drafts_or_days_that_nobody_knows_nothing_is_sold_ahead(api, shop):
    shop.channel.code = shop.merchant.code
    shop.channel.save()
    first = buy(shop, 80)
    assert reserve(api, (shop.sku, 101)).status_code == 409
    purchasing.end(first.pk, is_cancelled=True, actor="lin")

    rows = [{"channel": shop.channel.code, "presale_percent": 100}]
    send(api, {"shares": rows}, SHARES)
    buy(shop, 80, number="PO-2", is_draft=True)
    bought = [Bought(shop.sku.code, 80)]
    purchasing.order(shop.merchant, "PO-3", shop.warehouse, bought, actor="lin")
    buy(shop, 80, ahead=400, number="PO-4")
    buy(shop, 80, ahead=-1, number="PO-5")

    assert preselling.units_ahead([shop.sku.pk]) == {shop.sku.pk: 0}
    assert reserve(api, (shop.sku, 101)).status_code == 409
    buy(shop, 7, number="PO-6")
    assert preselling.units_ahead([shop.sku.pk]) == {shop.sku.pk: 7}
    Warehouse.objects.filter(pk=shop.warehouse.pk).update(is_active=False)
    assert preselling.units_ahead([shop.sku.pk]) == {shop.sku.pk: 0}


def test_its_order_waits_for_the_goods_and_nobody_is_sold_the_same_units_again(api, on_presale):
    shop = on_presale
    factories.allocated_order((shop.sku, 100, "1.00"), merchant=shop.merchant)
    cart = reserved(api, (shop.sku, 30))
    order = shop.place_order((shop.sku, 30, "1.00"), payment_method="cod", reservation=cart["number"])
    coming.tell()
    assert preselling.units_ahead([shop.sku.pk]) == {shop.sku.pk: 50}, "it is neither split nor waiting yet"

    factories.run(deciding.run, splitting.run, allocating.run)
    part = SubOrder.objects.get(order=order)
    assert part.state == "backordered"
    assert preselling.units_ahead([shop.sku.pk]) == {shop.sku.pk: 50}
    coming.tell()
    assert preselling.units_ahead([shop.sku.pk]) == {shop.sku.pk: 50}
    assert ComingGoods.objects.get(sku=shop.sku).awaited == 30
    assert StockHoldLine.objects.get(hold=order.stock_hold_id).ahead == 0
    assert steps.broken_invariants() == []

    receiving.receive(shop.warehouse.pk, shop.sku.pk, 80, actor="lin")
    factories.run(allocating.run, freeing.run)
    assert steps.fresh(part).state == "allocated"
    assert steps.fresh(order).stock_hold.state == "used"
    assert steps.broken_invariants() == []


def test_what_its_order_does_not_want_and_what_is_over_is_for_others_again(api, on_presale):
    shop = on_presale
    factories.allocated_order((shop.sku, 100, "1.00"), merchant=shop.merchant)

    def left():
        return preselling.units_ahead([shop.sku.pk])[shop.sku.pk]

    cart = reserved(api, (shop.sku, 30))
    order = shop.place_order((shop.sku, 12, "1.00"), payment_method="cod", reservation=cart["number"])
    assert left() == 68
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    steps.once(freeing.run)
    assert left() == 80
    back, late = reserved(api, (shop.sku, 20)), reserved(api, (shop.sku, 10))
    assert left() == 50
    assert api.delete(f"{carts.URL}/{back['number']}").status_code == 204
    carts.let_time_pass(late["number"])
    steps.once(freeing.run)
    assert left() == 80
    assert steps.broken_invariants() == []


def test_what_is_sold_ahead_is_told_once_it_changes(api, on_presale):
    def news(cursor):
        page = api.get("/api/v1/stock", {"cursor": cursor}).json()
        return [row["sku"] for row in page["results"]], page["cursor"]

    shop = on_presale
    new = factories.SkuFactory(merchant=shop.merchant)
    cursor = api.get("/api/v1/stock", {"updated_since": "2020-01-01T00:00:00Z"}).json()["cursor"]
    coming.tell()
    assert news(cursor)[0] == []
    # Of a SKU that never lay anywhere, too.
    bought = [Bought(new.code, 5)]
    order = purchasing.order(shop.merchant, "PO-9", shop.warehouse, bought, expected_on=day(2), actor="lin")
    coming.tell()
    skus, cursor = news(cursor)
    assert skus == [new.code]
    purchasing.end(order.pk, is_cancelled=True, actor="lin")
    coming.tell()
    skus, cursor = news(cursor)
    assert skus == [new.code]
    coming.tell()
    assert news(cursor)[0] == []


def test_some_units_go_back_those_on_order_first(api, on_presale):
    shop = on_presale
    cart = reserved(api, (shop.sku, 95), (shop.other_sku, 4))
    ahead = reserved(api, (shop.sku, 6))
    url = f"{carts.URL}/{cart['number']}/release"

    for row, error in (
        ({"line": 1, "quantity": 96}, ("lines.0.quantity", "not_enough")),
        ({"line": 3, "quantity": 1}, ("lines.0.line", "not_found")),
        ({"line": 1, "sku": "other", "quantity": 1}, ("lines.0.line", "not_found")),
    ):
        assert errors_of(send(api, {"lines": [row]}, url)) == {error}
    for quantity in (0, -1, 1.5, 10**9):
        assert send(api, {"lines": [{"line": 1, "quantity": quantity}]}, url).status_code == 400
    assert carts.figures(shop.sku) == [(100, 95)]

    left = send(api, {"lines": [{"line": 1, "quantity": 90}, {"line": 2, "quantity": 4}]}, url).json()
    assert goods(left) == [(95, 5, 0), (4, 0, 0)]
    assert (carts.figures(shop.sku), carts.figures(shop.other_sku)) == ([(100, 5)], [(100, 0)])
    other = f"{carts.URL}/{ahead['number']}/release"
    assert goods(send(api, {"lines": [{"line": 1, "quantity": 2}]}, other).json()) == [(6, 4, 4)]
    over = send(api, {"lines": [{"line": 1, "quantity": 4}]}, other).json()
    assert (over["state"], goods(over)) == ("released", [(6, 0, 0)])
    assert errors_of(send(api, {"lines": [{"line": 1, "quantity": 1}]}, other)) == {(None, "reservation_over")}
    assert steps.broken_invariants() == []


def test_units_ahead_of_what_is_over_are_named(api, on_presale):
    factories.allocated_order((on_presale.sku, 100, "1.00"), merchant=on_presale.merchant)
    cart = reserved(api, (on_presale.sku, 3))
    with steps.without_guards():
        StockHold.objects.filter(pk=StockHold.id_of(cart["number"])).update(state="expired", closed_at=timezone.now())

    assert [text.split(":")[0] for text in steps.broken_invariants()] == ["units_ahead_belong_to_open_set_asides"]


def test_a_bundles_line_says_of_which_goods_units_go_back(api, on_presale):
    shop = on_presale
    shop.channel.matches_skus = True
    shop.channel.save()
    components = (NewComponent(shop.sku.code, units=2), NewComponent(shop.other_sku.code))
    matches.put(shop.merchant, NewMatch(shop.channel.code, "SET", components), actor=steps.STAFF)
    cart = reserved(api, ("SET", 3))
    url = f"{carts.URL}/{cart['number']}/release"

    assert errors_of(send(api, {"lines": [{"line": 1, "quantity": 1}]}, url)) == {("lines.0.sku", "required")}
    rows = [{"line": 1, "sku": shop.sku.code, "quantity": 2}, {"line": 1, "sku": shop.other_sku.code, "quantity": 1}]
    assert goods(send(api, {"lines": rows}, url).json()) == [(6, 4, 0), (3, 2, 0)]


def test_reservations_that_changed_are_listed_in_that_order(api, on_presale):
    shop = on_presale
    first, second = reserved(api, (shop.sku, 5)), reserved(api, (shop.sku, 3))

    def news(**query):
        page = api.get(carts.URL, query).json()
        return [row["number"] for row in page["results"]], page["cursor"]

    numbers, cursor = news(updated_since="2020-01-01T00:00:00Z")
    assert numbers == [first["number"], second["number"]]
    assert news(cursor=cursor)[0] == []
    send(api, {"lines": [{"line": 1, "quantity": 1}]}, f"{carts.URL}/{first['number']}/release")
    numbers, cursor = news(cursor=cursor)
    assert numbers == [first["number"]]
    shop.place_order((shop.sku, 3, "1.00"), payment_method="cod", reservation=second["number"])
    numbers, cursor = news(cursor=cursor)
    assert numbers == [second["number"]]
    assert news(cursor=cursor)[0] == []


@pytest.mark.django_db(transaction=True)
def test_of_many_carts_at_once_as_many_get_units_on_order_as_there_are():
    shop = factories.make_shop()
    fresh = factories.SkuFactory(merchant=shop.merchant)
    shop = replace(shop, sku=fresh)
    buy(shop, 12)
    sharing.set_shares([sharing.NewShare(shop.channel.pk, fresh.pk, sharing.Share(presale_percent=100))], actor="li")
    coming.tell()
    before = deadlocks()

    works = [partial(holding.set_aside, wanted(shop, 1), actor="test"), coming.tell] * 40
    outcomes = at_once(works, threads=8)

    made = [one for one in outcomes if isinstance(one, holding.Outcome) and one.hold_id is not None]
    assert [one for one in outcomes if isinstance(one, Exception)] == []
    assert len(made) == 12
    assert preselling.units_ahead([fresh.pk]) == {fresh.pk: 0}
    assert deadlocks() == before
    assert steps.broken_invariants() == []
