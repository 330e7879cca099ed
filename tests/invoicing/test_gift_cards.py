"""Invoices of gift cards that were sold: without tax, once, and refused with a reason where none is issued."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import transaction
from django.urls import reverse

from oms.common.errors import OmsError
from oms.common.tax import TaxMark
from oms.merchants.models import GiftCardPolicy, LegalEntity
from oms.simulators.nuonuo import NuonuoPeer
from orders.intake.bodies import InvoiceBody
from payments.balances import issuing
from payments.balances.issuing import NewCard
from payments.invoicing import asking, cards
from payments.models import BalanceAccount, Invoice
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.invoicing import world
from tests.pipeline.test_races import in_thread, wait_for_a_lock

pytestmark = pytest.mark.django_db
PERSON = InvoiceBody("personal", title="张华", email="zhang@example.com")
COMPANY = InvoiceBody("company", title="示例科技有限公司", tax_number="91110000600037341L")
CARD_CODE = "6010000000000000000"


@pytest.fixture
def seller(company: LegalEntity) -> LegalEntity:
    """The shop's company, which says how it sells gift cards."""
    LegalEntity.objects.filter(pk=company.pk).update(
        card_tax_code=CARD_CODE, card_tax_name="预付卡销售", card_tax_rate=0, card_tax_mark=TaxMark.UNTAXED
    )
    return LegalEntity.objects.get(pk=company.pk)


def issued(shop: factories.Shop, amount: str = "100.00", *, is_sold: bool = True) -> BalanceAccount:
    (outcome,) = issuing.issue_cards(
        shop.merchant, [NewCard(Decimal(amount))], is_sold=is_sold, key=f"b{amount}", actor=steps.STAFF
    )
    return outcome.card


def test_a_card_that_was_sold_is_invoiced_without_tax_once_and_what_is_put_on_it_later_too(
    shop: factories.Shop, seller: LegalEntity, peer: NuonuoPeer
) -> None:
    card = issued(shop)
    clerk = client_of("view_giftcard", "issue_invoice")
    url = reverse("admin:payments_invoice_ask_card", args=[card.pk])
    assert url in clerk.get(reverse("admin:payments_giftcard_change", args=[card.pk])).content.decode()
    assert client_of("view_giftcard").post(url, {}).status_code == 403
    assert clerk.post(url, {"kind": "ordinary", "title_type": "personal", "title": "张华"}).status_code == 302
    world.until_quiet(peer)

    invoice = Invoice.objects.get()
    assert (invoice.number, invoice.state, invoice.amount) == (f"{card.number}-I1", "issued", Decimal("100.00"))
    assert world.lines(invoice) == [(0, None, "100.00", "0.00", "100.00")]
    (line,) = peer.bureau.by_number[invoice.number].lines
    assert (line["goodsCode"], line["goodsName"]) == (CARD_CODE, f"*预付卡销售*预付卡销售 {card.number}")
    page = clerk.get(reverse("admin:payments_giftcard_change", args=[card.pk])).content.decode()
    assert "All that was sold of it is invoiced." in page
    with pytest.raises(OmsError, match="All that was sold"):
        cards.invoice_card(card.pk, PERSON, by="li")

    issuing.top_up(card.pk, Decimal("50.00"), is_sold=True, key="t", actor=steps.STAFF)
    (more,) = cards.invoice_card(card.pk, PERSON, by="li")
    assert (more.number, more.amount) == (f"{card.number}-I2", Decimal("50.00"))
    told = factories.client_of(shop.merchant).get(f"/api/v1/invoices/{more.number}").json()
    assert (told["gift_card"], told["order"], told["amount"]) == (card.number, None, "50.00")
    assert [name for name in steps.broken_invariants() if "invoice" in name] == []


