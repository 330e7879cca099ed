"""Money through Alipay's and WeChat Pay's peers: asked for, paid, told, given back; and all that may go wrong."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F
from django.utils import timezone

from oms.common.models import Connection, FactState, InboundFact, Ticket
from oms.common.work import protocols
from oms.simulators import books
from oms.simulators.alipay import AlipayPeer
from oms.simulators.mischief import Trick, Twist
from oms.simulators.wechat import WechatPeer
from orders.changing.cancelling import cancel_order
from orders.models import Order
from payments.models import LedgerEntry, Payment, Refund
from payments.owing import balancing
from payments.taking import asking, closing, expiring, noticing, requesting
from tests import factories, steps
from tests.providers import peers
from tests.providers.peers import Peers

BEFORE_ANYTHING = timedelta(hours=1)


@pytest.fixture(params=["alipay", "wechat"])
def link(request: pytest.FixtureRequest) -> Connection:
    """The provider that buyers pay through."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def peer(both: Peers, link: Connection) -> AlipayPeer | WechatPeer:
    """The other side of it."""
    return both.of(link)


@pytest.fixture
def order(shop: factories.Shop, link: Connection) -> Order:
    """An order of 26.00 whose buyer has a QR code."""
    order = shop.place_order()
    factories.run(requesting.intend, requesting.request)
    return order


def paid(order: Order, peer: AlipayPeer | WechatPeer) -> Payment:
    """The buyer paid, and we know."""
    peer.book.pay(theirs(order, peer))
    peers.tell(peer)
    factories.run(noticing.run)
    return Payment.objects.get(order=order)


def theirs(order: Order, peer: AlipayPeer | WechatPeer, end: str = "-P1") -> str:
    """The number of a payment at the provider."""
    number = f"{order.number}{end}"
    return number.replace("-", "_") if isinstance(peer, AlipayPeer) else number


def is_due(model: type[Payment] | type[Refund]) -> None:
    """It is time to ask the provider what became of them."""
    model._default_manager.filter(ready_at__isnull=False).update(ready_at=timezone.now() - BEFORE_ANYTHING)


def ask_where_told(peer: AlipayPeer | WechatPeer) -> None:
    """Alipay tells only that a refund changed: it is asked at once. In a test's transaction no time passes."""
    if isinstance(peer, AlipayPeer):
        told = Refund.objects.filter(ready_at__lte=timezone.now())
        assert told.update(ready_at=F("ready_at") - BEFORE_ANYTHING)
        factories.run(asking.REFUND_STAGE.run, noticing.run)


def overdue(order: Order) -> None:
    """The deadline for payment is over."""
    Order.objects.filter(pk=order.pk).update(pay_by=timezone.now() - BEFORE_ANYTHING)


def given_back(order: Order) -> Refund:
    """The order is cancelled and its refund sent."""
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run, requesting.refund)
    return Refund.objects.get(order=order)


def test_a_buyer_gets_a_code_pays_and_the_order_goes_on(order: Order, peer: AlipayPeer | WechatPeer) -> None:
    payment = Payment.objects.get()
    trade = peer.book.trade(theirs(order, peer))
    assert (payment.state, payment.pay_code) == ("pending", peer.code_of(trade))
    assert (trade.fen, trade.subject) == (2600, f"订单 {order.number}")
    assert trade.expires_at == pytest.approx(steps.fresh(order).pay_by.timestamp(), abs=1)

    payment = paid(order, peer)

    assert (payment.state, payment.captured_amount) == ("captured", Decimal("26.00"))
    assert payment.transaction_number
    assert steps.state_of(order) == "in_review"
    assert steps.broken_invariants() == []


def test_what_is_told_and_what_is_asked_for_is_one_fact(order: Order, peer: AlipayPeer | WechatPeer) -> None:
    peer.book.pay(theirs(order, peer))
    is_due(Payment)

    factories.run(asking.PAYMENT_STAGE.run)
    assert [answer for _status, answer in peers.tell_all(peer)]
    factories.run(noticing.run)

    assert InboundFact.objects.get().state == FactState.APPLIED
    assert (steps.state_of(order), Ticket.objects.count()) == ("in_review", 0)


