"""Quotes by the API."""

from datetime import date

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import purchasing, transferring
from inventory.models import CapacityDemand, Sku, Stock
from inventory.promising import capacity, tables
from inventory.promising.capacity import Place, Room
from inventory.transferring import Moved
from oms.merchants.models import Channel
from orders.fulfilling import splitting
from orders.reviewing import deciding
from tests import factories, steps
from tests.api.calls import errors_of, send
from tests.matching.shops import match

pytestmark = pytest.mark.django_db

PROMISE = "/api/v1/promise"
AT = "2026-11-26T10:00:00+08:00"


@pytest.fixture(autouse=True)
def morning():
    """A Thursday at ten, before the cut-off of the same day."""
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def quote(api, sample, shop):
    """What the API answers to a basket for Beijing."""

    def ask(*lines, **values):
        basket = [{"sku": sku.code, "quantity": units} for sku, units in lines or [(shop.sku, 2)]]
        return send(api, {"region_code": "110101", "lines": basket, **values}, PROMISE)

    return ask


def _levels(answer):
    return {level["code"]: level for level in answer.json()["levels"]}


def test_a_basket_is_told_each_level_with_date_freight_and_reasons(quote, shop):
    answer = quote()
    assert answer.status_code == 200, answer.content
    found = answer.json()

    assert [(p["warehouse"], p["weight_g"], p["why"]) for p in found["parcels"]] == [(shop.warehouse.code, 1000, None)]
    assert found["parcels"][0]["lines"] == [{"line": 0, "sku": shop.sku.code, "quantity": 2}]
    levels = _levels(answer)
    dates = {code: level["latest_at"][:16] for code, level in levels.items() if level["is_possible"]}
    assert dates == {
        "211_SAME": "2026-11-26T23:00",
        "211_NEXT": "2026-11-27T11:00",
        "NEXT_DAY": "2026-11-27T23:00",
        "DAY_AFTER": "2026-11-28T23:00",
        "STANDARD": "2026-11-30T23:00",
    }
    assert next(level["code"] for level in found["levels"]) == "211_SAME"
    assert levels["EXPRESS"]["refusals"] == [{"parcel": 0, "reason": {"code": "too_far", "km": 150, "most": 30}}]
    standard = levels["STANDARD"]
    assert (standard["freight"], standard["parcels"][0]["carrier"]) == ("4.19", "JTSD"), "4.50 × 0.93, half up"
    assert standard["parcels"][0]["reasons"] == [
        {"code": "cutoff_met", "cutoff": "23:00", "day": "2026-11-26"},
        {"code": "lane_days", "days": 2, "half": 1},
    ]
    same_day = levels["211_SAME"]
    assert (same_day["freight"], same_day["parcels"][0]["carrier"]) == ("11.04", "JD"), "only premium goes by the hour"


def test_parcels_come_apart_by_merchant_class_and_stock_and_what_is_short_is_said(quote, shop):
    cold = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    fridge = factories.WarehouseFactory(merchant=shop.merchant, storage_classes=["frozen"])
    factories.StockFactory(sku=cold, warehouse=fridge, on_hand=1)
    far = factories.WarehouseFactory(merchant=shop.merchant, longitude=100.0)
    rare = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=rare, warehouse=far, on_hand=3)
    answer = quote((shop.sku, 1), (cold, 2), (rare, 5)).json()

    why = {parcel["warehouse"]: parcel["why"] for parcel in answer["parcels"]}
    assert why == {
        shop.warehouse.code: None,
        far.code: {"code": "other_warehouse", "warehouse": far.code},
        fridge.code: {"code": "other_storage_class", "storage_class": "frozen"},
    }
    assert {(row["sku"], row["quantity"]) for row in answer["short"]} == {(cold.code, 1), (rare.code, 2)}
    assert Stock.objects.filter(reserved__gt=0).count() == 0, "a quote takes nothing"


def test_of_anothers_goods_the_self_operated_merchant_sees_no_warehouse(api, quote, shop):
    other = factories.SkuFactory(merchant=factories.MerchantFactory(accepts_cod=False))
    factories.StockFactory(sku=other)
    lines = [{"sku": shop.sku.code, "quantity": 1}, {"sku": other.code, "merchant": other.merchant.code, "quantity": 1}]
    answer = quote(lines=lines).json()

    assert [(p["warehouse"], p["why"] and p["why"]["code"]) for p in answer["parcels"]] == [
        (shop.warehouse.code, None),
        (None, "other_merchant"),
    ]
    refusal = {"code": "merchant_takes_no_cod", "merchant": other.merchant.code}
    assert answer["cash_on_delivery"] == {"is_possible": False, "reason": refusal}


