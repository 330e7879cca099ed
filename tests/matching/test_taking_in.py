"""Orders with codes of the channel's own: known ones have their SKUs at once, others wait."""

from decimal import Decimal

import msgspec
import pytest
from django.utils import translation

from inventory.models import UNKNOWN_GOODS, Sku
from oms.merchants.models import Channel
from orders import kinds
from orders.changing.cancelling import cancel_order
from orders.intake.bodies import HistoricalBody, decode
from orders.intake.placing import Placed, Refused, place_orders
from orders.models import Hold, MatchWait, OrderEvent, OrderLine, OrderState, SkuMatch, SubOrder
from orders.reviewing import holds, words
from tests import factories, steps
from tests.matching import shops
from tests.pipeline.test_statement_counts import counting

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    return shops.make_shop()


def test_without_matching_a_code_that_nobody_knows_is_refused_as_ever(shop: factories.Shop) -> None:
    Channel.objects.update(matches_skus=False)

    (outcome,) = shops.send(shop, shops.body(shop, ("BOX", 1, "9.90")))

    assert isinstance(outcome, Refused)
    assert [(error.attr, error.code) for error in outcome.errors] == [("lines.0.sku", "unknown_sku")]
    assert not SkuMatch.objects.exists()


def test_an_order_with_a_code_that_nobody_knows_is_stored_and_held(shop: factories.Shop, in_english: None) -> None:
    order = shops.place(shop, ("BOX", 2, "9.90"), (shop.sku.code, 1, "10.00"))

    assert (order.state, order.open_holds, order.line_count, order.total_quantity) == ("awaiting_payment", 1, 2, 3)
    assert shops.lines_of(order) == [
        (UNKNOWN_GOODS, "BOX", 2, "19.80", "23.80"),
        (shop.sku.code, "", 1, "10.00", "12.00"),
    ]
    hold = Hold.objects.get(order=order)
    assert (hold.kind, hold.details) == (Hold.Kind.UNMATCHED, {"codes": ["BOX"], "unfit": []})
    assert words.why(hold) == "Nobody has matched this code of the goods to a SKU: BOX."
    assert list(MatchWait.objects.values_list("match__code", "order", "tried_revision")) == [("BOX", order.pk, None)]
    assert OrderEvent.objects.filter(order=order, kind=kinds.UNMATCHED).count() == 1
    assert steps.broken_invariants() == []


def test_the_hold_is_told_in_chinese_too(shop: factories.Shop) -> None:
    order = shops.place(shop, ("礼盒", 1, "9.90"), ("BAG", 1, "1.00"))

    with translation.override("zh-hans"):
        assert words.why(Hold.objects.get(order=order)) == "商品编码 礼盒、BAG 还没有人匹配到 SKU。"


def test_it_is_paid_for_but_neither_reviewed_nor_split_nor_released_by_hand(shop: factories.Shop) -> None:
    order = shops.place(shop, ("BOX", 2, "9.90"))

    steps.pay(order)
    steps.approve_and_split()
    with pytest.raises(holds.CannotRelease):
        holds.release_hold(Hold.objects.get().pk, note="", actor=steps.STAFF)

    assert steps.state_of(order) == OrderState.IN_REVIEW
    assert not SubOrder.objects.exists()
    assert steps.broken_invariants() == []


def test_a_match_serves_new_orders_at_once(shop: factories.Shop) -> None:
    shops.match(shop, "TEA", (shop.sku, 1))
    shops.match(shop, "BOX", (shop.sku, 12))

    order = shops.place(shop, ("TEA", 3, "9.90"), {"sku": "BOX", "quantity": 2, "unit_price": "99.99", "id": "a"})

    assert order.open_holds == 0
    assert shops.lines_of(order) == [
        (shop.sku.code, "TEA", 3, "29.70", "30.70"),
        (shop.sku.code, "BOX", 24, "199.98", "204.98"),
    ]
    box = OrderLine.objects.get(order=order, position=2)
    # 99.99 a piece is 8.3325 a unit: rounded up, and taken back by the discount.
    assert (box.unit_price, box.line_discount, box.external_id) == (Decimal("8.34"), Decimal("0.18"), "a")
    assert not MatchWait.objects.exists()
    assert steps.broken_invariants() == []


