"""Invoices of gift cards that were sold: the sale of a prepaid card, on which no tax is charged (预付卡销售, 不征税).

What is sold of a card is compared with what is invoiced of it: so topping it up is invoiced, too, and nothing twice.
"""

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.money import to_fen
from oms.common.tax import TaxClass
from oms.merchants.models import GiftCardPolicy, LegalEntity
from orders.intake.bodies import InvoiceBody
from orders.intake.invoices import CheckedInvoice
from orders.models.terms import InvoiceKind
from payments.invoicing import books, wishes
from payments.invoicing.lines import Goods
from payments.invoicing.lines import take_back as take_back_line
from payments.invoicing.writing import Draft, write_blue, write_red
from payments.models import (
    DEAD_INVOICES,
    OFFSETTABLE,
    OPEN_INVOICES,
    BalanceAccount,
    BalanceKind,
    Invoice,
    InvoiceState,
    MovementKind,
    RedReason,
)


@transaction.atomic
def invoice_card(card_id: int, wish: InvoiceBody, *, by: str) -> list[Invoice]:
    """Invoice what was sold of a gift card and is not invoiced; returns what was asked for.

    Raises wishes.Wrong for a title that is not right, and OmsError for a card that was given away, where its company
    invoices gift cards when they are used, names no tax class for them, or a special invoice is wished for.
    """
    card = BalanceAccount.objects.locked().select_related("merchant__legal_entity").get(pk=card_id)
    asked = wishes.checked(wish)
    if asked.kind == InvoiceKind.SPECIAL:
        raise OmsError(
            _("No tax is charged on a prepaid card: only an ordinary invoice is issued for it."), attr="kind"
        )
    return _ask(card, asked, by)


@transaction.atomic
def take_back(invoice_id: int, *, by: str) -> Invoice:
    """Take an issued invoice of a gift card back, all that is left of it. Raises OmsError for one of which nothing is
    left, or of which that is under way already."""
    # Before the invoice, as everywhere: under its lock invoices of the card are numbered.
    card = BalanceAccount.objects.locked().get(invoices=invoice_id)
    invoice = Invoice.objects.select_for_update(no_key=True, of=("self",)).get(pk=invoice_id)
    lines = [take_back_line(left, left.gross) for left in books.left_of([invoice.pk])[invoice.pk] if left.gross > 0]
    if invoice.is_red or invoice.state not in OFFSETTABLE or not lines:
        raise OmsError(_("Only an issued invoice of which something is left is taken back."))
    return write_red(invoice, lines, RedReason.MISTAKE, number=_next_number(card), by=by)


@transaction.atomic
def again(invoice: Invoice, *, by: str) -> list[Invoice]:
    """In place of a refused invoice of a card that was given up: what is not invoiced, with the same title."""
    card = BalanceAccount.objects.locked().select_related("merchant__legal_entity").get(invoices=invoice)
    return _ask(card, CheckedInvoice(invoice.kind, invoice.title_type, invoice.details), by)


def missing_fen(card: BalanceAccount) -> int:
    """What was sold of the card and is not invoiced, what red invoices take back taken off (fen)."""
    sold = card.movements.filter(kind=MovementKind.SOLD).aggregate(sum=Sum("available_change"))["sum"] or 0
    known = Invoice.objects.filter(card=card).exclude(state__in=DEAD_INVOICES).aggregate(sum=Sum("amount"))["sum"]
    return int(sold) - (to_fen(known) if known else 0)


def refusal_of(card: BalanceAccount) -> str:
    """Why nothing of the card is invoiced; empty where it can be asked for."""
    found = _issuer(card)
    return found if isinstance(found, str) else ""


def _issuer(card: BalanceAccount) -> tuple[LegalEntity, TaxClass] | str:
    """Who invoices what is missing of the card, and in which tax class; or why nobody does."""
    issuer = card.merchant.legal_entity
    if card.kind != BalanceKind.GIFT_CARD or not card.movements.filter(kind=MovementKind.SOLD).exists():
        return _("Nobody paid for it: what is given away is not invoiced.")
    if issuer is None or issuer.connection_id is None:
        return _("The merchant of the card names no legal entity that issues invoices.")
    if issuer.gift_cards != GiftCardPolicy.AT_SALE:
        return _("%(name)s invoices gift cards when they are used, not when they are sold.") % {"name": issuer.name}
    tax = issuer.tax_of("card")
    if tax is None:
        return _("%(name)s does not say in which tax class gift cards are sold.") % {"name": issuer.name}
    if Invoice.objects.filter(card=card, state__in=[*OPEN_INVOICES, InvoiceState.FAILED]).exists():
        return _("An invoice of this card is under way, or was refused.")
    if missing_fen(card) <= 0:
        return _("All that was sold of it is invoiced.")
    return issuer, tax


def _ask(card: BalanceAccount, asked: CheckedInvoice, by: str) -> list[Invoice]:
    found = _issuer(card)
    if isinstance(found, str):
        raise OmsError(found)
    issuer, tax = found
    values = asked.columns()
    draft = Draft(issuer, asked.kind, asked.title_type, str(values["sealed"]), card_id=card.pk)
    fen = missing_fen(card)
    goods = Goods(f"预付卡销售 {card.number}", tax, fen, fen)
    return list(write_blue(draft, [goods], lambda: _next_number(card), by=by))


def _next_number(card: BalanceAccount) -> str:
    # Short, since red letters' numbers have at most 20 characters at the service.
    return f"{card.number}-I{Invoice.objects.filter(card=card).count() + 1}"
