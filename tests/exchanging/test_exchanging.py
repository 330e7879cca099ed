"""Goods are exchanged for others: what comes back pays for them, the difference is paid or given back, to the fen."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from inventory.models import Sku
from logistics.warehouses import stopping
from logistics.warehouses.adapters import Answer
from oms.common.errors import ChangedMeanwhile
from oms.merchants.models import Channel
from orders.changing import cancelling
from orders.models import Exchange, Order, OrderCharge, OrderLink
from orders.returning import deciding as returning
from orders.returning import exchanging, locking, travelling
from orders.returning import requesting as requesting_returns
from orders.returning.exchanging import NewGoods
from payments.exchanging import beginning, writing_off
from payments.models import BalanceAccount, LedgerLine, Payment
from payments.taking import expiring, noticing, requesting
from tests import factories, fakes, steps
from tests.balances import wallets
from tests.exchanging.world import exchange, new_order, of, pay_rest, returned, run, send, wanted
from tests.payments.grants import delivered, member, refunds
from tests.payments.test_promotions_lost import promotion
from tests.returns.world import BUYER, arrived, came, found, install, line_of, many, pay_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture(autouse=True)
def _installed(db: None) -> None:
    install()


def terms(shop, **values) -> None:
    Channel.objects.filter(merchant=shop.merchant).update(**values)


def still_to_come() -> int:
    """What the ledger's account of exchanges has, in fen."""
    return sum(line.debit_fen - line.credit_fen for line in LedgerLine.objects.filter(account_id="1102"))


def test_the_same_goods_cost_nothing_and_leave_once_the_others_are_there(shop):
    order = many(shop, 2)
    row = exchange(order, {1: 1})
    new = new_order(row)

    assert (row.credit, row.new_amount, new.payable_amount, new.paid_amount) == (10, 10, 10, 10)
    assert (new.state, new.open_holds) == ("in_review", 1)
    link = OrderLink.objects.get(order=new)
    assert (link.original, link.kind, link.note, link.units) == (order, "exchange", returned(row).number, {"1": 1})
    assert Payment.objects.get(order=new).means == "exchange"
    assert still_to_come() == 1000
    assert steps.broken_invariants() == []

    back = came(returned(row))
    run()
    assert new_order(row).open_holds == 0
    send(new_order(row))
    assert new_order(row).sub_orders.get().state in ("released", "accepted")
    found(back, good=1)
    run()

    assert (returned(row).state, returned(row).money_state) == ("closed", "granted")
    assert refunds() == []
    assert still_to_come() == 0
    assert [str(charge.amount) for charge in OrderCharge.objects.filter(order=order, cause="exchanged")] == ["10.00"]
    assert steps.broken_invariants() == []
    assert steps.tickets() == []


def test_a_dearer_item_waits_for_its_difference(shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("35.50"))
    order = many(shop, 2)
    shown = beginning.preview(order.pk, wanted(order, {1: 1}, [NewGoods(shop.other_sku.code, 1)]))
    assert (shown.gives, shown.costs, shown.credit, shown.to_pay, shown.back) == (1000, 3550, 1000, 2550, 0)
    row = exchange(order, {1: 1}, [NewGoods(shop.other_sku.code, 1)], agreed=beginning.Agreed(2550, 0))
    new = new_order(row)

    assert (new.state, new.paid_amount, new.payment_state) == ("awaiting_payment", 10, "partly_paid")
    assert steps.broken_invariants() == []
    pay_rest(row, "25.50")
    assert (new_order(row).state, new_order(row).payment_state) == ("in_review", "paid")
    found(came(returned(row)), good=1)
    run()
    assert new_order(row).open_holds == 0
    assert refunds() == []
    assert still_to_come() == 0
    assert steps.broken_invariants() == []


