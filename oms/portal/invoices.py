"""The merchants' pages of invoices: those to their buyers and those of their commission, with their documents."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.decorators import display

from oms.common.desk.lists import MomentDayFilter
from oms.common.templatetags.staff import badge
from oms.merchant_admin import OwnPages, actor_of, site
from oms.merchants.models import Merchant
from payments.invoicing import buyer_page
from payments.invoicing.writing import step
from payments.models import Invoice, InvoiceDocument, StepKind
from payments.models.invoice import ISSUED_INVOICES

# A document says who bought: it takes more than seeing sums.
DOWNLOAD = "portal.money"


class OwnInvoices(OwnPages):
    """Invoices of orders that the merchant's channels sent, of its gift cards, and of its commission."""

    sees = "portal.see_money"
    search_fields = ("number", "official_number", "order__number")
    search_help_text = gettext_lazy("Invoice, request or order number")
    list_display = (
        *("number", "official_number", "about", "kind_label", "state_label", "net_amount", "tax_amount", "amount"),
        *("created_at", "issued_at"),
    )
    list_select_related = ("order", "statement", "card", "issuer")
    list_filter = (
        *(("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter), ("is_red", BooleanRadioFilter)),
        ("issued_at", MomentDayFilter),
    )
    fields = readonly_fields = (
        *("number", "official_number", "about", "issuer", "kind_label", "state_label", "takes_back"),
        *("net_amount", "tax_amount", "amount", "created_at", "issued_at", "mailed_at"),
    )
    change_form_outer_after_template = "portal/invoice_after.html"

    def own(self, merchant: Merchant) -> QuerySet[Invoice]:
        """As the API."""
        return Invoice.objects.visible_to(merchant)

    @display(description=gettext_lazy("about"))
    def about(self, invoice: Invoice) -> SafeString | str:
        """The order, statement or gift card that it is of."""
        if invoice.statement:
            page = reverse("merchant:payments_statement_change", args=[invoice.statement_id])
            return format_html('<a class="oms-no" href="{}">{}</a>', page, invoice.statement.number)
        if invoice.order:
            page = reverse("merchant:orders_order_change", args=[invoice.order_id])
            return format_html('<a class="oms-no" href="{}">{}</a>', page, invoice.order.number)
        return invoice.card.number if invoice.card else "–"

    @display(description=gettext_lazy("kind"))
    def kind_label(self, invoice: Invoice) -> SafeString:
        """Ordinary or special; red ones in red."""
        return badge(
            _("Red") if invoice.is_red else invoice.get_kind_display(), "danger" if invoice.is_red else "muted"
        )

    @display(description=gettext_lazy("takes back"))
    def takes_back(self, invoice: Invoice) -> str:
        """Of a red one: the invoice that it takes back, and why."""
        if invoice.of_invoice is None:
            return "–"
        return f"{invoice.of_invoice.official_number or invoice.of_invoice.number} · {invoice.get_red_reason_display()}"

    def get_urls(self) -> list[URLPattern]:
        """With the documents."""
        view = self.admin_site.admin_view(self.document_view)
        return [path("<int:row_id>/document/", view, name="payments_invoice_document"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The invoice with its lines, and the way to its document for whose role may."""
        invoice = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if invoice is not None:
            has_document = InvoiceDocument.objects.filter(invoice=invoice).exists()
            is_there = invoice.state in ISSUED_INVOICES and has_document
            may = request.user.has_perm(DOWNLOAD)
            context = {
                "invoice": invoice,
                "lines": list(invoice.lines.order_by("position")),
                "may_download": is_there and may,
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def document_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """The document; who fetched it is noted."""
        if not self.has_view_permission(request) or not request.user.has_perm(DOWNLOAD):
            raise PermissionDenied
        invoice = self.get_object(request, str(row_id))
        answer = buyer_page.download(invoice if invoice and invoice.state in ISSUED_INVOICES else None)
        if invoice is None or answer is None:
            raise Http404
        step(invoice, StepKind.DOWNLOADED, by=actor_of(request).name)
        answer["Cache-Control"] = "no-store"
        return answer


site.register(Invoice, OwnInvoices)
