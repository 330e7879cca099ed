"""Change sets: what they do to goods, money and stock, before the split and after it, and what they are refused for."""

from decimal import Decimal

import pytest

from inventory.models import Stock
from oms.common.errors import ChangedMeanwhile, OmsError, WrongFields
from oms.common.models import Ticket
from orders.admin.change_words import region_kept
from orders.changing import charging, reissuing
from orders.changing.cancelling import CannotCancel
from orders.changing.choosing import WHOLE, cancel
from orders.changing.sets import drafting
from orders.changing.sets.drafting import CannotChange
from orders.fulfilling import allocating, splitting
from orders.models import ChangeSet, Hold, Order, OrderCharge, OrderEvent, OrderLine, SubOrder
from orders.reviewing import deciding
from payments.models import Payment, Refund
from payments.owing import balancing
from payments.taking import noticing
from tests import factories, steps
from tests.change_sets.helpers import add, adjust, ask_for_balance, change, let_pass, pay_balance, seen, units

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


def paid(shop, *lines, split=False, **more):
    """A paid order; with `split` its sub-orders have their stock."""
    order = shop.place_order(*lines, **{"freight_amount": "0.00", **more})
    steps.pay(order)
    if split:
        factories.run(deciding.run, splitting.run, allocating.run)
    return Order.objects.get(pk=order.pk)


def refunds() -> list[str]:
    factories.run(balancing.run)
    return [str(one.amount) for one in Refund.objects.order_by("id")]


@pytest.mark.parametrize("split", [False, True])
def test_goods_are_added_once_their_balance_is_paid(shop, split):
    order = paid(shop, (shop.sku, 2, "10.00"), split=split)

    row = change(order, add(shop.other_sku, 2))

    assert (row.state, row.balance_amount) == ("awaiting_balance", Decimal("51.00"))
    assert OrderLine.objects.filter(order=order).count() == 1
    assert Hold.objects.get(order=order, released_at=None).kind == "change"
    assert steps.broken_invariants() == []
    row = pay_balance(row)
    assert row.state == "confirmed"
    now = Order.objects.get(pk=order.pk)
    assert (now.payable_amount, now.paid_amount, now.payment_state) == (Decimal("71.00"), Decimal("71.00"), "paid")
    assert (now.line_count, now.total_quantity, now.open_holds) == (2, 4, 0)
    assert refunds() == []
    factories.run(deciding.run, splitting.run, allocating.run)
    assert {part.state for part in SubOrder.objects.filter(order=order)} == {"allocated"}
    assert Stock.objects.get(sku=shop.other_sku).reserved == 2
    told = OrderEvent.objects.get(order=order, kind="changed").data
    assert told["units"] == [[shop.other_sku.code, 0, 2]]
    assert (told["before"], told["after"]) == ("20.00", "71.00")
    assert not Ticket.objects.filter(kind="order_paid_again").exists()
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("split", [False, True])
def test_a_swap_asks_only_for_the_difference(shop, split):
    order = paid(shop, (shop.sku, 3, "10.00"), split=split)

    row = change(order, units(1, 0), add(shop.other_sku, 2))

    assert row.balance_amount == Decimal("21.00")
    row = pay_balance(row)
    assert row.state == "confirmed"
    assert refunds() == []
    now = Order.objects.get(pk=order.pk)
    assert (now.paid_amount, charging.owed(order.pk), now.payment_state) == (Decimal(51), Decimal(51), "paid")
    factories.run(deciding.run, splitting.run, allocating.run)
    assert Stock.objects.get(sku=shop.sku).reserved == 0
    assert steps.broken_invariants() == []
    cancel(order.pk, WHOLE, reason="x", actor=steps.STAFF)
    assert sum(map(Decimal, refunds())) == Decimal(51)
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("split", [False, True])
def test_what_makes_the_order_cheaper_is_done_at_once_and_goes_back(shop, split):
    order = paid(shop, (shop.sku, 3, "10.00"), (shop.other_sku, 2, "20.00"), freight_amount="7.00", split=split)
    look = seen(order, units(1, 2), adjust("-6.00", 2), {"do": "freight", "amount": "-3.00"})
    assert (look.owed_before, look.to_pay) == (77_00, 0)

    row = change(order, units(1, 2), adjust("-6.00", 2), {"do": "freight", "amount": "-3.00"}, stamp=look.stamp)

    assert row.state == "confirmed"
    assert charging.owed(order.pk) * 100 == look.owed_after
    assert sum(map(Decimal, refunds())) * 100 == look.back
    assert steps.broken_invariants() == []
    now = Order.objects.get(pk=order.pk)
    assert (now.adjustment_amount, now.adjustment_bearer, now.freight_amount) == (Decimal(-6), "merchant", Decimal(4))
    assert now.adjustment_reason == "the buyer called"
    # What is cheaper goes back cheaper.
    factories.run(deciding.run, splitting.run, allocating.run)
    cancel(order.pk, WHOLE, reason="x", actor=steps.STAFF)
    assert sum(map(Decimal, refunds())) == Decimal(77)
    assert steps.broken_invariants() == []