def test_a_notification_that_is_replayed_byte_by_byte_changes_nothing(
    order: Order, peer: AlipayPeer | WechatPeer
) -> None:
    peer.book.pay(theirs(order, peer))
    posted = peer.write(peer.book.notices()[0])
    assert posted
    peers.post(posted)
    factories.run(noticing.run)
    before = Payment.objects.values().get()

    status, text = peers.post(posted)
    factories.run(noticing.run)

    assert peer.is_heard(status, text)
    assert InboundFact.objects.get().state == FactState.APPLIED
    assert Payment.objects.values().get() == before
    assert (LedgerEntry.objects.filter(kind="captured").count(), Ticket.objects.count()) == (1, 0)


def test_a_lost_notification_is_asked_for(order: Order, peer: AlipayPeer | WechatPeer) -> None:
    peer.book.pay(theirs(order, peer))
    factories.run(asking.PAYMENT_STAGE.run)
    assert not InboundFact.objects.exists(), "asked before it was time"

    is_due(Payment)
    factories.run(asking.PAYMENT_STAGE.run, noticing.run)

    assert steps.state_of(order) == "in_review"


def test_who_has_not_paid_is_asked_after_ever_more_rarely(order: Order, peer: AlipayPeer | WechatPeer) -> None:
    for age, wait in ((timedelta(0), 30), (timedelta(minutes=10), 600), (timedelta(days=1), 1800)):
        Payment.objects.update(created_at=timezone.now() - age)
        is_due(Payment)
        before = timezone.now()
        assert steps.once(asking.PAYMENT_STAGE.run) == 1
        again = Payment.objects.get().ready_at
        assert again is not None
        assert (again - before).total_seconds() == pytest.approx(wait, abs=5)

    assert not InboundFact.objects.exists()
    assert Payment.objects.get().state == "pending"


@pytest.mark.parametrize("twist", [Twist.BAD_SIGNATURE, Twist.OLD])
def test_a_forged_notification_books_nothing(order: Order, peer: AlipayPeer | WechatPeer, twist: Twist) -> None:
    if twist == Twist.OLD and isinstance(peer, AlipayPeer):
        pytest.skip("Alipay's notifications carry no time of their signature")
    peer.book.pay(theirs(order, peer))

    status, _text = peers.tell(peer, twist=twist)

    assert status in (400, 401)
    assert not InboundFact.objects.exists()


def test_a_notification_about_another_app_is_kept_for_a_person_and_not_repeated(
    order: Order, peer: AlipayPeer | WechatPeer
) -> None:
    peer.book.pay(theirs(order, peer))

    status, text = peers.tell(peer, twist=Twist.WRONG_APP)
    factories.run(noticing.run)

    assert peer.is_heard(status, text)
    fact = InboundFact.objects.get()
    assert (fact.kind, fact.state, fact.raw is not None) == ("unreadable", FactState.PENDING, True)
    assert Ticket.objects.get().kind == "message_unreadable"
    assert steps.state_of(order) == "awaiting_payment"


def test_another_amount_is_booked_as_it_came_and_shown_to_a_person(order: Order, peer: AlipayPeer | WechatPeer) -> None:
    peer.book.pay(theirs(order, peer))

    peers.tell(peer, twist=Twist.WRONG_AMOUNT)
    factories.run(noticing.run)

    assert Payment.objects.get().captured_amount == Decimal("27.00")
    assert [ticket.kind for ticket in Ticket.objects.all()] == ["payment_amount_differs"]
    assert steps.broken_invariants() == []


UNCLEAR = [
    Trick.ERROR_BEFORE,
    Trick.ERROR_AFTER,
    Trick.DROP_AFTER,
    Trick.SYSTEM_ERROR_AFTER,
    Trick.BAD_SIGNATURE,
    Trick.UNSIGNED,
]


@pytest.mark.parametrize("trick", UNCLEAR)
def test_an_answer_that_proves_nothing_makes_us_ask_again_under_the_same_number(
    shop: factories.Shop, link: Connection, peer: AlipayPeer | WechatPeer, trick: Trick
) -> None:
    order = shop.place_order()
    factories.run(requesting.intend)
    peer.mischief.plan(trick)

    steps.once(requesting.request)
    payment = Payment.objects.get()
    assert (payment.state, payment.attempts, payment.pay_code) == ("intended", 1, "")

    factories.run(requesting.request)
    assert Payment.objects.get().state == "pending"
    assert [trade.number for trade in peer.book.newest_trades()] == [theirs(order, peer)]


