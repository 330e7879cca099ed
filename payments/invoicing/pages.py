"""The staff's pages of invoices: the list with its sums, an invoice with its lines and what can be done with it, and
the invoices of an order."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from cryptography.fernet import InvalidToken
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display

from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import DayRangeFilter, KeysetAdmin, MomentDayFilter, NeedsPersonFilter, RowColumns
from oms.common.errors import OmsError
from oms.common.files.exporting import Column, Export, register
from oms.common.templatetags.staff import badge
from orders.admin import privacy
from orders.admin.actions import posted
from orders.admin.staff import staff_actor
from orders.asked import panels
from orders.models import InvoiceRequest, Order
from orders.models.terms import InvoiceKind
from payments.invoicing import asking, buyer_page, cards, commission, links
from payments.invoicing.words import CONFIRMATIONS
from payments.invoicing.writing import step
from payments.models import OFFSETTABLE, GiftCard, Invoice, InvoiceDocument, InvoiceState, StepKind
from payments.models.invoice import ISSUED_INVOICES, RedReason

ISSUE, RED, RETITLE = "payments.issue_invoice", "payments.red_invoice", "payments.retitle_invoice"
RESEND, MAIL, DOWNLOAD = "payments.resend_invoice", "payments.mail_invoice", "payments.download_invoice"
PERSONAL = "orders.view_personal_data"
# Sums are of so many rows of a list at most.
MOST_SUMMED = 10_000

INVOICES = register(
    Export(
        Invoice,
        (
            Column(gettext_lazy("number of the request"), "number"),
            Column(gettext_lazy("invoice number"), "official_number"),
            Column(gettext_lazy("order number"), "order__number"),
            Column(gettext_lazy("statement"), "statement__number"),
            Column(gettext_lazy("gift card"), "card__number"),
            Column(gettext_lazy("issuer"), "issuer__name"),
            Column(gettext_lazy("tax number of the issuer"), "issuer__tax_number"),
            Column(gettext_lazy("state"), "state", dict(InvoiceState.choices)),
            Column(gettext_lazy("kind"), "kind", dict(InvoiceKind.choices)),
            Column(gettext_lazy("red"), "is_red"),
            Column(gettext_lazy("takes back"), "of_invoice__official_number"),
            Column(gettext_lazy("why it is taken back"), "red_reason", dict(RedReason.choices)),
            Column(gettext_lazy("amount without tax"), "net_amount"),
            Column(gettext_lazy("tax"), "tax_amount"),
            Column(gettext_lazy("amount"), "amount"),
            Column(gettext_lazy("created at"), "created_at"),
            Column(gettext_lazy("issued at"), "issued_at"),
            Column(gettext_lazy("mailed at"), "mailed_at"),
        ),
        "payments.view_invoice",
        "orders.export_personal_data",
    )
)


@admin.register(Invoice)
class InvoiceAdmin(ExportMixin, RowColumns, KeysetAdmin):
    """Tax documents; services write them, people act on one with a right of its own for each action."""

    export = INVOICES
    change_list_template = "admin/payments/invoice/change_list.html"
    change_form_outer_after_template = "admin/payments/invoice/page.html"
    search_fields = ("number", "official_number", "order__number", "card__number")
    search_help_text = gettext_lazy("Invoice, request, order or gift card number")
    list_display = (
        *("number", "official_number", "order_link", "issuer", "kind_label", "state_label"),
        *("net_amount", "tax_amount", "amount", "created_at", "issued_at", "mailed_at"),
    )
    list_select_related = ("order", "issuer", "statement")
    list_filter = (
        ("created_at", DayRangeFilter),
        ("issued_at", MomentDayFilter),
        ("state", ChoicesDropdownFilter),
        ("issuer", RelatedDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("is_red", BooleanRadioFilter),
        NeedsPersonFilter,
    )
    shown_by = {"confirmation_state": "confirmation_label", "fail_reason": "fail_text", "sealed": "title_text"}

    @display(description=gettext_lazy("kind"))
    def kind_label(self, invoice: Invoice) -> SafeString:
        """Ordinary or special; red ones in red."""
        return badge(
            _("Red") if invoice.is_red else invoice.get_kind_display(), "danger" if invoice.is_red else "muted"
        )

    @display(description=gettext_lazy("state of the confirmation"))
    def confirmation_label(self, invoice: Invoice) -> str:
        """How the confirmation of a red letter stands."""
        return CONFIRMATIONS.word(invoice.confirmation_state) if invoice.confirmation_state else "–"

    @display(description=gettext_lazy("why it failed"))
    def fail_text(self, invoice: Invoice) -> str:
        """What the service said, or how the confirmation ended."""
        return CONFIRMATIONS.word(invoice.fail_reason) if invoice.fail_reason else "–"

    @display(description=gettext_lazy("title"))
    def title_text(self, invoice: Invoice) -> str:
        """Whether it is made out to a person or a company; the rest stands below for who may see it."""
        return invoice.get_title_type_display()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with what its rows come to."""
        answer = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data and "cl" in answer.context_data:
            answer.context_data["sums"] = sums_of(answer.context_data["cl"].queryset)
        return answer

    def get_urls(self) -> list[Any]:
        """The addresses of what staff do to invoices, and on the order's page."""
        wrap = self.admin_site.admin_view
        own = [
            path(f"<int:row_id>/{name}/", wrap(view), name=f"payments_invoice_{name.replace('-', '_')}")
            for name, view in _ACTIONS.items()
        ]
        return [
            *own,
            path("commissions/", wrap(commissions_view), name="payments_invoice_commissions"),
            path("<int:row_id>/document/", wrap(document_view), name="payments_invoice_document"),
            path("card/<int:card_id>/ask/", wrap(ask_card_view), name="payments_invoice_ask_card"),
            path("of/<int:order_id>/ask/", wrap(ask_view), name="payments_invoice_ask"),
            path("of/<int:order_id>/issue/", wrap(issue_view), name="payments_invoice_issue"),
            path("of/<int:order_id>/withdraw/", wrap(withdraw_view), name="payments_invoice_withdraw"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The invoice, its lines, its history, and what can be done with it."""
        invoice = self.get_object(request, object_id)
        context = _page_of(request, invoice) if invoice else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


def sums_of(rows: QuerySet[Invoice]) -> Mapping[str, Any] | None:
    """What the rows come to in net, tax and gross, red ones taken off; None where they are too many."""
    if rows.order_by()[: MOST_SUMMED + 1].count() > MOST_SUMMED:
        return None
    issued = rows.filter(state__in=ISSUED_INVOICES).order_by()
    sums = issued.aggregate(count=Count("id"), net=Sum("net_amount"), tax=Sum("tax_amount"), gross=Sum("amount"))
    return {name: value or Decimal(0) if name != "count" else value for name, value in sums.items()}


def _page_of(request: HttpRequest, invoice: Invoice) -> dict[str, Any]:
    may = request.user.has_perm
    # Of an order it is who the buyer is: shown to who has looked at the order just now, which is logged.
    may_read = may(PERSONAL) if invoice.order_id is None else privacy.is_open(request.user, invoice.order_id)
    try:
        details = invoice.details if may_read else {}
    except InvalidToken:
        details = {}
    is_issued = invoice.state in ISSUED_INVOICES
    has_document = InvoiceDocument.objects.filter(invoice=invoice).exists()
    return {
        "invoice": invoice,
        "lines": list(invoice.lines.order_by("position")),
        "steps": list(invoice.steps.order_by("id")),
        "reds": list(invoice.reds.order_by("id")),
        "details": {name: value for name, value in details.items() if value},
        "may_download": has_document and may(DOWNLOAD),
        "may_send_again": invoice.state == InvoiceState.FAILED and may(RESEND),
        "may_take_back": not invoice.is_red and invoice.state in OFFSETTABLE and not invoice.statement_id and may(RED),
        "may_mail": is_issued and may(MAIL),
        "may_retitle": invoice.order_id and may(RETITLE),
    }


_Do = Callable[[HttpRequest, int], str]


def _acting(right: str, do: _Do) -> Callable[..., HttpResponse]:
    """A view that does something to an invoice by POST, for who has the right, and goes back to its page."""

    def view(request: HttpRequest, row_id: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perms(["payments.view_invoice", right]):
            raise PermissionDenied
        get_object_or_404(Invoice, pk=row_id)
        try:
            messages.success(request, do(request, row_id))
        except OmsError as refusal:
            messages.error(request, str(refusal))
        return redirect(reverse("admin:payments_invoice_change", args=[row_id]))

    return view


def _send_again(request: HttpRequest, row_id: int) -> str:
    asking.send_again(row_id, actor=staff_actor(request))
    return _("It is given up; another one takes its place.")


def _take_back(request: HttpRequest, row_id: int) -> str:
    issue_anew = request.POST.get("then") == "issue"
    asking.take_back(row_id, issue_anew=issue_anew, actor=staff_actor(request))
    return _("A red invoice takes it back.")


def _mail(request: HttpRequest, row_id: int) -> str:
    asking.mail_again(row_id)
    return _("It is mailed.")


_ACTIONS = {
    "send-again": _acting(RESEND, _send_again),
    "take-back": _acting(RED, _take_back),
    "mail": _acting(MAIL, _mail),
}


def commissions_view(request: HttpRequest) -> HttpResponse:
    """Invoice all merchants for what approved statements charge them."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perms(["payments.view_invoice", ISSUE]):
        raise PermissionDenied
    asked = commission.invoice_all(by=staff_actor(request).name)
    if asked:
        numbers = ", ".join(invoice.number for invoice in asked)
        messages.success(request, _("Invoices to merchants that are asked for: %(numbers)s.") % {"numbers": numbers})
    else:
        messages.info(request, _("Nothing is to be invoiced to merchants."))
    return redirect("admin:payments_invoice_changelist")


def document_view(request: HttpRequest, row_id: int) -> HttpResponse:
    """The document; who fetched it is noted."""
    if not request.user.has_perms(["payments.view_invoice", DOWNLOAD]):
        raise PermissionDenied
    invoice = get_object_or_404(Invoice, pk=row_id)
    answer = buyer_page.download(invoice)
    if answer is None:
        raise Http404
    step(invoice, StepKind.DOWNLOADED, by=staff_actor(request).name)
    return answer


# --- The invoices of an order


def ask_view(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask for an invoice of the order, or correct who it is made out to."""
    order = get_object_or_404(Order, pk=order_id)
    known = InvoiceRequest.objects.filter(order=order).exists()
    if not request.user.has_perms(["orders.view_order", RETITLE if known else ISSUE, PERSONAL]):
        raise PermissionDenied
    form = _styled(buyer_page.form_of(order, request.POST if request.method == "POST" else None))
    if request.method == "POST" and form.ask(order.pk, staff_actor(request)):
        messages.success(request, _("The invoice is asked for."))
        return redirect(reverse("admin:orders_order_change", args=[order_id]))
    context = {
        **admin.site.each_context(request),
        "title": _("Invoice of order %(number)s") % {"number": order.number},
        "back": reverse("admin:orders_order_change", args=[order_id]),
        "known": known,
        "is_issued": Invoice.objects.filter(order=order, state__in=OFFSETTABLE).exists(),
        "form": form,
    }
    return TemplateResponse(request, "admin/payments/invoice/ask.html", context)


def ask_card_view(request: HttpRequest, card_id: int) -> HttpResponse:
    """Ask for the invoice of a gift card that was sold."""
    card = get_object_or_404(GiftCard, pk=card_id)
    if not request.user.has_perms(["payments.view_giftcard", ISSUE]):
        raise PermissionDenied
    back = reverse("admin:payments_giftcard_change", args=[card_id])
    form = _styled(buyer_page.TitleForm(request.POST if request.method == "POST" else None))
    by = staff_actor(request).name
    if request.method == "POST" and form.send(lambda wish: cards.invoice_card(card_id, wish, by=by)):
        messages.success(request, _("The invoice is asked for."))
        return redirect(back)
    context = {
        **admin.site.each_context(request),
        "title": _("Invoice of gift card %(number)s") % {"number": card.number},
        "back": back,
        "form": form,
    }
    return TemplateResponse(request, "admin/payments/invoice/ask.html", context)


def _styled(form: buyer_page.TitleForm) -> buyer_page.TitleForm:
    for field in form.fields.values():
        field.widget.attrs["class"] = "oms-input"
    return form


@posted(ISSUE, forms.Form)
def issue_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Have the order's invoice issued at once."""
    asking.issue_now(order_id, actor=staff_actor(request))
    return _("The invoice is issued without waiting for the goods.")


@posted(RED, forms.Form)
def withdraw_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """No invoice of the order is wanted any more."""
    asking.withdraw(order_id, actor=staff_actor(request))
    return _("No invoice is wanted any more; what was issued is taken back.")


def _invoices_of(order: Order) -> Mapping[str, Any]:
    rows = list(Invoice.objects.filter(order=order).select_related("issuer").order_by("id"))
    asked: InvoiceRequest | None = getattr(order, "invoice_request", None)
    issued = [row for row in rows if row.state in ISSUED_INVOICES]
    return {
        "rows": rows,
        "asked": asked,
        "is_wanted": asked is not None and not asked.is_withdrawn,
        "total": sum((row.amount for row in issued), Decimal(0)) if issued else None,
        "link": links.address_of(order),
        "may_ask": not order.is_historical,
    }


panels.register(
    panels.Panel(gettext_lazy("Invoices"), "admin/payments/invoice/order_panel.html", _invoices_of, position=44)
)


def _looks_like_an_invoice(text: str) -> bool:
    """Official numbers have 20 digits."""
    return len(text) == 20 and text.isascii() and text.isdigit()


def _orders_of_invoice(text: str) -> QuerySet[Any]:
    return Invoice.objects.filter(official_number=text, order__isnull=False).order_by().values("order_id")


panels.register_lookup(panels.Lookup(_looks_like_an_invoice, _orders_of_invoice, gettext_lazy("invoice number")))
