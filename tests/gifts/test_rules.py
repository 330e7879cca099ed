"""What gift rules give: the arithmetic against a model that counts one by one, and the stage that writes it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError
from django.db.models import ProtectedError
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.changing import cancelling, gift_rules, gifts
from orders.changing import units as cancelling_units
from orders.changing.gift_rules import Bought, Facts, Rule
from orders.fulfilling import allocating, splitting
from orders.models import GiftGrant, GiftRule, Order, OrderEvent, OrderLine
from orders.reviewing import deciding
from tests import factories, steps

DAY = datetime(2026, 1, 1, tzinfo=UTC)


# --- The arithmetic

moments = st.none() | st.integers(0, 4).map(lambda days: DAY + timedelta(days=days))
maybe = st.none() | st.integers(1, 4)


@st.composite
def rules(draw):
    by_units = draw(st.booleans())
    return Rule(
        id=draw(st.integers(1, 5)),
        name="r",
        is_exclusive=draw(st.booleans()),
        time_kind=draw(st.sampled_from(["created", "paid", "reviewed"])),
        starts_at=draw(moments),
        ends_at=draw(moments),
        channels=draw(st.frozensets(st.integers(1, 2), max_size=1)),
        regions=draw(st.sampled_from([(), ("11",), ("3101", "11")])),
        goods=draw(st.frozensets(st.integers(1, 3), max_size=2)),
        min_units=draw(maybe),
        min_fen=draw(maybe),
        min_order_fen=draw(maybe),
        per_units=draw(maybe) if by_units else None,
        per_fen=None if by_units else draw(maybe),
        most_times=draw(st.integers(1, 3)),
        most_per_buyer=draw(st.none() | st.integers(1, 2)),
        gift_id=draw(st.integers(8, 9)),
        gift_units=draw(st.integers(1, 2)),
    )


@st.composite
def orders(draw):
    found = Facts(
        draw(st.integers(1, 1000)),
        draw(st.integers(1, 2)),
        (1, draw(st.sampled_from("ab"))),
        draw(st.sampled_from(["110101", "310104", ""])),
        {kind: draw(moments) for kind in ("created", "paid", "reviewed")},
    )
    found.goods = draw(st.lists(st.builds(Bought, st.integers(1, 3), st.integers(1, 4), st.integers(0, 5)), max_size=3))
    return found


def model(rules_in_order, some_orders, before, stock):
    """The same, by taking units and steps one by one, as a person with a list would."""
    stock, before, stopped, gave = dict(stock), dict(before), set(), []
    for order in some_orders:
        done = False
        for rule in rules_in_order:
            if done or rule.id in stopped:
                continue
            moment = order.times[rule.time_kind]
            wrong_time = (rule.starts_at or rule.ends_at) and not (
                moment
                and (not rule.starts_at or rule.starts_at <= moment)
                and (not rule.ends_at or moment < rule.ends_at)
            )
            elsewhere = rule.regions and not any(order.region[: len(code)] == code for code in rule.regions)
            if wrong_time or elsewhere or (rule.channels and order.channel_id not in rule.channels):
                continue
            units = fen = all_fen = 0
            for bought in order.goods:
                all_fen += bought.fen
                if rule.goods == frozenset() or bought.sku_id in rule.goods:
                    units, fen = units + bought.units, fen + bought.fen
            too_little = (
                units == 0
                or (rule.min_units is not None and rule.min_units > units)
                or (rule.min_fen is not None and rule.min_fen > fen)
                or (rule.min_order_fen is not None and rule.min_order_fen > all_fen)
            )
            if too_little:
                continue
            times, step, left = 1, rule.per_units or rule.per_fen, units if rule.per_units else fen
            if step:
                times = 0
                while left >= step:
                    times, left = times + 1, left - step
            while times > rule.most_times:
                times -= 1
            key = (rule.id, order.buyer)
            if times == 0 or (rule.most_per_buyer is not None and before.get(key, 0) >= rule.most_per_buyer):
                continue
            wanted = times * rule.gift_units
            if stock.get(rule.gift_id, 0) < wanted:
                stopped.add(rule.id)
                continue
            stock[rule.gift_id] -= wanted
            before[key] = before.get(key, 0) + 1
            gave.append((order.order_id, rule.id, wanted))
            done = rule.is_exclusive
    return gave, stopped


@settings(max_examples=400)
@given(
    st.lists(rules(), max_size=4, unique_by=lambda rule: rule.id),
    st.lists(orders(), max_size=5, unique_by=lambda order: order.order_id),
    st.integers(0, 6),
)
def test_rules_give_what_a_person_with_a_list_would(some_rules, some_orders, units):
    stock = {8: units, 9: 3}
    found = gift_rules.give(some_rules, some_orders, {}, stock)

    gave, stopped = model(some_rules, some_orders, {}, stock)
    assert [(gift.order_id, gift.rule.id, gift.units) for gift in found.gifts] == gave
    assert found.stopped == stopped


# --- The stage


@pytest.fixture
def gift(shop):
    found = factories.SkuFactory(merchant=shop.merchant, name="保温杯", list_price=Decimal("29.90"))
    factories.StockFactory(sku=found, warehouse=shop.warehouse, on_hand=5)
    return found


def rule(gift, **fields):
    named = {name: fields.pop(name, ()) for name in ("channels", "goods")}
    row = GiftRule.objects.create(
        **{"name": "新年", "is_active": True, "gift": gift, "stated_value": "29.90", **fields}
    )
    row.channels.set(named["channels"])
    row.goods.set(named["goods"])
    return row


def split(*some):
    factories.run(deciding.run, splitting.run)
    return [Order.objects.get(pk=order.pk) for order in some]


pytestmark_db = pytest.mark.django_db


@pytest.mark.django_db
def test_a_gift_is_a_line_that_costs_nothing_with_its_log_and_its_stock(shop, gift, in_english):
    row = rule(gift, per_amount="10.00", most_times=3)
    order = shop.place_order((shop.sku, 2, "10.00"), payment_method="cod")
    before = order.payable_amount

    (order,) = split(order)

    line = OrderLine.objects.get(order=order, is_gift=True)
    assert (line.sku, line.quantity, line.unit_price, line.stated_value) == (gift, 2, 0, Decimal("29.90"))
    assert (order.payable_amount, order.line_count, order.total_quantity) == (before, 2, 4)
    grant = GiftGrant.objects.get()
    assert (grant.order, grant.rule, grant.line, grant.units) == (order, row, line, 2)
    assert grant.why == {"units": 2, "amount": "20.00", "times": 2}
    event = OrderEvent.objects.get(order=order, kind="gift_given")
    assert event.data["rule"] == "新年"
    factories.run(allocating.run)
    assert gift.stock.get().reserved == 2
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_a_rule_gives_once_an_order_whatever_comes_after(shop, gift):
    row = rule(gift)
    (order,) = split(shop.place_order(payment_method="cod"))

    gifts.apply([order.pk])
    assert GiftGrant.objects.count() == 1
    cancelling.cancel_order(order.pk, reason="x", actor=steps.STAFF)
    gifts.apply([order.pk])
    assert GiftGrant.objects.count() == 1
    other = OrderLine.objects.filter(order=order, is_gift=False).get()
    with pytest.raises(IntegrityError, match="gift_rule_gives_once_an_order"):
        GiftGrant.objects.create(order=order, rule=row, line=other, buyer_reference="b", units=1, why={})


@pytest.mark.django_db
def test_of_two_orders_the_second_goes_without_when_the_gift_is_gone_and_a_person_is_told(shop, gift, in_english):
    row = rule(gift, gift_units=3)
    first, second, third = (shop.place_order(payment_method="cod") for _ in range(3))

    split(first, second, third)

    assert list(GiftGrant.objects.values_list("order", flat=True)) == [first.pk]
    row = steps.fresh(row)
    assert (row.is_active, row.stopped_at is not None) == (False, True)
    assert [kind for kind, _reason in steps.tickets()] == ["gift_gone"]
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_a_buyer_gets_it_so_often_within_days_and_no_oftener(shop, gift):
    rule(gift, most_per_buyer=1, within_days=7)
    first, second = (shop.place_order(payment_method="cod") for _ in range(2))
    other = shop.place_order(payment_method="cod", buyer={"id": "B2", "name": "李", "phone": "13900000000"})

    split(first, second, other)
    assert set(GiftGrant.objects.values_list("order", flat=True)) == {first.pk, other.pk}
    GiftGrant.objects.filter(order=first).update(granted_at=first.created_at - timedelta(days=8))
    third = shop.place_order(payment_method="cod")
    split(third)
    assert GiftGrant.objects.filter(order=third).exists()


@pytest.mark.django_db
def test_priority_and_exclusive_rules_decide_who_gives(shop, gift):
    last = rule(gift, name="last", priority=30)
    first = rule(gift, name="first", priority=10)
    rule(gift, name="other shop", priority=5, channels=[factories.ChannelFactory(merchant=shop.merchant)])
    exclusive = rule(gift, name="exclusive", priority=20, is_exclusive=True)

    split(shop.place_order(payment_method="cod"))

    assert set(GiftGrant.objects.values_list("rule", flat=True)) == {first.pk, exclusive.pk}
    assert not GiftGrant.objects.filter(rule=last).exists()


@pytest.mark.django_db
def test_units_that_are_cancelled_before_the_split_do_not_count(shop, gift):
    rule(gift, min_amount="20.00")
    order = shop.place_order((shop.sku, 2, "10.00"), payment_method="cod")
    cancelling_units.cancel_units(order.pk, {1: 1}, reason="x", actor=steps.STAFF)

    split(order)

    assert not GiftGrant.objects.exists()
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_statements_do_not_grow_with_the_orders(shop, gift, django_assert_max_num_queries):
    rule(gift, most_per_buyer=100, within_days=7, gift_units=1)
    gift.stock.get()
    placed = [shop.place_order(payment_method="cod") for _ in range(5)]
    factories.run(deciding.run)
    with django_assert_max_num_queries(16):
        gifts.apply([order.pk for order in placed])
    assert GiftGrant.objects.count() == 5


def test_what_a_rule_names_is_not_deleted_lest_the_rule_be_about_everything(db):
    sku, channel, gift = factories.SkuFactory(), factories.ChannelFactory(), factories.SkuFactory()
    rule = GiftRule.objects.create(name="r", gift=gift)
    rule.goods.add(sku)
    rule.channels.add(channel)

    for named in (sku, channel, gift):
        with pytest.raises(ProtectedError):
            named.delete()

    rule.goods.clear()
    sku.delete()
    rule.delete()
    channel.delete()