@pytest.mark.parametrize(("with_us", "is_possible"), [(True, True), (False, False)])
def test_a_basket_may_be_paid_on_delivery_exactly_where_the_order_may(api, quote, shop, with_us, is_possible):
    silent = factories.SkuFactory(merchant=factories.MerchantFactory(accepts_cod=None))
    own = factories.WarehouseFactory(merchant=silent.merchant, region=shop.region)
    factories.StockFactory(sku=silent, warehouse=shop.warehouse if with_us else own)
    # Another seller sends for cash from a warehouse of its own: that says nothing of the first one's goods.
    keen = factories.SkuFactory(merchant=factories.MerchantFactory(accepts_cod=True))
    theirs = factories.WarehouseFactory(merchant=keen.merchant, region=shop.region)
    factories.StockFactory(sku=keen, warehouse=theirs)
    lines = [{"sku": sku.code, "merchant": sku.merchant.code, "quantity": 1} for sku in (silent, keen)]
    told = quote(lines=lines, payment_method="cod").json()["cash_on_delivery"]
    placed = send(api, shop.body((silent, 1, "10.00"), (keen, 1, "10.00"), payment_method="cod"))

    assert (told["is_possible"], placed.status_code) == (is_possible, 201 if is_possible else 400)
    if not is_possible:
        assert told["reason"] == {"code": "merchant_takes_no_cod", "merchant": silent.merchant.code}


def test_cash_takes_a_carrier_that_collects_it(quote):
    answer = quote(payment_method="cod")

    assert answer.json()["cash_on_delivery"] == {"is_possible": True, "reason": None}
    assert {one["carrier"] for level in _levels(answer).values() for one in level["parcels"]} <= {
        "SF",
        "JD",
        "EMS",
        "YZPY",
    }


def test_the_calendar_offers_only_hours_with_room(quote, shop):
    slot = tables.current().slots_of("北京市")[0]
    first = quote().json()["appointments"]
    # 211 arrives at 23:00: the first hours are those of the next morning; four a day, seven days from the 26th.
    assert [(one["begins_at"][:16], one["fee"]) for one in first[:4]] == [
        ("2026-11-27T09:00", "0.00"),
        ("2026-11-27T15:00", "0.00"),
        ("2026-11-27T19:00", "0.00"),
        ("2026-11-27T22:00", "8.00"),
    ]
    assert len(first) == 24

    room = Room(shop.warehouse.pk, date(2026, 11, 27), 1, slot.slot_id)
    capacity.take([Place(1, room)], kind=CapacityDemand.ORDER)
    assert next(one["begins_at"][:16] for one in quote().json()["appointments"]) == "2026-11-27T15:00"


def test_an_address_names_the_region_and_one_that_names_several_is_asked_about(api, quote, sample, shop):
    lines = [{"sku": shop.sku.code, "quantity": 1}]

    assert send(api, {"address": "北京市东城区东长安街1号", "lines": lines}, PROMISE).json()["region_code"] == "110101"
    assert errors_of(send(api, {"address": "朝阳区1号", "lines": lines}, PROMISE)) == {("address", "ambiguous_region")}
    assert errors_of(send(api, {"address": "x", "lines": lines}, PROMISE)) == {("address", "unknown_region")}
    assert errors_of(quote(region_code="999999")) == {("region_code", "unknown_region")}
    shop.region.is_served = False
    shop.region.save()
    assert errors_of(quote()) == {("region_code", "region_not_served")}


def test_every_wrong_line_is_named(api, quote, shop):
    lines = [
        {"sku": "none", "quantity": 1},
        {"sku": shop.sku.code, "quantity": 1},
        {"sku": "gone", "merchant": "M", "quantity": 1},
    ]
    assert errors_of(quote(lines=lines)) == {("lines.0.sku", "unknown_sku"), ("lines.2.sku", "unknown_sku")}
    assert quote(lines=[{"sku": shop.sku.code, "quantity": 0}]).status_code == 400
    assert quote(lines=[{"sku": shop.sku.code, "quantity": 1.5}]).status_code == 400
    assert quote(lines=[]).status_code == 400
    assert errors_of(quote(surprise=1)) == {("surprise", "unknown_field")}