def test_a_bundle_becomes_a_line_for_each_part_by_their_list_prices(shop: factories.Shop) -> None:
    shops.match(shop, "SET", (shop.sku, 2), (shop.other_sku, 1))

    order = shops.place(
        shop,
        {"sku": "SET", "quantity": 3, "unit_price": "40.00", "name": "组合装", "id": "a"},
        (shop.sku.code, 1, "10.00"),
        freight_amount="0.00",
    )

    # 40.00 by 20.00 to 25.50; the further part stands after the caller's lines.
    assert shops.lines_of(order) == [
        (shop.sku.code, "SET", 6, "52.74", "52.74"),
        (shop.sku.code, "", 1, "10.00", "10.00"),
        (shop.other_sku.code, "SET", 3, "67.26", "67.26"),
    ]
    assert list(OrderLine.objects.order_by("position").values_list("name", "external_id")) == [
        (shop.sku.name, "a"),
        (shop.sku.name, ""),
        (shop.other_sku.name, ""),
    ]
    assert (order.line_count, order.total_quantity, order.payable_amount) == (3, 10, Decimal("130.00"))
    assert steps.broken_invariants() == []


def test_weights_share_a_bundles_price(shop: factories.Shop) -> None:
    shops.match(shop, "SET", (shop.sku, 1, "1.00"), (shop.other_sku, 1, "3.00"))

    order = shops.place(shop, ("SET", 1, "10.00"), freight_amount="0.00")

    assert [line[3] for line in shops.lines_of(order)] == ["2.50", "7.50"]


def test_a_match_goes_before_a_sku_of_the_same_code(shop: factories.Shop) -> None:
    shops.match(shop, shop.sku.code, (shop.other_sku, 1))

    order = shops.place(shop, (shop.sku.code, 1, "9.90"))

    assert shops.codes(shops.lines_of(order)) == [shop.other_sku.code]


def test_a_line_that_names_another_merchant_speaks_of_its_skus(shop: factories.Shop) -> None:
    theirs = factories.SkuFactory()
    shops.match(shop, theirs.code, (shop.sku, 1))
    line = {"sku": theirs.code, "merchant": theirs.merchant.code, "quantity": 1, "unit_price": "9.90"}

    order = shops.place(shop, line)
    (outcome,) = shops.send(shop, shops.body(shop, {**line, "sku": "BOX"}))

    assert shops.codes(shops.lines_of(order)) == [theirs.code]
    assert isinstance(outcome, Refused)
    assert outcome.errors[0].code == "unknown_sku"


@pytest.mark.parametrize("code", ["", "x" * 65, "a\nb"])
def test_what_is_no_code_is_refused(shop: factories.Shop, code: str) -> None:
    (outcome,) = shops.send(shop, shops.body(shop, (code, 1, "9.90")))

    assert isinstance(outcome, Refused)
    assert {error.attr for error in outcome.errors} == {"lines.0.sku"}


def test_a_match_to_what_is_not_sold_any_more_holds_and_says_so(shop: factories.Shop, in_english: None) -> None:
    shops.match(shop, "TEA", (shop.sku, 1))
    Sku.objects.filter(pk=shop.sku.pk).update(is_active=False)

    order = shops.place(shop, ("TEA", 1, "9.90"))

    hold = Hold.objects.get(order=order)
    assert words.why(hold) == f"TEA stands for {shop.sku.code}, which this channel does not sell now."
    shops.release()
    assert shops.is_waiting(order)