def test_a_fee_is_a_charge_of_its_own_and_goes_back_with_the_goods(shop):
    order = paid(shop, (shop.sku, 2, "10.00"), split=True)
    row = pay_balance(change(order, adjust("5.00", bearer="platform")))
    assert row.state == "confirmed"
    fee = OrderCharge.objects.get(order=order, cause="fee")
    assert (fee.amount, fee.component, fee.reference) == (Decimal(5), "adjustment", row.number)
    assert steps.broken_invariants() == []
    cancel(order.pk, WHOLE, reason="x", actor=steps.STAFF)
    assert sum(map(Decimal, refunds())) == Decimal(25)
    assert steps.broken_invariants() == []


def test_on_delivery_everything_is_done_at_once_and_collected_at_the_door(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), payment_method="cod", freight_amount="0.00")
    row = change(order, add(shop.other_sku), units(1, 1))
    assert row.state == "confirmed"
    assert charging.owed(order.pk) == Decimal("35.50")
    factories.run(allocating.run)
    parts = SubOrder.objects.filter(order=order, state="allocated")
    assert sorted(part.payable_amount for part in parts) == [Decimal("10.00"), Decimal("25.50")]
    assert not Payment.objects.filter(order=order).exists()
    assert steps.broken_invariants() == []


def test_a_balance_that_is_not_paid_leaves_the_order_as_it_was(shop):
    order = paid(shop, (shop.sku, 2, "10.00"), split=True)
    row = change(order, add(shop.other_sku))
    payment = ask_for_balance(row)
    let_pass(row)
    assert ChangeSet.objects.get(pk=row.pk).state == "expired"
    assert Order.objects.get(pk=order.pk).open_holds == 0
    factories.run(balancing.run)
    assert Payment.objects.get(pk=payment.pk).state == "expired"
    assert steps.broken_invariants() == []
    # Who pays all the same gets it back.
    steps.notify(payment.number, "25.50")
    factories.run(noticing.run)
    assert refunds() == ["25.50"]
    assert OrderLine.objects.filter(order=order).count() == 1
    assert steps.broken_invariants() == []


def test_a_paid_change_that_is_not_possible_any_more_fails_and_calls_a_person(shop):
    order = paid(shop, (shop.sku, 2, "10.00"), split=True)
    row = change(order, add(shop.other_sku), units(1, 1))
    # Meanwhile the units go to a warehouse, as if somebody had lifted the hold.
    SubOrder.objects.filter(order=order).update(state="released", released_at=steps.NOON)
    payment = ask_for_balance(row)
    steps.notify(payment.number, str(payment.amount))
    factories.run(noticing.run)
    assert ChangeSet.objects.get(pk=row.pk).state == "failed"
    assert Ticket.objects.get(kind="change_not_carried_out").values["number"] == row.number
    assert refunds() == ["15.50"]
    assert Order.objects.get(pk=order.pk).open_holds == 0


