"""Refunds in two steps: granted within limits or by a second person, then sent by rule or by finance."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.utils import timezone

from logistics.models import Shipment
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import Ticket
from orders.changing import charging, correcting
from orders.changing.cancelling import cancel_order
from orders.changing.units import cancel_units
from orders.models import OrderCharge, SubOrderLine
from payments.granting import deciding, limits, previewing
from payments.granting.deciding import MayNotGrant, Seen
from payments.granting.previewing import Wanted
from payments.models import GrantKind, GrantReason, Refund, RefundGrant
from payments.owing import sending
from payments.taking import noticing, requesting
from tests import factories, fakes, steps
from tests.payments.grants import actor, delivered, goodwill, member, paid, refunds, send_back
from tests.payments.test_promotions_lost import promotion

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _defaults(db: None) -> None:
    limits.install_defaults()


def test_within_the_limits_a_person_grants_alone_and_the_money_goes_by_rule(shop):
    clerk = member("customer_service")
    grant = goodwill(paid(shop, "300.00"), "200.00", clerk)

    assert (grant.state, grant.decided_by, grant.granted_amount) == ("approved", clerk.username, 200)
    assert refunds() == [("200.00", "goodwill", "intended")]
    assert Refund.objects.get().grant == grant
    charge = OrderCharge.objects.get(cause="goodwill")
    assert (charge.amount, charge.reference, charge.bearer) == (-200, grant.number, "platform")
    assert steps.broken_invariants() == []


def test_the_orders_money_is_read_once_for_what_is_shown_and_once_for_what_is_done(shop, monkeypatch):
    order = delivered(paid(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")]))
    lead = member("customer_service_lead")
    reads: list[object] = []
    read = correcting.read
    monkeypatch.setattr(correcting, "read", lambda ids: reads.append(ids) or read(ids))

    grant = send_back(order, {1: 1}, lead)
    assert (grant.amount, grant.state, len(reads)) == (Decimal("70.00"), "approved", 2)
    assert steps.broken_invariants() == []


def test_above_the_limit_a_second_person_must_agree_and_never_the_same(shop):
    clerk, lead = member("customer_service"), member("customer_service_lead")
    grant = goodwill(paid(shop, "300.00"), "200.01", clerk)
    assert (grant.state, refunds()) == ("proposed", [])
    assert steps.tickets() == [("grant_to_approve", "")]
    assert steps.broken_invariants() == []

    for user in (clerk, member("customer_service")):
        with pytest.raises(MayNotGrant):
            deciding.approve(grant.pk, user=user, actor=actor(user))
    deciding.approve(grant.pk, user=lead, actor=actor(lead))

    assert refunds() == [("200.01", "goodwill", "intended")]
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_finance_grants_without_limit_but_with_a_second_person_over_ten_thousand(shop):
    one, other = member("finance"), member("finance")
    order = paid(shop, "30000.00")
    assert goodwill(order, "10000.00", one).state == "approved"
    grant = goodwill(order, "10000.01", one)
    assert grant.state == "proposed"
    with pytest.raises(MayNotGrant):
        deciding.approve(grant.pk, user=one, actor=actor(one))
    assert deciding.approve(grant.pk, user=other, actor=actor(other)).state == "approved"


def test_the_day_has_a_limit_too(shop):
    clerk = member("customer_service")
    order = paid(shop, "3000.00")
    for _grant in range(10):
        assert goodwill(order, "200.00", clerk).state == "approved"
    assert goodwill(order, "0.01", clerk).state == "proposed"
    RefundGrant.objects.filter(state="approved").update(decided_at=timezone.now() - timedelta(days=1))
    assert goodwill(order, "200.00", clerk).state == "approved"


def test_without_a_group_nothing_is_granted_alone(shop):
    assert goodwill(paid(shop, "300.00"), "0.01", factories.UserFactory()).state == "proposed"


def test_the_database_refuses_a_grant_that_its_proposer_approved_though_it_needed_another(shop):
    clerk = member("customer_service")
    grant = goodwill(paid(shop, "300.00"), "250.00", clerk)
    with pytest.raises(IntegrityError, match="second_person"), transaction.atomic():
        RefundGrant.objects.filter(pk=grant.pk).update(
            state="approved",
            decided_by=clerk.username,
            decided_at=timezone.now(),
            granted_amount=250,
            granted_cash_amount=250,
        )


def test_what_is_proposed_is_reserved_and_what_is_declined_is_free_again(shop):
    clerk, lead = member("customer_service"), member("customer_service_lead")
    order = paid(shop, "300.00")
    grant = goodwill(order, "250.00", clerk)

    with pytest.raises(OmsError) as refused:
        goodwill(order, "50.01", clerk)
    assert refused.value.attr == "amount"
    assert goodwill(order, "50.00", clerk).state == "approved"

    deciding.decline(grant.pk, reason="too much", actor=actor(lead))
    assert previewing.left_to_grant(order.pk) == 250
    with pytest.raises(OmsError):
        deciding.approve(grant.pk, user=lead, actor=actor(lead))
    assert order.events.get(kind="grant_declined").data["why"] == "too much"
    assert steps.broken_invariants() == []


def test_what_was_cancelled_meanwhile_cannot_be_granted(shop):
    clerk, lead = member("customer_service"), member("customer_service_lead")
    order = paid(shop, "300.00")
    grant = goodwill(order, "250.00", clerk)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    with pytest.raises(OmsError):
        deciding.approve(grant.pk, user=lead, actor=actor(lead))

    assert refunds() == [("300.00", "cancelled", "intended")]
    assert steps.broken_invariants() == []


def test_nothing_is_granted_of_what_was_not_paid(shop):
    order = shop.place_order((shop.sku, 1, "100.00"))
    with pytest.raises(OmsError) as refused:
        goodwill(order, "1.00", member("finance"))
    assert refused.value.attr == "amount"


@pytest.mark.parametrize(("amount", "attr"), [("0", "amount"), ("-1", "amount"), ("0.001", "amount")])
def test_an_amount_must_be_one(shop, amount, attr):
    with pytest.raises(OmsError) as refused:
        goodwill(paid(shop, "300.00"), amount, member("customer_service"))
    assert refused.value.attr == attr


def test_a_return_gives_back_what_the_arithmetic_says_and_keeps_it_with_the_grant(shop):
    """Example 2, delivered: 70.00 for the dear line."""
    clerk = member("customer_service_lead")
    order = delivered(
        paid(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00", name="满200减30")])
    )
    grant = send_back(order, {1: 1}, clerk)

    assert (grant.state, grant.amount, grant.rules_version) == ("approved", 70, 1)
    assert grant.calculation["share_paid"] == "85.00"
    assert grant.calculation["kept_cost"] == "100.00"
    assert grant.calculation["promotions"] == [{"code": "P1", "name": "满200减30", "share": "15.00", "now": "0.00"}]
    assert [(line["position"], line["units"], line["payable"]) for line in grant.calculation["lines"]] == [
        (1, 1, "85.00")
    ]
    assert refunds() == [("70.00", "returned", "intended")]
    assert SubOrderLine.objects.get(order_line__position=1).returned_quantity == 1
    assert steps.broken_invariants() == []

    assert send_back(order, {2: 1}, clerk).amount == 60
    assert send_back(order, {3: 1}, clerk).amount == 40
    assert charging.owed(order.pk) == 0
    assert refunds() == [
        ("70.00", "returned", "intended"),
        ("60.00", "returned", "intended"),
        ("40.00", "returned", "intended"),
    ]
    assert steps.broken_invariants() == []


def test_units_of_a_line_come_back_one_by_one_and_the_parcel_later_with_the_rest(shop):
    lead = member("customer_service_lead")
    order = shop.place_order((shop.sku, 3, "33.33"), freight_amount="0.00", coupon_amount="10.00")
    steps.pay(order)
    steps.approve_and_split()
    delivered(order)
    assert send_back(order, {1: 1}, lead).amount == Decimal("30.00")
    assert charging.owed(order.pk) == Decimal("59.99")

    steps.scan(Shipment.objects.get(), "returned")

    assert charging.owed(order.pk) == 0
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(("reason", "amount"), [("no_reason", "20.00"), ("sellers_fault", "22.40")])
def test_the_reason_says_whether_freight_goes_back(shop, settings, reason, amount):
    settings.APPORTIONMENT_POLICY = "fen"
    order = delivered(paid(shop, "30.00", "20.00", freight_amount="6.00"))
    assert send_back(order, {2: 1}, member("customer_service"), reason=reason).amount == Decimal(amount)
    assert charging.owed(order.pk) == 56 - Decimal(amount)
    assert refunds() == [(amount, "returned", "intended")]
    assert steps.broken_invariants() == []


def test_a_gift_that_is_kept_is_charged_until_it_comes_back(shop):
    lead = member("customer_service_lead")
    gift = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=gift, warehouse=shop.warehouse)
    body = shop.body((shop.sku, 1, "299.00"), (gift, 1, "0.00"), freight_amount="0.00")
    body["lines"][1] |= {"is_gift": True, "stated_value": "29.90"}
    order = factories.place(body, shop.merchant)
    steps.pay(order)
    steps.approve_and_split()
    delivered(order)

    assert send_back(order, {1: 1}, lead, gifts={2: 1}).amount == Decimal("269.10")
    assert charging.owed(order.pk) == Decimal("29.90")
    assert send_back(order, {2: 1}, lead).amount == Decimal("29.90")
    assert charging.owed(order.pk) == 0
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("units", [{}, {1: 2}, {9: 1}, {1: 0}])
def test_only_units_that_the_buyer_has_can_come_back(shop, units):
    order = delivered(paid(shop, "30.00", "20.00"))
    with pytest.raises(OmsError) as refused:
        send_back(order, units, member("customer_service"))
    assert refused.value.attr == "lines"
    assert not RefundGrant.objects.exists()


def test_goods_that_are_on_their_way_are_cancelled_not_returned(shop):
    with pytest.raises(OmsError) as refused:
        send_back(paid(shop, "30.00"), {1: 1}, member("customer_service"))
    assert refused.value.attr == "lines"


def test_it_is_not_granted_otherwise_than_it_was_shown(shop):
    clerk = member("customer_service")
    order = delivered(paid(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")]))
    wanted = Wanted(GrantKind.RETURN, units={3: 1})
    with pytest.raises(ChangedMeanwhile):
        deciding.propose(
            order.pk,
            wanted,
            reason="no_reason",
            note="x",
            actor=actor(clerk),
            user=clerk,
            seen=Seen(Decimal("34.00"), Decimal(0), Decimal(0)),
        )
    assert not RefundGrant.objects.exists()


def test_a_proposal_that_comes_out_otherwise_by_now_is_not_approved(shop):
    nobody, lead = factories.UserFactory(), member("customer_service_lead")
    order = delivered(paid(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")]))
    first, second = send_back(order, {3: 1}, nobody), send_back(order, {1: 1}, nobody)
    assert (first.amount, second.amount) == (10, 70)

    deciding.approve(first.pk, user=lead, actor=actor(lead))
    with pytest.raises(ChangedMeanwhile):
        deciding.approve(second.pk, user=lead, actor=actor(lead))


@pytest.mark.usefixtures("in_english")
def test_a_lines_price_is_protected_by_no_more_than_is_left_of_it(shop):
    order = paid(shop, "100.00", "50.00")
    clerk, lead = member("customer_service"), member("customer_service_lead")

    def protect(amount, user=None):
        wanted = Wanted(GrantKind.PRICE_PROTECTION, Decimal(amount), 2)
        return deciding.propose(order.pk, wanted, reason="price_fell", note="fell", actor=actor(clerk), user=user)

    waiting = protect("20.00")
    with pytest.raises(OmsError, match=r"Only 30\.00 yuan of the line's price"):
        protect("30.01", clerk)
    protect("30.00", clerk)
    with pytest.raises(OmsError, match=r"Only 0\.00 yuan of the line's price"):
        protect("0.01", clerk)
    # Units that are gone by then had their part of it.
    steps.approve_and_split()
    cancel_units(order.pk, {2: 1}, reason="x", actor=steps.STAFF)
    with pytest.raises(OmsError, match=r"Only 0\.00 yuan of the line's price"):
        deciding.approve(waiting.pk, user=lead, actor=actor(lead))
    deciding.decline(waiting.pk, reason="gone", actor=actor(lead))

    assert sorted(amount for amount, _reason, _state in refunds()) == ["20.00", "30.00"]
    assert charging.owed(order.pk) == 100
    assert steps.broken_invariants() == []


def test_a_preview_changes_nothing(shop):
    order = delivered(paid(shop, "100.00", "60.00", "40.00", promotions=[promotion("30.00", "200.00")]))
    before = (OrderCharge.objects.count(), list(SubOrderLine.objects.values_list("returned_quantity", flat=True)))
    reason = GrantReason.objects.get(code="no_reason")

    found = previewing.preview(order.pk, Wanted(GrantKind.RETURN, units={1: 1, 2: 1}), reason)

    assert (found.amount, found.kept_cost) == (13000, 4000)
    assert before == (
        OrderCharge.objects.count(),
        list(SubOrderLine.objects.values_list("returned_quantity", flat=True)),
    )


# --- Sending


def test_above_the_operators_limit_finance_sends_what_was_granted(shop, settings):
    settings.REFUNDS_SENT_BY_RULE_UP_TO = Decimal("100.00")
    order = paid(shop, "300.00")
    goodwill(order, "100.01", member("customer_service"))
    assert refunds() == [("100.01", "goodwill", "granted")]
    assert steps.tickets() == [("refund_to_send", "")]
    with fakes.provider(fakes.FakeProvider()) as provider:
        factories.run(requesting.refund)
        assert provider.refunds == []
        refund = Refund.objects.get()
        sending.send(refund.pk, actor=steps.STAFF)
        factories.run(requesting.refund)
        assert [asked.reference for asked in provider.refunds] == [refund.number]
    with pytest.raises(OmsError):
        sending.send(refund.pk, actor=steps.STAFF)
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_what_goes_back_by_rule_is_not_waited_for(shop, settings):
    settings.REFUNDS_SENT_BY_RULE_UP_TO = Decimal("1.00")
    order = paid(shop, "300.00")
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    assert refunds() == [("300.00", "cancelled", "intended")]


def test_a_refund_that_takes_too_long_calls_a_person_once(shop, settings):
    settings.REFUND_DAYS = 7
    goodwill(paid(shop, "300.00"), "5.00", member("customer_service"))
    refunds()
    refund = Refund.objects.get()
    assert timedelta(days=6, hours=23) < refund.due_at - timezone.now() <= timedelta(days=7)
    factories.run(requesting.chase)
    assert steps.tickets() == []

    Refund.objects.update(due_at=timezone.now() - timedelta(days=1))
    factories.run(requesting.chase)
    factories.run(requesting.chase)
    assert [(ticket.kind, ticket.times) for ticket in Ticket.objects.all()] == [("refund_overdue", 1)]

    steps.notify(refund.number, "5.00", "refunded")
    factories.run(noticing.run)
    assert steps.tickets() == []


def test_the_defaults_are_installed_once(shop):
    limits.install_defaults()
    rows = limits.GrantLimit.objects.order_by("pk").values_list(
        "group__name", "single_amount", "daily_amount", "alone_up_to"
    )
    assert list(rows) == [
        ("customer_service", 200, 2000, None),
        ("customer_service_lead", 2000, 20000, None),
        ("finance", None, None, 10000),
        ("finance_lead", None, None, 10000),
        ("after_sales", 200, 2000, None),
        ("administrator", None, None, 10000),
    ]
    assert Permission.objects.filter(group__name="customer_service", codename="grant_refund").exists()
    assert GrantReason.objects.count() == 6
