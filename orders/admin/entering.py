"""The page on which staff type an order while the buyer is on the phone: goods looked up, address pasted, dates and
sums shown, and placed. Everything typed travels with the page, so nothing is lost and no script is needed."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import Sku
from inventory.promising.quoting import Quote
from inventory.promising.words import sentence
from oms.merchants.models import Channel, Merchant
from orders.actors import Actor
from orders.admin.change_words import levels_of
from orders.admin.staff import staff_actor
from orders.intake import entering
from orders.intake.bodies import MAX_LINES
from orders.intake.entering import Read, Recipient, TypedLine, TypedOrder
from orders.intake.placing import Duplicate, Refused
from orders.intake.terms import LONGEST_MEMO
from orders.models import Order, PaymentMethod

ENTER = "orders.enter_order"
MOST_UNITS = 99_999
_FIELDS: Mapping[str, Any] = {
    "name": gettext_lazy("Recipient"),
    "phone": gettext_lazy("Phone"),
    "address": gettext_lazy("Address"),
    "id": gettext_lazy("Buyer"),
    "freight_amount": gettext_lazy("Freight"),
    "adjustment_amount": gettext_lazy("Adjustment"),
    "adjustment_reason": gettext_lazy("Reason of the adjustment"),
    "payment_method": gettext_lazy("Payment method"),
    "remark": gettext_lazy("Buyer's remark"),
    "seller_memo": gettext_lazy("Seller's memo"),
}


_CHANNELS = Channel.objects.filter(merchant__status=Merchant.Status.ACTIVE).select_related("merchant")


def _text(label: Any, longest: int, **attrs: Any) -> forms.CharField:
    widget = forms.TextInput(attrs={"class": "oms-input", **attrs})
    return forms.CharField(label=label, max_length=longest, required=False, widget=widget)


def _amount(label: Any, **bounds: Any) -> forms.DecimalField:
    widget = forms.NumberInput(attrs={"class": "oms-input", "step": "0.01"})
    return forms.DecimalField(label=label, max_digits=10, decimal_places=2, required=False, widget=widget, **bounds)


class EntryForm(forms.Form):
    """All of an order but its goods."""

    key = forms.RegexField(r"\ATEL-[0-9A-F]{12}\Z", widget=forms.HiddenInput)
    channel = forms.ModelChoiceField(
        _CHANNELS,
        label=gettext_lazy("Channel"),
        widget=forms.Select(attrs={"class": "oms-input"}),
    )
    address = forms.CharField(
        label=_FIELDS["address"],
        max_length=600,
        required=False,
        help_text=gettext_lazy("Paste the whole text: region, name and phone are read from it."),
        widget=forms.Textarea(attrs={"class": "oms-input", "rows": 3}),
    )
    name = _text(_FIELDS["name"], 80)
    phone = _text(_FIELDS["phone"], 40, inputmode="tel")
    buyer = _text(gettext_lazy("Buyer's id in the channel (empty: the phone)"), 64)
    payment_method = forms.ChoiceField(
        label=_FIELDS["payment_method"],
        choices=PaymentMethod.choices,
        widget=forms.Select(attrs={"class": "oms-input"}),
    )
    freight = _amount(_FIELDS["freight_amount"], min_value=0)
    adjustment = _amount(gettext_lazy("Adjustment (negative: cheaper)"))
    adjustment_reason = _text(_FIELDS["adjustment_reason"], 200)
    remark = _text(_FIELDS["remark"], 500)
    seller_memo = _text(_FIELDS["seller_memo"], LONGEST_MEMO)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of goods as it stands in the page: what was typed, and what is wrong with it."""

    sku: Sku
    quantity: str
    price: str
    wrong: str = ""

    def line(self) -> TypedLine:
        return TypedLine(self.sku, int(self.quantity), Decimal(self.price))


