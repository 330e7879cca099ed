"""The page on which staff change who gets an order, and where: pasted or chosen, what it does, and its confirmation."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import Region
from oms.common.desk import acting
from oms.common.errors import ChangedMeanwhile, OmsError, WrongFields
from oms.common.masking import hide_address, hide_name, hide_phone
from orders.admin import privacy
from orders.admin.cancelling import changes_since
from orders.admin.order_page import load
from orders.admin.staff import staff_actor
from orders.changing import askers, readdress_preview, readdressing
from orders.changing.readdress_preview import ReaddressPreview
from orders.changing.readdressing import Recipient
from orders.intake.addressing import parse_address
from orders.models import Order
from orders.telling.story import CHANGED_WORDS, word

RIGHT = "orders.readdress_order"


class RecipientForm(forms.Form):
    """Asks who gets the order, and where; the region by province, city and district: nobody needs to know its code."""

    text = forms.CharField(
        label=gettext_lazy("Paste the whole address"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={**acting.INPUT, "rows": 2}),
    )
    name = forms.CharField(
        label=gettext_lazy("Recipient"), max_length=80, required=False, widget=forms.TextInput(attrs=acting.INPUT)
    )
    phone = forms.CharField(
        label=gettext_lazy("Phone"), max_length=40, required=False, widget=forms.TextInput(attrs=acting.INPUT)
    )
    region_code = forms.CharField(max_length=6, required=False)
    address = forms.CharField(
        label=gettext_lazy("Address"), max_length=200, required=False, widget=forms.TextInput(attrs=acting.INPUT)
    )

    def show_masked(self, order: Order) -> None:
        """Show in its empty fields what stays, masked, to who has not looked at it."""
        for name, text in (
            ("name", hide_name(order.recipient_name)),
            ("phone", hide_phone(order.recipient_phone)),
            ("address", hide_address(order.recipient_address)),
        ):
            self.fields[name].widget.attrs["placeholder"] = text

    @property
    def recipient(self) -> Recipient:
        """What is wanted. What is left empty stays: virtual goods need no phone."""
        data = {name: value for name, value in self.cleaned_data.items() if value and name != "text"}
        return Recipient(**data)


def recipient_view(request: HttpRequest, order_id: int) -> HttpResponse:
    """Say who and where, or paste it; then what that does; then the confirmation of just that."""
    if not request.user.has_perms(["orders.view_order", RIGHT]):
        raise PermissionDenied
    order = _load(order_id)
    preview: ReaddressPreview | None = None
    changed: list[str] = []
    candidates: list[str] = []
    clear = privacy.is_open(request.user, order_id)
    form = RecipientForm(initial=_initial(order, clear=clear))
    if request.method == "POST" and "read" in request.POST:
        values, candidates = _read(request.POST.get("text", "")[:500], _initial(order, clear=clear))
        form = RecipientForm(initial=values)
    elif request.method == "POST":
        form = RecipientForm(request.POST)
        if form.is_valid():
            try:
                if "ask" in request.POST:
                    reason = request.POST.get("reason", "")[:200]
                    askers.ask(order_id, form.recipient, reason, staff_actor(request))
                    messages.success(request, _("The warehouse is asked to give it up for the new address."))
                    return redirect(reverse("admin:orders_order_change", args=[order_id]))
                if "confirm" in request.POST:
                    stamp = request.POST.get("stamp", "")
                    actor = staff_actor(request)
                    readdressing.change_recipient(order_id, form.recipient, actor=actor, stamp=stamp)
                    messages.success(request, _("The recipient is changed."))
                    return redirect(reverse("admin:orders_order_change", args=[order_id]))
                preview = readdress_preview.preview(order_id, form.recipient)
            except ChangedMeanwhile as refusal:
                changed = changes_since(order_id, request.POST.get("last_event", ""))
                order = _load(order_id)
                form.add_error(None, str(refusal))
            except WrongFields as wrong:
                for error in wrong.errors:
                    form.add_error(error.attr if error.attr in form.fields else None, error.detail)
            except OmsError as refusal:
                form.add_error(None, str(refusal))
    if not clear:
        form.show_masked(order)
    code = str(form["region_code"].value() or "")
    parts = list(order.sub_orders.all())
    obstacle = readdressing.obstacle(order, parts)
    asked = askers.who(order, parts) if obstacle else []
    context = {
        **admin.site.each_context(request),
        "title": _("Change the recipient"),
        "order": order,
        "form": form,
        "region": Region.objects.filter(pk=code).first(),
        "obstacle": obstacle,
        "asked": asked,
        "can_ask": any(not one.address for one in asked),
        "reason": request.POST.get("reason", "")[:200],
        "candidates": candidates,
        "changed": changed,
        "preview": preview,
        "changes": _worded(preview, clear=clear),
    }
    return TemplateResponse(request, "admin/orders/order/recipient.html", context)


def regions_view(request: HttpRequest) -> HttpResponse:
    """All regions for the choice by province, city and district: names, and under them the districts with codes."""
    if not request.user.has_perm("orders.view_order"):
        raise PermissionDenied
    found: dict[str, dict[str, list[list[str]]]] = {}
    rows = Region.objects.order_by("code").values_list("code", "province", "city", "district")
    for code, province, city, district in rows:
        found.setdefault(province, {}).setdefault(city, []).append([code, district])
    answer = JsonResponse(found, json_dumps_params={"ensure_ascii": False})
    answer["Cache-Control"] = "private, max-age=3600"
    return answer


def _load(order_id: int) -> Order:
    order = load(order_id)
    if order is None:
        raise Http404(_("There is no such order."))
    return order


def _initial(order: Order, *, clear: bool) -> dict[str, Any]:
    """What the form begins with; nothing of what is masked to the person: empty fields stay as they are."""
    return {
        "name": order.recipient_name if clear else "",
        "phone": order.recipient_phone if clear else "",
        "region_code": order.region_id or "",
        "address": order.recipient_address if clear else "",
    }


def _read(text: str, known: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The form's values as read out of a pasted text, what it does not say as known; and the regions that it may mean,
    where that is not certain."""
    read = parse_address(text)
    values = {
        **known,
        "text": text,
        "region_code": read.region_code or "",
        "address": read.rest or text.strip(),
        **({"name": read.name} if read.name else {}),
        **({"phone": read.phone} if read.phone else {}),
    }
    return values, [str(place) for place in read.candidates]


_HIDE = {"name": hide_name, "phone": hide_phone, "address": hide_address}


def _worded(preview: ReaddressPreview | None, *, clear: bool) -> list[tuple[str, str, str]]:
    """What changes, for the page: the name of the field, old (masked, unless it is clear to the person) and new; the
    region by its name alone."""
    changes = preview.changes.items() if preview else ()
    return [
        (word(CHANGED_WORDS, name), (old if clear or name not in _HIDE else _HIDE[name](old)) or "–", new or "–")
        for name, (old, new) in changes
        if name != "region_code"
    ]