def test_an_invoice_of_a_card_that_is_taken_back_makes_room_for_another(
    shop: factories.Shop, seller: LegalEntity, peer: NuonuoPeer
) -> None:
    card = issued(shop)
    (invoice,) = cards.invoice_card(card.pk, PERSON, by="li")
    world.until_quiet(peer)
    page = client_of("view_invoice", "red_invoice").get(reverse("admin:payments_invoice_change", args=[invoice.pk]))
    assert "Take back, none is wanted" in page.content.decode()
    assert "Take back and issue anew" not in page.content.decode()
    assert "all invoices of the order" not in page.content.decode()
    asking.take_back(invoice.pk, issue_anew=False, actor=steps.STAFF)
    with pytest.raises(OmsError, match="under way"):
        cards.invoice_card(card.pk, PERSON, by="li")
    world.until_quiet(peer)
    assert world.states() == [("I1", "red", "100.00"), ("I2", "issued", "-100.00")]
    cards.invoice_card(
        card.pk, InvoiceBody("company", title="示例科技有限公司", tax_number="91110000600037341L"), by="li"
    )
    world.until_quiet(peer)
    assert world.states()[-1] == ("I3", "issued", "100.00")
    assert [name for name in steps.broken_invariants() if "invoice" in name] == []


@pytest.mark.django_db(transaction=True)
def test_an_invoice_that_is_taken_back_while_another_of_its_card_is_asked_for_has_a_number_of_its_own(
    shop: factories.Shop, seller: LegalEntity, peer: NuonuoPeer
) -> None:
    card = issued(shop)
    (invoice,) = cards.invoice_card(card.pk, PERSON, by="li")
    world.until_quiet(peer)
    issuing.top_up(card.pk, Decimal("50.00"), is_sold=True, key="t", actor=steps.STAFF)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            cards.invoice_card(card.pk, PERSON, by="li")
            taken_back = in_thread(pool, lambda: asking.take_back(invoice.pk, issue_anew=False, actor=steps.STAFF))
            wait_for_a_lock()
        taken_back.result(10)

    numbers = [(number, str(amount)) for number, _state, amount in world.states()]
    assert numbers == [("I1", "100.00"), ("I2", "50.00"), ("I3", "-100.00")]


def test_what_the_bureau_refuses_of_a_card_is_sent_again_under_another_number(
    shop: factories.Shop, seller: LegalEntity, peer: NuonuoPeer
) -> None:
    card = issued(shop)
    (invoice,) = cards.invoice_card(card.pk, InvoiceBody("personal", title="不存在"), by="li")
    world.until_quiet(peer)
    assert (world.states(), steps.tickets()) == ([("I1", "failed", "100.00")], [("invoice_refused", "")])
    asking.send_again(invoice.pk, actor=steps.STAFF)
    assert world.states() == [("I1", "cancelled", "100.00"), ("I2", "requested", "100.00")]


@pytest.mark.parametrize(
    ("changes", "is_sold", "reason"),
    [
        ({}, False, "Nobody paid for it"),
        ({"gift_cards": GiftCardPolicy.AT_USE}, True, "when they are used, not when they are sold"),
        ({"card_tax_code": "", "card_tax_rate": None, "card_tax_mark": ""}, True, "in which tax class"),
        ({"connection": None}, True, "names no legal entity that issues invoices"),
    ],
)
def test_it_is_said_why_a_card_is_not_invoiced(
    shop: factories.Shop, seller: LegalEntity, changes: dict[str, object], is_sold: bool, reason: str
) -> None:
    LegalEntity.objects.filter(pk=seller.pk).update(**changes)
    card = issued(shop, is_sold=is_sold)
    with pytest.raises(OmsError, match=reason):
        cards.invoice_card(card.pk, PERSON, by="li")
    page = client_of("view_giftcard", "issue_invoice").get(reverse("admin:payments_giftcard_change", args=[card.pk]))
    assert reason in page.content.decode()
    assert not Invoice.objects.exists()


def test_no_special_invoice_is_issued_for_a_card(shop: factories.Shop, seller: LegalEntity) -> None:
    card = issued(shop)
    with pytest.raises(OmsError, match="only an ordinary invoice"):
        cards.invoice_card(
            card.pk, InvoiceBody("company", "special", "示例科技有限公司", "91110000600037341L"), by="li"
        )
