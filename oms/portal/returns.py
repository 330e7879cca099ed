"""Returns of what the merchant sold or fulfils: asked for, decided, received and inspected in its own warehouses, and
their money asked for; by the services of the staff's pages."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from inventory.models import Warehouse
from oms.common.desk import acting
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.templatetags.staff import state_badge, when
from oms.merchant_admin import OwnPages, actor_of, merchant_of, site
from oms.merchants.models import Merchant
from oms.portal import exchanges
from orders.admin.order_page import load
from orders.models import Order, ReturnKind, ReturnPhoto, ReturnRequest, ReturnState
from orders.models.return_request import ENDED_WITHOUT, EXPECTED, TIMED
from orders.returning import deciding, inspecting, paying, requesting, travelling
from payments.exchanging import pages as exchange_pages
from payments.granting.deciding import Seen
from payments.returning import granting, order_panel, showing, unrepairable
from payments.returning.forms import (
    GrantForm,
    InspectForm,
    InsteadForm,
    ReasonForm,
    RequestForm,
    WayBackForm,
    WaybillForm,
)
from payments.returning.pages import photo_answer
from payments.returning.tabs import ArrivedFilter, OverdueFilter

ORDERS, SHIP, MONEY = "portal.orders", "portal.ship", "portal.money"
_S = ReturnState
_NAME = "orders_returnrequest"


class ApproveForm(VersionForm):
    """Asks for one of the merchant's warehouses, or none."""

    warehouse = forms.CharField(
        label=gettext_lazy("Code of another warehouse of yours (empty: as it says)"),
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs=INPUT),
    )


def _own(request: HttpRequest) -> Merchant:
    merchant = merchant_of(request)
    if merchant is None:
        raise PermissionDenied
    return merchant


def _row(request: HttpRequest, key: int) -> ReturnRequest:
    rows = ReturnRequest.objects.visible_to(_own(request)).select_related("sub_order", "warehouse", "order__channel")
    row = rows.filter(pk=key).first()
    if row is None:
        raise Http404
    return row


def _fulfils(row: ReturnRequest, merchant: Merchant) -> bool:
    return row.sub_order.merchant_id == merchant.pk


def _keeps(row: ReturnRequest, merchant: Merchant) -> bool:
    """Whether the goods go to a warehouse of the merchant's own."""
    return row.warehouse is not None and row.warehouse.merchant_id == merchant.pk


def _sold(row: ReturnRequest, merchant: Merchant) -> bool:
    """Whether the order is of a channel of the merchant's, whose money it may see."""
    return row.order.channel.merchant_id == merchant.pk


def _repairs(row: ReturnRequest, merchant: Merchant) -> bool:
    """Whether the merchant says what becomes of a repair: it fulfils, sold, and has the goods."""
    return _fulfils(row, merchant) and _sold(row, merchant) and _keeps(row, merchant)


def _warehouse(merchant: Merchant, code: str) -> int | None:
    if not code.strip():
        return None
    found = Warehouse.objects.filter(merchant=merchant, is_active=True, code=code.strip()).values_list("pk", flat=True)
    if not found:
        raise OmsError(_("You have no warehouse %(code)s.") % {"code": code.strip()}, attr="warehouse")
    return found[0]


Do = Callable[[HttpRequest, ReturnRequest, dict[str, Any]], ReturnRequest]