@pytest.mark.parametrize("trick", UNCLEAR)
def test_a_refund_whose_answer_was_lost_moves_once(order: Order, peer: AlipayPeer | WechatPeer, trick: Trick) -> None:
    paid(order, peer)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    peer.mischief.plan(trick)

    steps.once(requesting.refund)
    assert Refund.objects.get().state == "intended"
    factories.run(requesting.refund)

    assert Refund.objects.get().state == "requested"
    assert [(refund.number, refund.fen) for refund in peer.book.refunds()] == [(theirs(order, peer, "-R1"), 2600)]


def test_a_refund_arrives_by_notification(order: Order, peer: AlipayPeer | WechatPeer) -> None:
    paid(order, peer)
    refund = given_back(order)
    assert (refund.state, refund.requested_at is not None) == ("requested", True)
    if isinstance(peer, WechatPeer):
        peer.book.finish_refund(refund.number)

    peers.tell_all(peer)
    factories.run(noticing.run)
    ask_where_told(peer)

    refund = Refund.objects.get()
    assert (refund.state, refund.refunded_amount) == ("succeeded", Decimal("26.00"))
    assert steps.fresh(order).payment_state == "refunded"
    assert steps.broken_invariants() == []


def test_a_refund_of_which_nothing_is_told_is_asked_for(order: Order, peer: AlipayPeer | WechatPeer) -> None:
    paid(order, peer)
    refund = given_back(order)
    if isinstance(peer, WechatPeer):
        is_due(Refund)
        factories.run(asking.REFUND_STAGE.run, noticing.run)
        assert Refund.objects.get().state == "requested"
        peer.book.finish_refund(refund.number)

    is_due(Refund)
    factories.run(asking.REFUND_STAGE.run, noticing.run)

    assert Refund.objects.get().state == "succeeded"


def test_a_refund_that_fails_at_wechat_is_sent_again_by_a_person_and_may_fail_again(
    shop: factories.Shop, wechat: Connection, both: Peers
) -> None:
    from payments.owing import retrying

    order = shop.place_order()
    factories.run(requesting.intend, requesting.request)
    paid(order, both.wechat)
    refund = given_back(order)
    for _attempt in range(2):
        both.wechat.book.finish_refund(refund.number, books.FAILED)
        is_due(Refund)
        factories.run(asking.REFUND_STAGE.run, noticing.run)
        assert (steps.state_of(refund), steps.tickets()) == ("failed", [("refund_failed", "")])
        retrying.retry("refund", refund.pk, actor=steps.STAFF)
        factories.run(requesting.refund)
        assert steps.state_of(refund) == "requested"

    both.wechat.book.finish_refund(refund.number)
    is_due(Refund)
    factories.run(asking.REFUND_STAGE.run, noticing.run)
    assert steps.state_of(refund) == "succeeded"
    assert both.wechat.book.given_back(f"{order.number}-P1") == 2600


def test_two_refunds_of_one_payment_are_told_apart_though_alipay_tells_their_sum(
    shop: factories.Shop, alipay: Connection, both: Peers
) -> None:
    order = shop.place_order()
    factories.run(requesting.intend, requesting.request)
    payment = paid(order, both.alipay)
    for place, amount in ((1, "5.00"), (2, "7.00")):
        Refund.objects.create(
            number=f"{order.number}-R{place}",
            order=order,
            payment=payment,
            connection=alipay,
            amount=Decimal(amount),
            reason="overpaid",
        )
    factories.run(requesting.refund)

    peers.tell_all(both.alipay)
    factories.run(noticing.run)
    ask_where_told(both.alipay)

    amounts = Refund.objects.order_by("id").values_list("state", "refunded_amount")
    assert list(amounts) == [("succeeded", Decimal("5.00")), ("succeeded", Decimal("7.00"))]
    assert [kind for kind, _reason in steps.tickets()] == []


