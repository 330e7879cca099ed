"""Invoices through 诺诺's peer: asked for with the order, issued once the goods are there; and what may go wrong."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from inventory.models import Sku, Warehouse
from oms.common.models import Connection, Ticket
from oms.common.zones import CHINA
from oms.merchants.models import LegalEntity, Merchant
from oms.simulators.mischief import Trick
from oms.simulators.nuonuo import NuonuoPeer
from orders.intake.bodies import InvoiceBody
from orders.models import InvoiceRequest, Order, OrderEvent
from payments.invoicing import advancing, asking, documents, planning
from payments.models import Invoice, InvoiceLine, InvoiceState
from tests import factories, steps
from tests.invoicing import world
from tests.invoicing.world import COMPANY, PERSON

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(shop: factories.Shop, company: LegalEntity) -> Order:
    """Two units of 10.00 each with 6.00 freight, delivered; the buyer asks for an invoice."""
    return world.delivered(shop.place_order(invoice=PERSON))


def test_an_order_is_invoiced_once_its_goods_are_there(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    order = shop.place_order(invoice=PERSON)
    steps.pay(order)
    steps.shipped(order)
    world.work()
    assert world.states() == []

    steps.scan(steps.Shipment.objects.get(), "collected", "signed")
    world.work()
    assert world.states() == [("I1", "issuing", "26.00")]
    world.later(peer)

    invoice = Invoice.objects.get()
    assert (invoice.state, invoice.net_amount, invoice.tax_amount) == ("issued", Decimal("23.36"), Decimal("2.64"))
    assert len(invoice.official_number) == 20
    assert world.lines(invoice) == [(0, 2, "17.70", "2.30", "20.00"), (0, None, "5.66", "0.34", "6.00")]
    assert [line.tax_code for line in InvoiceLine.objects.order_by("position")] == [
        world.GOODS_CODE,
        world.FREIGHT_CODE,
    ]
    assert peer.bureau.net_issued() == Decimal("26.00")
    told = OrderEvent.objects.filter(order=order, kind__startswith="invoice").order_by("id")
    assert [event.kind for event in told] == ["invoice_requested", "invoice_issued"]
    assert steps.broken_invariants() == []


def test_the_document_is_kept_sealed_and_mailed(order: Order, peer: NuonuoPeer, settings) -> None:  # type: ignore[no-untyped-def]
    settings.PUBLIC_URL = "https://oms.example"
    world.until_quiet(peer)
    invoice = Invoice.objects.get()
    kept = documents.of(invoice)
    assert kept
    assert kept.content.startswith(b"%PDF-")
    assert b"%PDF" not in bytes(invoice.document.content)

    assert world.mail() == 1

    (message,) = mail.outbox
    assert message.to == ["zhang@example.com"]
    assert "https://oms.example/invoice/" in message.body
    assert message.attachments[0][0] == f"{invoice.official_number}.pdf"  # type: ignore[index]
    assert world.mail() == 0
    assert [step.kind for step in invoice.steps.all()] == ["requested", "sent", "issued", "fetched", "mailed"]


def test_a_mail_that_cannot_be_sent_is_shown_to_people(order: Order, peer: NuonuoPeer, settings) -> None:  # type: ignore[no-untyped-def]
    world.until_quiet(peer)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    world.mail()
    assert steps.tickets() == [("invoice_mail_failed", "")]

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    asking.mail_again(Invoice.objects.get().pk)
    world.mail()
    assert steps.tickets() == []
    assert len(mail.outbox) == 1


def test_a_company_gets_a_special_invoice_with_its_tax_number(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    world.delivered(shop.place_order(invoice=COMPANY))
    world.until_quiet(peer)
    (issued,) = peer.bureau.by_number.values()
    # By the clock of China.
    said = datetime.strptime(issued.order["invoiceDate"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
    assert abs(timezone.now() - said) < timedelta(minutes=5)
    assert (issued.order["invoiceLine"], issued.order["buyerName"], issued.order["buyerTaxNum"]) == (
        *("bs", "示例科技有限公司", "91110000600037341L"),
    )


@pytest.mark.parametrize("trick", [Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.SYSTEM_ERROR_AFTER, Trick.ERROR_BEFORE])
def test_an_answer_that_is_lost_makes_no_second_invoice(order: Order, peer: NuonuoPeer, trick: Trick) -> None:
    peer.mischief.plan(trick)
    world.work()
    invoice = Invoice.objects.get()
    assert (invoice.state, invoice.attempts) == ("requested", 1)
    world.until_quiet(peer)

    assert world.states() == [("I1", "issued", "26.00")]
    assert len(peer.bureau.by_number) == 1
    assert peer.token_calls == 1


def test_what_the_service_never_got_is_sent_again_under_the_same_number(order: Order, peer: NuonuoPeer) -> None:
    world.work()
    peer.bureau.by_number.clear()
    with time_machine.travel(timezone.now() + timedelta(minutes=30)):
        world.until_quiet(peer)
    assert world.states() == [("I1", "issued", "26.00")]
    assert list(peer.bureau.by_number) == [f"{order.number}-I1"]


def test_what_could_not_be_sent_for_hours_is_asked_for_as_soon_as_any_other_once_it_is(
    order: Order, peer: NuonuoPeer
) -> None:
    peer.mischief.plan(Trick.ERROR_BEFORE)
    world.work()

    with time_machine.travel(timezone.now() + timedelta(minutes=30)):
        world.later(peer, 0)
        invoice = Invoice.objects.get()
        assert invoice.state == "issuing"
        assert invoice.ready_at
        assert invoice.ready_at - timezone.now() <= advancing.SHORTEST


def test_a_token_that_ended_is_replaced(order: Order, peer: NuonuoPeer) -> None:
    world.work()
    peer.tokens.clear()
    world.until_quiet(peer)
    assert world.states() == [("I1", "issued", "26.00")]
    assert peer.token_calls == 2


def test_what_the_bureau_refuses_is_shown_and_sent_again_under_another_number(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    order = world.delivered(shop.place_order(invoice={**COMPANY, "title": "不存在有限公司"}))
    world.until_quiet(peer)
    assert world.states() == [("I1", "failed", "26.00")]
    (ticket,) = Ticket.objects.filter(state="open")
    assert (ticket.kind, ticket.values["reason"]) == ("invoice_refused", "购方名称与税务登记信息不一致")
    assert steps.broken_invariants() == []

    asking.ask(order.pk, InvoiceBody(**COMPANY), actor=steps.STAFF)
    world.until_quiet(peer)

    assert world.states() == [("I1", "cancelled", "26.00"), ("I2", "issued", "26.00")]
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_a_refused_invoice_is_sent_again_as_it_is_worked_out_then(order: Order, peer: NuonuoPeer) -> None:
    LegalEntity.objects.update(tax_number="91110000600037341L")
    world.work()
    assert world.states() == [("I1", "failed", "26.00")]
    LegalEntity.objects.update(tax_number=world.KEYS.tax_number)
    with pytest.raises(asking.OmsError, match="Only an issued invoice"):
        asking.take_back(Invoice.objects.get().pk, issue_anew=False, actor=steps.STAFF)

    asking.send_again(Invoice.objects.get().pk, actor=steps.STAFF)
    world.until_quiet(peer)

    assert world.states() == [("I1", "cancelled", "26.00"), ("I2", "issued", "26.00")]
    with pytest.raises(asking.OmsError, match="Only a refused invoice"):
        asking.send_again(Invoice.objects.latest("pk").pk, actor=steps.STAFF)


def test_goods_without_tax_class_or_company_call_a_person(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    LegalEntity.objects.update(goods_tax_code="", goods_tax_rate=None)
    order = world.delivered(shop.place_order(invoice=PERSON))
    world.work()
    assert steps.tickets() == [("invoice_no_tax_data", "")]
    Sku.objects.update(tax_code=world.GOODS_CODE, tax_name="日用", tax_rate=Decimal("0.09"))
    asking.look_again(order.pk)
    world.until_quiet(peer)
    assert world.lines(Invoice.objects.get())[0] == (0, 2, "18.35", "1.65", "20.00")
    assert steps.tickets() == []

    Merchant.objects.update(legal_entity=None)
    world.delivered(shop.place_order(invoice=PERSON))
    world.work()
    assert steps.tickets() == [("invoice_no_issuer", "")]


def test_goods_of_a_warehouse_are_sold_by_the_company_that_it_names(shop: factories.Shop, company: LegalEntity) -> None:
    other = world.company_of(shop.merchant, company.connection, code="south", tax_number="91110000600037341L")  # type: ignore[arg-type]
    Merchant.objects.update(legal_entity=company)
    Warehouse.objects.update(legal_entity=other)
    world.delivered(shop.place_order(invoice=PERSON))
    planning.run(10)
    assert Invoice.objects.get().issuer == other


def test_a_discount_is_a_line_and_a_gift_is_left_out_or_shown(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    body = shop.body((shop.sku, 2, "10.00"), (shop.other_sku, 1, "0.00"), coupon_amount="3.00", invoice=PERSON)
    body["lines"][1] |= {"is_gift": True, "stated_value": "29.90"}
    world.delivered(factories.place(body, shop.merchant))
    LegalEntity.objects.update(shows_gifts=True)
    world.until_quiet(peer)

    assert world.lines(Invoice.objects.get()) == [
        (2, 2, "17.70", "2.30", "20.00"),
        (1, None, "-2.66", "-0.34", "-3.00"),
        (2, 1, "26.46", "3.44", "29.90"),
        (1, None, "-26.46", "-3.44", "-29.90"),
        (0, None, "5.66", "0.34", "6.00"),
    ]
    assert peer.bureau.net_issued() == Decimal("23.00")
    LegalEntity.objects.update(shows_gifts=False)
    world.delivered(factories.place({**body, "external_number": "X-2"}, shop.merchant))
    world.work()
    assert len(world.lines(Invoice.objects.latest("pk"))) == 3


def test_a_long_order_is_split_by_the_issuers_limits(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    LegalEntity.objects.update(most_lines=2)
    world.delivered(
        shop.place_order((shop.sku, 1, "10.00"), (shop.other_sku, 1, "25.50"), coupon_amount="5.00", invoice=PERSON)
    )
    world.until_quiet(peer)
    assert [state[:2] for state in world.states()] == [("I1", "issued"), ("I2", "issued"), ("I3", "issued")]
    assert world.net_invoiced() == peer.bureau.net_issued() == Decimal("36.50")
    assert steps.broken_invariants() == []


def test_an_order_can_be_invoiced_before_its_goods_are_there(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    order = shop.place_order()
    steps.pay(order)
    steps.shipped(order)
    asking.ask(order.pk, InvoiceBody("personal"), actor=steps.STAFF)
    world.work()
    assert world.states() == []
    asking.issue_now(order.pk, actor=steps.STAFF)
    world.until_quiet(peer)
    assert world.states() == [("I1", "issued", "26.00")]
    assert InvoiceRequest.objects.get().details["title"] == "个人"


def test_two_workers_send_no_invoice_twice(order: Order, peer: NuonuoPeer) -> None:
    planning.run(10)
    assert steps.once(advancing.STAGE.run) == 1
    assert steps.once(advancing.STAGE.run) == 0
    assert len(peer.bureau.by_number) == 1


def test_nothing_is_sent_while_what_goes_out_is_stopped(order: Order, peer: NuonuoPeer) -> None:
    from oms.common import outbound

    outbound.stop(by="li", note="x")
    world.work()
    assert world.states() == [("I1", "requested", "26.00")]
    assert Invoice.objects.get().state == InvoiceState.REQUESTED
    assert peer.bureau.by_number == {}


def test_a_connection_is_tested_without_any_effect(link: Connection, peer: NuonuoPeer) -> None:
    from oms.common.work import protocols

    protocols.speaker(link).test(link)
    link.set_secrets({"app_key": "AK0001", "app_secret": "wrong"}).save()
    with pytest.raises(Exception, match="400"):
        protocols.speaker(link).test(link)
