"""Invoices to merchants for what the platform charges them in approved statements: commission, service fees, the
service of our warehouses.

What all of a merchant's approved statements come to is compared with what is invoiced: a statement in which commission
goes back takes it from the invoices before.
"""

from contextlib import suppress
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, Sum
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.money import to_fen
from oms.common.tax import TaxClass
from oms.merchants.models import LegalEntity, Merchant
from orders.intake.invoices import CheckedInvoice
from orders.models.terms import InvoiceKind, TitleType
from payments.invoicing import books
from payments.invoicing.lines import Goods, take_back
from payments.invoicing.writing import Draft, write_blue, write_red
from payments.models import (
    DEAD_INVOICES,
    OFFSETTABLE,
    Invoice,
    InvoiceState,
    RedReason,
    RowKind,
    SettlementRow,
    Statement,
    StatementState,
)

APPROVED = (StatementState.APPROVED, StatementState.PAID)
# Rows by which the platform charges for a service: their `other_amount` is invoiced. Fines are no service.
_SERVICES = (RowKind.FEE, RowKind.SERVICE)


def issuer() -> tuple[LegalEntity, TaxClass]:
    """The legal entity of the self-operated merchant, in whose name merchants are charged, and how its services are
    taxed. Raises OmsError."""
    found = LegalEntity.objects.filter(merchants__kind=Merchant.Kind.SELF_OPERATED).order_by("code").first()
    if found is None or found.connection_id is None:
        raise OmsError(_("The self-operated merchant names no legal entity that issues invoices."))
    tax = found.tax_of("service")
    if tax is None:
        raise OmsError(_("%(name)s does not say how its services to merchants are taxed.") % {"name": found.name})
    return found, tax


def charged_fen(merchant_id: int) -> int:
    """What commission, service fees and the service of our warehouses come to in the merchant's approved statements,
    with what corrected them (fen)."""
    rows = SettlementRow.objects.filter(merchant=merchant_id, statement__state__in=APPROVED)
    is_service = Q(kind__in=_SERVICES) | Q(kind=RowKind.CORRECTION, corrects__kind__in=_SERVICES)
    sums = rows.aggregate(commission=Sum("commission_amount"), services=Sum("other_amount", filter=is_service))
    return -to_fen((sums["commission"] or Decimal(0)) + (sums["services"] or Decimal(0)))


@transaction.atomic
def invoice_merchant(merchant_id: int, *, by: str) -> list[Invoice]:
    """Invoice what a merchant was charged since the last time, or take back what it got back; returns what was asked
    for. Raises OmsError where one of both names no legal entity, nothing is due, or something is under way."""
    merchant = Merchant.objects.select_for_update(no_key=True).get(pk=merchant_id)
    statements = Statement.objects.filter(merchant=merchant, state__in=APPROVED).order_by("-ends_on")
    newest = statements.first()
    if newest is None:
        raise OmsError(_("The merchant has no approved statement."))
    if merchant.legal_entity is None:
        raise OmsError(_("The merchant names no legal entity that its commission could be invoiced to."))
    known = list(
        Invoice.objects.filter(statement__merchant=merchant)
        .exclude(state__in=DEAD_INVOICES)
        .select_related("issuer")
        .order_by("pk")
        .select_for_update(no_key=True, of=("self",))
    )
    due = charged_fen(merchant_id) - sum(to_fen(invoice.amount) for invoice in known)
    if Invoice.objects.filter(statement__merchant=merchant, state=InvoiceState.FAILED).exists():
        raise OmsError(_("An invoice of this merchant was refused: send it again, or give it up."))
    if due > 0:
        return _charge(newest, merchant.legal_entity, due, by)
    if due < 0:
        return _give_back([one for one in reversed(known) if one.state in OFFSETTABLE], -due, by)
    raise OmsError(_("Nothing is to be invoiced."))


def invoice_all(*, by: str) -> list[Invoice]:
    """The same for every merchant that was charged or got something back; those of whom something is missing are left
    out: their page says what."""
    asked: list[Invoice] = []
    charged = Statement.objects.filter(state__in=APPROVED, merchant__legal_entity__isnull=False)
    for merchant_id in sorted(set(charged.order_by().values_list("merchant", flat=True))):
        with suppress(OmsError):
            asked += invoice_merchant(merchant_id, by=by)
    return asked


def _charge(statement: Statement, buyer: LegalEntity, fen: int, by: str) -> list[Invoice]:
    seller, tax = issuer()
    details = {
        "title": buyer.name,
        "tax_number": buyer.tax_number,
        "bank_name": buyer.bank_name,
        "bank_account": buyer.bank_account,
        "address": buyer.address,
        "phone": buyer.phone,
        "email": buyer.email,
    }
    kind = InvoiceKind.SPECIAL if buyer.deducts_input_tax else InvoiceKind.ORDINARY
    title = CheckedInvoice(kind, TitleType.COMPANY, details).columns()
    draft = Draft(seller, kind, TitleType.COMPANY, str(title["sealed"]), statement_id=statement.pk)
    goods = Goods(f"平台服务费 {statement.number}", tax, fen, fen)
    return list(write_blue(draft, [goods], lambda: _next_number(statement), by=by))


def _give_back(blues: list[Invoice], fen: int, by: str) -> list[Invoice]:
    """Red invoices of so much, of the newest first; what is not issued yet is taken back another time."""
    reds: list[Invoice] = []
    left_of = books.left_of([blue.pk for blue in blues])
    for blue in blues:
        lines = []
        for left in left_of.get(blue.pk, ()):
            taken = min(fen, left.gross)
            if taken > 0:
                lines.append(take_back(left, taken))
                fen -= taken
        if lines and blue.statement:
            number = _next_number(blue.statement)
            reds.append(write_red(blue, lines, RedReason.ALLOWANCE, number=number, by=by))
    if not reds:
        raise OmsError(_("What goes back is not invoiced yet; try again once it is issued."))
    return reds


def _next_number(statement: Statement) -> str:
    # Short, since red letters' numbers have at most 20 characters at the service.
    return f"ST{statement.pk}-I{Invoice.objects.filter(statement=statement).count() + 1}"
