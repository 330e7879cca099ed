"""What people must look at about invoices."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from oms.common.models import Team
from oms.common.tickets import ABOUT, Shown, TicketKind, register_kind, register_subject
from payments.invoicing.words import VOID
from payments.models import Invoice

INVOICE = "invoice"
_DAY = timedelta(days=1)

_VOID = _("Red invoice %(number)s of %(amount)s yuan was not issued, its confirmation is")

INVOICE_REFUSED = register_kind(
    TicketKind(
        "invoice_refused",
        _("An invoice was refused"),
        INVOICE,
        Team.FINANCE,
        _DAY,
        reasons={
            "": _("Invoice %(number)s of %(amount)s yuan was refused: %(reason)s"),
            "red": _("Red invoice %(number)s of %(amount)s yuan was refused: %(reason)s"),
            # Of what became of its confirmation there is a word for each state.
            **{f"red_{code}": format_lazy("{} {}.", _VOID, word) for code, word in VOID.items()},
        },
        remedies=_(
            "Mend what the reason names (the title on the order's page, rates and classes of the SKUs), then send it"
            " again on the page of the invoice: it gets a new number."
        ),
        can_retry=False,
    )
)
NO_ISSUER = register_kind(
    TicketKind(
        "invoice_no_issuer",
        _("Nobody issues the invoice that a buyer asks for"),
        ABOUT,
        Team.FINANCE,
        _DAY,
        reasons={"": _("Order %(number)s: the merchants of %(skus)s name no legal entity.")},
        remedies=_("Choose the legal entity of the merchant or of its warehouse, then ask for the invoice again."),
        can_retry=False,
    )
)
NO_TAX_DATA = register_kind(
    TicketKind(
        "invoice_no_tax_data",
        _("An invoice lacks tax class and rate"),
        ABOUT,
        Team.FINANCE,
        _DAY,
        reasons={"": _("Order %(number)s: nobody said how %(skus)s are taxed.")},
        remedies=_("Give the SKUs their tax class and rate, or the legal entity one for all, then ask for it again."),
        can_retry=False,
    )
)
MAIL_FAILED = register_kind(
    TicketKind(
        "invoice_mail_failed",
        _("An invoice could not be mailed"),
        INVOICE,
        Team.FINANCE,
        _DAY,
        reasons={"": _("Invoice %(number)s could not be mailed: %(error)s")},
        remedies=_("Correct the address, or send the buyer the link; then mail it again on the page of the invoice."),
        can_retry=False,
    )
)


def _show(ids: Collection[int]) -> Mapping[int, Shown]:
    rows = Invoice.objects.filter(pk__in=ids).values_list("pk", "number")
    return {key: Shown(number, reverse("admin:payments_invoice_change", args=[key])) for key, number in rows}


register_subject(INVOICE, _show)
