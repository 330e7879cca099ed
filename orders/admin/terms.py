"""Wishes and terms on the order's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import InvalidToken
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.models import InvoiceRequest, Order, OrderTerms
from orders.models.terms import Flag


@dataclass(frozen=True, slots=True)
class Term:
    """One wish or term: its name, what it says, and a word in red where it is not kept."""

    name: str
    value: Any
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """All of an order's wishes and terms, the invoice that is asked for, and the seller's marks."""

    rows: Sequence[Term] = ()
    invoice: Sequence[Term] = ()
    metadata: Sequence[tuple[str, str]] = ()
    seller_memo: str = ""
    flag: int = 0
    flag_title: str = ""
    flags: Sequence[tuple[int, Any]] = tuple(Flag.choices)

    def __bool__(self) -> bool:
        return bool(self.rows or self.invoice or self.metadata or self.seller_memo or self.flag)


def terms_of(order: Order) -> Terms:
    """What the page shows, from rows that were loaded with the order."""
    invoice = _invoice(getattr(order, "invoice_request", None))
    terms: OrderTerms | None = getattr(order, "terms", None)
    if terms is None:
        return Terms(invoice=invoice)
    return Terms(
        rows=_rows(order, terms),
        invoice=invoice,
        metadata=sorted(terms.metadata.items()),
        seller_memo=terms.seller_memo,
        flag=terms.flag,
        flag_title=terms.get_flag_display() if terms.flag else "",
    )


def _rows(order: Order, terms: OrderTerms) -> list[Term]:
    late = terms.late(order.fulfilment_state, timezone.now())
    unmet = terms.get_carrier_unmet_display() if terms.carrier_unmet else ""
    rows = [
        Term(_("Not shipped before"), terms.ship_not_before),
        Term(
            _("Carrier wished for"), terms.carrier or (terms.carrier_class and terms.get_carrier_class_display()), unmet
        ),
        Term(_("Warehouse wished for"), terms.warehouse.code if terms.warehouse else ""),
        Term(_("Delivery from"), terms.delivery_from),
        Term(_("Delivery until"), terms.delivery_until),
        Term(_("Platform: ship by"), terms.ship_by, _("late") if "ship_by" in late else ""),
        Term(_("Platform: collected by"), terms.collect_by, _("late") if "collect_by" in late else ""),
        Term(_("Platform: signed by"), terms.sign_by, _("late") if "sign_by" in late else ""),
    ]
    if terms.has_receiver_token:
        told = _("The platform tells the carrier who it is when the waybill is bought.")
        rows.append(Term(_("Receiver token"), told))
    return [row for row in rows if row.value]


def _invoice(asked: InvoiceRequest | None) -> list[Term]:
    if asked is None:
        return []
    words = {
        "title": _("Title"),
        "tax_number": _("Tax number"),
        "bank_name": _("Bank"),
        "bank_account": _("Account"),
        "address": _("Address"),
        "phone": _("Phone"),
        "email": _("E-mail"),
    }
    rows = [Term(_("Kind"), f"{asked.get_kind_display()} · {asked.get_title_type_display()}")]
    try:
        details = asked.details
    except InvalidToken:
        return [*rows, Term(_("Details"), "–", _("no key opens them"))]
    return [*rows, *(Term(words[name], value) for name, value in details.items() if value)]