def test_parts_that_refuse_cash_on_delivery_refuse_the_order(shop: factories.Shop) -> None:
    strict = factories.SkuFactory(merchant=factories.MerchantFactory(accepts_cod=False))
    shops.match(shop, "SET", (shop.sku, 1), (strict, 1))

    (outcome,) = shops.send(shop, shops.body(shop, ("SET", 1, "9.90"), payment_method="cod"))

    assert isinstance(outcome, Refused)
    assert [(error.attr, error.code) for error in outcome.errors] == [("lines.0.merchant", "cod_not_accepted")]


def test_a_coupon_pushes_no_part_of_a_bundle_below_its_floor(shop: factories.Shop) -> None:
    Sku.objects.filter(pk=shop.other_sku.pk).update(floor_price=Decimal("7.00"))
    shops.match(shop, "SET", (shop.sku, 1, "2.50"), (shop.other_sku, 1, "7.50"))

    order = shops.place(shop, ("SET", 1, "10.00"), coupon_amount="3.00", freight_amount="0.00")
    (outcome,) = shops.send(shop, shops.body(shop, ("SET", 1, "10.00"), coupon_amount="3.01"))

    # 3.00 by worth would take 2.25 off the second part, which can bear 0.50.
    assert [line[4] for line in shops.lines_of(order)] == ["0.00", "7.00"]
    assert isinstance(outcome, Refused)
    assert outcome.errors[0].code == "below_floor"


def test_orders_of_the_past_do_not_wait(shop: factories.Shop) -> None:
    past = {"state": "completed", "finished_at": "2026-01-05T09:00:00+08:00"}
    bodies = [shops.body(shop, (code, 1, "9.90"), **past) for code in ("BOX", "TEA")]
    shops.match(shop, "TEA", (shop.sku, 1))
    decoded = [decode(msgspec.json.encode(one), HistoricalBody) for one in bodies]
    refused, placed = place_orders(decoded, shop.merchant, actor=steps.STAFF, is_history=True)

    assert isinstance(refused, Refused)
    assert isinstance(placed, Placed)


def test_a_cancelled_order_waits_no_longer(shop: factories.Shop) -> None:
    order = shops.place(shop, ("BOX", 2, "9.90"))

    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    shops.match(shop, "BOX", (shop.sku, 1))
    shops.release()

    assert not MatchWait.objects.exists()
    assert shops.is_waiting(order)
    assert steps.fresh(order).open_holds == 0
    assert steps.broken_invariants() == []


def test_many_orders_take_as_many_statements_as_one_and_normal_ones_none_more(shop: factories.Shop) -> None:
    def statements(*bodies: dict[str, object]) -> int:
        with counting() as counted:
            outcomes = shops.send(shop, *bodies)
        assert all(isinstance(outcome, Placed) for outcome in outcomes), outcomes
        return len(counted)

    shops.place(shop, ("FIRST", 1, "1.00"))
    shops.match(shop, "SET", (shop.sku, 1), (shop.other_sku, 1))
    waiting = statements(shops.body(shop, ("BOX", 1, "9.90")))
    assert statements(*[shops.body(shop, (f"B{n}", 1, "9.90"), ("SET", 1, "9.90")) for n in range(20)]) <= waiting
    matched = statements(shops.body(shop, ("SET", 1, "9.90")))
    Channel.objects.update(matches_skus=False)
    normal = statements(shop.body())
    assert (normal, matched) == (normal, normal + 1)


def test_the_placeholder_is_nowhere_to_be_seen(shop: factories.Shop) -> None:
    shops.place(shop, ("BOX", 2, "9.90"))

    assert Sku._base_manager.filter(code=UNKNOWN_GOODS).count() == 1
    assert not Sku.objects.filter(code=UNKNOWN_GOODS).exists()
    assert not shop.merchant.skus.filter(code=UNKNOWN_GOODS).exists()
    listed = factories.client_of(shop.merchant).get("/api/v1/skus").json()["results"]
    assert {row["code"] for row in listed} == {shop.sku.code, shop.other_sku.code}
