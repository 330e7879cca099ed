"""Bills of both peers: written from their own books, fetched by our adapters, and compared with our books."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from oms.common.models import Connection, Ticket
from oms.common.work import clock
from oms.common.zones import CHINA
from oms.simulators import books
from oms.simulators.alipay import AlipayPeer
from oms.simulators.bills import Entry
from oms.simulators.mischief import BillTrick
from oms.simulators.wechat import WechatPeer
from orders.changing.cancelling import cancel_order
from orders.models import Order
from payments.models import SETTLED_OUTCOMES, Bill, BillDay, BillMatch, BillSource, Payment, Refund
from payments.owing import balancing
from payments.reconciling import downloading
from payments.taking import asking, noticing, requesting
from tests import factories, steps
from tests.providers import peers
from tests.providers.peers import Peers

DAY = date(2026, 11, 20)
AT_NOON = datetime(2026, 11, 20, 12, tzinfo=CHINA)
NEXT_MORNING = datetime(2026, 11, 21, 10, 30, tzinfo=CHINA)
A_WHILE = timedelta(hours=1)
A_DAY_LATER = datetime(2026, 11, 22, 10, 30, tzinfo=CHINA)
FORMS = {"alipay": ("alipay_trade", "alipay_fund"), "wechat": ("wechat_trade", "wechat_fund")}

Peer = AlipayPeer | WechatPeer


@pytest.fixture(params=["alipay", "wechat"])
def link(request: pytest.FixtureRequest) -> Connection:
    """The provider that buyers pay through, whose bills are read."""
    link: Connection = request.getfixturevalue(request.param)
    accounts = {"alipay_trade": "20880000000000010156", "alipay_fund": "20880000000000010156"}
    for form in FORMS[link.protocol]:
        account = accounts.get(form, "1900000001" if form == "wechat_trade" else "")
        BillSource.objects.create(connection=link, form=form, account=account, fee_rate=Decimal("0.006"))
    return link


@pytest.fixture
def peer(both: Peers, link: Connection) -> Peer:
    """The other side of it."""
    return both.of(link)


def a_day_of_business(shop: factories.Shop, peer: Peer, orders: int = 4) -> list[Order]:
    """On the day, so many orders of 26.00 are paid through the peer, and the last one is cancelled and goes back.

    Orders wait for their money in the database's time, so only the provider's clock is set to the day.
    """
    placed = [shop.place_order() for _number in range(orders)]
    factories.run(requesting.intend, requesting.request)
    with time_machine.travel(AT_NOON):
        for trade in reversed(peer.book.newest_trades()):
            peer.book.pay(trade.number)
        peers.tell_all(peer)
    factories.run(noticing.run)
    cancel_order(placed[-1].pk, reason="x", actor=steps.STAFF)
    factories.run(balancing.run)
    with time_machine.travel(AT_NOON):
        factories.run(requesting.refund)
        for number in peer.book.processing_since(books.now()):
            peer.book.finish_refund(number)
    with clock.skipping_waits():
        Refund.objects.update(ready_at=timezone.now() - A_WHILE)
        factories.run(asking.REFUND_STAGE.run, noticing.run)
    assert Refund.objects.get().refunded_amount == 26
    return placed


def download(at: datetime = NEXT_MORNING) -> int:
    """The daily stage at that moment; how many files it read."""
    with time_machine.travel(at):
        return downloading.download_due()


def differences() -> list[tuple[str, str]]:
    """What bills and books do not agree on: number and outcome."""
    found = BillMatch.objects.exclude(outcome__in=SETTLED_OUTCOMES).values_list("key", "outcome")
    return sorted(found)


def missing() -> list[tuple[str, dict[str, str]]]:
    """Reason and values of the open tickets about bills that are not there."""
    return list(Ticket.objects.filter(kind="bill_missing", closed_at=None).values_list("reason", "values"))


def test_a_day_of_payments_and_refunds_is_fetched_and_has_no_difference(
    shop: factories.Shop, link: Connection, peer: Peer
) -> None:
    a_day_of_business(shop, peer)

    assert (download(), missing()) == (2, [])
    assert differences() == []
    day = BillDay.objects.get(day=DAY)
    assert (day.trade_fen, day.refund_fen, day.fee_fen, day.fund_fen) == (10400, 2600, 48, 7752)
    assert day.closed_at
    assert day.downloaded_at
    assert BillMatch.objects.filter(outcome="matched", payment__isnull=False).count() == 4
    assert BillMatch.objects.filter(outcome="matched", refund__isnull=False).count() == 1
    assert download() == 0
    assert Bill.objects.count() == 2
    assert steps.broken_invariants() == []


def test_each_planted_difference_is_found_in_a_bill_that_is_fetched(
    shop: factories.Shop, link: Connection, peer: Peer
) -> None:
    orders = a_day_of_business(shop, peer, orders=6)
    numbers = [Payment.objects.get(order=order).number for order in orders]
    theirs = {number: number.replace("-", "_") if link.protocol == "alipay" else number for number in numbers}
    with time_machine.travel(AT_NOON):
        peer.book.open("SOMEBODY1", 6600, code="c1", is_scanned=True)
        peer.book.pay("SOMEBODY1")
        peer.book.refund(theirs[numbers[0]], "BACKOFFICE1", 100, status=books.REFUNDED)

    def edit(entries: list[Entry]) -> list[Entry]:
        edited = []
        for entry in entries:
            if entry.number == theirs[numbers[1]]:
                continue
            if entry.number == theirs[numbers[2]]:
                entry = replace(entry, fen=entry.fen + 1)
            if entry.number == theirs[numbers[3]]:
                entry = replace(entry, fee_fen=entry.fee_fen + 5)
            edited.append(entry)
            if entry.number == theirs[numbers[4]]:
                edited.append(entry)
        return edited

    peer.bills.edit = edit
    download()

    assert differences() == sorted(
        [
            ("SOMEBODY1", "paid_without_order"),
            ("BACKOFFICE1", "refund_not_ours"),
            (numbers[1], "order_without_money"),
            (numbers[2], "amount_differs"),
            (numbers[3], "fee_differs"),
            (numbers[4], "duplicate_row"),
        ]
    )
    assert Ticket.objects.filter(kind="bill_difference", closed_at=None).count() == 6


def test_a_payment_that_nobody_told_us_of_is_found_in_the_bill(
    shop: factories.Shop, link: Connection, peer: Peer
) -> None:
    order = shop.place_order()
    factories.run(requesting.intend, requesting.request)
    with time_machine.travel(AT_NOON):
        peer.book.pay(peer.book.newest_trades()[0].number)
    download()

    assert differences() == [(f"{order.number}-P1", "paid_but_pending")]


def test_a_bill_that_is_not_made_yet_is_asked_for_again(shop: factories.Shop, link: Connection, peer: Peer) -> None:
    a_day_of_business(shop, peer)
    # Of all four days, so that both forms of the last one are late.
    peer.bills.mischief.plan(*[BillTrick.NOT_READY] * 8)

    assert download() == 0
    assert missing() == []
    assert not BillDay.objects.filter(downloaded_at__isnull=False).exists()
    assert download() == 2
    assert differences() == []


def test_a_bill_that_is_a_day_late_calls_a_person_until_it_comes(
    shop: factories.Shop, link: Connection, peer: Peer
) -> None:
    a_day_of_business(shop, peer)
    peer.bills.mischief.plan(*[BillTrick.NOT_READY] * 8)

    assert download(A_DAY_LATER) == 0
    assert missing() == [("late", {"connection": link.code, "day": "2026-11-20"})]
    assert download(A_DAY_LATER) == 2
    assert missing() == []


@pytest.mark.parametrize("trick", [BillTrick.CORRUPT, BillTrick.CUT_OFF])
def test_a_damaged_file_changes_nothing_and_is_fetched_again(
    shop: factories.Shop, link: Connection, peer: Peer, trick: BillTrick
) -> None:
    a_day_of_business(shop, peer)
    # The three days before have nothing.
    peer.bills.mischief.plan(*[BillTrick.NOT_READY] * 6, trick, trick)

    assert download() == 0
    assert not Bill.objects.exists()
    assert not BillDay.objects.filter(downloaded_at__isnull=False).exists()
    assert download() == 2
    assert differences() == []
    assert missing() == []


def test_the_bill_of_another_day_is_refused_and_a_person_called(
    shop: factories.Shop, link: Connection, peer: Peer
) -> None:
    a_day_of_business(shop, peer)
    if isinstance(peer, WechatPeer):
        # Only rows name a day in WeChat's: so the day before has some.
        _move_a_day_back(peer)
    peer.bills.mischief.plan(*[BillTrick.NOT_READY] * 6, BillTrick.WRONG_DAY, BillTrick.WRONG_DAY)

    assert download() == 0
    assert not Bill.objects.exists()
    ((reason, values),) = missing()
    assert (reason, values["connection"], values["day"]) == ("refused", link.code, "2026-11-20")
    assert "2026-11-19" in values["why"]
    assert "2026-11-20" in values["why"]


def _move_a_day_back(peer: WechatPeer) -> None:
    original: Callable[[list[Entry]], list[Entry]] = peer.bills.edit
    with time_machine.travel(datetime(2026, 11, 19, 12, tzinfo=CHINA)):
        peer.book.open("EARLIER01", 100, code="c0", is_scanned=True)
        peer.book.pay("EARLIER01")
    assert peer.bills.edit is original


def test_a_day_on_which_nothing_happened_has_no_bill_and_calls_nobody(link: Connection, peer: Peer) -> None:
    assert download(A_DAY_LATER) == 0
    assert missing() == []
    assert not BillDay.objects.exists()
