"""The public page on which a buyer asks for the invoices of an order and fetches them: by a signed link."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from oms.common.errors import OmsError
from orders.actors import Actor
from orders.intake.bodies import InvoiceBody
from orders.models import ActorKind, InvoiceRequest, Order
from orders.models.terms import InvoiceKind, TitleType
from payments.invoicing import asking, documents, links, wishes
from payments.models import DEAD_INVOICES, ISSUED_INVOICES, Invoice, InvoiceDocument

BUYER = Actor(ActorKind.BUYER, "buyer")


class TitleForm(forms.Form):
    """Who the invoice is made out to, and where it is sent."""

    title_type = forms.ChoiceField(label=gettext_lazy("Title is"), choices=TitleType.choices)
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=InvoiceKind.choices)
    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=120,
        required=False,
        help_text=gettext_lazy("The registered name of the company; of a person it may stay empty."),
    )
    tax_number = forms.CharField(
        label=gettext_lazy("Tax number"),
        max_length=40,
        required=False,
        help_text=gettext_lazy("The unified social credit code, for companies."),
    )
    email = forms.EmailField(label=gettext_lazy("E-mail"), max_length=120, required=False)
    address = forms.CharField(label=gettext_lazy("Address"), max_length=200, required=False)
    phone = forms.CharField(label=gettext_lazy("Telephone"), max_length=40, required=False)
    bank_name = forms.CharField(label=gettext_lazy("Bank"), max_length=80, required=False)
    bank_account = forms.CharField(label=gettext_lazy("Account"), max_length=40, required=False)

    def wish(self) -> InvoiceBody:
        """What was typed. The form must be valid."""
        return InvoiceBody(**{name: self.cleaned_data[name] for name in InvoiceBody.__struct_fields__})

    def ask(self, order_id: int, actor: Actor) -> bool:
        """Ask for the invoice; whether that could be done, else the fields say what is wrong."""
        return self.send(lambda wish: asking.ask(order_id, wish, actor=actor))

    def send(self, ask: Callable[[InvoiceBody], object]) -> bool:
        """Ask for what was typed; whether that could be done, else the fields say what is wrong."""
        if not self.is_valid():
            return False
        try:
            ask(self.wish())
        except wishes.Wrong as wrong:
            for error in wrong.errors:
                name = error.attr.rpartition(".")[2] if error.attr else None
                self.add_error(name if name in self.fields else None, error.detail)
            return False
        except OmsError as refusal:
            self.add_error(None, str(refusal))
            return False
        return True


def form_of(order: Order, data: Any = None) -> TitleForm:
    """The form, with what was asked for before."""
    known = InvoiceRequest.objects.filter(order=order).first()
    initial: dict[str, str] = {"title_type": TitleType.PERSONAL, "kind": InvoiceKind.ORDINARY}
    if known is not None:
        initial = {"kind": known.kind, "title_type": known.title_type, **known.details}
    return TitleForm(data, initial=initial)


@never_cache
@require_http_methods(["GET", "POST"])
def invoice_view(request: HttpRequest, token: str) -> HttpResponse:
    """The page; by POST an invoice is asked for."""
    order = _order_of(token)
    asked = InvoiceRequest.objects.filter(order=order).first()
    invoices = list(_shown(order))
    # Of what is being issued staff change the title: a red invoice has to be made then.
    may_ask = not invoices and not order.is_historical
    form = form_of(order, request.POST if request.method == "POST" else None)
    if request.method == "POST" and may_ask and form.ask(order.pk, BUYER):
        return redirect("invoice", token)
    fetched = set(InvoiceDocument.objects.filter(invoice__in=invoices).values_list("invoice", flat=True))
    context = {
        "order": order,
        "asked": asked,
        "title": asked.details["title"] if asked else "",
        "invoices": [{"row": one, "has_document": one.pk in fetched} for one in invoices],
        "form": form if may_ask else None,
        "token": token,
    }
    return render(request, "payments/invoice.html", context)


@never_cache
@require_GET
def document_view(request: HttpRequest, token: str, number: str) -> HttpResponse:
    """The document of one of the order's invoices."""
    order = _order_of(token)
    invoice = Invoice.objects.filter(order=order, number=number, state__in=ISSUED_INVOICES).first()
    answer = download(invoice)
    if answer is None:
        raise Http404
    return answer


def download(invoice: Invoice | None) -> HttpResponse | None:
    """The document of an invoice as a file to save; None where there is none."""
    document = documents.of(invoice) if invoice else None
    if document is None:
        return None
    disposition = {"Content-Disposition": f'attachment; filename="{document.name}"'}
    return HttpResponse(document.content, content_type=document.media_type, headers=disposition)


def _order_of(token: str) -> Order:
    order = links.order_of(token)
    if order is None:
        raise Http404(_("This link is over, or not whole."))
    return order


def _shown(order: Order) -> Any:
    return Invoice.objects.filter(order=order).exclude(state__in=DEAD_INVOICES).select_related("issuer").order_by("pk")
