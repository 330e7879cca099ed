"""What a merchant reads of its settlement, and says about it; never another's."""

from datetime import timedelta
from decimal import Decimal
from io import BytesIO

import pytest
import python_calamine
import time_machine
from django.utils import timezone

from oms.common.models import Ticket
from oms.merchants.models import Merchant
from payments.models import Statement, StatementRemark
from payments.statements import closing
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.merchants.test_merchant_admin import person_of
from tests.payments.test_settling import ANNA, by_hand, goods_of, sold

pytestmark = pytest.mark.django_db


@pytest.fixture
def seller() -> Merchant:
    return factories.MerchantFactory(commission_rate=Decimal("0.05"), settlement_days=0)


@pytest.fixture
def statement(shop, seller) -> Statement:
    """A sale of 99.90 with freight 6.00 and a fee of 3.20, in a statement over yesterday and the day before."""
    today = timezone.localdate()
    sold(shop, (goods_of(seller), 2, "49.95"), freight_amount="6.00", on=today - timedelta(days=2))
    with time_machine.travel(timezone.now() - timedelta(days=1)):
        by_hand(seller, "-3.20")
    other = factories.MerchantFactory()
    with time_machine.travel(timezone.now() - timedelta(days=1)):
        by_hand(other, "77.77", key="other")
    return closing.close(seller.pk, closing.Span(today - timedelta(days=9), today), actor=ANNA)


def api_of(merchant: Merchant, *scopes: str) -> factories.MerchantClient:
    return factories.client_of(merchant, **({"scopes": scopes} if scopes else {}))


def test_the_api_shows_rows_and_statements_of_the_merchant_only(statement, seller):
    api = api_of(seller)
    listed = api.get("/api/v1/settlements").json()
    assert [(row["kind"], row["net_amount"], row["statement"]) for row in listed["results"]] == [
        ("correction", "-3.20", statement.number),
        ("sale", "100.90", statement.number),
    ]
    assert listed["results"][1]["sku"]
    assert [row["kind"] for row in api.get("/api/v1/settlements?kind=sale").json()["results"]] == ["sale"]
    assert api.get("/api/v1/settlements?open=true").json()["results"] == []
    of_statement = api.get(f"/api/v1/settlements?statement={statement.number}&limit=1").json()
    assert (len(of_statement["results"]), of_statement["next"] is not None) == (1, True)

    (shown,) = api.get("/api/v1/statements").json()["results"]
    assert (shown["number"], shown["total_amount"], shown["payable_amount"], shown["row_count"]) == (
        statement.number,
        "97.70",
        "97.70",
        2,
    )
    assert api.get(f"/api/v1/statements/{statement.number}").json()["row_hash"] == statement.row_hash
    other = Merchant.objects.exclude(pk=seller.pk).filter(settlement_rows__isnull=False).distinct().get()
    theirs = api_of(other)
    assert [row["net_amount"] for row in theirs.get("/api/v1/settlements").json()["results"]] == ["77.77"]
    assert theirs.get(f"/api/v1/statements/{statement.number}").status_code == 404
    said = theirs.post(f"/api/v1/statements/{statement.number}/remarks", {"text": "x"}, format="json")
    assert said.status_code == 404
    assert not StatementRemark.objects.exists()


def test_a_merchant_disputes_a_statement_and_finance_answers(statement, seller):
    api = api_of(seller)
    path = f"/api/v1/statements/{statement.number}/remarks"
    assert api.post(path, {"text": " "}, format="json").status_code == 400
    said = api.post(path, {"text": "The fee of 3.20 is wrong"}, format="json")
    assert (said.status_code, said.json()["is_answer"]) == (201, False)
    assert steps.tickets() == [("statement_disputed", "")]
    ticket = Ticket.objects.get()
    assert (ticket.subject_id, ticket.values["text"]) == (statement.pk, "The fee of 3.20 is wrong")

    clerk = client_of("view_statement")
    answer = f"/admin/payments/statement/{statement.pk}/answer/"
    assert clerk.post(answer, {"text": "no"}).status_code == 403
    finance = client_of("view_statement", "answer_statement")
    assert (
        "The fee of 3.20 is wrong" in finance.get(f"/admin/payments/statement/{statement.pk}/change/").content.decode()
    )
    finance.post(answer, {"text": "Corrected in the open period"})

    assert steps.tickets() == []
    remarks = api.get(f"/api/v1/statements/{statement.number}").json()["remarks"]
    assert [(remark["text"], remark["is_answer"]) for remark in remarks] == [
        ("The fee of 3.20 is wrong", False),
        ("Corrected in the open period", True),
    ]
    assert steps.broken_invariants() == []


def test_scopes_part_reading_from_disputing(statement, seller):
    reader = api_of(seller, "settlements.read")
    assert reader.get("/api/v1/statements").status_code == 200
    path = f"/api/v1/statements/{statement.number}/remarks"
    assert reader.post(path, {"text": "x"}, format="json").status_code == 403
    assert api_of(seller, "orders.read").get("/api/v1/settlements").status_code == 403


def test_the_merchants_pages_show_download_and_dispute(statement, seller):
    client = person_of(seller)
    listed = client.get("/merchant/payments/settlementrow/").content.decode()
    assert "97.70" in listed  # the sum
    assert "77.77" not in listed
    page = client.get(f"/merchant/payments/statement/{statement.pk}/change/").content.decode()
    assert statement.number in page
    book = client.get(f"/merchant/payments/statement/{statement.pk}/workbook/")
    summary = python_calamine.CalamineWorkbook.from_filelike(BytesIO(book.content)).get_sheet_by_index(0).to_python()
    assert [row[2] for row in summary if row[0] == "Total"] == [97.7]
    client.post(f"/merchant/payments/statement/{statement.pk}/dispute/", {"text": "Why?"})
    assert StatementRemark.objects.get().text == "Why?"
    assert "Why?" in client.get(f"/merchant/payments/statement/{statement.pk}/change/").content.decode()

    other = person_of(Merchant.objects.exclude(pk=seller.pk).filter(settlement_rows__isnull=False).first(), "zhao")
    for page in ("workbook", "dispute"):
        path = f"/merchant/payments/statement/{statement.pk}/{page}/"
        assert other.post(path, {"text": "x"}).status_code == 404
    assert StatementRemark.objects.count() == 1


def test_finance_sees_sums_of_what_its_filters_let_through(statement):
    boss = client_of(is_superuser=True)
    page = boss.get("/admin/payments/settlementrow/?kind__exact=sale").content.decode()
    assert "100.90" in page
    assert "97.70" not in page
    assert "97.70" in boss.get("/admin/payments/statement/").content.decode()
