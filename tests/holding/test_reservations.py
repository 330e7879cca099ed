"""Units set aside for carts and quotes: nobody else gets them, and they become the order's without a gap."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import holding, lots, receiving
from inventory.models import LotPromise, StockHold, StockHoldState, StockLot, StockMovement
from inventory.receiving import Arrived
from inventory.sourcing.versions import VERSIONS
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, freeing, splitting
from orders.intake.bodies import MAX_LINES
from orders.matching import matches
from orders.matching.matches import NewComponent, NewMatch
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from orders.stock import expiring, stocktaking
from tests import factories, steps
from tests.api.calls import errors_of, idempotency, send
from tests.holding import carts
from tests.holding.carts import reserve, reserved

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _source(shop, db):
    """The shop's own channel is called after it, so that `source` may be left out."""
    shop.channel.code = shop.merchant.code
    shop.channel.save()


def _body(shop, *lines, **changes):
    return shop.body(*lines, payment_method="cod", source=shop.channel.code, **changes)


def test_a_cart_holds_its_units_against_everybody_else(api, shop):
    cart = reserved(api, (shop.sku, 60), (shop.other_sku, 1), reference="cart-1", seconds=600)

    assert (cart["state"], cart["purpose"], cart["source"], cart["reference"]) == (
        *("held", "cart", shop.channel.code, "cart-1"),
    )
    assert [line["goods"] for line in cart["lines"]] == [
        [{"sku": shop.sku.code, "merchant": shop.merchant.code, "quantity": 60, "held": 60, "ahead": 0}],
        [{"sku": shop.other_sku.code, "merchant": shop.merchant.code, "quantity": 1, "held": 1, "ahead": 0}],
    ]
    assert carts.figures(shop.sku) == [(100, 60)]
    order = factories.split_order((shop.sku, 41, "1.00"), merchant=shop.merchant)
    factories.run(allocating.run)
    assert sorted(order.sub_orders.values_list("state", "total_quantity")) == [("allocated", 40), ("backordered", 1)]
    assert steps.broken_invariants() == []


def test_all_or_nothing_unless_each_line_is_asked_for_itself(api, shop):
    refused = reserve(api, (shop.sku, 3), (shop.other_sku, 101))
    assert refused.status_code == 409
    assert errors_of(refused) == {("lines.1.quantity", "insufficient_stock")}
    assert carts.figures(shop.sku) == carts.figures(shop.other_sku) == [(100, 0)]
    assert StockHold.objects.count() == 0

    partly = reserved(api, (shop.sku, 3), (shop.other_sku, 101), mode="each")
    assert [(line["line"], line["sku"]) for line in partly["lines"]] == [(1, shop.sku.code)]
    assert partly["refused"] == [{"line": 2, "sku": shop.other_sku.code, "available": 100}]
    assert carts.figures(shop.sku) == [(100, 3)]
    assert carts.figures(shop.other_sku) == [(100, 0)]
    assert errors_of(reserve(api, (shop.other_sku, 101), mode="each")) == {("lines.0.quantity", "insufficient_stock")}


def test_a_cart_has_as_many_lines_as_an_order_and_more_are_refused_in_words(api, shop):
    skus = [factories.SkuFactory(merchant=shop.merchant) for _ in range(MAX_LINES - 1)]
    for sku in skus[:-1]:
        factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=3)
    wanted = [(sku, 3) for sku in (shop.sku, *skus)]

    with CaptureQueriesContext(connection) as seen:
        cart = reserved(api, *wanted, mode="each")
    assert (len(cart["lines"]), [lack["line"] for lack in cart["refused"]]) == (MAX_LINES - 1, [MAX_LINES])
    assert len(seen) < 60, "as many statements as for a few lines"
    errors = reserve(api, *wanted, (shop.other_sku, 1)).json()["errors"]
    assert [(one["attr"], one["code"]) for one in errors] == [("lines", "max_length")]
    assert str(MAX_LINES) in errors[0]["detail"]
    assert steps.broken_invariants() == []