def _done(do: Do, *, who: Callable[[ReturnRequest, Merchant], bool] | None = None) -> Callable[..., str]:
    """What is done to a return of the merchant, by whom it concerns. Raises Http404 and PermissionDenied."""

    def act(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
        row = _row(request, key)
        if who is not None and not who(row, _own(request)):
            raise PermissionDenied
        row = do(request, row, data)
        return _("Return %(number)s: %(state)s.") % {"number": row.number, "state": row.get_state_display()}

    return act


def _approve(request: HttpRequest, row: ReturnRequest, data: dict[str, Any]) -> ReturnRequest:
    house = _warehouse(_own(request), data["warehouse"])
    return deciding.approve(row.pk, actor=actor_of(request), warehouse_id=house, version=data["version"])


def _decline(request: HttpRequest, row: ReturnRequest, data: dict[str, Any]) -> ReturnRequest:
    return deciding.decline(row.pk, reason=data["reason"], actor=actor_of(request), version=data["version"])


def _escalate(request: HttpRequest, row: ReturnRequest, data: dict[str, Any]) -> ReturnRequest:
    return deciding.escalate(row.pk, reason=data["reason"], actor=actor_of(request), version=data["version"])


def _hand_over(request: HttpRequest, row: ReturnRequest, data: dict[str, Any]) -> ReturnRequest:
    told = {"carrier": data["carrier"], "waybill": data["waybill"], "version": data["version"]}
    return travelling.hand_over(row.pk, actor=actor_of(request), **told)


def _receive(request: HttpRequest, row: ReturnRequest, data: dict[str, Any]) -> ReturnRequest:
    return travelling.receive(row.pk, actor=actor_of(request), version=data["version"])


def _send_repaired(request: HttpRequest, row: ReturnRequest, data: dict[str, Any]) -> ReturnRequest:
    return paying.send_repaired(row.pk, waybill=data["waybill"], actor=actor_of(request), version=data["version"])


class OwnReturns(OwnPages, RowActions):
    """Goods that come back to the merchant, or from its buyers, and money for them."""

    change_form_outer_before_template = "admin/payments/return/page.html"
    change_form_outer_after_template = None
    search_fields = ("number", "order__number", "sub_order__number", "waybill_number")
    search_help_text = gettext_lazy("Number of the return, order or sub-order, or waybill of the way back")
    list_display = (
        *("number", "state_label", "money_label", "kind", "reason", "sub_order", "warehouse", "due_at", "created_at"),
    )
    list_select_related = ("sub_order", "reason", "warehouse")
    list_filter = (
        *(OverdueFilter, ArrivedFilter, ("state", ChoicesDropdownFilter), ("money_state", ChoicesDropdownFilter)),
        ("kind", ChoicesDropdownFilter),
    )
    fields = readonly_fields = ("sub_order", "pays_on", "decide_hours", "ship_days", "inspect_hours")
    row_actions = (
        RowAction(
            *("approve", ORDERS, gettext_lazy("Approve"), _done(_approve, who=_fulfils), ApproveForm),
            *("primary", "check"),
        ),
        RowAction(
            *("decline", ORDERS, gettext_lazy("Decline"), _done(_decline, who=_fulfils), ReasonForm, "danger-line"),
        ),
        RowAction(
            *("receive", SHIP, gettext_lazy("The goods are here"), _done(_receive, who=_keeps), VersionForm),
            "primary",
        ),
        RowAction("hand_over", ORDERS, gettext_lazy("A carrier has them"), _done(_hand_over), WayBackForm),
        RowAction(
            *("send_repaired", SHIP, gettext_lazy("Repaired and sent"), _done(_send_repaired, who=_keeps)),
            *(WaybillForm, "primary"),
        ),
        RowAction("escalate", ORDERS, gettext_lazy("Let the platform decide"), _done(_escalate), ReasonForm),
    )

    def own(self, merchant: Merchant) -> QuerySet[ReturnRequest]:
        """As the API."""
        return ReturnRequest.objects.visible_to(merchant).select_related("sub_order", "warehouse", "order__channel")

    def fitting_actions(self, row: ReturnRequest) -> list[str]:
        """What may be done with the return as it is now by the merchant that looks at it."""
        ended = row.state in ENDED_WITHOUT
        by_request = row.kind != ReturnKind.REFUSED_AT_DOOR
        merchant: Merchant = row.looked_at_by  # type: ignore[attr-defined]
        decides = _fulfils(row, merchant) and row.state == _S.REQUESTED and not row.is_escalated
        keeps = _keeps(row, merchant)
        fits = {
            "approve": decides,
            "decline": decides,
            "receive": keeps and (row.state in EXPECTED or (ended and by_request and row.needs_goods)),
            "hand_over": row.state in EXPECTED and by_request,
            "send_repaired": keeps and row.state == _S.INSPECTED and row.kind == ReturnKind.REPAIR,
            "escalate": row.state in (_S.REQUESTED, _S.DECLINED) and not row.is_escalated,
        }
        return [name for name, is_fitting in fits.items() if is_fitting]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> ReturnRequest | None:
        """The return, and who looks at it."""
        row: ReturnRequest | None = super().get_object(request, object_id, from_field)
        if row is not None:
            row.looked_at_by = _own(request)  # type: ignore[attr-defined]
        return row

    @display(description=gettext_lazy("money"))
    def money_label(self, row: ReturnRequest) -> Any:
        """Where the money is, in its colour."""
        return state_badge(row, "money_state")

    @display(description=gettext_lazy("deadline"))
    def due_at(self, row: ReturnRequest) -> str:
        """By when somebody has to do something."""
        return when(row.ready_at, "short") if row.state in TIMED and row.ready_at else "–"

    def get_urls(self) -> list[URLPattern]:
        """The addresses of what has a form of its own."""
        wrap = self.admin_site.admin_view
        return [
            path("of/<int:order_id>/", wrap(request_view), name=f"{_NAME}_request"),
            path("of/<int:order_id>/exchange/", wrap(exchanges.PAGE.view), name=f"{_NAME}_exchange"),
            path("photo/<int:photo_id>/", wrap(photo_view), name=f"{_NAME}_photo"),
            path("<int:row_id>/inspect/", wrap(inspect_view), name=f"{_NAME}_inspect"),
            path("<int:row_id>/grant/", wrap(grant_view), name=f"{_NAME}_grant"),
            path("<int:row_id>/cannot-repair/", wrap(cannot_repair_view), name=f"{_NAME}_cannot_repair"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The return with its tracks, units and money, and what concerns the merchant of what may be done."""
        row = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if row is not None:
            merchant, may = _own(request), request.user.has_perm
            sold = _sold(row, merchant)
            context = showing.context_of(row, request.GET, shows_money=sold and may("portal.see_money"))
            context |= {
                "is_own_site": True,
                # What it comes to is the money of who sold.
                "shown_exchange": exchange_pages.context_of(row) if sold else None,
                "may_inspect": may(SHIP) and _keeps(row, merchant),
                "may_grant": may(MONEY) and sold,
                "instead": unrepairable.shown(row) if may(ORDERS) and _repairs(row, merchant) else None,
                "routes": {
                    "order": "merchant:orders_order_change" if sold else "",
                    **{name: f"merchant:{_NAME}_{name}" for name in ("inspect", "photo", "grant", "cannot_repair")},
                },
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


def _on_page(
    request: HttpRequest,
    row_id: int,
    right: str,
    form: type[forms.Form],
    do: Callable[[dict[str, Any]], str],
    concerns: Callable[[ReturnRequest, Merchant], bool],
) -> HttpResponse:
    def checked(data: dict[str, Any]) -> str:
        if not concerns(_row(request, row_id), _own(request)):
            raise PermissionDenied
        return do(data)

    return acting.act(
        request,
        checked,
        may=request.user.has_perm(right),
        page=reverse(f"merchant:{_NAME}_change", args=[row_id]),
        form_class=form,
    )


def inspect_view(request: HttpRequest, row_id: int) -> HttpResponse:
    """Say of each unit in a warehouse of one's own what it was found to be."""

    def do(data: dict[str, Any]) -> str:
        told = {"note": data["note"], "files": data["photos"], "version": data["version"], "named": data["serials"]}
        try:
            row = inspecting.inspect(row_id, data["findings"], actor=actor_of(request), **told)
        except ChangedMeanwhile as refusal:
            raise showing.with_findings(refusal, data["findings"]) from refusal
        return _("Return %(number)s: %(state)s.") % {"number": row.number, "state": row.get_state_display()}

    return _on_page(request, row_id, SHIP, InspectForm, do, _keeps)


def grant_view(request: HttpRequest, row_id: int) -> HttpResponse:
    """Ask for the money that was shown; staff grant it."""

    def do(data: dict[str, Any]) -> str:
        grant = granting.grant(
            row_id,
            note=data["note"],
            actor=actor_of(request),
            user=None,
            units=data["units"],
            followed_kept=data["followed_kept"],
            seen=Seen(data["cash"], data["gift_card"], data["points"]),
            version=data["version"],
        )
        return _("%(number)s waits for the operator, who grants it.") % {"number": grant.number}

    return _on_page(request, row_id, MONEY, GrantForm, do, _sold)


def cannot_repair_view(request: HttpRequest, row_id: int) -> HttpResponse:
    """Give the buyer something else in place of a repair."""

    def do(data: dict[str, Any]) -> str:
        return unrepairable.confirm(row_id, data, actor=actor_of(request))

    return _on_page(request, row_id, ORDERS, InsteadForm, do, _repairs)


def request_view(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask for a return of units of an order that one's channels sent."""
    if not request.user.has_perm(ORDERS):
        raise PermissionDenied
    is_own = Order.objects.visible_to(_own(request)).filter(pk=order_id).exists()
    order = load(order_id) if is_own else None
    if order is None:
        raise Http404
    form = RequestForm(request.POST or None, request.FILES or None, initial={"version": order.version})
    if request.method == "POST" and form.is_valid():
        data: Mapping[str, Any] = form.cleaned_data
        amount = data["agreed_amount"]
        wanted = requesting.Wanted(data["kind"], data["units"], data["reason"].code, data["remark"], amount)
        told = {"files": data["photos"], "version": data["version"]}
        try:
            rows = requesting.request_each(order_id, wanted, actor=actor_of(request), **told)
        except OmsError as refusal:
            form.add_error(refusal.attr if refusal.attr in form.fields else None, str(refusal))
        else:
            messages.success(
                request, _("Asked for: %(numbers)s.") % {"numbers": _(", ").join(row.number for row in rows)}
            )
            return redirect("merchant:orders_returnrequest_change", rows[0].pk)
    found = order_panel.lines_of(order)
    lines = [(line, left, part, request.POST.get(f"units_{line.pk}", "0")) for line, left, part in found]
    context = {
        **site.each_context(request),
        "opts": ReturnRequest._meta,
        "title": _("Ask for a return"),
        "order": order,
        "form": form,
        "lines": lines,
    }
    return TemplateResponse(request, "portal/return_request.html", context, status=400 if form.errors else 200)


def photo_view(request: HttpRequest, photo_id: int) -> FileResponse:
    """A photo of a return."""
    photo = ReturnPhoto.objects.filter(pk=photo_id).first()
    if photo is None:
        raise Http404
    _row(request, photo.return_request_id)
    return photo_answer(photo)


site.register(ReturnRequest, OwnReturns)