class EntryPage:
    """The page: who may use it, for which channels, and on which site. Subclasses are other sites'."""

    form_class = EntryForm

    def __init__(self, site: AdminSite) -> None:
        self.site = site

    def may(self, request: HttpRequest) -> bool:
        """Whether the person may enter orders."""
        return request.user.has_perms(["orders.view_order", ENTER])

    def channels(self, _request: HttpRequest) -> QuerySet[Channel]:
        """The channels that the person may enter orders for."""
        return _CHANNELS.all()

    def actor(self, request: HttpRequest) -> Actor:
        """Who enters it."""
        return staff_actor(request)

    def view(self, request: HttpRequest) -> HttpResponse:
        """Empty, searched in, looked at before it is placed, or placed."""
        if not self.may(request):
            raise PermissionDenied
        if request.method != "POST":
            key = f"TEL-{secrets.token_hex(6).upper()}"
            return self._page(request, self._form(request, initial={"key": key}), [])
        form = self._form(request, request.POST)
        is_whole = form.is_valid()
        channel = form.cleaned_data.get("channel")
        rows = _rows(request.POST, channel) if channel else []
        do = request.POST.get("do", "")
        if do == "search" or channel is None:
            return self._page(request, form, rows, channel, search=request.POST.get("search", "")[:100])
        if not is_whole or not rows or any(row.wrong for row in rows):
            problem = "" if rows else _("Add at least one line of goods.")
            return self._page(request, form, rows, channel, problems=[problem] if problem else [])
        order = self.order(form, [row.line() for row in rows])
        read = entering.read(order)
        order = replace(order, recipient=read.recipient)
        if do == "place" and read.region is not None:
            outcome = entering.place(order, actor=self.actor(request))
            if not isinstance(outcome, Refused):
                return self._placed(request, outcome.number, is_double=isinstance(outcome, Duplicate))
            problems = entering.words_of(outcome.errors, _FIELDS)
            return self._page(request, form, rows, channel, problems=problems, order=order, read=read)
        # What placing would refuse is said before; where the region is not known, the page says that first.
        problems = entering.words_of(entering.refusals(order), _FIELDS) if read.region is not None else []
        return self._page(request, form, rows, channel, problems=problems, order=order, read=read)

    def order(self, form: EntryForm, lines: list[TypedLine]) -> TypedOrder:
        """What was typed."""
        data = form.cleaned_data
        return TypedOrder(
            channel=data["channel"],
            key=data["key"],
            buyer=data["buyer"],
            recipient=Recipient(data["name"], data["phone"], data["address"]),
            lines=lines,
            payment_method=data["payment_method"],
            freight=data["freight"] or Decimal(0),
            adjustment=data["adjustment"] or Decimal(0),
            adjustment_reason=data["adjustment_reason"],
            remark=data["remark"],
            seller_memo=data["seller_memo"],
        )

    def _form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> EntryForm:
        form = self.form_class(*args, **kwargs)
        form.fields["channel"].queryset = self.channels(request)  # type: ignore[attr-defined]
        return form

    def _placed(self, request: HttpRequest, number: str, *, is_double: bool) -> HttpResponse:
        if is_double:
            text = _("Order %(number)s was placed already; nothing was placed twice.")
            messages.info(request, text % {"number": number})
        else:
            messages.success(request, _("Order %(number)s is placed.") % {"number": number})
        order_id = Order.objects.values_list("pk", flat=True).get(number=number)
        return redirect(reverse(f"{self.site.name}:orders_order_change", args=[order_id]))

    def _page(
        self,
        request: HttpRequest,
        form: EntryForm,
        rows: list[_Row],
        channel: Channel | None = None,
        *,
        search: str = "",
        problems: list[str] | None = None,
        order: TypedOrder | None = None,
        read: Read | None = None,
    ) -> HttpResponse:
        if form.is_bound and read is not None:
            # What was read from the pasted text stands in its fields.
            data = request.POST.copy()
            data.update({name: getattr(read.recipient, name) for name in ("name", "phone", "address")})
            form.data = data
        quoted = None
        if order and read and read.region:
            quoted = _quoted(entering.quote(order, read.region), order)
        context = {
            **self.site.each_context(request),
            "opts": Order._meta,
            "title": _("New order"),
            "list_url": reverse(f"{self.site.name}:orders_order_changelist"),
            "form": form,
            "rows": rows,
            "search": search,
            "found": entering.find(channel, search) if channel else [],
            "problems": problems or [],
            "order": order,
            "read": read,
            "quote": quoted,
        }
        return TemplateResponse(request, "admin/orders/order/enter.html", context)


def enter_view(request: HttpRequest) -> HttpResponse:
    """The staff's page."""
    return EntryPage(admin.site).view(request)


def _rows(posted: QueryDict, channel: Channel) -> list[_Row]:
    """The lines that stood in the page and those that were just added; a line of no units is gone."""
    typed = list(zip(posted.getlist("sku"), posted.getlist("quantity"), posted.getlist("price"), strict=False))
    typed += [
        (name.removeprefix("add-"), units, "")
        for name in posted
        if name.startswith("add-") and (units := posted.get(name, "").strip()) not in ("", "0")
    ]
    keyed = [
        (int(key), units.strip(), price.strip())
        for key, units, price in typed[:MAX_LINES]
        if key.isascii() and key.isdigit() and len(key) < 19
    ]
    skus = entering.skus_of(channel, {key for key, *_rest in keyed})
    return [
        _row(skus[key], units, price or str(skus[key].list_price))
        for key, units, price in keyed
        if key in skus and units != "0"
    ]


def _row(sku: Sku, units: str, price: str) -> _Row:
    if not (units.isascii() and units.isdigit() and 0 < int(units[:9]) <= MOST_UNITS):
        return _Row(sku, units, price, _("Give a whole number of units, from 1 to %(most)d.") % {"most": MOST_UNITS})
    try:
        _PRICE.clean(price)
    except forms.ValidationError:
        return _Row(sku, units, price, _("Give the price of a unit in yuan, such as 19.90."))
    return _Row(sku, units, price)


_PRICE = forms.DecimalField(max_digits=10, decimal_places=2, min_value=0)


def _quoted(quote: Quote, order: TypedOrder) -> dict[str, Any]:
    """What the quote says, in words."""
    names = [line.sku for line in order.lines]
    return {
        "parcels": [
            {
                "warehouse": parcel.warehouse,
                "goods": [(names[i], units) for i, units in parcel.contents],
                "why": sentence(parcel.why.as_json()) if parcel.why else "",
                "expected_on": parcel.expected_on,
            }
            for parcel in quote.parcels
        ],
        "levels": levels_of(quote),
        "short": [(names[i], units) for i, units in quote.short],
        "no_cod": sentence(quote.no_cod.as_json()) if quote.no_cod else "",
    }