def test_the_same_call_twice_sets_aside_once(api, shop):
    body = {"lines": [{"sku": shop.sku.code, "quantity": 3}]}
    key = idempotency()

    first, second = (send(api, body, carts.URL, **key) for _ in range(2))

    assert first.json() == second.json()
    assert carts.figures(shop.sku) == [(100, 3)]
    assert api.get(carts.URL).json()["results"] == [first.json()]
    assert api.get(first.json()["url"]).json() == first.json()


def test_units_come_from_several_warehouses_where_no_one_has_them_all(api, shop):
    second = factories.WarehouseFactory(merchant=shop.merchant, code="ZZ")
    factories.StockFactory(sku=shop.sku, warehouse=second, on_hand=10)

    cart = reserved(api, (shop.sku, 105), region_code="110101")

    assert cart["lines"][0]["goods"][0]["held"] == 105
    assert sum(reserved for _on_hand, reserved in carts.figures(shop.sku)) == 105
    assert steps.broken_invariants() == []


def test_warehouses_that_do_not_send_there_hold_nothing_for_it(api, shop):
    """Where rules ask the region's warehouses alone."""
    rules = factories.activate_rules({"needs": ["serves_region"], "on_partial": "allocate", "on_none": "backorder"})
    shop.warehouse.serves = ["上海市"]
    shop.warehouse.save()

    assert reserve(api, (shop.sku, 1), region_code="110101").status_code == 409
    VERSIONS.switch_off(rules.pk, by="test")
    assert reserved(api, (shop.sku, 1))["lines"][0]["goods"][0]["held"] == 1, "nobody knows yet where it goes"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"lines": []}, ("lines", "empty")),
        ({"lines": [{"sku": "NONE", "quantity": 1}]}, ("lines.0.sku", "unknown_sku")),
        ({"lines": [{"sku": "NONE", "quantity": 0}]}, ("lines.0.quantity", "min_value")),
        ({"lines": [{"sku": "NONE", "quantity": -4}]}, ("lines.0.quantity", "min_value")),
        ({"lines": [{"sku": "NONE", "quantity": 1.5}]}, ("lines.0.quantity", "invalid")),
        ({"lines": [{"sku": "NONE", "quantity": 10**9}]}, ("lines.0.quantity", "max_value")),
        ({"source": "nowhere"}, ("source", "unknown_channel")),
        ({"region_code": "999999"}, ("region_code", "unknown_region")),
        ({"purpose": "gift"}, ("purpose", "invalid_choice")),
        ({"mode": "some"}, ("mode", "invalid_choice")),
        ({"seconds": 9}, ("seconds", "min_value")),
        ({"seconds": 7201}, ("seconds", "max_value")),
        ({"secondz": 60}, ("secondz", "unknown_field")),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_set_aside(api, shop, changes, error):
    answer = send(api, {"lines": [{"sku": shop.sku.code, "quantity": 1}], **changes}, carts.URL)

    assert answer.status_code == 400
    assert errors_of(answer) == {error}
    assert carts.figures(shop.sku) == [(100, 0)]


def test_what_is_given_back_is_there_for_others_and_giving_back_twice_is_harmless(api, shop):
    cart = reserved(api, (shop.sku, 3))

    assert [api.delete(cart["url"]).status_code for _ in range(2)] == [204, 204]

    assert api.get(cart["url"]).json()["state"] == "released"
    assert carts.figures(shop.sku) == [(100, 0)]
    assert list(StockMovement.objects.exclude(kind="opening").values_list("kind", "reserved_change", "note")) == [
        ("release", -3, "given_back"),
        ("reserve", 3, ""),
    ]
    assert steps.broken_invariants() == []


def test_what_expired_goes_back_and_cannot_be_kept_longer_or_ordered(api, shop):
    cart = reserved(api, (shop.sku, 3))
    carts.let_time_pass(cart["number"])

    assert api.get(cart["url"]).json()["state"] == "expired", "before anybody came by"
    assert errors_of(send(api, {"seconds": 60}, f"{carts.URL}/{cart['number']}/extend")) == {(None, "reservation_over")}
    assert errors_of(send(api, _body(shop, reservation=cart["number"]))) == {("reservation", "reservation_over")}
    assert freeing.run(10) == 1
    assert freeing.run(10) == 0
    assert carts.figures(shop.sku) == [(100, 0)]
    assert StockHold.objects.get().state == StockHoldState.EXPIRED
    assert steps.broken_invariants() == []


