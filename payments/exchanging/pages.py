"""The page on which staff exchange goods: units that come back, goods that are sent for them, what that comes to, and
its confirmation; and what the page of a return shows of its exchange."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import Sku
from oms.common.desk import acting
from oms.common.errors import OmsError, WrongFields
from orders.admin.order_page import load
from orders.admin.staff import staff_actor
from orders.intake import entering
from orders.models import Exchange, Order, ReturnReason, ReturnRequest, SubOrderLine
from orders.models.return_request import ReturnKind
from orders.models.return_rule import REFUSED_AT_DOOR
from orders.models.sub_order import ARRIVED
from orders.returning import counting
from orders.returning.exchanging import MOST_LINES, NewGoods
from orders.returning.requesting import Wanted
from payments.exchanging import beginning, following
from payments.exchanging.beginning import Agreed, ExchangePreview
from payments.returning.forms import MOST_UNITS

RIGHT = "orders.work_return"


class ExchangeForm(forms.Form):
    """All of an exchange but its units and goods: these are read by their own names."""

    reason = forms.ModelChoiceField(
        label=gettext_lazy("Reason"),
        queryset=ReturnReason.objects.filter(is_active=True).exclude(code=REFUSED_AT_DOOR),
        to_field_name="code",
        empty_label=None,
        widget=forms.Select(attrs=acting.INPUT),
    )
    remark = forms.CharField(
        label=gettext_lazy("Note"), max_length=300, required=False, widget=forms.TextInput(attrs=acting.INPUT)
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a delivered sub-order: how many units can still come back, and what was typed."""

    row: SubOrderLine
    part: str
    left: int
    units: str


@dataclass(frozen=True, slots=True)
class _Added:
    """Goods that are to be sent, as they stand in the page."""

    sku: Sku
    quantity: str


class ExchangePage:
    """The page of a site: searched in, looked at, confirmed. A subclass says whose orders, and who confirms what."""

    order_page = "admin:orders_order_change"
    return_page = "admin:orders_returnrequest_change"

    def __init__(self, site: AdminSite) -> None:
        self.site = site

    def may(self, request: HttpRequest) -> bool:
        """Whether the person may exchange goods at all."""
        return request.user.has_perms(["orders.view_order", RIGHT])

    def order(self, request: HttpRequest, order_id: int) -> Order | None:
        """The order with all that is shown; None where there is none for the person."""
        return load(order_id)

    def confirm(self, request: HttpRequest, order_id: int, wanted: Wanted, version: int, agreed: Agreed) -> int:
        """Exchange; returns the return's id. Raises as `beginning.exchange`."""
        row = beginning.exchange(order_id, wanted, actor=staff_actor(request), version=version, agreed=agreed)
        self.tell_begun(request, row)
        return row.pk

    @staticmethod
    def tell_begun(request: HttpRequest, row: Exchange) -> None:
        """Say which order sends the new goods."""
        assert row.new_order is not None  # noqa: S101 - it has begun
        messages.success(request, _("Order %(number)s sends the new goods.") % {"number": row.new_order.number})

    def view(self, request: HttpRequest, order_id: int) -> HttpResponse:
        """The page."""
        if not self.may(request):
            raise PermissionDenied
        order = self.order(request, order_id)
        if order is None:
            raise Http404(_("There is no such order."))
        posted = request.POST if request.method == "POST" else None
        do = posted.get("do", "") if posted is not None else ""
        form = ExchangeForm(posted) if posted is not None else ExchangeForm()
        lines, added = _lines(order, posted), _added(order, posted)
        preview: ExchangePreview | None = None
        problems: list[str] = []
        if posted is not None and do != "search" and form.is_valid():
            try:
                wanted = _wanted(form, lines, added)
                if do == "confirm":
                    version, to_pay, back = (_count(posted.get(name, "")) for name in ("version", "to_pay", "back"))
                    key = self.confirm(request, order_id, wanted, version, Agreed(to_pay, back))
                    return redirect(reverse(self.return_page, args=[key]))
                preview = beginning.preview(order_id, wanted)
            except ValidationError as refusal:
                problems = list(refusal.messages)
            except WrongFields as wrong:
                problems = [error.detail for error in wrong.errors]
            except OmsError as refusal:
                problems = [str(refusal)]
        search = posted.get("search", "")[:100] if posted is not None else ""
        context = {
            **self.site.each_context(request),
            "title": _("Exchange goods"),
            "order": order,
            "order_url": reverse(self.order_page, args=[order.pk]),
            "form": form,
            "lines": lines,
            "added": added,
            "search": search,
            "found": entering.find(order.channel, search) if search else [],
            "problems": problems,
            "preview": preview,
            "version": posted.get("version") if posted is not None else order.version,
        }
        return TemplateResponse(request, "admin/payments/return/exchange_page.html", context)


def _lines(order: Order, posted: QueryDict | None) -> list[_Line]:
    given: Mapping[str, str] = posted or {}
    return [
        _Line(line, part.number, counting.left_of(line), given.get(f"units_{line.pk}", "0").strip())
        for part in order.sub_orders.all()
        if part.state in ARRIVED and not part.is_virtual
        for line in part.lines.all()
        if counting.left_of(line) > 0
    ]


def _added(order: Order, posted: QueryDict | None) -> list[_Added]:
    """The goods that stood in the page and those that were just added; a line of no units is gone."""
    if posted is None:
        return []
    typed = list(zip(posted.getlist("sku"), posted.getlist("quantity"), strict=False))
    typed += [(name.removeprefix("add-"), posted.get(name, "")) for name in posted if name.startswith("add-")]
    keyed = [
        (int(key), count.strip())
        for key, count in typed[: MOST_LINES * 2]
        if key.isascii() and key.isdigit() and len(key) < 19 and count.strip() not in ("", "0")
    ]
    skus = entering.skus_of(order.channel, {key for key, _count in keyed})
    return [_Added(skus[key], count) for key, count in keyed if key in skus]


def _count(text: str) -> int:
    """A whole number as it was typed. Raises ValidationError."""
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise ValidationError(_("Give numbers of units from 0 on."))
    return int(text)


def _wanted(form: ExchangeForm, lines: Sequence[_Line], added: Sequence[_Added]) -> Wanted:
    units = {line.row.pk: count for line in lines if (count := _count(line.units))}
    goods = [NewGoods(one.sku.code, _count(one.quantity), one.sku.merchant.code) for one in added]
    if any(count > MOST_UNITS for count in (*units.values(), *(one.quantity for one in goods))):
        raise ValidationError(_("Give numbers of units from 0 on."))
    data = form.cleaned_data
    return Wanted(ReturnKind.EXCHANGE, units, data["reason"].code, data["remark"], goods=goods)


PAGE = ExchangePage(admin.site)


def context_of(row: ReturnRequest) -> dict[str, Any] | None:
    """What the page of a return shows of its exchange; None where it has none. `missing` is in fen."""
    exchange = Exchange.objects.select_related("new_order", "return_request").filter(pk=row.pk).first()
    if exchange is None:
        return None
    preview, why_not = None, ""
    if exchange.begun_at is None and exchange.ended_at is None:
        try:
            preview = beginning.preview_of(row.pk)
        except OmsError as refusal:
            why_not = str(refusal)
    return {
        "exchange": exchange,
        "preview": preview,
        "why_not": why_not,
        "missing": following.missing(exchange),
    }
