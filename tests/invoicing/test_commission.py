"""Invoices to merchants for the commission of approved statements, and what goes back of it."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from oms.merchants.models import LegalEntity, Merchant
from oms.simulators.nuonuo import NuonuoPeer
from orders.actors import Actor
from orders.models import ActorKind
from payments.invoicing import commission
from payments.models import Invoice, RowKind, SettlementRow
from payments.statements import closing
from tests import factories, steps
from tests.admin.conftest import boss  # noqa: F401 - a fixture
from tests.invoicing import world

pytestmark = pytest.mark.django_db
SECOND = Actor(ActorKind.STAFF, "second")


@pytest.fixture
def merchant(company: LegalEntity, shop: factories.Shop) -> Merchant:
    """A merchant of the marketplace, whose company deducts input tax."""
    merchant = factories.MerchantFactory()
    own = LegalEntity.objects.create(
        code="theirs", name="商家有限公司", tax_number="91110000600037341L", email="a@b.cn"
    )
    Merchant.objects.filter(pk=merchant.pk).update(legal_entity=own, settlement_period="daily")
    return Merchant.objects.get(pk=merchant.pk)


def charged(merchant: Merchant, amount: str, days: int, *others: tuple[RowKind, str]) -> None:
    """An approved statement, so many days from now, in which the merchant pays so much commission, and the `others`."""
    paid = Decimal(amount)
    with time_machine.travel(timezone.now() + timedelta(days=days)):
        today = timezone.localdate()
        SettlementRow.objects.create(
            key=f"x{days}",
            merchant=merchant,
            kind=RowKind.SALE,
            goods_amount=100,
            commission_amount=-paid,
            net_amount=100 - paid,
            due_on=today,
        )
        for kind, other in others:
            SettlementRow.objects.create(
                key=f"x{days}:{kind}",
                merchant=merchant,
                kind=kind,
                other_amount=-Decimal(other),
                net_amount=-Decimal(other),
                due_on=today,
                reason="as agreed",
            )
    with time_machine.travel(timezone.now() + timedelta(days=days + 1)):
        statement = closing.close(merchant.pk, closing.Span(today, today + timedelta(days=1)), actor=steps.STAFF)
        closing.approve(statement.pk, actor=SECOND)


def test_the_commission_of_an_approved_statement_is_invoiced_once(merchant: Merchant, peer: NuonuoPeer) -> None:
    charged(merchant, "16.30", 0)
    (invoice,) = commission.invoice_merchant(merchant.pk, by="li")
    with pytest.raises(commission.OmsError, match="Nothing is to be invoiced"):
        commission.invoice_merchant(merchant.pk, by="li")
    world.until_quiet(peer)

    invoice = Invoice.objects.get()
    assert (invoice.state, invoice.kind, invoice.order, invoice.amount) == ("issued", "special", None, Decimal("16.30"))
    assert world.lines(invoice) == [(0, None, "15.38", "0.92", "16.30")]
    assert (invoice.details["title"], invoice.details["tax_number"]) == ("商家有限公司", "91110000600037341L")
    # Nobody booked the row of settlement.
    assert [name for name in steps.broken_invariants() if "invoice" in name] == []


def test_commission_that_goes_back_is_taken_from_the_newest_invoices(merchant: Merchant, peer: NuonuoPeer) -> None:
    for days, amount in ((0, "10.00"), (2, "5.00")):
        charged(merchant, amount, days)
        commission.invoice_all(by="li")
        world.until_quiet(peer)
    charged(merchant, "-7.00", 4)
    commission.invoice_all(by="li")
    world.until_quiet(peer)

    amounts = [(one.state, str(one.amount)) for one in Invoice.objects.order_by("pk")]
    assert amounts == [("partly_red", "10.00"), ("red", "5.00"), ("issued", "-5.00"), ("issued", "-2.00")]
    assert peer.bureau.net_issued() == Decimal("8.00")
    assert [name for name in steps.broken_invariants() if "invoice" in name] == []


def test_the_service_of_our_warehouses_is_invoiced_and_what_corrects_it_but_no_fine(
    merchant: Merchant, peer: NuonuoPeer
) -> None:
    charged(merchant, "5.00", 0, (RowKind.SERVICE, "3.20"), (RowKind.FEE, "1.50"), (RowKind.FINE, "50.00"))
    (invoice,) = commission.invoice_merchant(merchant.pk, by="li")
    assert invoice.amount == Decimal("9.70")
    world.until_quiet(peer)

    service = SettlementRow.objects.get(kind=RowKind.SERVICE)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        closing.add_by_hand(
            merchant.pk,
            RowKind.CORRECTION,
            Decimal("1.20"),
            reason="weighed wrongly",
            actor=steps.STAFF,
            key="weight",
            corrects_id=service.pk,
        )
    charged(merchant, "0.00", 2)
    (back,) = commission.invoice_merchant(merchant.pk, by="li")
    assert (back.is_red, back.amount) == (True, Decimal("-1.20"))


def test_it_is_said_what_is_missing(merchant: Merchant) -> None:
    with pytest.raises(commission.OmsError, match="no approved statement"):
        commission.invoice_merchant(merchant.pk, by="li")
    charged(merchant, "5.00", 0)
    LegalEntity.objects.filter(code="seller").update(service_tax_code="", service_tax_rate=None)
    with pytest.raises(commission.OmsError, match="does not say how its services"):
        commission.invoice_merchant(merchant.pk, by="li")
    Merchant.objects.filter(pk=merchant.pk).update(legal_entity=None)
    with pytest.raises(commission.OmsError, match="names no legal entity"):
        commission.invoice_merchant(merchant.pk, by="li")


def test_a_button_invoices_all_merchants(merchant: Merchant, boss: Client) -> None:  # noqa: F811
    charged(merchant, "5.00", 0)
    path = reverse("admin:payments_invoice_commissions")
    assert boss.get(path).status_code == 405
    page = boss.post(path, follow=True, headers={"accept-language": "en"}).content.decode()
    assert "Invoices to merchants that are asked for" in page
    assert Invoice.objects.get().statement is not None