def test_it_is_kept_longer_but_not_longer_than_its_purpose_allows_and_never_shorter(api, shop, settings):
    settings.MOST_HOLD_SECONDS = {"cart": 3600, "quote": 7200}
    cart = reserved(api, (shop.sku, 3), seconds=600)
    hold = StockHold.objects.get()
    url = f"{carts.URL}/{cart['number']}/extend"

    def lasts() -> float:
        return (StockHold.objects.get().expires_at - hold.created_at).total_seconds()

    assert lasts() == 600
    assert send(api, {"seconds": 60}, url).status_code == 200
    assert lasts() == 600
    send(api, {"seconds": 1200}, url)
    assert 1200 <= lasts() < 1260
    send(api, {"seconds": 7200}, url)
    assert lasts() == 3600


def test_an_order_takes_its_cart_over_and_what_it_does_not_want_goes_back_at_once(api, shop):
    cart = reserved(api, (shop.sku, 90), (shop.other_sku, 5))

    answer = send(api, _body(shop, (shop.sku, 80, "10.00"), reservation=cart["number"]))

    assert answer.status_code == 201, answer.content
    assert carts.figures(shop.sku) == [(100, 80)]
    assert carts.figures(shop.other_sku) == [(100, 0)]
    # Somebody else, faster: only what nobody held is there.
    rival = factories.split_order((shop.sku, 30, "1.00"), merchant=shop.merchant)
    factories.run(allocating.run)
    assert sorted(rival.sub_orders.values_list("state", "total_quantity")) == [("allocated", 20), ("backordered", 10)]
    shown = api.get(cart["url"]).json()
    assert (shown["state"], shown["order"]) == ("ordered", answer.json()["number"])
    factories.run(deciding.run, splitting.run, allocating.run)
    (part,) = SubOrder.objects.filter(order__number=answer.json()["number"])
    assert (part.state, part.total_quantity) == ("allocated", 80)
    assert carts.figures(shop.sku) == [(100, 100)]
    factories.run(freeing.run)
    assert api.get(cart["url"]).json()["state"] == "used"
    assert steps.broken_invariants() == []


def test_what_an_order_wants_beyond_its_cart_is_sourced_as_usual(api, shop):
    cart = reserved(api, (shop.sku, 95))
    order = factories.place(_body(shop, (shop.sku, 98, "10.00"), reservation=cart["number"]), shop.merchant)

    factories.run(deciding.run, splitting.run, allocating.run, freeing.run)

    assert list(order.sub_orders.values_list("state", "total_quantity")) == [("allocated", 98)]
    assert carts.figures(shop.sku) == [(100, 98)]
    assert StockHold.objects.get().state == StockHoldState.USED
    assert steps.broken_invariants() == []


def test_a_part_that_nobody_has_is_backordered_beside_what_was_set_aside(api, shop):
    cart = reserved(api, (shop.sku, 60))
    factories.split_order((shop.sku, 40, "1.00"), merchant=shop.merchant)
    factories.run(allocating.run)
    order = factories.place(_body(shop, (shop.sku, 70, "10.00"), reservation=cart["number"]), shop.merchant)

    factories.run(deciding.run, splitting.run, allocating.run)

    assert sorted(order.sub_orders.values_list("state", "total_quantity")) == [("allocated", 60), ("backordered", 10)]
    assert carts.figures(shop.sku) == [(100, 100)]
    assert steps.broken_invariants() == []


def test_units_set_aside_where_nobody_sends_from_go_back_when_the_order_is_allocated(api, shop):
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", serves=["上海市"])
    factories.StockFactory(sku=shop.sku, warehouse=far, on_hand=500)
    cart = reserved(api, (shop.sku, 150))
    assert sum(units for _on_hand, units in carts.figures(shop.sku)) == 150
    order = factories.place(_body(shop, (shop.sku, 90, "10.00"), reservation=cart["number"]), shop.merchant)

    factories.run(deciding.run, splitting.run, allocating.run, freeing.run)

    assert list(order.sub_orders.values_list("state", "total_quantity", "warehouse__code")) == [
        ("allocated", 90, shop.warehouse.code)
    ]
    assert sorted(carts.figures(shop.sku)) == [(100, 90), (500, 0)]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("is_split", [False, True])
