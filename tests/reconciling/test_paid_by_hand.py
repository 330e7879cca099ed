"""Refunds that finance paid from the bank are known in its statement: by the bank's number, the refund's or the
order's; and one that a provider could not send goes another way, with proof."""

from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from oms.common.errors import OmsError
from oms.common.models import Connection
from orders.actors import Actor
from orders.changing.cancelling import cancel_order
from orders.models import ActorKind, Order
from payments.models import SETTLED_OUTCOMES, BillForm, BillMatch, BillSource, LedgerLine, PayOut, Refund
from payments.owing import balancing, paying_out
from payments.reconciling import importing, resolving
from payments.taking import noticing, recording, requesting, transfers
from tests import factories, fakes, steps
from tests.admin.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]

OTHER = Actor(ActorKind.STAFF, "wang")


@pytest.fixture
def bank(db: None) -> BillSource:
    """Our account's statements."""
    link = Connection.objects.create(code="icbc", kind="payment", protocol="offline")
    return BillSource.objects.create(connection=link, form=BillForm.BANK)


@pytest.fixture
def refund(shop: factories.Shop) -> Refund:
    """26.00 that came by bank transfer and must go back."""
    order = shop.place_order()
    day = timezone.localdate()
    transfer = transfers.enter(order.pk, amount=Decimal(26), serial="IN-1", paid_on=day, actor=steps.STAFF)
    transfers.approve(transfer.pk, actor=OTHER)
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    factories.run(balancing.run)
    return Refund.objects.get()


def read(bank: BillSource, *rows: tuple[str, str, str, str]) -> None:
    """Read a statement of today: of each row income, expense, remark and the bank's number."""
    day = timezone.localdate()
    lines = ["交易日期,交易时间,收入金额,支出金额,摘要,附言,流水号"]
    lines += [f"{day},10:00:00,{income},{expense},转账,{note},{serial}" for income, expense, note, serial in rows]
    income, expense = (sum(Decimal(row[place] or 0) for row in rows) for place in (0, 1))
    lines.append(f"收入合计,,{income},支出合计,{expense},,")
    content = "\r\n".join(lines).encode()
    importing.import_bill(bank.pk, content, file_name=f"{len(rows)}.csv", by="li", day=day)


def open_rows() -> list[tuple[str, str]]:
    """What a person has to look at."""
    return sorted(BillMatch.objects.exclude(outcome__in=SETTLED_OUTCOMES).values_list("key", "outcome"))


def in_bank() -> int:
    """What the ledger has in the bank, in fen."""
    return sum(line.fen for line in LedgerLine.objects.filter(account="1003"))


@pytest.mark.parametrize("named_by", ["serial", "refund", "order"])
def test_a_refund_that_finance_paid_is_known_in_the_statement(refund: Refund, bank: BillSource, named_by: str) -> None:
    serial = "OUT-1" if named_by == "serial" else ""
    paying_out.confirm_paid_out(refund.pk, note="by transfer", serial=serial, actor=steps.STAFF)
    factories.run(noticing.run)
    remark = {"serial": "退款", "refund": f"退款 {refund.number}", "order": f"退款 {refund.order.number}"}[named_by]
    read(bank, ("26.00", "", "货款", "IN-1"), ("", "26.00", remark, "OUT-1"))

    assert open_rows() == []
    assert BillMatch.objects.get(row__own_number="OUT-1").refund_id == refund.pk
    assert in_bank() == 0
    assert steps.broken_invariants() == []


def test_what_the_bank_shows_before_finance_recorded_it_comes_right_afterwards(
    refund: Refund, bank: BillSource
) -> None:
    read(bank, ("26.00", "", "货款", "IN-1"), ("", "26.00", refund.number, "OUT-1"))
    match = BillMatch.objects.get(row__own_number="OUT-1")
    assert (match.refund_id, match.outcome, match.unexplained_fen) == (refund.pk, "matched", -2600)

    paying_out.confirm_paid_out(refund.pk, note="by transfer", serial="OUT-1", actor=steps.STAFF)
    factories.run(noticing.run)
    read(bank, ("1.00", "", "买东西", "IN-2"))
    assert BillMatch.objects.get(pk=match.pk).unexplained_fen == 0
    assert open_rows() == [("IN-2", "unidentified")]
    assert steps.broken_invariants() == []


