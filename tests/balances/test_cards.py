"""Gift cards and points on an order's way: held, spent, released, given back."""

from datetime import timedelta

import msgspec
import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from orders.changing.cancelling import cancel_order
from orders.changing.units import cancel_units
from orders.intake.bodies import decode
from orders.intake.placing import place_orders
from orders.models import Order, OrderEvent
from payments.balances import codes, expiring, issuing
from payments.models import BalanceMovement, LedgerLine
from payments.owing import balancing
from payments.taking import expiring as unpaid
from tests import factories, steps
from tests.balances import wallets
from tests.balances.wallets import by_card, by_points, has, refused, story

pytestmark = pytest.mark.django_db


def ledger(account: str) -> int:
    """What the account has in credit, in fen."""
    lines = LedgerLine.objects.filter(account=account)
    return sum(line.credit_fen - line.debit_fen for line in lines)


def test_a_card_is_held_when_the_order_is_placed_and_spent_when_all_else_is_paid(shop):
    issued = wallets.card(shop.merchant)
    order = shop.place_order(**by_card(issued, "20.00"))

    assert order.payable_amount == 6
    assert has(issued.card) == (8000, 2000)
    assert story(issued.card) == [("sold", 10000, 10000), ("held", -2000, 8000)]
    assert steps.broken_invariants() == []

    steps.pay(order)
    assert has(issued.card) == (8000, 0)
    assert story(issued.card)[-1] == ("captured", -2000, 8000)
    # 20.00 of the card and 6.00 in money were received before completion.
    assert (ledger("2101"), ledger("2001"), ledger("1003")) == (8000, 2600, -10000)
    kinds = OrderEvent.objects.filter(order=order, kind__startswith="tender").order_by("pk")
    assert [(event.kind, event.data["amount"]) for event in kinds] == [
        ("tender_held", "20.00"),
        ("tender_spent", "20.00"),
    ]
    assert steps.broken_invariants() == []


def test_what_a_completed_order_took_of_a_card_is_revenue(shop):
    issued = wallets.card(shop.merchant)
    order = shop.place_order(**by_card(issued, "20.00"))
    steps.pay(order)
    wallets.completed(order)

    assert (ledger("2101"), ledger("2001"), ledger("4001"), ledger("4003")) == (8000, 0, 2000, 600)
    assert steps.broken_invariants() == []


def test_an_order_that_a_card_pays_wholly_spends_it_at_once(shop):
    issued = wallets.card(shop.merchant)
    order = shop.place_order(**by_card(issued, "26.00"))

    assert (order.state, order.payment_state) == ("in_review", "nothing_due")
    assert has(issued.card) == (7400, 0)
    assert steps.broken_invariants() == []
    wallets.completed(order)
    assert steps.broken_invariants() == []


def test_an_order_that_is_never_paid_releases_what_it_held(shop):
    issued = wallets.card(shop.merchant)
    order = shop.place_order(**by_card(issued, "20.00"))
    Order.objects.filter(pk=order.pk).update(pay_by=timezone.now() - timedelta(minutes=1))
    factories.run(unpaid.run, balancing.run)

    assert steps.state_of(order) == "cancelled"
    assert has(issued.card) == (10000, 0)
    assert story(issued.card)[-1] == ("released", 2000, 10000)
    assert steps.broken_invariants() == []


def test_a_cancelled_order_gives_back_to_the_card_and_the_points_that_paid(shop):
    issued, member = wallets.card(shop.merchant), wallets.member(shop.merchant, 500)
    order = shop.place_order(**by_card(issued, "15.00"), **by_points(300))
    steps.pay(order)
    assert (has(issued.card), has(member)) == ((8500, 0), (200, 0))

    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)

    assert (has(issued.card), has(member)) == ((10000, 0), (500, 0))
    assert story(issued.card)[-1] == ("given_back", 1500, 10000)
    assert (ledger("2101"), ledger("2102")) == (10000, 500)
    assert steps.broken_invariants() == []