def test_a_quote_needs_the_scope_and_no_key_and_the_same_number_of_statements(
    sample, shop, django_assert_max_num_queries
):
    stranger = factories.client_of(shop.merchant, scopes=["orders.read"])
    body = {"region_code": "110101", "lines": [{"sku": shop.sku.code, "quantity": 1}]}
    assert send(stranger, body, PROMISE).status_code == 403

    reader = factories.client_of(shop.merchant, scopes=["inventory.read"])
    assert reader.post(PROMISE, body, format="json").status_code == 200
    body["lines"] *= 20
    with django_assert_max_num_queries(14):
        assert reader.post(PROMISE, body, format="json").status_code == 200


def test_a_day_without_room_is_passed_over_in_quotes_too(quote, shop):
    capacity.take([Place(1, Room(shop.warehouse.pk, date(2026, 11, 26), 1))], kind=CapacityDemand.ORDER)
    same_day = _levels(quote())["211_SAME"]

    assert same_day["latest_at"][:16] == "2026-11-27T23:00"
    assert same_day["parcels"][0]["reasons"][0] == {"code": "day_full", "cutoff": "11:00", "day": "2026-11-27"}


@pytest.fixture
def rare(shop):
    """A SKU of the shop that no warehouse has."""
    return factories.SkuFactory(merchant=shop.merchant)


def _order(shop, sku, number, units, expected_on):
    """Units on order for the shop's warehouse."""
    bought = [purchasing.Bought(sku.code, units)]
    return steps.buy(shop.merchant, number, shop.warehouse, bought, expected_on=expected_on)


def test_what_no_warehouse_has_is_promised_from_the_goods_that_come_first(quote, shop, rare):
    factories.StockFactory(sku=rare, warehouse=shop.warehouse, on_hand=1)
    _order(shop, rare, "PO2", 5, date(2026, 12, 3))
    _order(shop, rare, "PO1", 2, date(2026, 12, 1))

    found = quote((rare, 4)).json()
    parcels = [(p["expected_on"], p["lines"][0]["quantity"], p["why"]) for p in found["parcels"]]
    assert parcels == [
        (None, 1, None),
        ("2026-12-01", 2, {"code": "awaits_receipt", "expected_on": "2026-12-01"}),
        ("2026-12-03", 1, {"code": "awaits_receipt", "expected_on": "2026-12-03"}),
    ]
    assert found["short"] == []
    standard = next(level for level in found["levels"] if level["code"] == "STANDARD")
    assert [one["leaves_at"][:10] for one in standard["parcels"]] == ["2026-11-26", "2026-12-02", "2026-12-04"]
    assert standard["latest_at"][:10] == "2026-12-08", "two working days after Friday"


def test_goods_on_order_are_promised_once_in_time_and_only_where_their_day_is_known(quote, shop, rare):
    late = _order(shop, rare, "LATE", 9, date(2026, 11, 25))
    _order(shop, rare, "SOMETIME", 9, None)
    _order(shop, rare, "SOME-YEAR", 9, date(2027, 11, 27))
    never = _order(shop, rare, "NEVER", 9, date(2027, 11, 27))
    # No such day is taken any more.
    type(never).objects.filter(pk=never.pk).update(expected_on=date.max)
    assert quote((rare, 2)).json()["short"] == [{"line": 0, "sku": rare.code, "quantity": 2}]

    _order(shop, rare, "PO1", 5, date(2026, 12, 1))
    factories.allocated_order((rare, 11, "1.00"), merchant=shop.merchant)
    # What is late goes to who waits, like everything that comes before the promised goods.
    assert quote((rare, 4)).json()["short"] == [{"line": 0, "sku": rare.code, "quantity": 1}]
    purchasing.end(late.pk, is_cancelled=True, actor="test")
    assert [p["lines"] for p in quote((rare, 4)).json()["parcels"]] == []


def test_what_comes_to_a_warehouse_that_may_not_send_there_is_not_promised(quote, shop, rare):
    other = factories.WarehouseFactory(merchant=factories.MerchantFactory())
    foreign = factories.SkuFactory(merchant=other.merchant)
    purchasing.order(other.merchant, "PO1", other, [purchasing.Bought(foreign.code, 5)], actor="test")
    assert quote((rare, 1)).json()["parcels"] == []