def test_a_cheaper_item_gives_the_difference_back_in_two_steps(shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("4.10"))
    order = many(shop, 2)
    row = exchange(order, {1: 1}, [NewGoods(shop.other_sku.code, 1)])
    assert (row.credit, new_order(row).payable_amount) == (Decimal("4.10"), Decimal("4.10"))
    back = found(came(returned(row)), good=1)
    run()
    assert returned(row).money_state == "to_grant"
    assert new_order(row).open_holds == 0

    grant = pay_back(back, member("customer_service"))
    run()
    assert (str(grant.amount), grant.calculation["exchanged"]) == ("5.90", "4.10")
    assert refunds() == [("5.90", "returned", "intended")]
    assert still_to_come() == 0
    assert steps.broken_invariants() == []


def test_no_promotion_is_lost_where_the_value_does_not_fall(shop):
    """Example 2 of the reference, exchanged: A had cost 85.00, and does so again."""
    order = arrived(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")])
    row = exchange(order, {1: 1})
    assert (row.credit, row.new_amount) == (85, 85)
    found(came(returned(row)), good=1)
    run()
    assert returned(row).money_state == "granted"
    assert refunds() == []
    assert not OrderCharge.objects.filter(order=order, cause="promotion_lost").exists()
    assert steps.broken_invariants() == []


def test_a_promotion_is_lost_and_shown_where_the_new_goods_cost_less(shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("10.00"))
    order = arrived(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")])
    shown = beginning.preview(order.pk, wanted(order, {1: 1}, [NewGoods(shop.other_sku.code, 1)]))
    assert shown.calculation["promotions"] == [{"code": "P1", "name": "", "share": "15.00", "now": "0.00"}]
    assert (shown.gives, shown.credit, shown.back) == (7000, 1000, 6000)
    assert steps.broken_invariants() == []


def test_an_unpaid_difference_closes_the_exchange_and_the_buyer_keeps_the_goods(shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("35.50"))
    order = many(shop, 2)
    row = exchange(order, {1: 1}, [NewGoods(shop.other_sku.code, 1)])
    too_late(row)

    assert new_order(row).state == "cancelled"
    assert (of(row).end_reason, returned(row).state, returned(row).kind) == ("unpaid", "cancelled", "return_and_refund")
    assert line_of(order).returning_quantity == 0
    assert still_to_come() == 0
    assert steps.broken_invariants() == []


def test_an_unpaid_difference_of_goods_under_way_makes_it_a_refund(shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("35.50"))
    order = many(shop, 2)
    row = exchange(order, {1: 1}, [NewGoods(shop.other_sku.code, 1)])
    back = came(returned(row))
    run()
    assert new_order(row).open_holds == 0
    too_late(row)
    assert (of(row).end_reason, returned(row).state, returned(row).kind) == ("unpaid", "received", "return_and_refund")

    back = found(back, good=1)
    pay_back(back, member("customer_service"))
    run()
    assert refunds() == [("10.00", "cancelled", "succeeded"), ("10.00", "returned", "intended")]
    assert steps.broken_invariants() == []


def test_money_that_comes_after_all_goes_back(shop):
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("35.50"))
    row = exchange(many(shop, 2), {1: 1}, [NewGoods(shop.other_sku.code, 1)])
    with fakes.provider(fakes.FakeProvider()):
        factories.run(requesting.request)
    too_late(row)
    payment = Payment.objects.get(order=row.new_order_id, means="online")
    steps.notify(payment.number, "25.50")
    factories.run(noticing.run)
    run()
    assert [(amount, state) for amount, _reason, state in refunds()] == [("10.00", "succeeded"), ("25.50", "intended")]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("leaves", ["received", "at_once"])
def test_a_return_that_ends_stops_the_new_order_unless_it_left(shop, leaves):
    terms(shop, exchange_leaves=leaves)
    order = many(shop, 2)
    row = exchange(order, {1: 1})
    returning.cancel(row.pk, reason="keeps them", actor=steps.STAFF)
    run()
    assert (new_order(row).state, of(row).end_reason) == ("cancelled", "return_ended")
    assert line_of(order).returning_quantity == 0
    assert steps.broken_invariants() == []
    assert still_to_come() == 0


def test_goods_that_left_and_are_never_paid_by_others_call_a_person(shop):
    terms(shop, exchange_leaves="at_once")
    row = exchange(many(shop, 2), {1: 1})
    assert new_order(row).open_holds == 0
    steps.shipped(new_order(row))
    with pytest.raises(locking.NotNow):
        returning.cancel(row.pk, reason="x", actor=BUYER)
    returning.expire(row.pk, actor=steps.STAFF)
    run()
    assert (of(row).is_open, still_to_come(), steps.tickets()) == (True, 1000, [("exchange_unpaid", "gone")])
    assert steps.broken_invariants() == []

    writing_off.write_off(row.pk, reason="lost", actor=steps.STAFF)
    run()
    assert (still_to_come(), steps.tickets()) == (0, [])
    assert steps.broken_invariants() == []


def test_a_person_is_called_once_the_warehouse_refused_to_stop_new_goods_that_nobody_pays(shop):
    """The return ends while the warehouse is asked to stop the new goods, and only its answer decides."""
    terms(shop, exchange_leaves="at_once")
    row = exchange(many(shop, 2), {1: 1})
    new = new_order(row)
    send(new)
    cancelling.cancel_order(new.pk, reason="x", actor=steps.STAFF)
    returning.cancel(row.pk, reason="keeps it", actor=steps.STAFF)
    run()
    assert (of(row).is_open, steps.tickets()) == (True, [])

    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda _ref: Answer(taken=False))):
        factories.run(stopping.pass_on, stopping.run)
    steps.warehouse_says(new.sub_orders.get(), "packed", "shipped")
    run()
    assert (of(row).is_open, steps.tickets()) == (True, [("exchange_unpaid", "gone")])
    assert steps.broken_invariants() == []


