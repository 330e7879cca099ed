"""The page on which staff change a placed order: units, goods, prices, freight, recipient and appointment together;
what that does; and its confirmation. Everything typed travels with the page, and a draft can be kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import Sku
from oms.common.desk import acting
from oms.common.errors import ChangedMeanwhile, OmsError, WrongFields
from orders.admin import change_parts, change_words
from orders.admin.cancelling import changes_since
from orders.admin.order_page import load
from orders.admin.staff import staff_actor
from orders.changing import units
from orders.changing.promotion_words import rule_in_words
from orders.changing.sets import beyond, drafting, previewing
from orders.changing.sets.previewing import SetPreview
from orders.intake import entering
from orders.intake.bodies import MAX_LINES
from orders.models import ChangeSet, ChangeSetState, Order, OrderEvent
from orders.models.amounts import Bearer
from orders.models.terms import TitleType

RIGHT = "orders.confirm_changeset"
PRICE_RIGHT = "orders.price_changeset"
ADDRESS_RIGHT = "orders.readdress_order"
INVOICE_RIGHTS = ("payments.issue_invoice", "payments.retitle_invoice", "orders.view_personal_data")
_OF_PRICE = ("adjustment", "bearer", "freight")
_OF_RECIPIENT = ("name", "phone", "address")
_OF_INVOICE = ("title_type", "title", "tax_number", "email")


class ChangeForm(forms.Form):
    """All of a change but its lines: these are read by their own names."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=200, widget=forms.TextInput(attrs={**acting.INPUT, "size": 60})
    )
    adjustment = forms.DecimalField(
        label=gettext_lazy("Adjustment (negative: cheaper)"),
        max_digits=10,
        decimal_places=2,
        required=False,
        widget=forms.NumberInput(attrs={**acting.INPUT, "step": "0.01"}),
    )
    bearer = forms.ChoiceField(
        label=gettext_lazy("Who bears it"), choices=Bearer.choices, widget=forms.Select(attrs=acting.INPUT)
    )
    freight = forms.DecimalField(
        label=gettext_lazy("Freight, more or less"),
        max_digits=10,
        decimal_places=2,
        required=False,
        widget=forms.NumberInput(attrs={**acting.INPUT, "step": "0.01"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Recipient"), max_length=80, required=False, widget=forms.TextInput(attrs=acting.INPUT)
    )
    phone = forms.CharField(
        label=gettext_lazy("Phone"), max_length=40, required=False, widget=forms.TextInput(attrs=acting.INPUT)
    )
    address = forms.CharField(
        label=gettext_lazy("New address, with province and city"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={**acting.INPUT, "size": 60}),
    )
    delivery_from = forms.DateTimeField(
        label=gettext_lazy("Delivery from"),
        required=False,
        widget=forms.DateTimeInput(attrs={**acting.INPUT, "type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    delivery_until = forms.DateTimeField(
        label=gettext_lazy("Delivery until"),
        required=False,
        widget=forms.DateTimeInput(attrs={**acting.INPUT, "type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    invoice_title_type = forms.ChoiceField(
        label=gettext_lazy("Invoice for"),
        choices=[("", gettext_lazy("Ask for none now")), *TitleType.choices],
        required=False,
        widget=forms.Select(attrs=acting.INPUT),
    )
    invoice_title = forms.CharField(
        label=gettext_lazy("Title of the invoice"),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs=acting.INPUT),
    )
    invoice_tax_number = forms.CharField(
        label=gettext_lazy("Tax number"), max_length=40, required=False, widget=forms.TextInput(attrs=acting.INPUT)
    )
    invoice_email = forms.CharField(
        label=gettext_lazy("E-mail for the invoice"),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs=acting.INPUT),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the order as it stands in the page: how many units are left, how many of them no warehouse has, and
    what was typed."""

    row: Any
    left: int
    free: int
    units: str
    adjustment: str

    @property
    def is_open(self) -> bool:
        """Whether there is something to type: units that can still go, or what was typed already."""
        return self.free > 0 or self.units != str(self.left) or bool(self.adjustment)


@dataclass(frozen=True, slots=True)
class _Added:
    """Goods that are added, as they stand in the page; without a price the list price counts. `is_exchanged`: they are
    sent for what comes back, by an order of their own."""

    sku: Sku
    quantity: str
    price: str
    is_gift: bool
    is_exchanged: bool = False

    def as_json(self) -> dict[str, Any]:
        """How actions name it."""
        return {"sku": self.sku.code, "merchant": self.sku.merchant.code, "quantity": _number(self.quantity)}


def change_view(request: HttpRequest, order_id: int) -> HttpResponse:
    """The page: with the open draft, searched in, looked at, confirmed or given up."""
    if not request.user.has_perms(["orders.view_order", RIGHT]):
        raise PermissionDenied
    order = _load(order_id)
    draft = drafting.open_set(order_id)
    do = request.POST.get("do", "") if request.method == "POST" else ""
    if do == "discard":
        return _discard(request, order_id)
    posted = request.POST if request.method == "POST" else _posted_of(order, draft)
    form = ChangeForm(posted) if posted is not None else ChangeForm()
    may_price, may_readdress = request.user.has_perm(PRICE_RIGHT), request.user.has_perm(ADDRESS_RIGHT)
    hidden = (() if may_price else _OF_PRICE) + (() if may_readdress else _OF_RECIPIENT)
    if not request.user.has_perms(INVOICE_RIGHTS):
        hidden += tuple(f"invoice_{name}" for name in _OF_INVOICE)
    for name in hidden:
        del form.fields[name]
    preview: SetPreview | None = None
    problems: list[str] = []
    changed = changes_since(order_id, request.POST.get("last_event", ""))
    theirs: list[str] = []
    lines, parts = _lines(order, posted), change_parts.offered(request, order, posted)
    added = _added(order, posted, parts)
    wish: list[dict[str, Any]] = []
    if posted is not None and do != "search" and form.is_valid():
        try:
            wish = _wish(order, form, lines, added, may_price=may_price)
            wish += change_parts.wish_of(parts, [one.as_json() for one in added if one.is_exchanged])
            if do == "confirm":
                return _confirm(request, order_id, wish, form.cleaned_data["reason"], may_price=may_price)
            if do == "save":
                version = _version(request.POST.get("set_version", ""))
                reason = form.cleaned_data["reason"]
                drafting.save(
                    order_id,
                    wish,
                    reason=reason,
                    actor=staff_actor(request),
                    set_version=version,
                    may_price=may_price,
                )
                messages.success(request, _("The draft is kept."))
                return redirect(request.path)
            preview = previewing.preview(order_id, wish, reason=form.cleaned_data["reason"], may_price=may_price)
        except ChangedMeanwhile as refusal:
            problems = [str(refusal)]
            order, draft = _load(order_id), drafting.open_set(order_id)
            lines = _lines(order, posted)
            theirs = change_words.draft_in_words(order, draft.wish) if draft else []
        except WrongFields as wrong:
            problems = change_words.wrong_in_words(order, wish, wrong.errors)
        except OmsError as refusal:
            problems = [str(refusal)]
    search = posted.get("search", "")[:100] if posted else ""
    context = {
        **admin.site.each_context(request),
        "title": _("Change the order"),
        "order": order,
        "draft": draft,
        "waits": draft is not None and draft.state == ChangeSetState.AWAITING_BALANCE,
        "obstacle": None if drafting.is_later(order) else drafting.obstacle(order),
        "is_later": drafting.is_later(order),
        "parts": parts,
        "form": form,
        "fields": list(form.visible_fields()),
        "lines": lines,
        "added": added,
        "search": search,
        "found": entering.find(order.channel, search) if search else [],
        "may_price": may_price,
        "problems": problems,
        "changed": changed,
        "theirs": theirs,
        "last_event": OrderEvent.objects.filter(order=order_id).order_by("-pk").values_list("pk", flat=True).first(),
        "preview": preview,
        "promotions": [(one, rule_in_words(one.rule)) for one in preview.promotions] if preview else [],
        "recipient": change_words.fields_changed(preview, with_recipient=may_readdress),
        "quote": change_words.quoted(preview),
        "told": [
            *filter(None, [change_words.region_kept(order, preview)]),
            *change_parts.sentences(wish),
            *(text for one in preview.beyond for text in beyond.sentences(one)),
        ]
        if preview
        else [],
    }
    return TemplateResponse(request, "admin/orders/order/change_set.html", context)


def _load(order_id: int) -> Order:
    order = load(order_id)
    if order is None:
        raise Http404(_("There is no such order."))
    return order


def _version(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _confirm(
    request: HttpRequest, order_id: int, wish: Sequence[Mapping[str, Any]], reason: str, *, may_price: bool
) -> HttpResponse:
    row = drafting.change(
        order_id,
        wish,
        reason=reason,
        actor=staff_actor(request),
        stamp=request.POST.get("stamp", ""),
        set_version=_version(request.POST.get("set_version", "")),
        may_price=may_price,
    )
    if row.state == ChangeSetState.AWAITING_BALANCE:
        text = _("The buyer is asked for ¥%(amount)s; the order is changed once that is paid.")
        messages.success(request, text % {"amount": row.balance_amount})
    else:
        messages.success(request, _("The order is changed."))
    return redirect(reverse("admin:orders_order_change", args=[order_id]))


def _discard(request: HttpRequest, order_id: int) -> HttpResponse:
    try:
        drafting.discard(
            order_id, actor=staff_actor(request), set_version=_version(request.POST.get("set_version", ""))
        )
        messages.success(request, _("The change is discarded."))
    except OmsError as refusal:
        messages.error(request, str(refusal))
        return redirect(request.path)
    return redirect(reverse("admin:orders_order_change", args=[order_id]))


def _posted_of(order: Order, draft: ChangeSet | None) -> QueryDict | None:
    """The open draft as the page would send it."""
    if draft is None:
        return None
    posted = QueryDict(mutable=True)
    posted["reason"] = draft.reason
    posted["bearer"] = Bearer.MERCHANT
    goods = [one for one in draft.wish if one["do"] in ("add", "gift")]
    goods += [sent for one in draft.wish if one["do"] == "exchange" for sent in one["goods"]]
    skus = {sku.code: sku for sku in Sku.objects.filter(code__in=[one["sku"] for one in goods])}
    for one in draft.wish:
        match one["do"]:
            case "quantity":
                posted[f"units_{one['line']}"] = str(one["quantity"])
            case "adjust" if one.get("line"):
                posted[f"adjust_{one['line']}"], posted["bearer"] = str(one["amount"]), one["bearer"]
            case "adjust":
                posted["adjustment"], posted["bearer"] = str(one["amount"]), one["bearer"]
            case "freight":
                posted["freight"] = str(one["amount"])
            case "recipient" | "appointment":
                for name, value in one.items():
                    if name != "do" and value:
                        posted[name] = str(value)[:16] if name.startswith("delivery_") else str(value)
            case "invoice":
                for name, value in one["invoice"].items():
                    posted[f"invoice_{name}"] = str(value)
            case "split" | "merge" | "exchange":
                change_parts.post(order, posted, one)
                for sent in one.get("goods", ()):
                    _post_goods(posted, skus, sent, "exchanged")
            case "add" | "gift":
                _post_goods(posted, skus, one, one["do"])
    return posted


def _post_goods(posted: QueryDict, skus: Mapping[str, Sku], one: Mapping[str, Any], ticked: str) -> None:
    if one["sku"] not in skus:
        return
    key = str(skus[one["sku"]].pk)
    posted.appendlist("sku", key)
    posted.appendlist("quantity", str(one["quantity"]))
    posted.appendlist("price", str(one.get("unit_price") or ""))
    if ticked != "add":
        posted.appendlist(ticked, key)


def _lines(order: Order, posted: QueryDict | None) -> list[_Line]:
    given: Mapping[str, str] = posted or {}
    rows = list(order.lines.all())
    parts = list(order.sub_orders.all())
    gone, free = units.gone(order, rows, parts), units.left_to_cancel(order, rows, parts)
    found = []
    for row in rows:
        left = row.quantity - gone[row.position]
        typed = given.get(f"units_{row.position}", str(left)).strip()
        if typed == given.get(f"was_{row.position}"):
            # Nobody typed that: it stood there, and whatever somebody else made of it meanwhile stays.
            typed = str(left)
        found.append(_Line(row, left, free[row.position], typed, given.get(f"adjust_{row.position}", "").strip()))
    return found


def _added(order: Order, posted: QueryDict | None, parts: change_parts.Offered) -> list[_Added]:
    """The goods that stood in the page and those that were just added; a line of no units is gone."""
    if posted is None:
        return []
    lists = [posted.getlist(name) for name in ("sku", "quantity", "price")]
    typed = [(key, quantity, price) for key, quantity, price in zip(*lists, strict=False)]
    typed += [
        (name.removeprefix("add-"), count, "")
        for name in posted
        if name.startswith("add-") and (count := posted.get(name, "").strip()) not in ("", "0")
    ]
    keyed = [
        (int(key), count.strip(), price.strip())
        for key, count, price in typed[:MAX_LINES]
        if key.isascii() and key.isdigit() and len(key) < 19
    ]
    skus = entering.skus_of(order.channel, {key for key, *_rest in keyed})
    gifts = set(posted.getlist("gift"))
    return [
        _Added(skus[key], count, price, str(key) in gifts, str(key) in parts.exchanged)
        for key, count, price in keyed
        if key in skus and count != "0"
    ]


def _number(text: str) -> int | str:
    """The number; what is none is refused where the change is read."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text


def _wish(
    order: Order, form: ChangeForm, lines: Sequence[_Line], added: Sequence[_Added], *, may_price: bool
) -> list[dict[str, Any]]:
    """What is wanted, as actions."""
    data = form.cleaned_data
    wish: list[dict[str, Any]] = []
    for line in lines:
        if line.units != str(line.left):
            wish.append({"do": "quantity", "line": line.row.position, "quantity": _number(line.units)})
        if line.adjustment and may_price:
            wish.append(
                {"do": "adjust", "line": line.row.position, "amount": line.adjustment, "bearer": data["bearer"]}
            )
    for one in added:
        if one.is_exchanged:
            continue
        priced = {"unit_price": one.price} if one.price and not one.is_gift and may_price else {}
        wish.append({"do": "gift" if one.is_gift else "add", **one.as_json(), **priced})
    if data.get("adjustment"):
        wish.append({"do": "adjust", "amount": str(data["adjustment"]), "bearer": data["bearer"]})
    if data.get("freight"):
        wish.append({"do": "freight", "amount": str(data["freight"])})
    recipient = {name: data[name] for name in ("name", "phone", "address") if data.get(name)}
    if recipient:
        wish.append({"do": "recipient", **recipient})
    if data["delivery_from"] or data["delivery_until"]:
        moments = {name: data[name].isoformat() for name in ("delivery_from", "delivery_until") if data[name]}
        wish.append({"do": "appointment", **moments})
    invoice = {name: told for name in _OF_INVOICE if (told := data.get(f"invoice_{name}"))}
    if invoice:
        wish.append({"do": "invoice", "invoice": invoice})
    return wish
