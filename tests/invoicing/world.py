"""What tests of invoices share: the peer, a company that issues, orders that are there, and time that passes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from oms.common.models import Connection
from oms.common.tax import TaxClass
from oms.merchants.models import LegalEntity, Merchant
from oms.simulators import wsgi
from oms.simulators.keys import NuonuoKeys
from oms.simulators.nuonuo import ISSUES_AFTER_SECONDS, NuonuoPeer
from orders.intake.bodies import InvoiceBody
from orders.models import InvoiceRequest, Order
from payments.invoicing import advancing, asking, mailing, planning
from payments.invoicing.lines import Goods
from payments.invoicing.writing import Draft, write_blue
from payments.models import Invoice, InvoiceLine
from payments.owing import balancing
from tests import factories, steps

KEYS = NuonuoKeys("AK0001", "SECRET0001", "91110000MA00AAAA0A")
PERSON = {"title_type": "personal", "title": "张华", "email": "zhang@example.com"}
COMPANY = {
    "title_type": "company",
    "kind": "special",
    "title": "示例科技有限公司",
    "tax_number": "91110000600037341L",
    "email": "books@example.com",
}
GOODS_CODE, FREIGHT_CODE, SERVICE_CODE = "1060408990000000000", "3010502020000000000", "3040802990000000000"


@contextmanager
def serving() -> Iterator[NuonuoPeer]:
    """Within it, the peer answers."""
    made: list[NuonuoPeer] = []

    def make(address: str) -> dict[str, wsgi.Peer]:
        made.append(NuonuoPeer(KEYS, f"{address}/nuonuo"))
        return {"nuonuo": made[0]}

    with wsgi.running(make):
        yield made[0]


def connect(peer: NuonuoPeer) -> Connection:
    """A connection to the peer."""
    link = Connection(code="nuonuo-1", kind="invoice", protocol="nuonuo", base_url=f"{peer.address}/open/v1/services")
    link.set_secrets({"app_key": KEYS.app_key, "app_secret": KEYS.app_secret}).save()
    return link


def company_of(merchant: Merchant, link: Connection, **changes: Any) -> LegalEntity:
    """A company in whose name the merchant sells: goods at 13 %, freight at 6 %."""
    values = {
        "code": "seller",
        "name": "示例商贸有限公司",
        "tax_number": KEYS.tax_number,
        "connection": link,
        "goods_tax_code": GOODS_CODE,
        "goods_tax_name": "日用杂品",
        "goods_tax_rate": Decimal("0.13"),
        "freight_tax_code": FREIGHT_CODE,
        "freight_tax_name": "物流辅助服务",
        "freight_tax_rate": Decimal("0.06"),
        "service_tax_code": SERVICE_CODE,
        "service_tax_name": "经纪代理服务",
        "service_tax_rate": Decimal("0.06"),
        **changes,
    }
    company = LegalEntity.objects.create(**values)
    Merchant.objects.filter(pk=merchant.pk).update(legal_entity=company)
    return company


def delivered(order: Order) -> Order:
    """The order, paid and with its buyer."""
    steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(balancing.run)
    return steps.fresh(order)


def work() -> None:
    """What is due of invoices is done, once."""
    factories.run(balancing.run, planning.run)
    steps.once(advancing.STAGE.run)


def later(peer: NuonuoPeer, seconds: float = ISSUES_AFTER_SECONDS + 1) -> None:
    """Time passes, here and at the peer, and what is then due is done."""
    peer.turn(seconds)
    # One test is one transaction, in which now() stands still.
    before = timezone.now() - timedelta(hours=1)
    Invoice.objects.filter(ready_at__isnull=False).update(ready_at=before)
    Connection.objects.filter(paused_until__isnull=False).update(paused_until=before)
    work()


def until_quiet(peer: NuonuoPeer) -> None:
    """Everything that can be done is done."""
    for _turn in range(8):
        later(peer)


def mail() -> int:
    """Mail what is due."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payments_invoice SET mail_due_since = now() WHERE mail_due_since IS NOT NULL")
    return mailing.run(100)


def lines(invoice: Invoice) -> list[tuple[int, int | None, str, str, str]]:
    """Property, quantity, net, tax and gross of each line."""
    rows = InvoiceLine.objects.filter(invoice=invoice).order_by("position")
    return [(row.property, row.quantity, str(row.net_amount), str(row.tax_amount), str(row.amount)) for row in rows]


def states() -> list[tuple[str, str, str]]:
    """Number after the order's, state and amount of all invoices, oldest first."""
    rows = Invoice.objects.order_by("pk")
    return [(row.number.rpartition("-")[2], row.state, str(row.amount)) for row in rows]


def net_invoiced() -> Decimal:
    """What is issued, red ones taken off."""
    rows = Invoice.objects.exclude(official_number="")
    return sum((row.amount for row in rows), Decimal(0))


def written(order: Order, merchant: Merchant) -> Invoice:
    """An invoice of the order that nobody was asked for yet, of a company that issues through nobody that answers."""
    link = Connection.objects.filter(kind="invoice").first() or factories.ConnectionFactory(
        kind="invoice", protocol="nuonuo", is_active=False
    )
    company = LegalEntity.objects.filter(code="seller").first() or company_of(merchant, link)
    asked = InvoiceRequest.objects.filter(order=order).first() or asking.ask(
        order.pk, InvoiceBody("personal"), actor=steps.STAFF
    )
    InvoiceRequest.objects.filter(pk=asked.pk).update(due_since=None)
    draft = Draft(company, asked.kind, asked.title_type, asked.sealed, order_id=order.pk)
    goods = Goods("牙膏", TaxClass(GOODS_CODE, "日用杂品", Decimal("0.13")), 100, 100, 1)
    (invoice,) = write_blue(draft, [goods], lambda: f"{order.number}-I1", by="li")
    return invoice
