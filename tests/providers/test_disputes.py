"""Complaints that providers tell of, and chargebacks that people enter: a ticket in time, money held, won or lost."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from oms.common.errors import OmsError
from oms.common.models import Connection, InboundFact, RefusedMessage, Ticket
from oms.common.zones import CHINA
from oms.simulators import books
from oms.simulators.alipay import AlipayPeer
from oms.simulators.mischief import Trick, Twist
from oms.simulators.wechat import WechatPeer
from orders.actors import Actor
from orders.changing.cancelling import cancel_order
from orders.models import ActorKind, Order
from payments.disputing import asking, deciding
from payments.disputing.deciding import Entered
from payments.models import Dispute, DisputeState, LedgerLine, Payment, Refund
from payments.owing import balancing
from payments.taking import noticing, requesting
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.providers import peers
from tests.providers.peers import Peers

pytestmark = pytest.mark.usefixtures("in_english")

LI = Actor(ActorKind.STAFF, "li")
DUE = datetime(2026, 12, 24, 18, tzinfo=CHINA)
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


def hear(peer: Peer) -> None:
    """The peer tells what it has to tell, and is asked what that means."""
    peers.tell_all(peer)
    factories.run(noticing.run, asking.STAGE.run)


def accounts(order: Order) -> dict[str, int]:
    """What the ledger has of the order, in fen by account, those at 0 left out."""
    found: dict[str, int] = {}
    for line in LedgerLine.objects.filter(entry__order=order):
        found[line.account_id] = found.get(line.account_id, 0) + line.fen
    return {account: fen for account, fen in found.items() if fen}


def charged_back(order: Order, amount: str = "26.00", held: str = "26.00", number: str = "CB-1") -> Dispute:
    """Finance entered a chargeback of the order's payment."""
    entered = Entered(number, f"{order.number}-P1", Decimal(amount), Decimal(held), DUE)
    return deciding.enter(order.pk, entered, actor=LI)


def holder(link: Connection) -> str:
    """The account of the provider's money."""
    return {"alipay": "1001", "wechat": "1002"}[link.protocol]


# --- Complaints


def test_a_complaint_has_a_ticket_until_it_was_answered(paid: Order, link: Connection, peer: Peer) -> None:
    complaint = peer.book.complain(peer.book.newest_trades()[0].number, "还没有收到货")
    hear(peer)

    dispute = Dispute.objects.get()
    assert (dispute.number, dispute.state, dispute.order_id) == (complaint.number, "open", paid.pk)
    assert (dispute.amount, dispute.held_amount) == (26, 0)
    ticket = Ticket.objects.get(kind="dispute_open")
    assert (ticket.reason, ticket.about_id, ticket.due_at) == ("complaint", paid.pk, dispute.due_at)
    assert dispute.due_at == dispute.opened_at + timedelta(hours=24)
    page = client_of("view_order", "decide_dispute").get(f"/admin/orders/order/{paid.pk}/change/").content.decode()
    assert "还没有收到货" in page
    assert "还没有收到货" not in client_of("view_order").get(f"/admin/orders/order/{paid.pk}/change/").content.decode()

    peer.book.move_complaint(complaint.number, books.ANSWERED)
    hear(peer)
    assert Dispute.objects.get().state == "answered"
    assert steps.tickets() == []

    peer.book.move_complaint(complaint.number, books.COMPLAINED)
    hear(peer)
    assert (Dispute.objects.get().state, steps.tickets()) == ("open", [("dispute_open", "complaint")])

    peer.book.move_complaint(complaint.number, books.OVER)
    hear(peer)
    assert (Dispute.objects.get().state, steps.tickets()) == ("ended", [])
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(("options", "hours"), [({}, 24), ({"complaint_hours": 48}, 48)])
def test_a_complaint_that_comes_back_has_the_time_of_its_connection_anew(
    paid: Order, link: Connection, peer: Peer, options: dict[str, int], hours: int
) -> None:
    Connection.objects.filter(pk=link.pk).update(options={**link.options, **options})
    complaint = peer.book.complain(peer.book.newest_trades()[0].number, "还没有收到货")
    hear(peer)
    first = Dispute.objects.get()
    assert first.due_at is not None
    assert first.due_at == first.opened_at + timedelta(hours=hours)

    peer.book.move_complaint(complaint.number, books.ANSWERED)
    hear(peer)
    moment = timezone.now()
    with time_machine.travel(moment, tick=False):
        peer.book.move_complaint(complaint.number, books.COMPLAINED)
        hear(peer)
    assert Dispute.objects.get().due_at == moment + timedelta(hours=hours)