def test_a_cancelled_order_gives_back_what_was_set_aside_for_it(api, shop, is_split):
    cart = reserved(api, (shop.sku, 90))
    order = factories.place(_body(shop, (shop.sku, 90, "10.00"), reservation=cart["number"]), shop.merchant)
    if is_split:
        factories.run(deciding.run, splitting.run)

    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(freeing.run)

    assert carts.figures(shop.sku) == [(100, 0)]
    assert api.get(cart["url"]).json()["state"] == "released"
    assert steps.broken_invariants() == []


def test_what_an_order_took_over_is_given_back_by_nobody_and_taken_over_once(api, shop):
    cart = reserved(api, (shop.sku, 2))
    factories.place(_body(shop, reservation=cart["number"]), shop.merchant)

    assert errors_of(api.delete(cart["url"])) == {(None, "reservation_over")}
    assert errors_of(send(api, _body(shop, reservation=cart["number"]))) == {("reservation", "reservation_over")}
    carts.let_time_pass(cart["number"])
    assert freeing.run(10) == 0
    assert carts.figures(shop.sku) == [(100, 2)]
    assert Order.objects.count() == 1


def test_two_orders_of_one_call_cannot_both_have_it(api, shop):
    number = reserved(api, (shop.sku, 2))["number"]
    orders = [_body(shop, reservation=number), _body(shop, reservation=number), _body(shop)]

    results = send(api, {"orders": orders}, "/api/v1/orders/bulk").json()["results"]

    assert [result["status"] for result in results] == ["created", "refused", "created"]
    assert carts.figures(shop.sku) == [(100, 2)]


@pytest.mark.parametrize("number", ["000000000000", "x", "123456789012"])
def test_a_reservation_that_there_is_not_refuses_the_order(api, shop, number):
    assert errors_of(send(api, _body(shop, reservation=number))) == {("reservation", "reservation_over")}
    assert Order.objects.count() == 0


def test_a_reservation_of_another_merchant_is_not_found(api, shop):
    number = reserved(api, (shop.sku, 2))["number"]
    stranger = factories.MerchantFactory(code="STRANGER")
    sku = factories.SkuFactory(merchant=stranger)
    other = factories.client_of(stranger)

    assert other.get(f"{carts.URL}/{number}").status_code == 404
    assert other.delete(f"{carts.URL}/{number}").status_code == 404
    assert send(other, {}, f"{carts.URL}/{number}/extend").status_code == 404
    body = factories.order_body((sku, 1, "1.00"), reservation=number)
    assert errors_of(send(other, body)) == {("reservation", "reservation_over")}


def test_a_bundle_holds_all_its_components(api, shop):
    shop.channel.matches_skus = True
    shop.channel.save()
    components = (NewComponent(shop.sku.code, units=2), NewComponent(shop.other_sku.code))
    matches.put(shop.merchant, NewMatch(shop.channel.code, "SET", components), actor=steps.STAFF)

    cart = reserved(api, ("SET", 30))
    assert [(goods["sku"], goods["held"]) for goods in cart["lines"][0]["goods"]] == [
        (shop.sku.code, 60),
        (shop.other_sku.code, 30),
    ]
    assert reserve(api, ("SET", 21)).status_code == 409
    line = {"sku": "SET", "quantity": 30, "unit_price": "45.50"}
    body = {**_body(shop, reservation=cart["number"]), "lines": [line], "payable_amount": "1371.00"}
    factories.place(body, shop.merchant)
    factories.run(deciding.run, splitting.run, allocating.run, freeing.run)
    assert carts.figures(shop.sku) == [(100, 60)]
    assert carts.figures(shop.other_sku) == [(100, 30)]
    assert StockHold.objects.get().state == StockHoldState.USED
    assert steps.broken_invariants() == []


