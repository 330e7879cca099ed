"""Finance's lists: queues, days, sums, and exports by a right of their own."""

import re
from decimal import Decimal

import pytest
from django.test import Client

from oms.common.desk import sums
from payments.granting import limits
from payments.models import LedgerEntry, Refund
from payments.owing import balancing
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.operations.test_exporting import content_of, csv_rows, export
from tests.payments.grants import goodwill, member, paid

pytestmark = pytest.mark.django_db
LISTS = ("payment", "refund", "refundgrant", "statement", "settlementrow", "ledgerentry")


@pytest.fixture
def finance(db: None) -> Client:
    return client_of(*(f"view_{name}" for name in LISTS), "export_money")


def refunded(shop: factories.Shop, settings: object) -> None:
    """300.00 paid; 5.00 go back by rule, 120.00 wait to be sent."""
    settings.REFUNDS_SENT_BY_RULE_UP_TO = Decimal("100.00")  # type: ignore[attr-defined]
    limits.install_defaults()
    order = paid(shop, "300.00")
    goodwill(order, "5.00", member("customer_service"))
    factories.run(balancing.run)
    goodwill(order, "120.00", member("customer_service"))
    factories.run(balancing.run)


def shown(client: Client, path: str) -> list[str]:
    return [str(row) for row in client.get(path).context["cl"].result_list]


def test_refunds_are_found_by_what_is_to_be_done_about_them(shop, settings, finance):
    refunded(shop, settings)
    sent, waiting = (str(refund) for refund in Refund.objects.order_by("pk"))
    path = "/admin/payments/refund/?queue="
    assert shown(finance, f"{path}to_send") == [waiting]
    assert shown(finance, f"{path}under_way") == [waiting, sent]
    Refund.objects.filter(number=sent).update(due_at="2026-01-01T00:00:00Z")
    assert shown(finance, f"{path}overdue") == [sent]
    assert shown(finance, f"{path}failed") == shown(finance, f"{path}by_hand") == []


def test_sums_are_those_of_all_rows_that_the_filters_let_through(shop, settings, finance):
    refunded(shop, settings)
    assert finance.get("/admin/payments/refund/").context["cl"].sums() == [
        ("Amount", Decimal("125.00")),
        ("Refunded", Decimal("0.00")),
    ]
    to_send = finance.get("/admin/payments/refund/?queue=to_send")
    assert to_send.context["cl"].sums()[0] == ("Amount", Decimal("120.00"))
    assert "120.00" in to_send.content.decode()
    moved = finance.get("/admin/payments/ledgerentry/?account=1006").context["cl"].moved()
    assert [(row[0].code, row[1], row[2]) for row in moved] == [("1006", 300, 0), ("2001", 0, 300)]
    entry = LedgerEntry.objects.filter(lines__account="1006").first()
    page = finance.get(f"/admin/payments/ledgerentry/{entry.pk}/change/").content.decode()
    assert re.search(r"Dr 1006 [^<]* 300\.00.*Cr 2001 [^<]* 300\.00", page, re.DOTALL)
    paid_by = entry.order.payments.get().number
    assert f"Payment {paid_by}" in page
    assert f"Payment {paid_by}" in finance.get("/admin/payments/ledgerentry/").content.decode()


def test_more_rows_than_are_added_up_are_said_to_be_too_many(shop, settings, finance, monkeypatch):
    refunded(shop, settings)
    for most, told in ((2, True), (1, False)):
        monkeypatch.setattr(sums, "MOST_ROWS", most)
        page = finance.get("/admin/payments/refund/")
        assert (page.context["cl"].sums() is not None) is told
        assert ("Too many rows to add up" in page.content.decode()) is not told


@pytest.mark.parametrize("name", LISTS)
def test_each_list_is_exported_by_its_right_and_only_by_it(shop, settings, finance, name):
    refunded(shop, settings)
    path = f"/admin/payments/{name}/export/"
    assert export(finance, path).state == "succeeded"
    reader = client_of(f"view_{name}")
    assert reader.get(path).status_code == 403
    assert "Export" not in reader.get(f"/admin/payments/{name}/").content.decode()


def test_an_export_of_refunds_has_what_the_list_has(shop, settings, finance):
    refunded(shop, settings)
    job = export(finance, "/admin/payments/refund/export/?queue=to_send")
    (row,) = csv_rows(content_of(finance, job))
    assert (row["amount"], row["state"], row["reason"]) == ("120.00", "To be sent", "goodwill")
    assert steps.broken_invariants() == []
