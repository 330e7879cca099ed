"""Refunds, settlements, and the derived payment state."""

from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from oms.common.errors import OmsError
from oms.common.models import Ticket
from oms.pipeline import SANDBOX_STAGE
from orders.changing.cancelling import cancel_order
from orders.fulfilling import completing
from orders.models import Order, SubOrder
from payments.models import Payment, Refund, SettlementRow
from payments.owing import balancing, paying_out, retrying
from payments.providers import Answer
from payments.providers.defaults import default_connection
from payments.taking import doubling, noticing, requesting
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kinds", [("refund_failed", "refunded"), ("refunded", "refund_failed")])
@pytest.mark.parametrize("together", [True, False])
def test_a_refund_that_arrived_counts_whatever_was_told_before_or_after(shop, kinds, together):
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(balancing.run, requesting.refund)

    for kind in kinds:
        steps.notify(f"{order.number}-R1", "26.00", kind)
        if not together:
            factories.run(noticing.run)
    factories.run(noticing.run)

    refund = Refund.objects.get()
    assert (refund.state, refund.needs_person_since) == ("succeeded", None)
    assert steps.fresh(order).payment_state == "refunded"


def test_a_refund_that_failed_needs_a_person(shop):
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)

    steps.notify(f"{order.number}-R1", "26.00", "refund_failed")
    factories.run(noticing.run)

    refund = Refund.objects.get()
    assert (refund.state, refund.needs_person_since is not None) == ("failed", True)
    assert steps.fresh(order).payment_state == "paid"


def test_cash_can_only_be_given_back_by_a_person(shop, settings):
    settings.MAX_ATTEMPTS = 2
    order = shop.place_order(payment_method="cod")
    shipment = steps.shipped(order)
    steps.scan(shipment, "collected", "signed")
    factories.run(balancing.run)
    Payment.objects.update(amount=Decimal(31), captured_amount=Decimal(31))
    Order.objects.update(owed_changed_since=timezone.now())
    factories.run(balancing.run, requesting.refund)

    refund = Refund.objects.get()
    assert (refund.state, refund.amount, refund.needs_person_since is not None) == ("intended", Decimal("5.00"), True)
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.reason, ticket.subject_id, ticket.about_id) == (
        *("refund_by_hand", "cash"),
        *(refund.pk, order.pk),
    )
    with pytest.raises(OmsError, match=r"by hand|人工"):
        retrying.retry("refund", refund.pk, actor=steps.STAFF)


def test_a_refund_names_the_payment_that_goes_back(shop):
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    with fakes.provider(fakes.FakeProvider(lambda charge: Answer(taken=True))) as provider:
        factories.run(balancing.run, requesting.refund)

    (charge,) = provider.refunds
    assert (charge.reference, charge.of, charge.amount) == (
        f"{order.number}-R1",
        f"{order.number}-P1",
        Decimal("26.00"),
    )


def test_a_cancelled_part_is_refunded_alone(shop):
    """Two storage classes make two sub-orders; the warehouse stops only one of them."""
    cold = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    order = shop.place_order((shop.sku, 2, "10.00"), (cold, 1, "30.00"), freight_amount="5.00")
    steps.pay(order)
    steps.approve_and_split()
    part = SubOrder.objects.get(order=order, storage_class="frozen")
    steps.put(part, "cancelled")
    Order.objects.update(owed_changed_since=timezone.now())

    factories.run(balancing.run)

    assert Refund.objects.get().amount == part.payable_amount == Decimal("33.00")


def test_refunds_take_the_oldest_payment_first_and_never_more_than_it_captured(shop):
    order = shop.place_order()
    steps.pay(order)
    Payment.objects.create(
        number="X-P2",
        order=order,
        means="online",
        connection=default_connection(),
        state="captured",
        amount=Decimal(10),
        captured_amount=Decimal(10),
        captured_at=steps.NOON,
    )
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    factories.run(balancing.run)

    amounts = list(Refund.objects.order_by("number").values_list("number", "payment__number", "amount"))
    assert amounts == [
        (f"{order.number}-R1", f"{order.number}-P1", Decimal("26.00")),
        (f"{order.number}-R2", "X-P2", Decimal("10.00")),
    ]
    factories.run(requesting.refund, SANDBOX_STAGE.run, noticing.run)
    order = steps.fresh(order)
    assert (order.refunded_amount, order.payment_state) == (Decimal("36.00"), "refunded")


def test_a_returned_parcel_is_refunded_whole(shop):
    order = shop.place_order()
    steps.pay(order)
    shipment = steps.shipped(order)

    steps.scan(shipment, "collected", "rejected", "returning", "returned")
    factories.run(balancing.run)

    assert Refund.objects.get().amount == Decimal("26.00")
    assert steps.state_of(order) == "closed"


def test_a_marketplace_merchant_is_owed_goods_and_freight_less_commission():
    """30.00 + 3.33 of the coupon, the platform's; commission 5 % of 33.33 = 1.6665, rounded to 1.67; freight 6.00."""
    shop = factories.make_shop()
    seller = factories.MerchantFactory(commission_rate=Decimal("0.05"), settlement_days=7)
    sku = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=sku)
    order = shop.place_order((sku, 1, "33.33"), coupon_amount="3.33", payment_method="cod")
    shipment = steps.shipped(order)
    steps.scan(shipment, "collected", "signed")
    factories.run(balancing.run)
    assert not SettlementRow.objects.exists()

    factories.run(completing.run, balancing.run)
    Order.objects.update(owed_changed_since=timezone.now())
    factories.run(balancing.run)

    row = SettlementRow.objects.get()
    assert row.merchant == seller
    assert (row.goods_amount, row.platform_amount, row.freight_amount) == (
        Decimal("30.00"),
        Decimal("3.33"),
        Decimal("6.00"),
    )
    assert (row.commission_amount, row.net_amount) == (Decimal("-1.67"), Decimal("37.66"))
    assert steps.broken_invariants() == []