def test_goods_that_come_late_pay_all_the_same(shop):
    terms(shop, exchange_leaves="at_once")
    row = exchange(many(shop, 2), {1: 1})
    steps.shipped(new_order(row))
    returning.expire(row.pk, actor=steps.STAFF)
    run()
    back = travelling.receive(row.pk, actor=steps.STAFF)
    run()
    assert (steps.tickets(), still_to_come()) == ([], 1000)
    found(back, good=1)
    run()
    assert (still_to_come(), returned(row).state) == (0, "closed")
    assert steps.broken_invariants() == []


def test_less_came_than_was_counted_on(shop):
    terms(shop, exchange_leaves="inspected")
    order = many(shop, 3)
    row = exchange(order, {1: 2})
    back = came(returned(row))
    run()
    assert new_order(row).open_holds == 1
    found(back, good=1, missing=1)
    run()
    assert (new_order(row).open_holds, still_to_come()) == (1, 1000)
    assert ("exchange_unpaid", "short") in steps.tickets()
    assert steps.broken_invariants() == []
    writing_off.write_off(row.pk, reason="goodwill", actor=steps.STAFF)
    run()
    assert (new_order(row).open_holds, still_to_come()) == (0, 0)
    assert steps.broken_invariants() == []


def test_new_goods_that_are_cancelled_or_come_back_free_the_money_of_the_first_order(shop):
    order = arrived(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")])
    row = exchange(order, {1: 1})
    found(came(returned(row)), good=1)
    run()
    cancelling.cancel_order(row.new_order_id, reason="not any more", actor=steps.STAFF)
    run()
    # As if it had come back for its money: the promotion is lost, 70.00 of 85.00 go back.
    assert refunds() == [("85.00", "cancelled", "succeeded"), ("70.00", "returned", "intended")]
    assert still_to_come() == 0
    assert steps.broken_invariants() == []


def test_what_is_approved_at_another_door_is_begun_by_the_stage_or_becomes_a_refund(shop):
    order = many(shop, 3)
    first = requesting_returns.request(order.pk, wanted(order, {1: 1}), actor=BUYER)
    returning.approve(first.pk, actor=steps.STAFF)
    run()
    assert Exchange.objects.get(pk=first.pk).is_open
    second = requesting_returns.request(order.pk, wanted(order, {1: 1}), actor=BUYER)
    Sku.objects.filter(pk=shop.sku.pk).update(is_active=False)
    returning.approve(second.pk, actor=steps.STAFF)
    run()
    assert (returned(second).kind, Exchange.objects.get(pk=second.pk).end_reason) == (
        "return_and_refund",
        "not_possible",
    )
    assert steps.tickets() == [("exchange_given_up", "")]
    assert steps.broken_invariants() == []


def test_a_declined_wish_places_nothing_and_may_be_approved_later(shop):
    order = many(shop, 3)
    row = requesting_returns.request(order.pk, wanted(order, {1: 1}), actor=BUYER)
    returning.decline(row.pk, reason="worn", actor=steps.STAFF)
    run()
    assert not OrderLink.objects.exists()
    assert steps.broken_invariants() == []
    assert beginning.approve(row.pk, actor=steps.STAFF).is_open
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("price", ["today", "old"])
def test_prices_are_those_that_the_channel_says(shop, price):
    terms(shop, exchange_same_price=price, exchange_other_price=price)
    Sku.objects.update(list_price=Decimal("12.00"))
    order = many(shop, 3)
    goods = [NewGoods(shop.sku.code, 1), NewGoods(shop.other_sku.code, 1)]
    shown = beginning.preview(order.pk, wanted(order, {1: 2}, goods))
    assert [line.amount for line in shown.lines] == ([1200, 1200] if price == "today" else [1000, 1000])
    assert (shown.to_pay, shown.back) == ((400, 0) if price == "today" else (0, 0))
    assert not Exchange.objects.exists()


@pytest.mark.parametrize(
    ("goods", "words"),
    [([NewGoods("nonsense", 1)], "does not sell"), ([NewGoods("P1", 0)], "at least 1")],
)
def test_bad_wishes_are_refused_in_words(shop, goods, words):
    order = many(shop, 2)
    with pytest.raises(exchanging.CannotExchange, match=words):
        exchange(order, {1: 1}, goods)
    assert not Exchange.objects.exists()


def test_what_comes_out_otherwise_than_was_shown_is_not_confirmed(shop):
    order = many(shop, 2)
    with pytest.raises(ChangedMeanwhile):
        exchange(order, {1: 1}, agreed=beginning.Agreed(100, 0))
    assert not Exchange.objects.exists()


def test_what_a_card_paid_pays_for_the_new_goods_as_well(shop):
    card = wallets.card(shop.merchant, "30.00")
    order = shop.place_order(
        (shop.sku, 1, "50.00"), payable_amount="20.00", freight_amount="0.00", **wallets.by_card(card, "30.00")
    )
    steps.pay(order)
    order = delivered(order)
    order.sub_orders.update(delivered_at=timezone.now())
    account = BalanceAccount.objects.get()
    before = wallets.has(account)
    row = exchange(order, {1: 1})
    assert row.credit == 50
    found(came(returned(row)), good=1)
    run()
    assert (refunds(), wallets.has(account), still_to_come()) == ([], before, 0)
    assert steps.broken_invariants() == []

    cancelling.cancel_order(row.new_order_id, reason="not any more", actor=steps.STAFF)
    run()
    assert wallets.has(account) == (before[0] + 3000, before[1])
    assert refunds() == [("50.00", "cancelled", "succeeded"), ("20.00", "returned", "intended")]
    assert steps.broken_invariants() == []


def too_late(row) -> None:
    """The time for the difference is over."""
    Order.objects.filter(pk=row.new_order_id).update(pay_by=timezone.now() - timedelta(minutes=1))
    factories.run(expiring.run)
    run()