def test_what_is_on_order_is_read_only_for_what_is_short_and_by_one_statement_each(quote, shop, rare):
    def count():
        with CaptureQueriesContext(connection) as seen:
            assert quote((rare, 4)).status_code == 200
        return sum("purchaseorderline" in one["sql"] or "stockwait" in one["sql"] for one in seen.captured_queries)

    factories.StockFactory(sku=rare, warehouse=shop.warehouse, on_hand=4)
    assert count() == 0
    shop.warehouse.stock.filter(sku=rare).update(safety_stock=4)
    for number in range(8):
        _order(shop, rare, f"PO{number}", 1, date(2026, 12, 1 + number))
    assert count() == 2


def test_units_on_their_way_between_warehouses_are_promised_like_those_on_order(quote, shop, rare):
    far = factories.WarehouseFactory(merchant=shop.merchant)
    factories.StockFactory(sku=rare, warehouse=far, on_hand=4)
    _order(shop, rare, "PO1", 2, date(2026, 12, 3))
    made = transferring.draft(far, shop.warehouse, [Moved(rare, 4)], actor="lin")
    transferring.approve(made.pk, actor="lin")
    assert [p["expected_on"] for p in quote((rare, 3)).json()["parcels"]] == ["2026-12-03"], (
        "what is set aside is no one's"
    )

    transferring.ship(made.pk, actor="lin", expected_on=date(2026, 12, 1))

    parcels = [(p["expected_on"], p["lines"][0]["quantity"]) for p in quote((rare, 5)).json()["parcels"]]
    assert parcels == [("2026-12-01", 4), ("2026-12-03", 1)]
    transferring.expect(made.pk, None, actor="lin")
    found = quote((rare, 5)).json()
    assert [(p["expected_on"], p["lines"][0]["quantity"]) for p in found["parcels"]] == [("2026-12-03", 2)]


def test_a_basket_is_split_by_the_split_rules_of_its_channel(quote, api, shop):
    """As the order will be: quote and split ask the same rules."""
    heavy = factories.SkuFactory(merchant=shop.merchant, weight_g=6_000)
    factories.StockFactory(sku=heavy, warehouse=shop.warehouse, on_hand=5)
    basket = [(shop.sku, 2), (heavy, 1)]
    assert len(quote(*basket).json()["parcels"]) == 1
    last = {"on_partial": "allocate", "on_none": "backorder"}
    factories.activate_rules(last, splits=({"kind": "weight", "most": "6.5"},), channel=shop.channel)

    found = quote(*basket, source=shop.channel.code).json()["parcels"]

    assert [[line["sku"] for line in one["lines"]] for one in found] == [[shop.sku.code], [heavy.code]]
    assert [one["why"] for one in found] == [None, {"code": "split_rule"}]
    refused = quote(*basket, source="nobody")
    assert (refused.status_code, errors_of(refused)) == (400, {("source", "unknown_channel")})
    order = shop.place_order((shop.sku, 2, "10.00"), (heavy, 1, "10.00"), payment_method="cod")
    factories.run(deciding.run, splitting.run)
    assert order.sub_orders.count() == 2


def test_a_bundle_of_the_channel_is_quoted_as_what_it_stands_for(quote, api, shop):
    Channel.objects.filter(pk=shop.channel.pk).update(matches_skus=True)
    match(shop, "SET-1", (shop.sku, 2), (shop.other_sku, 1))
    line = {"sku": "SET-1", "quantity": 3, "unit_price": "30.00"}
    body = {
        "region_code": "110101",
        "source": shop.channel.code,
        "lines": [{"sku": shop.sku.code, "quantity": 1}, line],
    }
    found = send(api, body, PROMISE).json()
    (parcel,) = found["parcels"]
    assert [tuple(one.values()) for one in parcel["lines"]] == [
        (0, shop.sku.code, 1),
        (1, shop.sku.code, 6),
        (1, shop.other_sku.code, 3),
    ]
    assert found["short"] == []
    Stock.objects.filter(sku=shop.other_sku).update(safety_stock=98)
    short = send(api, {**body, "lines": [line]}, PROMISE).json()["short"]
    assert short == [{"line": 0, "sku": shop.other_sku.code, "quantity": 1}]
    Sku.objects.filter(pk=shop.other_sku.pk).update(is_active=False)
    assert errors_of(send(api, body, PROMISE)) == {("lines.1.sku", "unknown_sku")}
    del body["source"]
    assert errors_of(send(api, body, PROMISE)) == {("lines.1.sku", "unknown_sku")}, "another channel's code"
