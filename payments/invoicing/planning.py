"""The stage that asks for invoices and red letters: it compares what is to be invoiced of an order with what is.

A buyer's wish is looked at again whenever the order's goods or money moved. More than is owed is taken back from the
invoices that have it; what is missing is invoiced once the goods are there and nothing of it is under way. Nothing is
invoiced anew before the red one that makes room for it is issued.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection

from oms.common import tickets
from oms.common.models import TicketResult
from oms.common.tickets import Trouble
from oms.common.work.claiming import Stage
from oms.merchants.models import LegalEntity, Merchant
from orders import actors, isolating
from orders.models import InvoiceRequest, Order
from orders.telling import timeline
from payments import kinds
from payments.invoicing import books, troubles
from payments.invoicing.books import NOBODY, Book
from payments.invoicing.lines import Goods, Left, Line, take_back
from payments.invoicing.targets import Bucket, Target, targets
from payments.invoicing.writing import Draft, cancel, write_blue, write_red
from payments.models import DEAD_INVOICES, OFFSETTABLE, OPEN_INVOICES, Invoice, InvoiceState, RedReason


def run(limit: int) -> int:
    """Look at up to `limit` orders whose invoices are due; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT order_id, order_id FROM orders_invoicerequest WHERE due_since IS NOT NULL"
            " ORDER BY due_since LIMIT %s",
            [limit],
        )
        found = cursor.fetchall()
    return isolating.work_on("invoice", found, lambda _keys, orders: _put_right(orders))


def backlog() -> str:
    """Orders whose invoices are due."""
    return f"""
        SELECT due_since AS due, {isolating.needs_person("order_id")} AS needs_person
        FROM orders_invoicerequest WHERE due_since IS NOT NULL ORDER BY due_since
    """