def test_money_short_of_the_balance_carries_nothing_out(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    row = pay_balance(change(order, add(shop.other_sku)), "20.00")
    assert row.state == "awaiting_balance"
    assert refunds() == ["20.00"]
    assert steps.broken_invariants() == []


def test_discarding_what_waits_asks_nobody_any_more(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    row = change(order, add(shop.other_sku))
    payment = ask_for_balance(row)
    with pytest.raises(CannotChange, match="waits for its payment"):
        change(order, adjust("-1.00"))
    drafting.discard(order.pk, actor=steps.STAFF)
    factories.run(balancing.run)
    assert (ChangeSet.objects.get(pk=row.pk).state, Payment.objects.get(pk=payment.pk).state) == (
        "discarded",
        "expired",
    )
    assert change(order, adjust("-1.00")).state == "confirmed"
    assert steps.broken_invariants() == []


def test_what_ended_is_not_asked_for_although_the_order_was_billed_more_than_it_is_paid(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    change(order, units(1, 1), add(shop.sku, 1, unit_price="10.00"))
    now = Order.objects.get(pk=order.pk)
    assert now.paid_amount < now.payable_amount
    payment = ask_for_balance(change(order, add(shop.other_sku)))

    drafting.discard(order.pk, actor=steps.STAFF)
    factories.run(balancing.run)

    assert Payment.objects.get(pk=payment.pk).state == "expired"
    assert steps.broken_invariants() == []


def test_what_left_cannot_be_changed_and_why_is_said(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    part = steps.released(order)
    with pytest.raises(CannotCancel, match=part.number):
        change(order, units(1, 1))
    with pytest.raises(OmsError, match="cannot be priced anew"):
        change(order, adjust("-1.00", 1))
    assert not ChangeSet.objects.filter(order=order, state="confirmed").exists()
    # More can come with it still.
    assert pay_balance(change(order, units(1, 3))).state == "confirmed"
    assert SubOrder.objects.filter(order=order).count() == 2
    assert steps.broken_invariants() == []


def test_recipient_and_appointment_are_changed_with_the_rest(shop):
    order = paid(shop, (shop.sku, 2, "10.00"), split=True)
    wish = [
        {"do": "recipient", "name": "李娜"},
        {"do": "appointment", "delivery_from": "2030-01-02T09:00:00+08:00", "delivery_until": None},
        units(1, 1),
    ]
    look = seen(order, *wish)
    assert look.recipient["name"] == ("张华", "李娜")
    row = change(order, *wish)
    assert row.state == "confirmed"
    now = Order.objects.select_related("terms").get(pk=order.pk)
    assert (now.recipient_name, now.terms.delivery_from.year) == ("李娜", 2030)
    assert "李娜" not in str(ChangeSet.objects.values().get())
    assert steps.broken_invariants() == []


@pytest.fixture
def places():
    for code, *names in (
        ("110105", "北京市", "北京市", "朝阳区"),
        ("220104", "吉林省", "长春市", "朝阳区"),
        ("320102", "江苏省", "南京市", "玄武区"),
        ("320106", "江苏省", "南京市", "鼓楼区"),
    ):
        factories.RegionFactory(code=code, **dict(zip(("province", "city", "district"), names, strict=True)))


@pytest.mark.parametrize("address", ["朝阳区建国路1号", "南京市中山路1号", "江苏省中山路1号", "南京鼓楼科技园1栋"])
def test_an_address_that_names_a_place_of_no_certain_region_is_asked_about(shop, places, address):
    order = paid(shop, (shop.sku, 2, "10.00"))
    with pytest.raises(WrongFields, match="province") as refusal:
        change(order, {"do": "recipient", "address": address})
    assert [(one.attr, one.code) for one in refusal.value.errors] == [("address", "region_unclear")]
    assert steps.fresh(order).recipient_address != address
    # Said by its code, it is certain.
    change(order, {"do": "recipient", "address": address, "region_code": "320106"})
    assert steps.fresh(order).region_id == "320106"


@pytest.mark.parametrize("address", ["张江路88号3楼", "南京路1号", "北京东路5号", "北京市中山路1号", "东城区长安街2号"])
def test_an_address_that_names_no_other_place_keeps_the_region(shop, places, address, client):
    order = paid(shop, (shop.sku, 2, "10.00"))
    look = seen(order, {"do": "recipient", "address": address})
    assert "region" not in look.recipient
    assert "Beijing" in region_kept(order, look) or "北京市" in region_kept(order, look)
    change(order, {"do": "recipient", "address": address})
    assert steps.fresh(order).region_id == "110101"


def test_a_whole_text_in_place_of_the_address_says_who_and_where(shop, places):
    order = paid(shop, (shop.sku, 2, "10.00"))
    change(order, {"do": "recipient", "address": "李雷 13912345678 江苏省南京市鼓楼区中山路1号"})
    now = steps.fresh(order)
    assert (now.recipient_name, now.recipient_phone, now.region_id, now.recipient_address) == (
        *("李雷", "13912345678", "320106", "中山路1号"),
    )
    # Beside a field that says it, a name in the address is a remark, and the region counts all the same.
    whole = "李雷 13912345678 吉林省长春市朝阳区建国路1号"
    change(order, {"do": "recipient", "name": "韩梅梅", "address": whole})
    now = steps.fresh(order)
    assert (now.recipient_name, now.region_id, now.recipient_address) == ("韩梅梅", "220104", whole)


@pytest.mark.parametrize(
    ("wish", "attr", "code"),
    [
        ({"do": "nonsense"}, "actions.0.do", "invalid_choice"),
        ({"do": "add", "sku": "nothing", "quantity": 1}, "actions.0.sku", "unknown_sku"),
        ({"do": "quantity", "line": 9, "quantity": 1}, "actions.0.line", "unknown_line"),
        ({"do": "quantity", "line": 1, "quantity": -1}, "actions.0.quantity", "invalid"),
        ({"do": "quantity", "line": 1, "quantity": 2}, "actions.0.quantity", "unchanged"),
        ({"do": "adjust", "amount": "0", "bearer": "merchant"}, "actions.0.amount", "invalid_amount"),
        ({"do": "adjust", "amount": "-1.005", "bearer": "merchant"}, "actions.0.amount", "invalid_amount"),
        ({"do": "adjust", "amount": "NaN", "bearer": "merchant"}, "actions.0.amount", "invalid_amount"),
        ({"do": "adjust", "amount": "-1", "bearer": "nobody"}, "actions.0.bearer", "invalid_choice"),
        ({"do": "recipient", "name": 5}, "actions.0.name", "invalid"),
        ({"do": "appointment", "delivery_from": "tomorrow"}, "actions.0.delivery_from", "no_time_zone"),
    ],
)
def test_bad_input_is_named(shop, wish, attr, code):
    order = paid(shop, (shop.sku, 2, "10.00"))
    with pytest.raises(WrongFields) as refusal:
        change(order, wish)
    assert [(one.attr, one.code) for one in refusal.value.errors] == [(attr, code)]
    assert not ChangeSet.objects.exists()


def test_prices_are_for_those_who_may_and_no_line_costs_less_than_its_floor(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    for wish in (add(shop.other_sku, unit_price="1.00"), adjust("-1.00"), {"do": "freight", "amount": "1.00"}):
        with pytest.raises(CannotChange, match="right"):
            change(order, wish, may_price=False)
    assert change(order, add(shop.other_sku), may_price=False).state == "awaiting_balance"
    drafting.discard(order.pk, actor=steps.STAFF)
    type(shop.sku).objects.filter(pk=shop.sku.pk).update(floor_price="9.00")
    with pytest.raises(OmsError, match=r"at most ¥2\.00"):
        change(order, adjust("-2.01"))
    with pytest.raises(CannotChange, match="Nothing would be left"):
        change(order, units(1, 0))


def test_who_comes_second_is_told(shop):
    order = paid(shop, (shop.sku, 2, "10.00"), split=True)
    look = seen(order, units(1, 1))
    draft = drafting.save(order.pk, [units(1, 1)], reason="x", actor=steps.STAFF)
    with pytest.raises(ChangedMeanwhile, match="li"):
        change(order, adjust("-1.00"))
    assert change(order, units(1, 1), set_version=draft.version, stamp=look.stamp).state == "confirmed"
    with pytest.raises(ChangedMeanwhile):
        change(order, adjust("-1.00"), stamp=look.stamp)
    assert change(order, adjust("-1.00")).number.endswith("-C2")


def test_an_order_that_is_cancelled_meanwhile_is_not_changed(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    row = change(order, add(shop.other_sku))
    payment = ask_for_balance(row)
    cancel(order.pk, WHOLE, reason="x", actor=steps.STAFF)
    steps.notify(payment.number, str(payment.amount))
    factories.run(noticing.run)
    assert ChangeSet.objects.get(pk=row.pk).state == "failed"
    assert sum(map(Decimal, refunds())) == Decimal("45.50")
    assert steps.broken_invariants() == []


def test_a_line_of_which_units_go_with_the_split_is_not_priced_anew_before(shop):
    order = paid(shop, (shop.sku, 2, "10.00"))
    change(order, units(1, 1))
    with pytest.raises(OmsError, match="go with the split"):
        change(order, adjust("-1.00"))
    factories.run(deciding.run, splitting.run)
    assert change(order, adjust("-1.00")).state == "confirmed"
    assert sum(map(Decimal, refunds())) == Decimal(11)
    assert steps.broken_invariants() == []


def test_nothing_is_added_to_what_is_sent_again_and_it_gets_no_price(shop):
    order = shop.place_order((shop.sku, 2, "10.00"), payment_method="cod")
    steps.shipped(order)
    again = reissuing.reissue(order.pk, {1: 1}, "missing", "merchant", actor=steps.STAFF)
    for wish in (add(shop.other_sku), units(1, 2), adjust("1.00"), {"do": "freight", "amount": "5.00"}):
        with pytest.raises(CannotChange, match="another order"):
            change(again, wish)

    change(again, {"do": "recipient", "name": "李娜"})
    assert (charging.owed(again.pk), again.lines.count()) == (0, 1)
    assert steps.broken_invariants() == []