def test_a_complaint_of_which_nobody_tells_the_whole_is_asked_again(paid: Order, link: Connection, peer: Peer) -> None:
    peer.book.complain(peer.book.newest_trades()[0].number, "x")
    peers.tell_all(peer)
    factories.run(noticing.run)
    peer.mischief.plan(Trick.BAD_SIGNATURE)
    steps.once(asking.STAGE.run)
    assert Dispute.objects.get().state == "reported"

    steps.once(asking.STAGE.run)
    assert Dispute.objects.get().state == "open"


def test_a_complaint_about_a_payment_that_we_do_not_know_is_a_ticket_all_the_same(
    db: None, link: Connection, peer: Peer
) -> None:
    peer.book.open("SOMEBODY1", 6600, code="c1", is_scanned=True, notify_url=f"{peers.SITE}/callbacks/{link.code}/")
    peer.book.pay("SOMEBODY1")
    for notice in peer.book.notices():
        peer.book.told(notice, is_heard=True, pauses=())
    peer.book.complain("SOMEBODY1", "x")
    hear(peer)

    assert Dispute.objects.values_list("state", "order", "amount").get() == ("open", None, Decimal("66.00"))
    assert steps.tickets() == [("dispute_open", "complaint")]


def test_a_forged_complaint_is_kept_apart(paid: Order, link: Connection, peer: Peer) -> None:
    peer.book.complain(peer.book.newest_trades()[0].number, "x")
    status, _text = peers.tell(peer, twist=Twist.BAD_SIGNATURE)

    assert status in (400, 401)
    assert RefusedMessage.objects.filter(connection=link).count() == 1
    factories.run(noticing.run)
    assert not Dispute.objects.exists()
    assert not InboundFact.objects.filter(kind="complained").exists()


# --- Chargebacks


def test_money_that_is_charged_back_is_held_and_comes_back_when_it_is_won(paid: Order, link: Connection) -> None:
    dispute = charged_back(paid)
    assert accounts(paid) == {"1007": 2600, "2001": -2600}
    ticket = Ticket.objects.get(kind="dispute_open")
    assert (ticket.reason, ticket.due_at, ticket.values["held"]) == ("chargeback", DUE, "26.00")

    deciding.decide(dispute.pk, DisputeState.ANSWERED, note="waybill SF1 sent", actor=LI)
    assert steps.tickets() == []
    deciding.decide(dispute.pk, DisputeState.WON, note="letter of Dec 24", actor=LI)
    factories.run(balancing.run)

    assert accounts(paid) == {holder(link): 2600, "2001": -2600}
    assert not Refund.objects.exists()
    assert steps.broken_invariants() == []


def test_a_chargeback_that_is_lost_is_a_refund_and_what_is_owed_stays_owed(paid: Order, link: Connection) -> None:
    dispute = charged_back(paid)
    deciding.decide(dispute.pk, DisputeState.LOST, note="no proof", actor=LI)
    factories.run(balancing.run)

    refund = Refund.objects.get()
    assert (refund.state, refund.refunded_amount, refund.reason) == ("succeeded", 26, "charged_back")
    assert refund.transaction_number == "CB-1"
    paid = Order.objects.get(pk=paid.pk)
    assert (paid.paid_amount, paid.refunded_amount, paid.payment_state) == (26, 26, "refunded")
    assert accounts(paid) == {}
    assert steps.broken_invariants() == []

    cancel_order(paid.pk, reason="x", actor=LI)
    factories.run(balancing.run)
    assert Refund.objects.count() == 1


