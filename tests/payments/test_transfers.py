"""Bank transfers: one person enters what the account shows, another one approves it, and never the same."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from oms.common.errors import OmsError
from oms.common.models import InboundFact
from orders.actors import Actor
from orders.changing.cancelling import cancel_order
from orders.models import ActorKind, Order
from payments.models import BankTransfer, Payment, Refund
from payments.owing import balancing
from payments.taking import requesting, transfers
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]

LI, WANG = Actor(ActorKind.STAFF, "li"), Actor(ActorKind.STAFF, "wang")
DAY = date(2026, 1, 2)


def entered(order: Order, amount: str = "26.00", serial: str = "ICBC-1", **more: object) -> BankTransfer:
    return transfers.enter(order.pk, amount=Decimal(amount), serial=serial, paid_on=DAY, actor=LI, **more)  # type: ignore[arg-type]


def test_an_approved_transfer_is_money_and_the_order_goes_on(shop: factories.Shop) -> None:
    order = shop.place_order()
    steps.ask_for_payment()
    transfer = entered(order)
    assert (steps.state_of(order), steps.tickets()) == ("awaiting_payment", [("transfer_to_approve", "")])

    payment = transfers.approve(transfer.pk, actor=WANG)

    payment = steps.fresh(payment)
    assert (payment.means, payment.state, payment.captured_amount, payment.transaction_number) == (
        *("offline", "captured"),
        *(Decimal("26.00"), "ICBC-1"),
    )
    assert InboundFact.objects.get().body == {"amount": "26.00", "transaction": "ICBC-1"}
    assert (steps.state_of(order), steps.tickets()) == ("in_review", [])
    transfer = steps.fresh(transfer)
    assert (transfer.state, transfer.entered_by, transfer.decided_by, transfer.payment) == (
        *("approved", "li", "wang"),
        payment,
    )
    events = order.events.filter(kind__startswith="transfer_").order_by("pk").values_list("kind", "actor")
    assert list(events) == [("transfer_entered", "li"), ("transfer_approved", "wang")]
    # Nobody else asks the buyer any more.
    assert steps.fresh(Payment.objects.get(number=f"{order.number}-P1")).state == "expired"
    assert steps.broken_invariants() == []


def test_a_transfer_of_today_is_not_booked_for_an_hour_to_come(shop: factories.Shop) -> None:
    with time_machine.travel("2026-01-02T09:00:00+08:00", tick=False):
        payment = transfers.approve(entered(shop.place_order()).pk, actor=WANG)
        assert steps.fresh(payment).captured_at == timezone.now()

    later = transfers.approve(entered(shop.place_order(), serial="ICBC-2").pk, actor=WANG)
    at = steps.fresh(later).captured_at
    assert at
    assert at.isoformat() == "2026-01-02T04:00:00+00:00"


def test_nobody_approves_or_refuses_what_they_entered_themselves(shop: factories.Shop) -> None:
    transfer = entered(shop.place_order())

    for decide in (transfers.approve, transfers.refuse):
        with pytest.raises(OmsError, match="Somebody else"):
            decide(transfer.pk, actor=LI)
    with (
        pytest.raises(IntegrityError, match="bank_transfer_is_decided_by_somebody_else"),
        transaction.atomic(),
    ):
        BankTransfer.objects.filter(pk=transfer.pk).update(state="refused", decided_by="li", decided_at=timezone.now())

    assert (steps.state_of(transfer), Payment.objects.count()) == ("entered", 0)  # type: ignore[arg-type]


def test_a_transfer_is_decided_once_and_a_refused_one_is_no_money(shop: factories.Shop) -> None:
    order = shop.place_order()
    transfer = entered(order)
    transfers.refuse(transfer.pk, actor=WANG)

    with pytest.raises(OmsError, match="decided already"):
        transfers.approve(transfer.pk, actor=WANG)

    assert (steps.state_of(order), Payment.objects.count(), steps.tickets()) == ("awaiting_payment", 0, [])
    assert order.events.filter(kind__in=["transfer_entered", "transfer_refused"]).count() == 2
    # The number was a slip of the pen: it may be entered again.
    assert entered(order, "25.00").pk


def test_a_banks_number_counts_once(shop: factories.Shop) -> None:
    entered(shop.place_order())

    with pytest.raises(OmsError, match="entered before"):
        entered(shop.place_order(), serial=" ICBC-1 ")
    assert BankTransfer.objects.count() == 1


def test_what_is_to_come_or_for_an_order_that_waits_for_nothing_is_not_taken(shop: factories.Shop) -> None:
    order = shop.place_order()
    tomorrow = timezone.now().date() + timedelta(days=2)
    with pytest.raises(OmsError, match="still to come"):
        transfers.enter(order.pk, amount=Decimal(1), serial="x", paid_on=tomorrow, actor=LI)
    with pytest.raises(OmsError, match="older than the order"):
        transfers.enter(order.pk, amount=Decimal(1), serial="x", paid_on=date(1900, 1, 1), actor=LI)

    transfer = entered(order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    with pytest.raises(OmsError, match="not waiting"):
        transfers.approve(transfer.pk, actor=WANG)
    with pytest.raises(OmsError, match="not waiting"):
        entered(order, serial="2")
    assert not Payment.objects.exists()


def test_two_transfers_pay_one_order_and_go_back_by_hand(shop: factories.Shop) -> None:
    order = shop.place_order()
    for serial, amount in (("A", "20.00"), ("B", "6.00")):
        transfers.approve(entered(order, amount, serial).pk, actor=WANG)
    assert (steps.state_of(order), steps.fresh(order).paid_amount) == ("in_review", Decimal("26.00"))

    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(balancing.run)

    assert {(refund.amount, refund.connection) for refund in Refund.objects.all()} == {
        (Decimal("20.00"), None),
        (Decimal("6.00"), None),
    }
    assert steps.tickets() == [("refund_by_hand", "offline")] * 2
    assert steps.broken_invariants() == []


def test_staff_enter_and_approve_on_the_orders_page_with_a_right_each(shop: factories.Shop) -> None:
    order = shop.place_order()
    enters = client_of("view_order", "enter_banktransfer", "view_banktransfer")
    approves = client_of("view_order", "approve_banktransfer", "view_banktransfer")
    stranger = client_of("view_order")
    page = f"/admin/orders/order/{order.pk}/change/"
    address = f"/admin/payments/banktransfer/of/{order.pk}"
    scan = b"%PDF-1.7 slip"
    body = {"amount": "26.00", "serial": "ICBC-1", "paid_on": "2026-01-02", "note": "seen"}
    for client in (stranger, approves):
        assert client.post(f"{address}/enter/", body).status_code == 403
    wrong = {**body, "scan": SimpleUploadedFile("slip.exe", b"MZ")}
    assert enters.post(f"{address}/enter/", wrong).status_code == 302
    assert not BankTransfer.objects.exists()

    enters.post(f"{address}/enter/", {**body, "scan": SimpleUploadedFile("slip.pdf", scan)})

    transfer = BankTransfer.objects.get()
    assert scan not in bytes(transfer.scan)
    shown = enters.get(f"/admin/payments/banktransfer/{transfer.pk}/scan/")
    assert (shown.content, shown["Content-Type"]) == (scan, "application/pdf")
    assert stranger.get(f"/admin/payments/banktransfer/{transfer.pk}/scan/").status_code == 403
    assert "/decide/" in approves.get(page).content.decode()
    assert "/decide/" not in enters.get(page).content.decode()
    assert enters.post(f"{address}/decide/", {"row": transfer.pk, "decision": "approve"}).status_code == 403
    approves.post(f"{address}/decide/", {"row": transfer.pk, "decision": "approve"})
    assert steps.state_of(order) == "in_review"
    assert Client().get(f"/admin/payments/banktransfer/{transfer.pk}/scan/").status_code == 302


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments_banktransfer SET amount = 25",
        "UPDATE payments_banktransfer SET state = 'refused', payment_id = NULL",
        "DELETE FROM payments_banktransfer",
    ],
)
def test_money_without_an_approved_transfer_is_named(shop: factories.Shop, statement: str) -> None:
    transfers.approve(entered(shop.place_order()).pk, actor=WANG)
    assert steps.broken_invariants() == []

    with steps.without_guards(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert [finding.split(":")[0] for finding in steps.broken_invariants()] == ["approved_transfers_are_money"]


def test_a_payment_that_nobody_can_be_asked_to_close_is_named(shop: factories.Shop) -> None:
    shop.place_order()
    factories.run(requesting.intend)
    with steps.without_guards():
        Payment.objects.update(state="closing", ready_at=None)

    assert "payments_are_closed_where_somebody_can_be_asked" in str(steps.broken_invariants())
