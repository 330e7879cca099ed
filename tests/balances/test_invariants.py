"""What does not add up about gift cards, points and instalments is named, each by the invariant that is about it."""

import pytest
from django.db import connection

from payments.models import BalanceAccount
from tests import steps
from tests.balances import wallets
from tests.balances.test_instalments import parts
from tests.balances.wallets import by_card, by_points

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(shop) -> BalanceAccount:  # type: ignore[no-untyped-def]
    """A card that a waiting order holds a part of, and points of a completed order, some of them given by a person."""
    issued = wallets.card(shop.merchant)
    wallets.member(shop.merchant, 500)
    done = shop.place_order(**by_points(100))
    steps.pay(done)
    wallets.completed(done)
    shop.place_order(**by_card(issued, "20.00"), **parts("1.00", "5.00"))
    assert steps.broken_invariants() == []
    return issued.card


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        (
            "UPDATE payments_balanceaccount SET available = available + 1 WHERE kind = 'gift_card'",
            ["balances_are_owed_in_the_ledger", "balances_are_the_sum_of_their_movements"],
        ),
        (
            "UPDATE payments_balanceaccount SET held = 0, available = available + held WHERE kind = 'gift_card'",
            ["balances_are_the_sum_of_their_movements"],
        ),
        (
            "UPDATE payments_balanceaccount SET short = 1 WHERE kind = 'points'",
            ["balances_are_the_sum_of_their_movements"],
        ),
        (
            "UPDATE payments_ordertender SET fen = fen + 1 WHERE fen > 0",
            ["tenders_are_what_orders_say"],
        ),
        (
            "UPDATE payments_balancemovement SET order_id = (SELECT min(id) FROM orders_order) WHERE kind = 'held'"
            " AND order_id = (SELECT max(id) FROM orders_order)",
            ["balances_pay_what_is_charged_to_them", "no_balance_gets_back_more_than_it_paid"],
        ),
        (
            "UPDATE payments_ordertender SET earns_per_yuan = 2 WHERE earns_per_yuan > 0",
            ["completed_orders_earned_their_points"],
        ),
        (
            "UPDATE payments_balanceadjustment SET fen = 501",
            ["approved_adjustments_moved_their_balance"],
        ),
        (
            "UPDATE payments_balanceadjustment SET state = 'proposed', decided_at = NULL, decided_by = ''",
            ["approved_adjustments_moved_their_balance"],
        ),
        ("UPDATE payments_instalment SET amount = 2 WHERE position = 1", ["instalments_add_up"]),
        ("UPDATE payments_instalment SET due_at = now() - interval '1 day' WHERE position = 2", ["instalments_add_up"]),
    ],
)
def test_what_is_spoilt_is_named(world, statement, names):
    with steps.without_guards(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert sorted(finding.split(":")[0] for finding in steps.broken_invariants()) == names
