"""A match lets the orders that wait for it go on: all of them, with exactly their money."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from unittest import mock

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.cod import CodTerms
from inventory.models import UNKNOWN_GOODS, Sku
from oms.merchants.models import Merchant
from orders import kinds
from orders.changing import units
from orders.intake.apportionment import Shares
from orders.intake.checking import CheckedLine
from orders.intake.goods import KnownSku
from orders.intake.sharing import PromotionShare
from orders.locking import lock_order
from orders.matching import matches, releasing, waiting
from orders.matching.known import Part, floor_of, price_parts
from orders.matching.parting import part_line
from orders.models import Hold, MatchWait, Order, OrderEvent, OrderLine, OrderState, SkuMatch, SubOrderLine
from orders.models import PromotionShare as StoredShare
from orders.models.shares import SHARES
from orders.reviewing import shipped, words
from tests import factories, steps
from tests.matching import shops
from tests.pipeline.test_races import in_thread
from tests.pipeline.test_statement_counts import counting

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    return shops.make_shop()


def test_one_match_lets_all_orders_go_on_that_wait_for_it(shop: factories.Shop, in_english: None) -> None:
    orders = [shops.place(shop, ("BOX", n, "9.99"), payment_method="cod") for n in (1, 2)]
    unpaid = shops.place(shop, {"sku": "BOX", "quantity": 1, "unit_price": "9.99", "name": "两袋茶"})

    shops.match(shop, "BOX", (shop.sku, 2))
    shops.release()

    assert [shops.lines_of(order) for order in (*orders, unpaid)] == [
        [(shop.sku.code, "BOX", 2, "9.99", "15.99")],
        [(shop.sku.code, "BOX", 4, "19.98", "25.98")],
        [(shop.sku.code, "BOX", 2, "9.99", "15.99")],
    ]
    # What the caller gave no name has that of its SKU.
    names = OrderLine.objects.filter(order__in=[orders[0], unpaid]).order_by("order_id").values_list("name", flat=True)
    assert list(names) == [shop.sku.name, "两袋茶"]
    assert {(order.open_holds, order.total_quantity) for order in map(steps.fresh, orders)} == {(0, 2), (0, 4)}
    hold = words.worded(Hold.objects.get(order=orders[0]))
    assert (hold.released_by, hold.note) == ("Let matched orders go on", "The codes of the goods are matched.")
    told = OrderEvent.objects.get(order=orders[0], kind=kinds.MATCHED)
    assert kinds.tell(told) == f"The codes of the goods were matched: BOX is {shop.sku.code} × 2."
    assert not MatchWait.objects.exists()
    assert not SkuMatch.objects.filter(wakes_since__isnull=False).exists()
    steps.approve_and_split()
    assert [steps.state_of(order) for order in (*orders, unpaid)] == ["split", "split", "awaiting_payment"]
    assert list(SubOrderLine.objects.values_list("quantity", flat=True).order_by("id")) == [2, 4]
    assert steps.broken_invariants() == []


def test_an_order_with_a_second_code_waits_for_that_too(shop: factories.Shop) -> None:
    order = shops.place(shop, ("BOX", 1, "9.99"), ("BAG", 1, "1.00"))

    shops.match(shop, "BOX", (shop.sku, 1))
    shops.release()
    assert shops.codes(shops.lines_of(order)) == [UNKNOWN_GOODS, UNKNOWN_GOODS]
    assert steps.fresh(order).open_holds == 1

    shops.match(shop, "BAG", (shop.other_sku, 1))
    shops.release()
    assert shops.codes(shops.lines_of(order)) == [shop.sku.code, shop.other_sku.code]
    assert steps.fresh(order).open_holds == 0
    assert steps.broken_invariants() == []


def test_what_is_said_later_is_for_new_orders(shop: factories.Shop) -> None:
    first = shops.place(shop, ("BOX", 1, "9.99"))
    made = shops.match(shop, "BOX", (shop.sku, 1))
    shops.release()

    shops.match(shop, "BOX", (shop.other_sku, 1))
    second = shops.place(shop, ("BOX", 1, "9.99"))
    matches.forget(made.pk)
    third = shops.place(shop, ("BOX", 1, "9.99"))
    shops.release()

    found = [shops.codes(shops.lines_of(order)) for order in (first, second, third)]
    assert found == [[shop.sku.code], [shop.other_sku.code], [UNKNOWN_GOODS]]


def test_what_the_channel_may_not_sell_keeps_the_hold_and_says_so(shop: factories.Shop, in_english: None) -> None:
    theirs = factories.SkuFactory()
    order = shops.place(shop, ("BOX", 1, "9.99"))
    shops.match(shop, "BOX", (theirs, 1))
    Merchant.objects.filter(pk=theirs.merchant_id).update(status=Merchant.Status.SUSPENDED)

    shops.release()

    why = words.why(Hold.objects.get(order=order))
    assert why == f"BOX stands for {theirs.code}, which this channel does not sell now."
    Merchant.objects.filter(pk=theirs.merchant_id).update(status=Merchant.Status.ACTIVE)
    # Said once more, it is tried once more.
    shops.match(shop, "BOX", (theirs, 1))
    shops.release()
    assert shops.codes(shops.lines_of(order)) == [theirs.code]
    assert steps.broken_invariants() == []


def test_goods_that_are_not_sold_for_cash_on_delivery_keep_the_hold(shop: factories.Shop, in_english: None) -> None:
    strict = factories.SkuFactory(merchant=factories.MerchantFactory(accepts_cod=False))
    order = shops.place(shop, ("BOX", 1, "9.99"), payment_method="cod")

    shops.match(shop, "BOX", (strict, 1))
    shops.release()

    why = words.why(Hold.objects.get(order=order))
    assert why == f"BOX stands for {strict.code}, which its merchant does not sell for cash on delivery."


def test_a_floor_price_keeps_the_hold(shop: factories.Shop, in_english: None) -> None:
    Sku.objects.filter(pk=shop.sku.pk).update(floor_price=Decimal("9.00"))
    order = shops.place(shop, ("BOX", 1, "10.00"), coupon_amount="1.01")

    shops.match(shop, "BOX", (shop.sku, 1))
    shops.release()

    why = words.why(Hold.objects.get(order=order))
    assert why == f"BOX: what the order takes off would push {shop.sku.code} below its floor price."
    assert shops.is_waiting(order)
    shops.match(shop, "BOX", (shop.other_sku, 1))
    shops.release()
    assert shops.codes(shops.lines_of(order)) == [shop.other_sku.code]


def test_a_bundle_carries_all_of_its_lines_money(shop: factories.Shop) -> None:
    promotions = [
        {"id": "A", "amount": "10.01", "platform_amount": "3.33", "lines": [1]},
        {"id": "B", "amount": "5.00", "merchant_amount": "5.00"},
    ]
    changes = {
        "promotions": promotions,
        "coupon_amount": "3.00",
        "adjustment_amount": "-0.07",
        "adjustment_reason": "抹零",
        "adjustment_bearer": "merchant",
        "points": {"used": 100, "amount": "1.00"},
        "gift_card_amount": "2.00",
    }
    order = shops.place(shop, ("SET", 3, "33.33"), (shop.sku.code, 2, "10.00"), **changes)
    before = OrderLine.objects.get(order=order, position=1)

    shops.match(shop, "SET", (shop.sku, 2), (shop.other_sku, 1))
    shops.release()

    parts = list(OrderLine.objects.filter(order=order, caller_code="SET").order_by("position"))
    assert [(part.sku_id, part.quantity, part.position) for part in parts] == [
        (shop.sku.pk, 6, 1),
        (shop.other_sku.pk, 3, 3),
    ]
    for column in SHARES:
        assert sum(getattr(part, column) for part in parts) == getattr(before, column), column
    assert StoredShare.objects.filter(line__in=parts).count() == 4
    again = steps.fresh(order)
    assert (again.payable_amount, again.line_count, again.total_quantity) == (order.payable_amount, 3, 11)
    # It is what intake makes of the same order once the code is known.
    known = shops.place(shop, ("SET", 3, "33.33"), (shop.sku.code, 2, "10.00"), **changes)
    assert shops.lines_of(known) == shops.lines_of(order)
    assert steps.broken_invariants() == []


def test_units_cancelled_before_are_cancelled_of_every_part(shop: factories.Shop) -> None:
    order = shops.place(shop, ("SET", 3, "30.00"), payment_method="cod", freight_amount="0.00")
    units.cancel_units(order.pk, {1: 1}, reason="changed mind", actor=steps.STAFF)

    shops.match(shop, "SET", (shop.sku, 2), (shop.other_sku, 1))
    shops.release()
    assert steps.fresh(order).units_to_cancel == {"1": 2, "2": 1}
    steps.approve_and_split()

    left = SubOrderLine.objects.filter(sub_order__state="awaiting_allocation").order_by("order_line__position")
    assert list(left.values_list("quantity", flat=True)) == [4, 2]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("number", [5, 50])
def test_many_orders_take_as_many_statements_as_few(shop: factories.Shop, number: int) -> None:
    for _ in range(number):
        shops.place(shop, ("SET", 1, "30.00"), ("BOX", 1, "1.00"), promotions=[{"id": "A", "amount": "1.00"}])
    shops.match(shop, "BOX", (shop.sku, 1))
    shops.match(shop, "SET", (shop.sku, 1), (shop.other_sku, 1))

    with counting() as statements:
        while releasing.run(500):
            pass

    assert not MatchWait.objects.exists()
    assert len(statements) <= 30, statements


def test_a_batch_that_dies_leaves_nothing_half_done(shop: factories.Shop) -> None:
    orders = [shops.place(shop, ("SET", 1, "30.00")) for _ in range(3)]
    shops.match(shop, "SET", (shop.sku, 1), (shop.other_sku, 1))

    with (
        mock.patch.object(releasing, "write_tables", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
        transaction.atomic(),
    ):
        releasing.run(500)

    assert all(map(shops.is_waiting, orders))
    assert MatchWait.objects.count() == 3
    assert steps.broken_invariants() == []
    shops.release()
    assert not any(map(shops.is_waiting, orders))
    assert steps.broken_invariants() == []


def test_an_order_that_fails_stops_no_other_and_calls_a_person(shop: factories.Shop) -> None:
    orders = [shops.place(shop, ("BOX", 1, "30.00")) for _ in range(3)]
    shops.match(shop, "BOX", (shop.sku, 1))
    lay_out = releasing._lay_out

    def fail(order: object, *args: object) -> None:
        if order.id == orders[1].pk:  # type: ignore[attr-defined]
            raise ValueError("broken")
        lay_out(order, *args)  # type: ignore[arg-type]

    with mock.patch.object(releasing, "_lay_out", fail):
        shops.release()

    assert list(map(shops.is_waiting, orders)) == [False, True, False]
    assert steps.fresh(orders[1]).needs_person_since is not None
    shops.release()
    assert not shops.is_waiting(orders[1])
    assert steps.fresh(orders[1]).needs_person_since is None


@pytest.mark.django_db(transaction=True)
def test_two_workers_release_every_order_once() -> None:
    shop = shops.make_shop()
    orders = [shops.place(shop, ("SET", 1, "30.00")) for _ in range(30)]
    shops.match(shop, "SET", (shop.sku, 1), (shop.other_sku, 1))

    def work() -> None:
        for _ in range(12):
            releasing.run(7)

    with ThreadPoolExecutor(2) as pool:
        workers = [in_thread(pool, work) for _ in range(2)]
        for worker in workers:
            worker.result(60)
    shops.release()

    assert not any(map(shops.is_waiting, orders))
    assert OrderEvent.objects.filter(kind=kinds.MATCHED).count() == 30
    assert OrderLine.objects.count() == 60
    assert steps.broken_invariants() == []


@pytest.mark.django_db(transaction=True)
def test_an_order_that_somebody_has_is_passed_over_and_comes_later() -> None:
    shop = shops.make_shop()
    mine, other = (shops.place(shop, ("BOX", 1, "30.00")) for _ in range(2))
    shops.match(shop, "BOX", (shop.sku, 1))

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        lock_order(mine.pk)
        in_thread(pool, lambda: releasing.run(500)).result(30)

    assert (shops.is_waiting(mine), shops.is_waiting(other)) == (True, False)
    shops.release()
    assert not shops.is_waiting(mine)


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_stored_while_its_code_is_matched_is_not_forgotten() -> None:
    """The match waits for the order, or the order finds the match: whichever comes first."""
    shop = shops.make_shop()
    shops.place(shop, ("BOX", 1, "30.00"))
    late: list[Order] = []

    def store_late() -> None:
        read = shops.body(shop, ("BOX", 2, "30.00"))
        begin = waiting.begin

        def matched_first(orders: object) -> None:
            # Somebody matches the code, and everybody who waits goes on, after this order was checked.
            with ThreadPoolExecutor(1) as pool:
                in_thread(pool, lambda: (shops.match(shop, "BOX", (shop.sku, 1)), shops.release())).result(30)
            begin(orders)  # type: ignore[arg-type]

        with mock.patch.object(waiting, "begin", matched_first):
            late.append(factories.place(read, shop.merchant))

    store_late()
    assert shops.is_waiting(late[0])
    shops.release()

    assert not shops.is_waiting(late[0])
    assert not SkuMatch.objects.filter(wakes_since__isnull=False).exists()
    assert steps.broken_invariants() == []


def test_the_review_looks_at_what_the_codes_stand_for(shop: factories.Shop) -> None:
    shipped.install_default_rules()
    order = shops.place(shop, ("CRATE", 2, "30.00"), payment_method="cod")

    shops.match(shop, "CRATE", (shop.sku, 60))
    shops.release()
    steps.approve_and_split()

    assert steps.state_of(order) == OrderState.IN_REVIEW
    assert Hold.objects.get(order=order, released_at=None).kind == Hold.Kind.RULE


_FEN = st.integers(0, 5_000)


@settings(max_examples=150)
@given(
    weights=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3000), st.integers(0, 400)), min_size=1, max_size=5),
    quantity=st.integers(1, 9),
    unit_price=st.integers(0, 20_000),
    discount=st.floats(0, 1),
    taken=st.lists(st.floats(0, 1), min_size=6, max_size=6),
    freight=_FEN,
    raised=_FEN,
)
def test_parts_carry_exactly_the_lines_money(  # type: ignore[no-untyped-def]
    weights, quantity, unit_price, discount, taken, freight, raised
) -> None:
    parts = tuple(
        Part(KnownSku(i, f"P{i}", "M", f"p{i}", False, CodTerms.YES, floor), units, weight, True)
        for i, (units, weight, floor) in enumerate(weights)
    )
    line_discount = int(unit_price * quantity * discount)
    goods = unit_price * quantity - line_discount
    priced = price_parts(parts, quantity=quantity, unit_price=unit_price, line_discount=line_discount)
    room = goods - floor_of(priced)
    promoted, coupon, lowered = (int(room * share / 3) for share in taken[:3])
    adjustment = raised if taken[5] > 0.5 else -lowered
    platform = int(promoted * taken[3])
    payable = goods + freight - promoted - coupon + adjustment
    points = int(payable * taken[4] / 2)
    borne = promoted - platform - adjustment
    shares = Shares(goods, freight, promoted, coupon, adjustment, points, payable - points, borne)
    line = CheckedLine(parts[0].sku, "n", quantity, unit_price, line_discount, goods, parts=parts, stated_value=7)

    lines, sharing = part_line(
        line, shares, [PromotionShare(4, 9, promoted, platform)] if promoted else [], adjustment_bearer="merchant"
    )

    assert Shares(*map(sum, zip(*sharing.lines, strict=True))) == shares
    assert sum(one.stated_value for one in lines) == 7
    assert sum(one.amount for one in sharing.promotions) == promoted
    assert sum(one.platform_amount for one in sharing.promotions) == platform
    for one, carried, part in zip(lines, sharing.lines, priced, strict=True):
        assert one.quantity == part.part.units * quantity
        assert one.unit_price * one.quantity - one.line_discount == one.goods_amount == carried.goods
        assert one.line_discount >= 0
        assert carried.payable >= 0
        left = carried.goods - carried.promotion - carried.coupon + min(0, carried.adjustment)
        assert left >= min(carried.goods, part.floor)
