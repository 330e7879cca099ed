"""What does not add up about money is named, each by the invariant that is about it."""

from decimal import Decimal

import pytest
from django.db import connection

from orders.changing.cancelling import cancel_order
from orders.models import Order
from payments.models import Payment, Refund
from payments.owing import balancing
from payments.taking import noticing
from tests import factories, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(shop) -> Order:  # type: ignore[no-untyped-def]
    """A paid order of 26.00 that was cancelled and refunded, beside one on delivery that was delivered."""
    delivered = shop.place_order(payment_method="cod")
    steps.scan(steps.shipped(delivered), "collected", "signed")
    order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    steps.notify(f"{order.number}-R1", "26.00", "refunded")
    factories.run(noticing.run, balancing.run)
    assert steps.broken_invariants() == []
    return steps.fresh(order)


def broken() -> list[str]:
    """The names of what does not hold."""
    return sorted(finding.split(":")[0] for finding in steps.broken_invariants())


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        (
            "UPDATE orders_order SET payment_state = 'on_delivery'",
            ["nothing_is_to_come_of_orders_that_are_over", "paid_is_the_sum_of_payments"],
        ),
        (
            "UPDATE orders_ordercharge SET amount = amount + 1 WHERE cause = 'placed' AND component = 'freight'",
            [
                "nobody_owes_less_than_nothing",
                "orders_are_charged_what_they_cost",
                "paid_is_the_sum_of_payments",
                "too_little_money_is_explained",
            ],
        ),
        (
            "DELETE FROM orders_ordercharge WHERE cause = 'cancelled'",
            ["nobody_owes_less_than_nothing", "too_little_money_is_explained"],
        ),
        (
            # What was inserted is looked at before it is spoilt.
            "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED;"
            " UPDATE payments_ledgerline SET debit_fen = debit_fen + 1 WHERE debit_fen > 0",
            [
                "facts_about_money_are_booked",
                "nothing_prepaid_is_left_of_orders_that_are_over",
                "the_ledger_adds_up",
            ],
        ),
        (
            "UPDATE payments_ledgerline SET account_id = '9999'",
            ["facts_about_money_are_booked", "ledger_lines_name_known_accounts"],
        ),
        ("UPDATE orders_ordercharge SET sub_order_id = 0", ["charges_name_what_is_the_orders"]),
        ("UPDATE orders_order SET refunded_amount = 25", ["paid_is_the_sum_of_payments"]),
        (
            "UPDATE payments_refund SET amount = 1, refunded_amount = 1",
            [
                "facts_about_money_are_booked",
                "paid_is_the_sum_of_payments",
                "too_much_money_goes_back",
                "what_went_back_was_told",
            ],
        ),
        (
            "UPDATE payments_refund SET amount = 27, refunded_amount = 27",
            [
                "facts_about_money_are_booked",
                "paid_is_the_sum_of_payments",
                "refunds_within_payments",
                "too_little_money_is_explained",
                "what_went_back_was_told",
            ],
        ),
        ("UPDATE payments_refund SET connection_id = NULL", ["refunds_go_back_the_way_the_money_came"]),
        ("UPDATE payments_payment SET fact_id = NULL", ["captured_payments_have_their_fact"]),
        ("UPDATE payments_refund SET fact_id = NULL", ["what_went_back_was_told"]),
        (
            "UPDATE common_inboundfact SET body = '{\"amount\": \"25.99\"}' WHERE kind = 'refunded'",
            ["what_went_back_was_told"],
        ),
        (
            "INSERT INTO common_inboundfact (connection_id, topic, fact_key, kind, subject, occurred_at, body, state,"
            " settled_at) SELECT connection_id, topic, 'other', kind, 'nobody knows', occurred_at, body, state,"
            " settled_at FROM common_inboundfact WHERE kind = 'refunded'",
            ["settled_facts_about_money_name_what_we_know"],
        ),
        (
            "UPDATE common_inboundfact SET body = '{\"amount\": \"25.99\"}' WHERE kind = 'captured'",
            ["captured_payments_have_their_fact"],
        ),
        (
            "UPDATE common_inboundfact SET state = 'contradicted' WHERE kind = 'refunded'",
            ["contradictions_about_money_have_a_ticket"],
        ),
        (
            "UPDATE payments_payment SET needs_person_since = now()",
            ["money_that_needs_a_person_has_a_ticket", "rows_that_need_a_person_have_a_ticket"],
        ),
        (
            "DELETE FROM payments_payment WHERE means = 'cash'",
            ["cash_is_collected_at_the_door", "facts_about_money_are_booked", "paid_is_the_sum_of_payments"],
        ),
        (
            "UPDATE orders_order SET state = 'in_review' WHERE payment_method = 'prepaid'",
            ["nothing_is_owed_for_units_that_are_gone", "orders_are_where_their_story_ends"],
        ),
    ],
)
def test_what_does_not_add_up_about_money_is_named(order, statement, names):
    with steps.without_guards(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert broken() == names


def test_a_refund_that_nobody_sends_and_nobody_looks_at_is_named(order):
    cash = Payment.objects.get(means="cash")
    with steps.without_guards():
        Refund.objects.create(number="X-R1", order=cash.order, payment=cash, amount=Decimal(1), reason="overpaid")

    assert "refunds_that_nobody_sends_need_a_person" in broken()