def test_units_that_are_cancelled_give_each_tender_its_share_back(shop):
    """Case 13 of the reference: A 100.00 B 50.00 C 33.33, points 10.00, card 50.00, one unit of C back by the fen."""
    issued, member = wallets.card(shop.merchant), wallets.member(shop.merchant, 1000)
    skus = [factories.SkuFactory(merchant=shop.merchant) for _line in range(3)]
    for sku in skus:
        factories.StockFactory(sku=sku, warehouse=shop.warehouse)
    lines = [(sku, 1, price) for sku, price in zip(skus, ("100.00", "50.00", "33.33"), strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.APPORTIONMENT_POLICY", "fen")
        order = shop.place_order(*lines, freight_amount="0.00", **by_card(issued, "50.00"), **by_points(1000))
    steps.pay(order)
    steps.approve_and_split()

    cancel_units(order.pk, {3: 1}, reason="x", actor=steps.STAFF)
    factories.run(balancing.run)
    assert [str(refund.amount) for refund in order.refunds.all()] == ["22.42"]
    assert (has(issued.card), has(member)) == ((5000 + 909, 0), (182, 0))
    assert steps.broken_invariants() == []

    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    factories.run(balancing.run)
    assert [str(refund.amount) for refund in order.refunds.order_by("pk")] == ["22.42", "100.91"]
    assert (has(issued.card), has(member)) == ((10000, 0), (1000, 0))
    assert steps.broken_invariants() == []


def test_two_cards_get_back_the_last_one_first_and_none_more_than_it_gave(shop):
    first, second = wallets.card(shop.merchant, "12.00"), wallets.card(shop.merchant, "50.00")
    cards = [{"code": first.code, "amount": "12.00"}, {"code": second.code, "amount": "8.00"}]
    order = shop.place_order(gift_card_amount="20.00", gift_cards=cards, freight_amount="0.00")
    steps.approve_and_split()
    cancel_units(order.pk, {1: 1}, reason="x", actor=steps.STAFF)
    factories.run(balancing.run)

    assert (has(first.card), has(second.card)) == ((200, 0), (5000, 0))
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    factories.run(balancing.run)
    assert (has(first.card), has(second.card)) == ((1200, 0), (5000, 0))
    assert steps.broken_invariants() == []


def test_what_goes_back_to_an_expired_card_can_be_spent_for_another_ninety_days(shop):
    issued = wallets.card(shop.merchant, expires_at=timezone.now() + timedelta(days=10))
    order = shop.place_order(**by_card(issued, "26.00"))
    with time_machine.travel(timezone.now() + timedelta(days=11)):
        assert expiring.run(100) == 1
        assert has(issued.card) == (0, 0)
        assert story(issued.card)[-1] == ("expired", -7400, 0)
        assert (ledger("2101"), ledger("4004")) == (0, 7400)
        cancel_order(order.pk, reason="x", actor=steps.STAFF)
        factories.run(balancing.run)
        assert has(issued.card) == (2600, 0)
        assert expiring.run(100) == 0
        shop.place_order(**by_card(issued, "20.00"))
    with time_machine.travel(timezone.now() + timedelta(days=102)):
        assert expiring.run(100) == 1
        # What an order holds stays its own.
        assert has(issued.card) == (0, 2000)
    assert steps.broken_invariants() == []


def test_what_is_wrong_with_a_card_is_said_and_nothing_is_held(shop):
    issued = wallets.card(shop.merchant, "10.00")
    other = wallets.card(factories.MerchantFactory(self_operated=True))
    assert refused(shop.body(**by_card(issued, "10.01")), shop.merchant) == [
        ("gift_cards.0.amount", "gift_card_too_small")
    ]
    assert refused(shop.body(**by_card(other, "1.00")), shop.merchant) == [("gift_cards.0.code", "unknown_gift_card")]
    twice = {"gift_card_amount": "2.00", "gift_cards": [{"code": issued.code, "amount": "1.00"}] * 2}
    assert refused(shop.body(**twice), shop.merchant) == [("gift_cards.1.code", "repeated")]
    less = {**by_card(issued, "2.00"), "gift_card_amount": "3.00"}
    assert refused(shop.body(**less), shop.merchant) == [("gift_card_amount", "does_not_add_up")]
    issuing.block(issued.card.pk, is_blocked=True)
    assert refused(shop.body(**by_card(issued, "1.00")), shop.merchant) == [("gift_cards.0.code", "gift_card_blocked")]
    issuing.block(issued.card.pk, is_blocked=False)
    with time_machine.travel(timezone.now() + timedelta(days=1096)):
        assert refused(shop.body(**by_card(issued, "1.00")), shop.merchant) == [
            ("gift_cards.0.code", "gift_card_expired")
        ]
    wallets.member(shop.merchant, 100)
    assert refused(shop.body(**by_points(101)), shop.merchant) == [("points.used", "too_few_points")]
    worth = {"points": {"used": 100, "amount": "2.00", "member": "M1"}}
    assert refused(shop.body(**worth), shop.merchant) == [("points.amount", "points_mismatch")]

    assert has(issued.card) == (1000, 0)
    assert not Order.objects.exists()


def test_orders_of_one_batch_share_what_is_left_of_a_card(shop):
    issued = wallets.card(shop.merchant, "50.00")
    bodies = [decode(msgspec.json.encode(shop.body(**by_card(issued, "20.00")))) for _order in range(3)]
    outcomes = place_orders(bodies, shop.merchant, actor=steps.STAFF)

    assert [type(outcome).__name__ for outcome in outcomes] == ["Placed", "Placed", "Refused"]
    assert has(issued.card) == (1000, 4000)
    assert steps.broken_invariants() == []


def test_a_card_whose_platform_keeps_it_stays_a_claim_of_the_caller(shop):
    order = shop.place_order(gift_card_amount="20.00", points={"used": 100, "amount": "1.00"})
    steps.pay(order)
    wallets.completed(order)

    assert not BalanceMovement.objects.exists()
    assert (ledger("2101"), ledger("2102")) == (-2000, -100)
    assert steps.broken_invariants() == []


def test_a_code_is_read_however_it_is_written_and_kept_nowhere(shop):
    issued = wallets.card(shop.merchant)
    shop.place_order(**by_card(issuing.Issued(issued.card, issued.code.lower().replace("-", " ")), "5.00"))

    assert has(issued.card) == (9500, 500)
    with connection.cursor() as cursor:
        cursor.execute("SELECT a::text FROM payments_balanceaccount a")
        (row,) = cursor.fetchone()
    assert codes.normal_form(issued.code) not in row.upper().replace("-", "")
    assert issued.card.masked_code == f"····{issued.code[-4:]}"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments_balanceaccount SET available = available + 1",
        "UPDATE payments_balanceaccount SET held = 5",
        "UPDATE payments_balancemovement SET available_change = 1",
        "DELETE FROM payments_balancemovement",
        "INSERT INTO payments_balancemovement (account_id, kind, key, available_change, held_change, actor_kind, actor)"
        " SELECT id, 'expired', 'x', -10001, 0, 'staff', 'x' FROM payments_balanceaccount",
        "INSERT INTO payments_balancemovement (account_id, kind, key, available_change, held_change, actor_kind, actor)"
        " SELECT id, 'sold', 'x', -1, 0, 'staff', 'x' FROM payments_balanceaccount",
        "INSERT INTO payments_balancemovement (account_id, kind, key, available_change, held_change, actor_kind, actor)"
        " SELECT account_id, kind, key, 1, 0, 'staff', 'x' FROM payments_balancemovement",
    ],
)
def test_the_database_changes_balances_by_sound_movements_only(shop, statement):
    wallets.card(shop.merchant)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert steps.broken_invariants() == []
