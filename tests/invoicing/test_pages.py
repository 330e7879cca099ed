"""Pages, API and the buyer's link of invoices: each action asks for its right, and says what came of it."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from inventory.models import Sku
from oms.common.secrecy import seal
from oms.merchants.models import LegalEntity, WebhookDelivery, WebhookEndpoint
from oms.simulators.nuonuo import NuonuoPeer
from orders.models import InvoiceRequest, Order
from payments.invoicing import links
from payments.models import Invoice
from tests import factories, steps
from tests.admin.conftest import boss, client_of  # noqa: F401 - a fixture
from tests.api.calls import errors_of
from tests.invoicing import world
from tests.invoicing.world import COMPANY, PERSON
from tests.portal import world as portal

pytestmark = pytest.mark.django_db
PAGE = {"headers": {"accept-language": "en"}}


@pytest.fixture
def invoiced(shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer) -> Invoice:
    """The issued invoice of an order of 26.00."""
    world.delivered(shop.place_order(invoice=PERSON))
    world.until_quiet(peer)
    return Invoice.objects.get()


def refused(shop: factories.Shop, peer: NuonuoPeer) -> Invoice:
    """An invoice that the bureau refuses."""
    world.delivered(shop.place_order(invoice={**COMPANY, "title": "不存在有限公司"}))
    world.until_quiet(peer)
    return Invoice.objects.get(state="failed")


# --- The merchant's pages


def test_a_merchant_finds_its_invoices_in_the_menu_and_fetches_their_documents(invoiced: Invoice) -> None:
    merchant = invoiced.order.channel.merchant
    listed = reverse("merchant:payments_invoice_changelist")
    page, document = (
        reverse(f"merchant:payments_invoice_{name}", args=[invoiced.pk]) for name in ("change", "document")
    )
    finance, reader = portal.person_of(merchant, "finance"), portal.person_of(merchant, "read_only")

    assert f'href="{listed}"' in finance.get("/merchant/").content.decode()
    assert invoiced.official_number in finance.get(f"{listed}?q={invoiced.order.number}").content.decode()
    shown = finance.get(page).content.decode()
    assert all(text in shown for text in ("*日用杂品*商品", "17.70", f'href="{document}"'))
    assert "张华" not in shown
    assert finance.get(document).content.startswith(b"%PDF")
    assert invoiced.steps.get(kind="downloaded").by.startswith(merchant.code)
    # A document says who bought: who only reads does not fetch it.
    assert document not in reader.get(page).content.decode()
    assert reader.get(document).status_code == 403
    assert portal.person_of(factories.MerchantFactory(), "finance").get(document).status_code == 404


# --- Staff


def test_the_list_tells_what_its_invoices_come_to_and_is_searched_by_number(invoiced: Invoice, boss: Client) -> None:  # noqa: F811
    listed = reverse("admin:payments_invoice_changelist")
    for query in ("", f"?q={invoiced.official_number}", "?state__exact=issued", "?created_at_from=2026-01-01"):
        page = boss.get(f"{listed}{query}").content.decode()
        assert invoiced.number in page
        assert "<b>23.36</b> · tax <b>2.64</b> · together <b>26.00</b>" in page
    assert invoiced.number not in boss.get(f"{listed}?is_red__exact=1").content.decode()
    assert "Export" in boss.get(listed).content.decode()


def test_an_invoices_page_has_its_lines_its_history_and_for_who_may_its_title(invoiced: Invoice, boss: Client) -> None:  # noqa: F811
    path = reverse("admin:payments_invoice_change", args=[invoiced.pk])
    assert "张华" not in boss.get(path).content.decode()
    boss.post(reverse("admin:orders_order_reveal", args=[invoiced.order_id]), {"reason": "payment"})
    page = boss.get(path).content.decode()
    for text in ("*日用杂品*商品", "17.70", "13 %", "张华", "zhang@example.com", "Issued by the tax bureau"):
        assert text in page
    page = client_of("view_invoice").get(path).content.decode()
    assert "17.70" in page
    for hidden in ("张华", "Take back and issue anew", "/mail/", "/document/"):
        assert hidden not in page


@pytest.mark.parametrize(
    ("action", "right", "state"),
    [
        ("send_again", "resend_invoice", "cancelled"),
        ("take_back", "red_invoice", "issued"),
        ("mail", "mail_invoice", ""),
    ],
)
def test_each_action_asks_for_its_right(
    shop: factories.Shop, invoiced: Invoice, peer: NuonuoPeer, action: str, right: str, state: str
) -> None:
    invoice = refused(shop, peer) if action == "send_again" else invoiced
    before = world.states()
    path = reverse(f"admin:payments_invoice_{action}", args=[invoice.pk])
    others = {"resend_invoice", "red_invoice", "mail_invoice", "issue_invoice"} - {right}
    assert client_of("view_invoice", *others).post(path, {"then": "issue"}).status_code == 403
    assert client_of("view_invoice", right).get(path).status_code == 405
    assert world.states() == before

    answer = client_of("view_invoice", right).post(path, {"then": "issue"}, follow=True)

    assert answer.status_code == 200
    assert "oms-text-danger" not in answer.content.decode()
    world.work()
    if action == "mail":
        assert Invoice.objects.get().mail_due_since is not None
    else:
        assert world.states() != before
    assert state in ("", *(state for _number, state, _amount in world.states()))


def test_what_cannot_be_done_is_said(invoiced: Invoice, boss: Client) -> None:  # noqa: F811
    path = reverse("admin:payments_invoice_send_again", args=[invoiced.pk])
    assert "Only a refused invoice is sent again: Issued." in boss.post(path, follow=True).content.decode()


def test_the_document_is_downloaded_by_who_may_and_that_is_noted(invoiced: Invoice) -> None:
    path = reverse("admin:payments_invoice_document", args=[invoiced.pk])
    assert client_of("view_invoice").get(path).status_code == 403
    answer = client_of("view_invoice", "download_invoice").get(path)
    assert answer.content.startswith(b"%PDF-")
    assert invoiced.official_number in answer["Content-Disposition"]
    assert [step.kind for step in invoiced.steps.all()][-1] == "downloaded"


def test_staff_ask_for_an_invoice_and_correct_its_title_on_the_orders_page(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    order = world.delivered(shop.place_order())
    path = reverse("admin:payments_invoice_ask", args=[order.pk])
    rights = ("view_order", "view_personal_data")
    assert client_of(*rights, "retitle_invoice").post(path, {**PERSON, "kind": "ordinary"}).status_code == 403
    may = client_of(*rights, "issue_invoice")
    wrong = may.post(path, {**COMPANY, "tax_number": "911100006000373410"}).content.decode()
    assert "The tax number has a slip" in wrong
    assert not InvoiceRequest.objects.exists()
    assert may.post(path, {**PERSON, "kind": "ordinary"}).status_code == 302
    world.until_quiet(peer)
    assert world.states() == [("I1", "issued", "26.00")]

    assert may.post(path, COMPANY).status_code == 403
    assert client_of(*rights, "retitle_invoice").post(path, {**COMPANY}).status_code == 302
    world.until_quiet(peer)
    assert [state for _number, state, _amount in world.states()] == ["red", "issued", "issued"]
    page = client_of(*rights).get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert Invoice.objects.latest("pk").official_number in page


def test_issuing_at_once_and_withdrawing_have_rights_of_their_own(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    order = shop.place_order(invoice=PERSON)
    steps.pay(order)
    steps.shipped(order)
    issue, withdraw = (reverse(f"admin:payments_invoice_{name}", args=[order.pk]) for name in ("issue", "withdraw"))
    assert client_of("view_order", "red_invoice").post(issue).status_code == 403
    assert client_of("view_order", "issue_invoice").post(withdraw).status_code == 403
    client_of("view_order", "issue_invoice").post(issue)
    world.until_quiet(peer)
    client_of("view_order", "red_invoice").post(withdraw)
    world.until_quiet(peer)
    assert [state for _number, state, _amount in world.states()] == ["red", "issued"]


def test_a_company_that_issues_is_made_on_its_page_and_a_wrong_number_refused(boss: Client) -> None:  # noqa: F811
    path = reverse("admin:merchants_legalentity_add")
    form: dict[str, Any] = {
        **dict.fromkeys((field.name for field in LegalEntity._meta.concrete_fields), ""),
        "code": "a",
        "name": "示例",
        "issue_when": "delivered",
        "gift_cards": "at_sale",
        "most_lines": "2000",
    }
    page = boss.post(path, {**form, "tax_number": "911100006000373410"}).content.decode()
    assert "This is no unified social credit code" in page
    half = boss.post(path, {**form, "tax_number": "91110000600037341L", "goods_tax_code": world.GOODS_CODE})
    assert half.status_code == 200
    assert not LegalEntity.objects.exists()
    boss.post(path, {**form, "tax_number": "91110000600037341L"})
    assert LegalEntity.objects.get().name == "示例"


# --- Buyers


def test_a_buyer_asks_for_the_invoice_and_fetches_it_by_a_signed_link(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    order = world.delivered(shop.place_order())
    path = links.path_of(order)
    for language, word in (("en", "Ask for the invoice"), ("zh-hans", "申请发票")):
        assert word in Client().get(path, headers={"accept-language": language}).content.decode()
    wrong = Client().post(path, {**COMPANY, "tax_number": "1"}, **PAGE).content.decode()
    assert "The tax number has a slip" in wrong
    assert Client().post(path, {**PERSON, "kind": "ordinary"}).status_code == 302
    assert "张华" in Client().get(path).content.decode()
    world.until_quiet(peer)

    page = Client().get(path, **PAGE).content.decode()
    invoice = Invoice.objects.get()
    assert invoice.official_number in page
    assert "To change the title, write to the shop." in page
    document = Client().get(f"{path}{invoice.number}.pdf")
    assert document.content.startswith(b"%PDF-")
    assert Client().post(path, {**COMPANY}).status_code == 200
    assert InvoiceRequest.objects.get().title_type == "personal"


def test_a_link_that_was_made_up_leads_nowhere(invoiced: Invoice, shop: factories.Shop) -> None:
    other = links.path_of(shop.place_order())
    assert Client().get(f"/invoice/{invoiced.order}:x:y/").status_code == 404  # type: ignore[str-bytes-safe]
    assert Client().get(f"{other}{invoiced.number}.pdf").status_code == 404


# --- Merchants


def test_a_merchant_asks_for_an_invoice_reads_and_downloads_it(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    api = factories.client_of(shop.merchant, scopes=["invoices.request"])
    order = world.delivered(shop.place_order())
    path = f"/api/v1/orders/{order.number}/invoices"
    refusal = api.post(path, {**COMPANY, "tax_number": "911100006000373410"}, format="json")
    assert (refusal.status_code, errors_of(refusal)) == (400, {("tax_number", "invalid_tax_number")})
    answer = api.post(path, COMPANY, format="json")
    assert (answer.status_code, answer.json()["tax_number"]) == (201, "91110000600037341L")
    world.until_quiet(peer)

    (listed,) = api.get(path).json()
    assert (listed["state"], listed["amount"], listed["issuer_tax_number"]) == (
        "issued",
        "26.00",
        world.KEYS.tax_number,
    )
    assert [line["net_amount"] for line in listed["lines"]] == ["17.70", "5.66"]
    assert api.get(f"/api/v1/invoices/{listed['number']}").json() == listed
    assert [one["number"] for one in api.get("/api/v1/invoices?state=issued").json()["results"]] == [listed["number"]]
    document = api.get(f"/api/v1/invoices/{listed['number']}/document")
    assert (document["Content-Type"], document.content[:5]) == ("application/pdf", b"%PDF-")
    reader = factories.client_of(shop.merchant, scopes=["payments.read"])
    assert reader.get(path).status_code == 403
    stranger = factories.client_of(factories.MerchantFactory(), scopes=["invoices.request"])
    assert stranger.get(f"/api/v1/invoices/{listed['number']}/document").status_code == 404


def test_merchants_are_told_of_invoices_red_ones_and_those_that_fail(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    WebhookEndpoint.objects.create(
        merchant=shop.merchant, url="https://1.1.1.1/", event_types=["invoice.*"], secret=seal("whsec_c2VjcmV0")
    )
    order = world.delivered(shop.place_order(invoice=PERSON))
    world.until_quiet(peer)
    from payments.invoicing import asking

    asking.withdraw(order.pk, actor=steps.STAFF)
    world.until_quiet(peer)
    refused(shop, peer)
    told = [delivery.event.type for delivery in WebhookDelivery.objects.select_related("event").order_by("pk")]
    assert told == ["invoice.issued", "invoice.red_issued", "invoice.failed"]


def test_skus_are_taxed_by_api_and_half_of_it_is_refused(shop: factories.Shop) -> None:
    api = factories.client_of(shop.merchant)
    body = {"code": "T1", "name": "书", "storage_class": "ambient", "tax_code": world.GOODS_CODE}
    half = api.post("/api/v1/skus", body, format="json")
    assert (half.status_code, errors_of(half)) == (409, {("tax_rate", "refused")})
    answer = api.post("/api/v1/skus", {**body, "tax_rate": "0.09", "tax_name": "图书"}, format="json")
    assert (answer.status_code, answer.json()["tax_rate"]) == (201, "0.090")
    sku = Sku.objects.get(code="T1")
    assert (sku.tax_rate, sku.tax_name) == (Decimal("0.090"), "图书")
    marked = api.patch("/api/v1/skus/T1", {"tax_mark": "exempt"}, format="json", HTTP_IF_MATCH=f'"{sku.version}"')
    assert (marked.status_code, errors_of(marked)) == (409, {("tax_mark", "refused")})


def test_an_official_number_finds_the_order(invoiced: Invoice, boss: Client) -> None:  # noqa: F811
    answer = boss.get(reverse("admin:orders_order_changelist"), {"q": invoiced.official_number})
    assert answer.status_code == 302
    assert str(Order.objects.get().pk) in answer["Location"]