def test_disputed_money_is_not_sent_back_besides(paid: Order, link: Connection, peer: Peer) -> None:
    dispute = charged_back(paid, "20.00", "20.00")
    cancel_order(paid.pk, reason="x", actor=LI)
    factories.run(balancing.run)
    assert [refund.amount for refund in Refund.objects.all()] == [6]
    assert steps.broken_invariants() == []

    deciding.decide(dispute.pk, DisputeState.WON, note="won", actor=LI)
    factories.run(balancing.run)
    assert sorted(refund.amount for refund in Refund.objects.all()) == [6, 20]
    assert steps.broken_invariants() == []


def test_what_cannot_be_is_refused_and_changes_nothing(paid: Order, link: Connection) -> None:
    # What the peer posted spoke another language.
    translation.activate("en")
    with pytest.raises(OmsError, match="no captured payment"):
        deciding.enter(paid.pk, Entered("CB", "P", Decimal(1), Decimal(1), DUE), actor=LI)
    with pytest.raises(OmsError, match="not so much left"):
        charged_back(paid, "26.01")
    assert not Dispute.objects.exists()
    dispute = charged_back(paid, "10.00", "10.00")
    with pytest.raises(OmsError, match="is there already"):
        charged_back(paid, "1.00", "1.00")
    with pytest.raises(OmsError, match="not so much left"):
        charged_back(paid, "16.01", "16.01", "CB-2")
    with pytest.raises(OmsError, match="does not end so"):
        deciding.decide(dispute.pk, DisputeState.ENDED, note="x", actor=LI)
    with pytest.raises(OmsError, match="few words"):
        deciding.decide(dispute.pk, DisputeState.WON, note=" ", actor=LI)
    deciding.decide(dispute.pk, DisputeState.WON, note="x", actor=LI)
    with pytest.raises(OmsError, match="This dispute is Won"):
        deciding.decide(dispute.pk, DisputeState.LOST, note="x", actor=LI)
    assert not Refund.objects.exists()


def test_a_dispute_that_is_over_holds_no_money(paid: Order, link: Connection) -> None:
    dispute = charged_back(paid)
    with pytest.raises(IntegrityError, match="holds_money_while_it_is_open"), transaction.atomic():
        Dispute.objects.filter(pk=dispute.pk).update(state="won", ended_at=timezone.now())


def test_each_step_on_the_orders_page_needs_its_right(paid: Order, link: Connection) -> None:
    enters, decides = client_of("view_order", "enter_dispute"), client_of("view_order", "decide_dispute")
    address = f"/admin/payments/dispute/of/{paid.pk}"
    entered = {"number": "CB-9", "payment": f"{paid.number}-P1", "amount": "5", "held": "5"}
    entered["due_at"] = "2026-12-24T18:00"

    assert decides.post(f"{address}/enter/", entered).status_code == 403
    assert enters.post(f"{address}/enter/", entered).status_code == 302
    dispute = Dispute.objects.get()
    assert (dispute.held_amount, dispute.due_at) == (5, DUE)
    decision = {"row": dispute.pk, "decision": "lost", "note": "no proof"}
    assert enters.post(f"{address}/decide/", decision).status_code == 403
    assert decides.post(f"{address}/decide/", decision).status_code == 302
    assert Refund.objects.get().refunded_amount == 5
    assert client_of("view_dispute").get("/admin/payments/dispute/").status_code == 200


def test_of_open_disputes_without_a_ticket_and_of_other_orders_the_invariants_tell(
    paid: Order, shop: factories.Shop, link: Connection
) -> None:
    dispute = charged_back(paid)
    Ticket.objects.all().delete()
    Dispute.objects.filter(pk=dispute.pk).update(order=shop.place_order())

    broken = " ".join(steps.broken_invariants())
    assert "open_disputes_have_a_ticket" in broken
    assert "disputes_are_of_their_own_order" in broken
    assert Payment.objects.get(order=paid).captured_amount == 26