def mark(order_ids: Sequence[int]) -> None:
    """The invoices of these orders, where any are asked for, are to be looked at."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_invoicerequest SET due_since = coalesce(due_since, now()) WHERE order_id = ANY(%s)",
            [list(order_ids)],
        )


def _put_right(order_ids: Sequence[int]) -> int:
    due = InvoiceRequest.objects.filter(order__in=order_ids, due_since__isnull=False)
    ids = list(due.order_by("order").values_list("order_id", flat=True))
    if not ids:
        return 0
    InvoiceRequest.objects.filter(order__in=ids).update(due_since=None)
    tests = Order.objects.filter(pk__in=ids, channel__merchant__kind=Merchant.Kind.SANDBOX)
    found, issuers = books.read(sorted(set(ids) - set(tests.values_list("pk", flat=True))))
    for book in found.values():
        # Whoever puts the books right marks the order again.
        if book.is_settled:
            _Plan(book, issuers).carry_out()
    return len(ids)


@dataclass(slots=True)
class _Plan:
    """What is to be done about one order."""

    book: Book
    issuers: dict[int, LegalEntity]
    wanted: dict[Bucket, Target] = field(default_factory=dict)
    untaxed: set[str] = field(default_factory=set)

    def carry_out(self) -> None:
        """Take back what is too much, then ask for what is missing; tell people what nobody can invoice."""
        if not self.book.request.is_withdrawn:
            self.wanted = {key: target for key, target in targets(self.book.sold).items() if key.issuer != NOBODY}
        keys = {key.issuer for key in self.wanted} | {invoice.issuer_id for invoice in self.book.invoices}
        for key in sorted(keys):
            _OfIssuer(self, self.issuers[key]).carry_out()
        self._tell()

    def _tell(self) -> None:
        book, is_wanted = self.book, not self.book.request.is_withdrawn
        unnamed = sorted(book.unnamed) if is_wanted else []
        _tell_of(troubles.NO_ISSUER, book, {"number": book.number, "skus": ", ".join(unnamed)} if unnamed else None)
        untaxed = sorted(self.untaxed)
        _tell_of(troubles.NO_TAX_DATA, book, {"number": book.number, "skus": ", ".join(untaxed)} if untaxed else None)


def _tell_of(kind: tickets.TicketKind, book: Book, values: dict[str, str] | None) -> None:
    if values is None:
        tickets.close_tickets([kind], [book.id], result=TicketResult.RESOLVED)
    else:
        tickets.open_tickets(kind, [Trouble(book.id, values=values, about_id=book.id)], opened_by="invoice")


@dataclass(slots=True)
class _OfIssuer:
    """The same of one issuer. Fen, by bucket."""

    plan: _Plan
    issuer: LegalEntity

    @property
    def book(self) -> Book:
        return self.plan.book

    def carry_out(self) -> None:
        """Give up what was not sent and is no longer right, take back, ask anew: in this order."""
        self._give_up()
        for blue in self._alive():
            if self._is_obsolete(blue):
                self._take_back_all(blue)
        self._take_back_too_much()
        self._ask_for_missing()

    def _invoices(self) -> list[Invoice]:
        return [invoice for invoice in self.book.invoices if invoice.issuer_id == self.issuer.pk]

    def _alive(self) -> list[Invoice]:
        return [one for one in self._invoices() if not one.is_red and one.state not in DEAD_INVOICES]

    def _is_obsolete(self, blue: Invoice) -> bool:
        """Whether it is made out to somebody else than who is asked for now, or to nobody any more."""
        request = self.book.request
        return request.is_withdrawn or blue.title_version != request.title_version

    def _give_up(self) -> None:
        """What nobody was asked for yet is asked for anew where it is not right any more; a refused one, once its title
        is another."""
        for invoice in self._invoices():
            is_unsent = invoice.state == InvoiceState.REQUESTED and not invoice.lease_token and not invoice.is_red
            is_refused = invoice.state == InvoiceState.FAILED and not invoice.is_red
            if (self._is_obsolete(invoice) and (is_unsent or is_refused)) or (is_unsent and self._is_too_much(invoice)):
                cancel(invoice, by="invoice")

    def _is_too_much(self, blue: Invoice) -> bool:
        too_much = self._too_much()
        return any(_bucket(blue, left) in too_much for left in self.book.left[blue.pk])

    def _invoiced(self) -> dict[Bucket, int]:
        """What invoices have, less what red ones take back or will."""
        sums: dict[Bucket, int] = defaultdict(int)
        for blue in self._alive():
            for left in self.book.left[blue.pk]:
                sums[_bucket(blue, left)] += left.gross
        return sums

    def _too_much(self) -> dict[Bucket, int]:
        wanted = self.plan.wanted
        return {
            key: fen - wanted.get(key, Target()).paid
            for key, fen in self._invoiced().items()
            if fen > wanted.get(key, Target()).paid
        }

    def _take_back_all(self, blue: Invoice) -> None:
        lines = [left for left in self.book.left[blue.pk] if left.gross > 0]
        if lines and self._can_take_back(blue):
            self._red(blue, [take_back(left, left.gross, left.units or 0) for left in lines], RedReason.MISTAKE)

    def _can_take_back(self, blue: Invoice) -> bool:
        """Whether it is issued, and no red one of it failed, which a person must look at first."""
        is_stuck = any(red.of_invoice_id == blue.pk and red.state == InvoiceState.FAILED for red in self.book.invoices)
        return blue.state in OFFSETTABLE and not is_stuck

    def _take_back_too_much(self) -> None:
        """From the newest invoices first. What is not issued yet is taken back once it is."""
        too_much, units = self._too_much(), self._units_gone()
        for blue in reversed(self._alive()):
            if not self._can_take_back(blue) or self._is_obsolete(blue):
                continue
            lines: list[Line] = []
            for left in self.book.left[blue.pk]:
                key = _bucket(blue, left)
                taken = min(too_much.get(key, 0), left.gross)
                if taken > 0:
                    lines.append(take_back(left, taken, units.get(key, 0)))
                    too_much[key] -= taken
                    units[key] = units.get(key, 0) + (lines[-1].quantity or 0)
            if lines:
                has_units = any(line.quantity for line in lines)
                self._red(blue, lines, RedReason.RETURNED if has_units else RedReason.ALLOWANCE)

    def _units_gone(self) -> dict[Bucket, int]:
        """How many units more are invoiced than are kept."""
        invoiced: dict[Bucket, int] = defaultdict(int)
        for blue in self._alive():
            for left in self.book.left[blue.pk]:
                invoiced[_bucket(blue, left)] += left.units or 0
        kept = self.plan.wanted
        return {key: max(count - kept.get(key, Target()).units, 0) for key, count in invoiced.items()}

    def _red(self, blue: Invoice, lines: Sequence[Line], reason: RedReason) -> None:
        red = write_red(blue, lines, reason, number=self._next_number(), by="invoice")
        self.book.invoices.append(red)
        self.book.left[blue.pk] = books.left_of([blue.pk])[blue.pk]

    def _ask_for_missing(self) -> None:
        """Nothing while the goods are on their way, something is under way, or a person must look at a refused one."""
        is_busy = any(one.state in (*OPEN_INVOICES, InvoiceState.FAILED) for one in self._invoices())
        if is_busy or not self.book.is_ready(self.issuer) or self.issuer.connection_id is None:
            return
        invoiced = self._invoiced()
        wanted: list[Goods] = []
        # Goods in the order of their lines, then freight.
        for key, target in sorted(self.plan.wanted.items(), key=lambda item: (item[0].line is None, item[0].line or 0)):
            if key.issuer != self.issuer.pk:
                continue
            missing = target.paid - invoiced.get(key, 0)
            goods = self._goods(key, target, missing, is_first=not invoiced.get(key, 0))
            if goods is not None:
                wanted.append(goods)
        # Where the class of one line is not known, nothing is asked for: the rest would be a second invoice.
        if self.plan.untaxed or sum(goods.paid for goods in wanted) <= 0:
            return
        request = self.book.request
        draft = Draft(
            issuer=self.issuer,
            kind=request.kind,
            title_type=request.title_type,
            sealed=request.sealed,
            title_version=request.title_version,
            order_id=self.book.id,
        )
        for blue in write_blue(draft, wanted, self._next_number, by="invoice"):
            self.book.invoices.append(blue)
            actor = actors.job("invoice")
            timeline.record(self.book.id, kinds.INVOICE_REQUESTED, actor, number=blue.number, amount=str(blue.amount))

    def _goods(self, key: Bucket, target: Target, missing: int, *, is_first: bool) -> Goods | None:
        issuer = self.issuer
        if key.line is None:
            tax = issuer.tax_of("freight")
            name, stated = str(issuer.freight_tax_name or "运费"), 0
        else:
            article = self.book.articles[key.line]
            tax = article.tax or issuer.tax_of("goods")
            name, stated = article.name, article.stated_fen
        listed = target.listed
        if missing == 0 and issuer.shows_gifts and is_first and target.units:
            # Of what was given away, the value that was stated, and a discount of all of it.
            listed = target.listed or stated * target.units
        elif missing <= 0:
            return None
        if listed <= 0 and missing <= 0:
            return None
        if tax is None:
            self.plan.untaxed.add("运费" if key.line is None else self.book.articles[key.line].code)
            return None
        if not is_first:
            return Goods(name, tax, missing, missing, None, key.line)
        return Goods(name, tax, missing, listed, target.units or None, key.line)

    def _next_number(self) -> str:
        return f"{self.book.number}-I{len(self.book.invoices) + 1}"


def _bucket(blue: Invoice, left: Left) -> Bucket:
    return Bucket(blue.issuer_id, left.order_line)


STAGE = Stage("invoice", run, wakes=("send_invoice",), backlog=backlog)