def test_a_count_below_what_is_set_aside_takes_from_carts_first_and_from_orders_last(api, shop):
    allocated = factories.allocated_order((shop.sku, 10, "1.00"), merchant=shop.merchant)
    mine = reserved(api, (shop.sku, 20))
    factories.place(_body(shop, (shop.sku, 20, "10.00"), reservation=mine["number"]), shop.merchant)
    cart = reserved(api, (shop.sku, 30))
    stock = shop.sku.stock.get()

    stocktaking.count_stock(stock.pk, 35, actor=steps.STAFF)

    assert api.get(cart["url"]).json()["lines"][0]["goods"][0]["held"] == 5
    assert carts.figures(shop.sku) == [(35, 35)]
    stocktaking.count_stock(stock.pk, 12, actor=steps.STAFF)
    assert api.get(cart["url"]).json()["lines"][0]["goods"][0] == {
        "sku": shop.sku.code,
        "merchant": shop.merchant.code,
        "quantity": 30,
        "held": 0,
        "ahead": 0,
    }
    assert api.get(mine["url"]).json()["lines"][0]["goods"][0]["held"] == 2
    assert steps.state_of(allocated.sub_orders.get()) == "allocated"
    assert carts.figures(shop.sku) == [(12, 12)]
    assert steps.broken_invariants() == []


def test_an_order_whose_units_were_set_aside_of_a_batch_that_expired_is_sourced_anew(api, shop):
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    days = {"S": lots.today() + timedelta(1), "L": lots.today() + timedelta(60)}
    receiving.receive_all(
        shop.warehouse.pk, [Arrived(sku.pk, 4, lot=lot, best_before=day) for lot, day in days.items()], actor="gate"
    )
    cart = reserved(api, (sku, 3))
    send(api, _body(shop, (sku, 3, "1.00"), reservation=cart["number"]))
    factories.run(deciding.run, splitting.run)
    StockLot.objects.filter(lot="S").update(best_before=lots.today() - timedelta(1))

    assert expiring.expire() == 4
    factories.run(allocating.run)

    assert list(SubOrder.objects.values_list("state", "total_quantity")) == [("allocated", 3)]
    good = StockLot.objects.filter(quality="good").order_by("lot")
    assert list(good.values_list("lot", "on_hand", "reserved")) == [("L", 4, 3), ("S", 0, 0)]
    assert steps.broken_invariants() == []


def test_orders_without_a_reservation_cost_no_statement_more(shop):
    factories.place(_body(shop), shop.merchant)
    with CaptureQueriesContext(connection) as seen:
        factories.place(_body(shop), shop.merchant)
        factories.run(deciding.run, splitting.run, allocating.run)

    assert not [query for query in seen.captured_queries if "inventory_stockhold" in query["sql"]]


def test_released_by_the_service_only_while_it_is_held(api, shop):
    number = reserved(api, (shop.sku, 2))["number"]
    holding.release(StockHold.id_of(number), actor="li")

    assert StockHold.objects.get().closed_by == "li"
    with pytest.raises(holding.HoldIsOver):
        holding.extend(StockHold.id_of(number), 60)


@pytest.fixture
def milk(shop):
    """A SKU with four units that are best before today, and nothing else."""
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    receiving.receive_all(shop.warehouse.pk, [Arrived(sku.pk, 4, lot="A", best_before=lots.today())], actor="test")
    return sku


@pytest.mark.parametrize("fresh", [0, 3])
def test_an_order_gets_nothing_of_its_cart_that_is_expired_though_nobody_swept_yet(api, shop, milk, monkeypatch, fresh):
    cart = reserved(api, (milk, 4))
    order = factories.place(_body(shop, (milk, 4, "1.00"), reservation=cart["number"]), shop.merchant)
    factories.run(deciding.run, splitting.run)
    tomorrow = lots.in_days(1)
    if fresh:
        arrived = Arrived(milk.pk, fresh, lot="B", best_before=lots.in_days(2))
        receiving.receive_all(shop.warehouse.pk, [arrived], actor="test")
    monkeypatch.setattr(lots, "today", lambda: tomorrow)

    factories.run(allocating.run)

    parts = SubOrder.objects.filter(order=order).order_by("id").values_list("state", "total_quantity")
    assert list(parts) == ([("allocated", 3), ("backordered", 1)] if fresh else [("backordered", 4)])
    sent = LotPromise.objects.filter(demand_kind="sub_order_line").values_list("lot__lot", "quantity")
    assert list(sent) == ([("B", 3)] if fresh else [])
    assert steps.broken_invariants() == []
