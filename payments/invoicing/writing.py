"""Writing invoices with their lines, and giving up what nobody was asked for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from oms.common import tickets
from oms.common.models import TicketResult
from oms.common.money import to_fen, yuan
from oms.merchants.models import LegalEntity
from payments.invoicing import troubles
from payments.invoicing.lines import Goods, Limits, Line, cut, lines_of, split
from payments.models import Invoice, InvoiceLine, InvoiceStep, RedReason, StepKind


@dataclass(frozen=True, slots=True)
class Draft:
    """In whose name an invoice is issued and to whom it is made out; `sealed` has the title and the rest."""

    issuer: LegalEntity
    kind: str
    title_type: str
    sealed: str
    title_version: int = 1
    order_id: int | None = None
    statement_id: int | None = None
    card_id: int | None = None


def write_blue(draft: Draft, goods: Iterable[Goods], next_number: Callable[[], str], *, by: str) -> Iterable[Invoice]:
    """Ask for invoices of these goods, as many as the issuer's limits make it. Given one by one, so that `next_number`
    may count them."""
    limits = Limits(draft.issuer.most_lines, to_fen(draft.issuer.most_amount) if draft.issuer.most_amount else None)
    groups = [lines_of(part) for each in goods for part in cut(each, limits.net)]
    for lines in split(groups, limits):
        yield _write(draft, lines, number=next_number(), by=by)


def write_red(blue: Invoice, lines: Sequence[Line], reason: RedReason, *, number: str, by: str) -> Invoice:
    """Ask for a red invoice that takes these lines of the blue one back."""
    draft = Draft(
        issuer=blue.issuer,
        kind=blue.kind,
        title_type=blue.title_type,
        sealed=blue.sealed,
        title_version=blue.title_version,
        order_id=blue.order_id,
        statement_id=blue.statement_id,
        card_id=blue.card_id,
    )
    return _write(draft, lines, number=number, by=by, of=blue, reason=reason)


def _write(
    draft: Draft,
    lines: Sequence[Line],
    *,
    number: str,
    by: str,
    of: Invoice | None = None,
    reason: RedReason | None = None,
) -> Invoice:
    if draft.issuer.connection_id is None:
        raise ValueError(f"{draft.issuer} issues nothing here")
    net, gross = sum(line.net for line in lines), sum(line.gross for line in lines)
    invoice = Invoice.objects.create(
        number=number,
        order_id=draft.order_id,
        statement_id=draft.statement_id,
        card_id=draft.card_id,
        issuer=draft.issuer,
        connection_id=draft.issuer.connection_id,
        kind=draft.kind,
        title_type=draft.title_type,
        sealed=draft.sealed,
        title_version=draft.title_version,
        is_red=of is not None,
        of_invoice=of,
        red_reason=reason or "",
        net_amount=yuan(net),
        tax_amount=yuan(gross - net),
        amount=yuan(gross),
        line_count=len(lines),
    )
    rows: list[InvoiceLine] = []
    for position, line in enumerate(lines, 1):
        row = InvoiceLine(
            invoice=invoice,
            position=position,
            property=line.role,
            order_line_id=line.order_line,
            name=line.name,
            tax_code=line.tax.code,
            tax_rate=line.tax.rate,
            tax_mark=line.tax.mark,
            quantity=line.quantity,
            net_amount=yuan(line.net),
            tax_amount=yuan(line.tax_amount),
            amount=yuan(line.gross),
        )
        if of is not None:
            row.of_line_id = line.of
        rows.append(row)
    # Discounts name lines of the same invoice, which must have their ids first.
    InvoiceLine.objects.bulk_create([row for row, line in zip(rows, lines, strict=True) if of or line.of is None])
    if of is None:
        discounts = [(row, line.of) for row, line in zip(rows, lines, strict=True) if line.of is not None]
        for row, place in discounts:
            row.of_line = rows[place]
        InvoiceLine.objects.bulk_create([row for row, _place in discounts])
    step(invoice, StepKind.REQUESTED, by=by)
    return invoice


def step(invoice: Invoice, kind: StepKind, *, by: str, note: str = "") -> None:
    """Add a step to the invoice's history."""
    InvoiceStep.objects.create(invoice=invoice, kind=kind, by=by[:80], note=note[:300])


def cancel(invoice: Invoice, *, by: str) -> None:
    """Give up a locked invoice that was not sent yet, or was refused."""
    invoice.cancel()
    invoice.ready_at = None
    invoice.save(update_fields=["state", "ready_at"])
    step(invoice, StepKind.CANCELLED, by=by)
    tickets.close_tickets([troubles.INVOICE_REFUSED], [invoice.pk], result=TicketResult.RESOLVED, closed_by=by)
