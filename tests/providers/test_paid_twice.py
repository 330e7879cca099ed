"""One payment that was captured twice: what is too much goes back by one click, of the right transaction."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from oms.common.models import Connection, Ticket
from oms.simulators.alipay import AlipayPeer
from oms.simulators.numbers import trade_no, transaction_id
from oms.simulators.wechat import WechatPeer
from orders.models import Order
from payments.models import Payment, Refund
from payments.owing import balancing
from payments.taking import asking, noticing, requesting
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.providers import peers
from tests.providers.peers import Peers

Peer = AlipayPeer | WechatPeer


@pytest.fixture(params=["alipay", "wechat"])
def link(request: pytest.FixtureRequest) -> Connection:
    """The provider that buyers pay through."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def peer(both: Peers, link: Connection) -> Peer:
    """The other side of it."""
    return both.of(link)


@pytest.fixture
def paid(shop: factories.Shop, peer: Peer) -> Order:
    """An order of 26.00 that is paid."""
    order = shop.place_order()
    factories.run(requesting.intend, requesting.request)
    peer.book.pay(peer.book.newest_trades()[0].number)
    peers.tell_all(peer)
    factories.run(noticing.run)
    return order


def pay_again(order: Order, peer: Peer, link: Connection) -> str:
    """The buyer pays once more under the number of the first payment; the provider's number of that money."""
    trade = peer.book.open("again", 2600, code="again", is_scanned=True)
    peer.book.pay("again")
    number = trade_no(trade) if isinstance(peer, AlipayPeer) else transaction_id(trade)
    steps.notify(f"{order.number}-P1", "26.00", transaction=number, link=link)
    factories.run(noticing.run, balancing.run)
    return number


def click(order: Order, client: Client) -> tuple[int, list[str]]:
    """Click on the button; status and what the page says."""
    row = Payment.objects.get(number=f"{order.number}-P1").pk
    answer = client.post(reverse("admin:payments_send_back", args=[order.pk]), {"row": row}, follow=True)
    said = [str(message) for message in answer.context["messages"]] if answer.status_code == 200 else []
    return answer.status_code, said


def test_what_was_paid_twice_goes_back_by_one_click_and_only_once(paid: Order, link: Connection, peer: Peer) -> None:
    number = pay_again(paid, peer, link)
    assert (steps.tickets(), Refund.objects.count()) == ([("payment_captured_again", "")], 0)
    looks, returns = client_of("view_order", "retry_payment"), client_of("view_order", "return_payment")
    page = reverse("admin:orders_order_change", args=[paid.pk])
    assert "Paid twice: send it back" not in looks.get(page).content.decode()
    assert "Paid twice: send it back" in returns.get(page).content.decode()

    assert click(paid, looks)[0] == 403
    assert click(paid, returns) == (200, ["26.00 yuan are booked; what is too much goes back now."])
    assert click(paid, returns) == (200, ["This was settled before: nothing more is sent back."])
    factories.run(balancing.run, requesting.refund)

    double = Payment.objects.get(doubles__number=f"{paid.number}-P1")
    assert (double.number, double.captured_amount, double.transaction_number) == (f"{paid.number}-P2", 26, number)
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount, refund.reason) == (double, Decimal("26.00"), "overpaid")
    # It is taken off the money that was too much, not off that of the order.
    assert [(row.number, row.fen) for row in peer.book.refunds("again")] == [(their(refund, peer), 2600)]
    assert peer.book.refunds(their(Payment.objects.get(doubles=None), peer)) == []
    assert (steps.tickets(), Ticket.objects.get().closed_by != "") == ([], True)

    factories.run(balancing.run)
    assert Refund.objects.count() == 1
    Refund.objects.update(ready_at=refund.created_at - timedelta(days=1))
    if isinstance(peer, WechatPeer):
        peer.book.finish_refund(refund.number)
    factories.run(asking.REFUND_STAGE.run, noticing.run)
    assert Refund.objects.get().state == "succeeded"
    assert steps.fresh(paid).refunded_amount == Decimal("26.00")
    assert steps.broken_invariants() == []


def their(row: Payment | Refund, peer: Peer) -> str:
    """The number as the peer knows it: Alipay takes no hyphens."""
    return row.number.replace("-", "_") if isinstance(peer, AlipayPeer) else row.number


def test_another_amount_of_the_same_transaction_is_no_second_payment(paid: Order, link: Connection, peer: Peer) -> None:
    first = Payment.objects.get()
    steps.notify(first.number, "27.00", transaction=first.transaction_number, link=link)
    factories.run(noticing.run, balancing.run)
    assert steps.tickets() == [("payment_captured_again", "")]

    assert click(paid, client_of("view_order", "return_payment"))[1] == [
        "Only the same transaction was told once more: nothing was paid twice."
    ]
    assert (Payment.objects.count(), Refund.objects.count()) == (1, 0)


def test_a_payment_that_needs_a_person_for_something_else_too_goes_on_needing_one(
    shop: factories.Shop, link: Connection, peer: Peer
) -> None:
    order = shop.place_order()
    factories.run(requesting.intend, requesting.request)
    steps.notify(f"{order.number}-P1", "27.00", transaction="one", link=link)
    factories.run(noticing.run)
    pay_again(order, peer, link)
    assert [kind for kind, _reason in steps.tickets()] == ["payment_amount_differs", "payment_captured_again"]

    assert click(order, client_of("view_order", "return_payment"))[1] == [
        "26.00 yuan are booked; what is too much goes back now."
    ]

    assert steps.tickets() == [("payment_amount_differs", "too_much")]
    assert Payment.objects.get(doubles=None).needs_person_since is not None
    assert steps.broken_invariants() == []
