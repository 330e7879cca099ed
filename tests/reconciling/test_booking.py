"""What bills come to in the ledger, and that nothing is booked or kept twice."""

from collections import defaultdict
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from payments.models import Bill, BillDay, BillForm, BillMatch, BillRow, LedgerEntry, LedgerLine, Payment
from payments.reconciling import importing, remitting
from tests import steps
from tests.reconciling import world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _all_are_read(sources):
    world.read_all(sources)


def booked(form: str, key: str) -> dict[str, str]:
    """Yuan by account of all entries of the match, positive in debit, those at 0 left out."""
    match = BillMatch.objects.exclude(outcome="duplicate_row").get(source__form=form, key=key)
    sums: dict[str, int] = defaultdict(int)
    for line in LedgerLine.objects.filter(entry__subject=f"bill_match:{match.pk}"):
        sums[line.account_id] += line.fen
    return {account: f"{Decimal(fen) / 100:.2f}" for account, fen in sorted(sums.items()) if fen}


def test_a_fee_is_booked_from_the_bill(sources):
    assert booked("alipay_trade", "PA2611230001") == {"1001": "-0.77", "5003": "0.77"}
    assert booked("wechat_trade", "PW2611230001") == {"1002": "-0.77", "5003": "0.77"}
    assert booked("alipay_trade", "RA2611230002-1") == {"1001": "0.12", "5003": "-0.12"}
    assert booked("alipay_trade", "PA2611230011") == {}


def test_what_a_fee_is_more_than_agreed_on_is_unexplained(sources):
    assert booked("alipay_trade", "PA2611230006") == {"1001": "-2.00", "2901": "0.80", "5003": "1.20"}
    assert booked("wechat_trade", "PW2611230006") == {"1002": "-1.90", "2901": "-1.10", "5003": "3.00"}


def test_money_that_nobody_knows_is_unexplained(sources):
    assert booked("alipay_trade", "EXT-99887766") == {"1001": "65.60", "2901": "-66.00", "5003": "0.40"}
    assert booked("alipay_trade", "RA2611230003-X") == {"1001": "-98.41", "2901": "99.00", "5003": "-0.59"}
    assert booked("alipay_trade", "PA2611230004") == {"1001": "-0.52", "2901": "-0.01", "5003": "0.53"}
    assert booked("bank", "B20261120003") == {"1003": "560.00", "2901": "-560.00"}


def test_a_withdrawal_reaches_the_bank_once(sources):
    assert booked("alipay_fund", "760000001129991") == {"1001": "-300.00", "1003": "300.00"}
    assert booked("bank", "B20261120001") == {}


def test_cash_is_remitted_with_its_fee_and_once(sources):
    assert booked("cod", "JDVB00000000001") == {"1003": "236.61", "1004": "-239.00", "5005": "2.39"}
    assert booked("cod", "JDVB00000000003") == {"1003": "118.80", "1004": "-120.00", "5005": "1.20"}
    assert booked("cod", "JDVB00000000007") == {"1003": "380.24", "1004": "-388.00", "2901": "3.88", "5005": "3.88"}
    assert booked("cod", "JDVB00000000006") == {}
    assert booked("bank", "B20261120004") == {}


def test_what_a_bank_charges_and_carriers_are_paid_is_known_by_its_words(sources):
    assert booked("bank", "B20261120006") == {"1003": "-219.20", "2203": "219.20"}
    assert booked("bank", "B20261120007") == {"1003": "-15.00", "5003": "15.00"}


def test_a_second_payment_that_our_books_have_comes_to_its_fee_only(sources):
    assert booked("alipay_trade", "PA2611230008B") == {"1001": "-0.45", "5003": "0.45"}


def test_reading_all_files_again_changes_nothing(sources):
    def everything():
        return [
            list(model.objects.order_by("pk").values())
            for model in (Bill, BillRow, BillMatch, BillDay, LedgerEntry, LedgerLine)
        ] + [steps.tickets()]

    before = everything()
    world.read_all(sources)

    assert everything() == before


def test_the_same_rows_in_another_file_are_not_kept_twice(sources):
    content = (world.BILLS / "cod-remittance-jd-20261123.csv").read_bytes() + b"\r\n"
    rows, entries = BillRow.objects.count(), LedgerEntry.objects.count()
    bill = importing.import_bill(sources[BillForm.COD].pk, content, file_name="again.csv", by="li")

    assert (bill.row_count, Bill.objects.get(pk=bill.pk).new_row_count) == (8, 0)
    assert (BillRow.objects.count(), LedgerEntry.objects.count()) == (rows, entries)


def test_rows_of_bills_are_never_changed(sources):
    with pytest.raises(DatabaseError), transaction.atomic():
        BillRow.objects.update(amount_fen=1)


def test_each_difference_has_a_ticket_of_finance(sources):
    wrong = BillMatch.objects.exclude(outcome__in=["matched", "not_yet_due", "carrier_payment", "bank_charge"])

    assert len(steps.tickets()) == wrong.count() == 22
    assert {kind for kind, _reason in steps.tickets()} == {"bill_difference"}


def test_a_day_shows_what_its_bills_come_to(sources):
    """Alipay's trade bill lacks a row of 33.30 with a fee of 0.20; WeChat's one of 21.00 with 0.13."""
    sums = ("trade_fen", "refund_fen", "fee_fen", "fund_fen", "difference_fen", "closed_at")

    assert BillDay.objects.values_list(*sums).get(connection__code="alipay") == (
        (218682, 11890, 1321, 208781, -3310, None)
    )
    assert BillDay.objects.values_list(*sums).get(connection__code="wechat") == (
        (143825, 16999, 651, 128262, -2087, None)
    )


def test_cash_goes_from_the_carrier_to_the_bank(sources):
    """The bank shows the batch of the remittance; of SO-COD-03 the carrier remitted less than it collected."""
    cash = {payment.order.external_number: payment.pk for payment in Payment.objects.filter(means="cash")}
    standing = remitting.standing(cash.values())

    assert standing[cash["SO-COD-01"]] == "reconciled"
    assert remitting.standing(Payment.objects.exclude(means="cash").values_list("pk", flat=True)) == {}
    BillMatch.objects.filter(source__form="bank", counterpart__isnull=False).update(counterpart=None)
    assert remitting.standing([cash["SO-COD-01"]]) == {cash["SO-COD-01"]: "remitted"}
    BillMatch.objects.filter(source__form="cod", row__isnull=False).update(payment=None)
    assert remitting.standing([cash["SO-COD-01"]]) == {cash["SO-COD-01"]: "collected"}