def test_a_row_that_names_no_number_is_tied_to_the_refund_and_proves_it(refund: Refund, bank: BillSource) -> None:
    read(bank, ("26.00", "", "货款", "IN-1"), ("", "26.00", "退款", "OUT-1"))
    (match,) = BillMatch.objects.filter(outcome="unidentified")

    resolving.tie_to_refund(match.pk, refund.number, actor=steps.STAFF)
    assert (Refund.objects.get().state, PayOut.objects.get().serial) == ("succeeded", "OUT-1")
    assert (open_rows(), steps.tickets()) == ([], [])
    assert in_bank() == 0
    assert steps.broken_invariants() == []


def test_a_transfer_that_the_bank_does_not_show_is_missed(refund: Refund, bank: BillSource) -> None:
    paying_out.confirm_paid_out(refund.pk, note="by transfer", serial="OUT-1", actor=steps.STAFF)
    factories.run(noticing.run)
    read(bank, ("26.00", "", "货款", "IN-1"))

    found = BillMatch.objects.get(refund=refund)
    # Paid within the last minutes of a day it is expected in the next statement.
    assert found.outcome in ("order_without_money", "not_yet_due")


def test_a_refund_that_failed_at_the_provider_goes_another_way_with_proof(shop: factories.Shop) -> None:
    order: Order = shop.place_order()
    steps.pay(order)
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    factories.run(balancing.run)
    with fakes.provider(fakes.FakeProvider()):
        factories.run(requesting.refund)
    refund = Refund.objects.get()
    steps.notify(refund.number, "26.00", "refund_failed")
    factories.run(noticing.run)
    assert steps.tickets() == [("refund_failed", "")]

    boss = client_of("view_order", "pay_out_refund")
    address = f"/admin/payments/payment/of/{order.pk}/paid-out/"
    scan = SimpleUploadedFile("slip.pdf", b"%PDF-1.4 slip", "application/pdf")
    boss.post(address, {"row": refund.pk, "note": "card was closed", "serial": "OUT-7", "scan": scan})
    factories.run(noticing.run)

    proof = PayOut.objects.get()
    assert (proof.amount, proof.serial, proof.scan_type) == (26, "OUT-7", "application/pdf")
    assert (Refund.objects.get().state, steps.tickets()) == ("succeeded", [])
    assert steps.broken_invariants() == []


def test_a_banks_number_proves_one_payment_only(refund: Refund, shop: factories.Shop) -> None:
    paying_out.confirm_paid_out(refund.pk, note="x", serial="OUT-1", actor=steps.STAFF)
    other = Refund.objects.create(
        number="R2", order=refund.order, payment=refund.payment, amount=Decimal(1), reason="overpaid"
    )
    Refund.objects.filter(pk=other.pk).update(needs_person_since=timezone.now())

    with pytest.raises(OmsError, match="recorded before"):
        paying_out.confirm_paid_out(other.pk, note="x", serial="OUT-1", actor=steps.STAFF)
    assert PayOut.objects.count() == 1


def test_what_the_channel_took_it_gives_back_itself(shop: factories.Shop) -> None:
    order = shop.place_order()
    recording.record_external(Order.objects.get(pk=order.pk), at=timezone.now())
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    factories.run(balancing.run)
    refund = Refund.objects.get()
    assert steps.tickets() == [("refund_by_hand", "external")]

    paying_out.confirm_paid_out(refund.pk, note="given back in the shop", actor=steps.STAFF)
    factories.run(noticing.run)
    assert in_bank() == 0
    assert sum(line.fen for line in LedgerLine.objects.filter(account="1005")) == 0
    assert (Refund.objects.get().transaction_number, steps.tickets()) == ("at the channel", [])
    assert steps.broken_invariants() == []