def test_an_overdue_order_is_cancelled_once_its_payment_is_closed(order: Order, peer: AlipayPeer | WechatPeer) -> None:
    peer.book.scan(theirs(order, peer))
    overdue(order)

    steps.once(expiring.run)
    assert (Payment.objects.get().state, steps.state_of(order)) == ("closing", "awaiting_payment")
    factories.run(closing.STAGE.run, expiring.run)

    assert (Payment.objects.get().state, steps.state_of(order)) == ("expired", "cancelled")
    assert peer.book.trade(theirs(order, peer)).status == books.CLOSED
    assert steps.broken_invariants() == []


def test_what_was_paid_a_moment_before_it_is_closed_is_captured_and_the_order_goes_on(
    order: Order, peer: AlipayPeer | WechatPeer
) -> None:
    overdue(order)
    steps.once(expiring.run)
    peer.book.pay(theirs(order, peer))

    factories.run(closing.STAGE.run, expiring.run)
    assert steps.state_of(order) == "awaiting_payment"
    factories.run(noticing.run, expiring.run)

    assert (Payment.objects.get().state, steps.state_of(order)) == ("captured", "in_review")


def test_what_is_paid_between_the_question_and_the_closing_is_captured(
    order: Order, peer: AlipayPeer | WechatPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    overdue(order)
    steps.once(expiring.run)
    peer.book.scan(theirs(order, peer))
    close = peer.book.close

    def pay_first(number: str) -> books.Trade:
        peer.book.pay(number)
        return close(number)

    monkeypatch.setattr(peer.book, "close", pay_first)

    factories.run(closing.STAGE.run, noticing.run, expiring.run)

    assert (Payment.objects.get().state, steps.state_of(order)) == ("captured", "in_review")


@pytest.mark.parametrize("trick", UNCLEAR)
def test_an_overdue_order_waits_while_its_provider_says_nothing(
    order: Order, peer: AlipayPeer | WechatPeer, trick: Trick
) -> None:
    overdue(order)
    peer.mischief.plan(trick)

    steps.once(expiring.run)
    steps.once(closing.STAGE.run)
    steps.once(expiring.run)
    payment = Payment.objects.get()
    assert (payment.state, payment.attempts, steps.state_of(order)) == ("closing", 1, "awaiting_payment")

    Payment.objects.update(ready_at=F("ready_at") - BEFORE_ANYTHING)
    factories.run(closing.STAGE.run, expiring.run)
    assert steps.state_of(order) == "cancelled"


def test_a_cancelled_orders_payment_is_closed_and_money_that_slipped_in_goes_back(
    order: Order, peer: AlipayPeer | WechatPeer
) -> None:
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)
    assert Payment.objects.get().state == "closing"
    peer.book.pay(theirs(order, peer))

    factories.run(closing.STAGE.run, noticing.run, balancing.run, requesting.refund)

    assert Payment.objects.get().state == "captured"
    assert (Refund.objects.get().amount, peer.book.given_back(theirs(order, peer))) == (Decimal("26.00"), 2600)


def test_a_provider_that_refuses_says_why(
    shop: factories.Shop, link: Connection, peer: AlipayPeer | WechatPeer
) -> None:
    order = shop.place_order()
    peer.book.open(theirs(order, peer), 1, code="x")
    peer.book.close(theirs(order, peer))
    factories.run(requesting.intend)

    steps.once(requesting.request)

    assert "CLOSE" in Payment.objects.get().last_error
    link.refresh_from_db()
    assert (link.failures, link.last_success_at is not None) == (0, True)


def test_a_code_that_was_paid_already_is_asked_after_and_not_refused(
    order: Order, peer: AlipayPeer | WechatPeer
) -> None:
    with steps.without_guards():
        Payment.objects.update(state="intended")
    peer.book.pay(theirs(order, peer))

    factories.run(requesting.request)
    is_due(Payment)
    factories.run(asking.PAYMENT_STAGE.run, noticing.run)

    assert steps.state_of(order) == "in_review"


def test_a_connection_is_tested_without_any_effect(link: Connection, peer: AlipayPeer | WechatPeer) -> None:
    speaker = protocols.speaker(link)

    speaker.test(link)
    assert peer.book.newest_trades() == []
    link.set_secrets({**link.secrets(), "app_id": "x", "mchid": "x"})
    with pytest.raises(Exception, match=r"SIGN_ERROR|isv"):
        speaker.test(link)
