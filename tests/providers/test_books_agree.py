"""Random payments, notifications, repetitions, closings, refunds and broken lines between us and both peers: in the end
every peer's book equals our payments and refunds to the fen, and never did more go back than came in.

Each example runs in a transaction that is rolled back, with new books. Waits are taken as over where a stage is run.
"""

from contextlib import ExitStack, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F, Sum
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from oms.common.errors import OmsError
from oms.common.models import Connection
from oms.common.work import clock
from oms.simulators import books
from oms.simulators.alipay import AlipayPeer
from oms.simulators.books import Book, BookError
from oms.simulators.mischief import Trick, Twist
from oms.simulators.wechat import WechatPeer
from orders.changing.cancelling import cancel_order
from orders.models import Order, OrderState
from payments.models import OPEN_REFUNDS, Payment, PaymentState, Refund, RefundState
from payments.owing import balancing, retrying
from payments.taking import asking, closing, expiring, noticing, requesting
from tests import factories, steps
from tests.providers import peers
from tests.providers.peers import Peers

STAGES = {
    "intend": requesting.intend,
    "request": requesting.request,
    "ask_payments": asking.PAYMENT_STAGE.run,
    "facts": noticing.run,
    "expire": expiring.run,
    "close": closing.STAGE.run,
    "owing": balancing.run,
    "refund": requesting.refund,
    "ask_refunds": asking.REFUND_STAGE.run,
}
TRICKS = [trick for trick in Trick if trick != Trick.SLOW]
LONG_AGO = timedelta(hours=2)


