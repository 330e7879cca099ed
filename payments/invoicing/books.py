"""What planning reads of orders: how they were sold, in whose name, how far they are, and what is invoiced already."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection

from oms.common.copying import array
from oms.common.money import to_fen
from oms.common.tax import TaxClass
from oms.merchants.models import GiftCardPolicy, IssueWhen, LegalEntity
from orders.models import InvoiceRequest, SubOrderState
from orders.models.charge import SIGNS, ChargeCause, ChargeComponent
from orders.models.shares import shares_in_fen
from orders.models.sub_order import UNDONE
from payments.invoicing.guarding import LEFT
from payments.invoicing.lines import Left
from payments.invoicing.targets import Charge, Part, Sold
from payments.models import Invoice
from payments.owing import owed

# The states of sub-orders in which what a buyer asked for is invoiced, by when its issuer does it.
_READY = {
    IssueWhen.DELIVERED: (SubOrderState.DELIVERED, SubOrderState.COMPLETED),
    IssueWhen.COMPLETED: (SubOrderState.COMPLETED,),
    IssueWhen.BY_HAND: (),
}
# Stands for the issuer of goods whose merchant names no legal entity: they are invoiced by nobody.
NOBODY = 0


@dataclass(frozen=True, slots=True)
class Article:
    """What an invoice says of an order line: its name, how it is taxed (None: not known), and of a gift its value."""

    name: str
    code: str
    tax: TaxClass | None
    stated_fen: int = 0


@dataclass(slots=True)
class Book:
    """All that planning needs of one order. `is_settled`: its books are put right, and no money is missing."""

    id: int
    number: str
    request: InvoiceRequest
    is_settled: bool
    sold: Sold = field(default_factory=lambda: Sold(()))
    articles: dict[int, Article] = field(default_factory=dict)
    # Lines that are kept and whose merchant names no legal entity.
    unnamed: set[str] = field(default_factory=set)
    states: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    invoices: list[Invoice] = field(default_factory=list)
    left: dict[int, list[Left]] = field(default_factory=lambda: defaultdict(list))

    def is_ready(self, issuer: LegalEntity) -> bool:
        """Whether the goods in the name of the issuer are as far as its invoices wait for."""
        states = self.states.get(issuer.pk, set())
        if not states:
            return False
        if self.request.issues_now:
            return True
        return states <= set(_READY[IssueWhen(issuer.issue_when)])


def read(order_ids: Collection[int]) -> tuple[dict[int, Book], dict[int, LegalEntity]]:
    """The books of the locked orders that have a request, and all their issuers by id. A few statements in all."""
    requests = {row.order_id: row for row in InvoiceRequest.objects.filter(order__in=order_ids)}
    books = {row.id: row for row in _orders(requests)}
    issuers: dict[int, LegalEntity] = LegalEntity.objects.select_related("connection").in_bulk()
    counts = {key: issuer.gift_cards == GiftCardPolicy.AT_USE for key, issuer in issuers.items()}
    parts = _parts(books)
    charges = _charges(books)
    for key, book in books.items():
        book.sold = Sold(parts.get(key, ()), charges.get(key, ()), counts)
    # Locked, so that none is sent while it is given up.
    rows = Invoice.objects.filter(order__in=books).order_by("pk").select_for_update(no_key=True, of=("self",))
    for invoice in rows.select_related("issuer"):
        books[invoice.order_id or 0].invoices.append(invoice)
    book_of = {invoice.pk: book for book in books.values() for invoice in book.invoices if not invoice.is_red}
    for invoice_id, left in left_of(book_of).items():
        book_of[invoice_id].left[invoice_id] = left
    return books, issuers


def _orders(requests: Mapping[int, InvoiceRequest]) -> Iterable[Book]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT o.id, o.number, NOT o.is_historical AND o.owed_changed_since IS NULL AND {owed.HELD} >= {owed.OWED}
            FROM orders_order o WHERE o.id = ANY(%s::bigint[]) ORDER BY o.id
            """,
            [array(requests)],
        )
        return [Book(key, number, requests[key], is_settled) for key, number, is_settled in cursor.fetchall()]


def _parts(books: Mapping[int, Book]) -> dict[int, list[Part]]:
    """The parts of the orders' lines in sub-orders. The issuer is the legal entity that the warehouse names, for goods
    of the warehouse's own merchant, else that of the merchant of the goods."""
    found: dict[int, list[Part]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.order_id, l.order_line_id, s.id, s.state, l.quantity - l.returned_quantity, n.name, k.code,
                k.tax_code, k.tax_name, k.tax_rate, k.tax_mark, (n.stated_value * 100)::bigint,
                CASE WHEN w.merchant_id = k.merchant_id THEN coalesce(w.legal_entity_id, m.legal_entity_id)
                     ELSE m.legal_entity_id END,
                {shares_in_fen("l")}
            FROM orders_suborder s JOIN orders_suborderline l ON l.sub_order_id = s.id
            JOIN orders_orderline n ON n.id = l.order_line_id JOIN inventory_sku k ON k.id = n.sku_id
            JOIN merchants_merchant m ON m.id = k.merchant_id
            LEFT JOIN inventory_warehouse w ON w.id = s.warehouse_id
            WHERE s.order_id = ANY(%s::bigint[]) ORDER BY s.order_id, s.id, n.position
            """,
            [array(books)],
        )
        for row in cursor.fetchall():
            order_id, line, sub_order, state, units, name, code = row[:7]
            tax_code, tax_name, rate, mark, stated, issuer = row[7:13]
            book = books[order_id]
            is_gone = state in UNDONE
            tax = TaxClass(tax_code, tax_name, rate, mark) if tax_code else None
            book.articles[line] = Article(name, code, tax, stated)
            if not is_gone:
                book.states[issuer or NOBODY].add(state)
                if issuer is None:
                    book.unnamed.add(code)
            shares = dict(zip(SIGNS, row[13:], strict=False))
            found[order_id].append(Part(line, sub_order, issuer or NOBODY, 0 if is_gone else units, shares))
    return found


def _charges(books: Mapping[int, Book]) -> dict[int, list[Charge]]:
    found: dict[int, list[Charge]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT order_id, component, line_id, sub_order_id, sum(amount) FROM orders_ordercharge
            WHERE order_id = ANY(%s::bigint[]) AND cause NOT IN ('{ChargeCause.PLACED}', '{ChargeCause.EXCHANGED}')
            GROUP BY order_id, component, line_id, sub_order_id ORDER BY order_id, line_id, sub_order_id, component
            """,
            [array(books)],
        )
        for order_id, component, line, sub_order, amount in cursor.fetchall():
            found[order_id].append(Charge(ChargeComponent(component), to_fen(amount), line, sub_order))
    return found


def left_of(invoice_ids: Iterable[int]) -> dict[int, list[Left]]:
    """What is left of the lines of blue invoices, by invoice; lines of which nothing is left too."""
    found: dict[int, list[Left]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT r.invoice_id, r.id, l.name, l.tax_code, l.tax_rate, l.tax_mark, (r.net * 100)::bigint,
                (r.gross * 100)::bigint, r.units, l.order_line_id
            FROM ({LEFT.format(which="l.invoice_id = ANY(%s::bigint[])")}) AS r
            JOIN payments_invoiceline l ON l.id = r.id ORDER BY r.invoice_id, l.position
            """,
            [array(invoice_ids)],
        )
        for invoice, key, name, code, rate, mark, net, gross, units, line in cursor.fetchall():
            tax = TaxClass(code, "", Decimal(rate), mark)
            found[invoice].append(Left(key, name, tax, net, gross, units, line))
    return found
