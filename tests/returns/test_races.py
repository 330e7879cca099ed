"""Real threads on real rows: no unit comes back twice, and no money goes back twice."""

import contextlib

import pytest

from oms.common.errors import OmsError
from orders.models import ReturnRequest
from orders.returning import deciding, inspecting
from payments.models import RefundGrant
from tests import factories, steps
from tests.payments.grants import member, refunds, send_back
from tests.payments.test_races import at_once
from tests.returns.world import ask, came, install, line_of, many, pay_back, stock_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_returns_of_the_same_unit_at_once_are_one():
    shop = factories.make_shop()
    install()
    order = many(shop, 1)

    def asked() -> None:
        with contextlib.suppress(OmsError):
            ask(order, {1: 1})

    at_once(*[asked] * 4)
    assert ReturnRequest.objects.count() == 1
    assert (line_of(order).returning_quantity, line_of(order).returned_quantity) == (1, 0)
    assert steps.broken_invariants() == []


def test_a_return_and_a_grant_beside_it_never_pay_for_the_same_unit():
    shop = factories.make_shop()
    install()
    order = many(shop, 1)
    clerk = member("customer_service")

    def asked() -> None:
        with contextlib.suppress(OmsError):
            ask(order, {1: 1})

    def granted() -> None:
        with contextlib.suppress(OmsError):
            send_back(order, {1: 1}, clerk)

    at_once(asked, granted)
    assert ReturnRequest.objects.count() + RefundGrant.objects.count() == 1
    assert line_of(order).returning_quantity + line_of(order).returned_quantity == 1
    assert steps.broken_invariants() == []


def test_inspected_and_paid_at_once_is_done_once():
    shop = factories.make_shop()
    install()
    order = many(shop, 2)
    row = came(deciding.approve(ask(order, {1: 2}).pk, actor=steps.STAFF))
    line, clerks = line_of(order), [member("customer_service"), member("customer_service")]
    before = stock_of(line)["good"]

    def inspected() -> None:
        with contextlib.suppress(OmsError):
            inspecting.inspect(row.pk, {line.pk: {"good": 2}}, actor=steps.STAFF)

    at_once(*[inspected] * 3)
    assert stock_of(line)["good"] == before + 2

    def paid(clerk) -> None:  # type: ignore[no-untyped-def]
        with contextlib.suppress(OmsError):
            pay_back(row, clerk)

    at_once(*[lambda clerk=clerk: paid(clerk) for clerk in clerks])
    assert RefundGrant.objects.count() == 1
    assert [amount for amount, _reason, _state in refunds()] == ["20.00"]
    assert steps.broken_invariants() == []


def test_cancelled_and_received_at_once_is_either():
    shop = factories.make_shop()
    install()
    order = many(shop, 1)
    row = deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF)

    def cancelled() -> None:
        with contextlib.suppress(OmsError):
            deciding.cancel(row.pk, reason="keeps it", actor=steps.STAFF)

    def received() -> None:
        with contextlib.suppress(OmsError):
            came(row)

    at_once(cancelled, received)
    # Received after the cancellation, it goes on all the same.
    assert ReturnRequest.objects.get().state in ("cancelled", "received", "in_transit")
    assert steps.broken_invariants() == []