class BooksAgree(RuleBasedStateMachine):
    """One shop, two providers, and everything that may happen to the line between."""

    both: Peers  # of the test

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.exit.enter_context(override_settings(PUBLIC_URL=peers.SITE, MAX_ATTEMPTS=10_000))
        self.block = transaction.atomic()
        self.block.__enter__()
        for peer in (self.both.alipay, self.both.wechat):
            peer.book = Book()
            peer.mischief.forget()
        self.shop = factories.make_shop()
        for link in (peers.connect_alipay(self.both), peers.connect_wechat(self.both)):
            link.breaker_failures = 10_000
            link.save()

    def teardown(self) -> None:
        """Nothing of an example stays."""
        try:
            self.settle()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)
            self.exit.close()

    # --- Buyers, staff and time

    @precondition(lambda self: Order.objects.count() < 4)
    @rule(protocol=st.sampled_from(["alipay", "wechat"]), units=st.integers(1, 3))
    def order(self, protocol: str, units: int) -> None:
        Connection.objects.filter(kind="payment").update(is_active=False)
        Connection.objects.filter(protocol=protocol).update(is_active=True)
        self.shop.place_order((self.shop.sku, units, "10.00"), (self.shop.other_sku, 1, "25.50"))
        self.stage("intend")
        Connection.objects.update(is_active=True)
        self.stage("request")

    @rule(data=st.data())
    def a_buyer_pays(self, data: st.DataObject) -> None:
        peer = self.some_peer(data)
        waiting = [trade for trade in peer.book.newest_trades() if trade.status == books.WAITING]
        if waiting:
            peer.book.pay(data.draw(st.sampled_from(waiting)).number)

    @rule(data=st.data())
    def staff_cancel(self, data: st.DataObject) -> None:
        orders = list(Order.objects.order_by("id"))
        if orders:
            with suppress(OmsError):
                cancel_order(data.draw(st.sampled_from(orders)).pk, reason="x", actor=steps.STAFF)

    @rule(data=st.data(), fen=st.integers(1, 3000))
    def some_of_it_goes_back(self, data: st.DataObject, fen: int) -> None:
        """A refund that does not go by what is owed, as many of one payment as there may be."""
        paid = Payment.objects.filter(state=PaymentState.CAPTURED).order_by("id")
        left = [(row, row.captured_amount - self.reserved(row)) for row in paid]
        left = [(row, amount) for row, amount in left if amount > 0 and row.order.state != OrderState.CANCELLED]
        if left:
            payment, amount = data.draw(st.sampled_from(left))
            Refund.objects.create(
                number=f"{payment.order.number}-R{payment.order.refunds.count() + 1}",
                order=payment.order,
                payment=payment,
                connection=payment.connection,
                amount=min(Decimal(fen) / 100, amount),
                reason="overpaid",
            )

    @rule()
    def time_passes(self) -> None:
        for model in (Payment, Refund):
            model._default_manager.filter(ready_at__isnull=False).update(ready_at=timezone.now() - LONG_AGO)

    @rule(data=st.data())
    def a_deadline_passes(self, data: st.DataObject) -> None:
        orders = list(Order.objects.filter(state=OrderState.AWAITING_PAYMENT).order_by("id"))
        if orders:
            order = data.draw(st.sampled_from(orders))
            Order.objects.filter(pk=order.pk).update(pay_by=timezone.now() - LONG_AGO)

    # --- The other side

    @rule(data=st.data())
    def a_peer_tells(self, data: st.DataObject) -> None:
        peer = self.some_peer(data)
        notices = peer.book.notices()
        if notices:
            peers.tell(peer, data.draw(st.sampled_from(notices)))

    @rule(data=st.data(), twist=st.sampled_from([Twist.NOTHING, Twist.BAD_SIGNATURE, Twist.WRONG_APP]))
    def a_peer_tells_and_tells_again(self, data: st.DataObject, twist: Twist) -> None:
        peer = self.some_peer(data)
        notices = peer.book.notices()
        if notices:
            notice = data.draw(st.sampled_from(notices))
            for told in (twist, Twist.NOTHING, Twist.NOTHING):
                posted = peer.write(notice, told)
                if posted:
                    peers.post(posted)

    @rule(data=st.data(), tricks=st.lists(st.sampled_from(TRICKS), min_size=1, max_size=3))
    def a_peer_will_misbehave(self, data: st.DataObject, tricks: list[Trick]) -> None:
        self.some_peer(data).mischief.plan(*tricks)

    @rule(is_well=st.booleans())
    def wechat_ends_refunds(self, is_well: bool) -> None:
        for number in self.both.wechat.book.processing_since(books.now()):
            with suppress(BookError):
                self.both.wechat.book.finish_refund(number, books.REFUNDED if is_well else books.FAILED)

    # --- The workers

    @rule(name=st.sampled_from(sorted(STAGES)))
    def run_one_stage(self, name: str) -> None:
        self.stage(name)

    @rule()
    def run_all_stages(self) -> None:
        for name in STAGES:
            self.stage(name)

    # --- What must hold

    @invariant()
    def never_does_more_go_back_than_came_in(self) -> None:
        for peer in (self.both.alipay, self.both.wechat):
            captured = peer.book.captured()
            for number in {refund.trade for refund in peer.book.refunds()}:
                assert peer.book.given_back(number) <= captured[number]
        for payment in Payment.objects.all():
            assert sum(refund.refunded_amount for refund in payment.refunds.all()) <= payment.captured_amount

    def settle(self) -> None:
        """All lines are mended and everything is told: then the books agree."""
        for peer in (self.both.alipay, self.both.wechat):
            peer.mischief.forget()
        for _round in range(12):
            self.wechat_ends_refunds(is_well=True)
            for refund in Refund.objects.filter(state=RefundState.FAILED):
                retrying.retry("refund", refund.pk, actor=steps.STAFF)
            self.time_passes()
            self.run_all_stages()
        for peer in (self.both.alipay, self.both.wechat):
            peers.tell_all(peer)
        self.run_all_stages()
        self.run_all_stages()
        self.compare()

    def compare(self) -> None:
        for protocol, peer in (("alipay", self.both.alipay), ("wechat", self.both.wechat)):
            ours = Payment.objects.filter(connection__protocol=protocol, state=PaymentState.CAPTURED)
            booked = {self.theirs(protocol, row.number): int(row.captured_amount * 100) for row in ours}
            assert booked == peer.book.captured()
            back = Refund.objects.filter(connection__protocol=protocol, state=RefundState.SUCCEEDED)
            assert {self.theirs(protocol, row.number): int(row.refunded_amount * 100) for row in back} == {
                refund.number: refund.fen for refund in peer.book.refunds() if refund.status == books.REFUNDED
            }
        assert not Refund.objects.filter(state__in=OPEN_REFUNDS).exists()
        assert not Payment.objects.filter(state=PaymentState.CLOSING).exists()
        for order in Order.objects.all():
            captured = order.payments.aggregate(sum=Sum("captured_amount"))["sum"] or 0
            refunded = order.refunds.aggregate(sum=Sum("refunded_amount"))["sum"] or 0
            assert (order.paid_amount, order.refunded_amount) == (captured, refunded)
            assert order.state != OrderState.CANCELLED or captured == refunded

    # --- Helpers

    def stage(self, name: str) -> None:
        with clock.skipping_waits():
            STAGES[name](500)

    def some_peer(self, data: st.DataObject) -> AlipayPeer | WechatPeer:
        return data.draw(st.sampled_from(["alipay", "wechat"]).map(lambda name: getattr(self.both, name)))

    @staticmethod
    def theirs(protocol: str, number: str) -> str:
        return number.replace("-", "_") if protocol == "alipay" else number

    @staticmethod
    def reserved(payment: Payment) -> Any:
        open_or_done = payment.refunds.aggregate(sum=Sum(F("amount")))["sum"]
        return open_or_done or 0


@pytest.mark.django_db
def test_the_peers_books_equal_ours_whatever_happens_between(both: Peers) -> None:
    machine = type("Machine", (BooksAgree,), {"both": both})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            # Making a failure smaller would take an hour of calls.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