def test_a_settlement_is_due_days_after_the_local_day_of_completion():
    """Completed at 02:00 on 10 January in Shanghai, which is still the 9th in UTC."""
    shop = factories.make_shop()
    seller = factories.MerchantFactory(settlement_days=7)
    sku = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=sku)
    order = shop.place_order((sku, 1, "10.00"), payment_method="cod")
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(completing.run)
    with time_machine.travel("2026-01-10T02:00:00+08:00", tick=False):
        from django.utils import timezone

        SubOrder.objects.update(completed_at=timezone.now())

    factories.run(balancing.run)

    assert SettlementRow.objects.get().due_on == date(2026, 1, 17)


def test_a_refund_that_failed_can_be_sent_once_more(shop):
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    steps.notify(f"{order.number}-R1", "26.00", "refund_failed")
    factories.run(noticing.run)

    retrying.retry("refund", Refund.objects.get().pk, actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()) as provider:
        factories.run(requesting.refund)

    assert [charge.reference for charge in provider.refunds] == [f"{order.number}-R1"]
    assert Refund.objects.get().state == "requested"
    with pytest.raises(OmsError):
        retrying.retry("refund", Refund.objects.get().pk, actor=steps.STAFF)


def test_the_self_operated_merchant_gets_no_settlement(shop):
    steps.scan(steps.shipped(shop.place_order(payment_method="cod")), "collected", "signed")

    factories.run(completing.run, balancing.run)

    assert not SettlementRow.objects.exists()


def test_a_payment_captured_under_a_second_key_is_shown_to_a_person_and_counted_once(shop):
    order = shop.place_order()
    steps.pay(order)

    steps.notify(f"{order.number}-P1", "26.00", key="another")
    factories.run(noticing.run, balancing.run)

    payment = Payment.objects.get()
    assert (payment.state, payment.captured_amount) == ("captured", Decimal("26.00"))
    assert payment.needs_person_since is not None
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.subject_id, ticket.values["key"], ticket.values["told"], ticket.values["held"]) == (
        *("payment_captured_again", payment.pk),
        *("another", "26.00", "26.00"),
    )
    assert not Refund.objects.exists()
    assert order.events.get(kind="captured_twice").data["notice"] == "another"
    retrying.retry("payment", payment.pk, actor=steps.STAFF)
    assert (steps.fresh(payment).state, steps.fresh(payment).needs_person_since) == ("captured", None)
    assert (steps.fresh(ticket).state, steps.fresh(ticket).closed_by) == ("closed", "li")


def test_of_what_was_paid_once_more_only_what_is_too_much_goes_back(shop):
    order = shop.place_order()
    steps.ask_for_payment()
    for amount, number in (("20.00", "T1"), ("26.00", "T2"), ("26.00", "T2"), ("5.00", "T3")):
        steps.notify(f"{order.number}-P1", amount, transaction=number)
        factories.run(noticing.run)

    booked = doubling.send_back(Payment.objects.get().pk, actor=steps.STAFF)
    factories.run(balancing.run)

    assert [(row.number.rpartition("-")[2], row.captured_amount) for row in booked] == [("P2", 26), ("P3", 5)]
    # 51.00 came in for 26.00: the newest money goes back first.
    refunds = [(row.payment.number.rpartition("-")[2], row.amount) for row in Refund.objects.order_by("pk")]
    assert refunds == [("P3", Decimal("5.00")), ("P2", Decimal("20.00"))]
    assert steps.fresh(order).state == "in_review"
    with pytest.raises(OmsError, match=r"settled before|已处理"):
        doubling.send_back(Payment.objects.get(doubles=None).pk, actor=steps.STAFF)
    assert [name for name in steps.broken_invariants() if "ticket" not in name] == []


def test_a_refund_of_which_the_provider_says_nothing_is_shown_to_a_person_who_may_send_it_again(shop):
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(balancing.run, requesting.refund, requesting.chase)
    assert Refund.objects.get().needs_person_since is None

    Refund.objects.update(requested_at=timezone.now() - requesting.REFUND_SILENCE * 1.1)
    factories.run(requesting.chase)

    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.values["number"], ticket.values["expected"]) == (
        *("refund_silent", f"{order.number}-R1"),
        "26.00",
    )
    retrying.retry("refund", Refund.objects.get().pk, actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider()) as provider:
        factories.run(requesting.refund)
    assert [charge.reference for charge in provider.refunds] == [f"{order.number}-R1"]


def test_a_refund_paid_by_hand_succeeds_once(shop, settings):
    settings.MAX_ATTEMPTS = 1
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    refund = Refund.objects.get()
    with pytest.raises(OmsError, match=r"twice|重复"):
        paying_out.confirm_paid_out(refund.pk, note="transfer 7", actor=steps.STAFF)
    with fakes.provider(fakes.FakeProvider(lambda charge: Answer(taken=False, reason="closed account"))):
        factories.run(requesting.refund)
    with pytest.raises(OmsError, match=r"how it was paid|付款"):
        paying_out.confirm_paid_out(refund.pk, note=" ", actor=steps.STAFF)

    paying_out.confirm_paid_out(refund.pk, note="transfer 7", actor=steps.STAFF)
    factories.run(noticing.run)

    assert steps.state_of(refund) == "succeeded"
    assert steps.fresh(order).payment_state == "refunded"
    with pytest.raises(OmsError, match=r"twice|重复"):
        paying_out.confirm_paid_out(refund.pk, note="transfer 8", actor=steps.STAFF)
    assert steps.broken_invariants() == []
