"""The staff's pages of returns: the list with its tabs, a return with both its tracks, and what is done about it."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk import acting
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import KeysetAdmin, MomentDayFilter, NeedsPersonFilter, RowColumns
from oms.common.errors import ChangedMeanwhile
from oms.common.templatetags.staff import state_badge, when
from orders import actors
from orders.admin.actions import posted
from orders.admin.staff import staff_actor
from orders.models import (
    Exchange,
    MoneyState,
    ReturnPhoto,
    ReturnReason,
    ReturnRequest,
    ReturnRule,
    ReturnState,
    StrayPhoto,
)
from orders.models.return_request import EXPECTED, TIMED, ReturnKind
from orders.returning import deciding, inspecting, paying, requesting, travelling, way_back
from payments.exchanging import beginning, following, writing_off
from payments.exchanging import pages as exchanges
from payments.granting.deciding import Seen
from payments.models import GrantState
from payments.returning import granting, rates, showing, unrepairable
from payments.returning.forms import (
    GrantForm,
    InspectForm,
    InsteadForm,
    OtherWarehouseForm,
    ReasonForm,
    RequestForm,
    WarehouseForm,
    WayBackCostForm,
    WayBackForm,
    WaybillForm,
)
from payments.returning.tabs import ArrivedFilter, OverdueFilter, tabs

WORK, INSPECT, GRANT = "orders.work_return", "orders.inspect_return", "payments.grant_refund"
WRITE_OFF = "orders.write_off_exchange"
_S = ReturnState
# The addresses that the page of a return leads to, by what its template calls them.
ROUTES = {
    "order": "admin:orders_order_change",
    **{name: f"admin:orders_returnrequest_{name}" for name in ("inspect", "photo", "grant", "cannot_repair")},
}


def _done(do: Callable[[HttpRequest, int, dict[str, Any]], ReturnRequest]) -> Callable[..., str]:
    def act(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
        row = do(request, key, data)
        return _("Return %(number)s: %(state)s.") % {"number": row.number, "state": row.get_state_display()}

    return act


def _approve(request: HttpRequest, key: int, data: dict[str, Any]) -> ReturnRequest:
    house = data["warehouse"]
    if ReturnRequest.objects.filter(pk=key, kind=ReturnKind.EXCHANGE).exists():
        warehouse_id = house.pk if house else None
        actor = staff_actor(request)
        beginning.approve(key, actor=actor, warehouse_id=warehouse_id, version=data["version"])
        return ReturnRequest.objects.get(pk=key)
    return deciding.approve(
        key, actor=staff_actor(request), warehouse_id=house.pk if house else None, version=data["version"]
    )


def _with_reason(service: Callable[..., ReturnRequest]) -> Callable[[HttpRequest, int, dict[str, Any]], ReturnRequest]:
    def do(request: HttpRequest, key: int, data: dict[str, Any]) -> ReturnRequest:
        return service(key, reason=data["reason"], actor=staff_actor(request), version=data["version"])

    return do


def _escalate(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    row = _with_reason(deciding.escalate)(request, key, data)
    return _("Return %(number)s: the platform decides now.") % {"number": row.number}


def _hand_over(request: HttpRequest, key: int, data: dict[str, Any]) -> ReturnRequest:
    return travelling.hand_over(
        key, carrier=data["carrier"], waybill=data["waybill"], actor=staff_actor(request), version=data["version"]
    )


def _send_elsewhere(request: HttpRequest, key: int, data: dict[str, Any]) -> ReturnRequest:
    return deciding.send_elsewhere(key, data["warehouse"].pk, actor=staff_actor(request), version=data["version"])


def _bear_way_back(request: HttpRequest, key: int, data: dict[str, Any]) -> ReturnRequest:
    return way_back.bear(key, by=data["bearer"], cost=data["cost"], actor=staff_actor(request), version=data["version"])


def _receive(request: HttpRequest, key: int, data: dict[str, Any]) -> ReturnRequest:
    house = data["warehouse"]
    return travelling.receive(
        key, actor=staff_actor(request), warehouse_id=house.pk if house else None, version=data["version"]
    )


def _pay_before(request: HttpRequest, key: int, data: dict[str, Any]) -> ReturnRequest:
    return paying.pay_before(key, actor=staff_actor(request), version=data["version"])


def _write_off(request: HttpRequest, key: int, data: dict[str, Any]) -> ReturnRequest:
    writing_off.write_off(key, reason=data["reason"], actor=staff_actor(request), version=data["version"])
    return ReturnRequest.objects.get(pk=key)


def _send_repaired(request: HttpRequest, key: int, data: dict[str, Any]) -> ReturnRequest:
    return paying.send_repaired(key, waybill=data["waybill"], actor=staff_actor(request), version=data["version"])


def _fits(row: ReturnRequest) -> dict[str, bool]:
    """Which actions make sense for the return as it is now."""
    by_request = row.kind != ReturnKind.REFUSED_AT_DOOR
    ended = row.state in (_S.DECLINED, _S.CANCELLED, _S.EXPIRED)
    return {
        "approve": row.state in (_S.REQUESTED, _S.DECLINED),
        "decline": row.state == _S.REQUESTED,
        "hand_over": row.state in EXPECTED and by_request,
        "receive": row.state in EXPECTED or (ended and by_request and row.needs_goods),
        "send_elsewhere": row.state in EXPECTED,
        "bear_way_back": row.needs_goods and by_request and row.state != _S.REQUESTED,
        "pay_before": row.state in (_S.IN_TRANSIT, _S.RECEIVED) and row.money_state == MoneyState.NOT_DUE,
        "send_repaired": row.state == _S.INSPECTED and row.kind == ReturnKind.REPAIR,
        "give_nothing": row.money_state == MoneyState.TO_GRANT,
        "close_without_goods": row.state == _S.IN_TRANSIT
        and row.money_state in (MoneyState.GRANTED, MoneyState.NOTHING)
        and by_request,
        "cancel": row.state in (_S.REQUESTED, _S.APPROVED, *EXPECTED) and by_request,
        "write_off": row.kind == ReturnKind.EXCHANGE and _is_short(row),
        "escalate": row.state in (_S.REQUESTED, _S.DECLINED) and not row.is_escalated,
    }


def _is_short(row: ReturnRequest) -> bool:
    exchange = Exchange.objects.select_related("new_order", "return_request").filter(pk=row.pk).first()
    return exchange is not None and following.missing(exchange) > 0


@admin.register(ReturnRequest)
class ReturnRequestAdmin(RowColumns, RowActions):
    """Goods that come back, and money for them."""

    change_list_template = "admin/common/ticket/change_list.html"
    change_form_outer_before_template = "admin/payments/return/page.html"
    change_form_outer_after_template = None
    search_fields = ("number", "order__number", "sub_order__number", "waybill_number")
    search_help_text = gettext_lazy("Number of the return, order or sub-order, or waybill of the way back")
    list_display = (
        *("number", "part_link", "state_label", "money_label", "kind", "reason", "warehouse", "due_at", "created_at"),
    )
    shown_by = {"money_state": "money_label"}
    list_select_related = ("order", "sub_order", "reason", "warehouse")
    list_filter = (
        OverdueFilter,
        ArrivedFilter,
        ("state", ChoicesDropdownFilter),
        ("money_state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("reason", RelatedDropdownFilter),
        ("sub_order__merchant", RelatedDropdownFilter),
        ("warehouse", RelatedDropdownFilter),
        ("created_at", MomentDayFilter),
        NeedsPersonFilter,
    )
    fields = readonly_fields = (
        *("order_link", "sub_order", "pays_on", "requester", "decider", "decide_hours", "ship_days"),
        "inspect_hours",
    )
    row_actions = (
        RowAction("approve", WORK, gettext_lazy("Approve"), _done(_approve), WarehouseForm, "primary", "check"),
        RowAction(
            "decline", WORK, gettext_lazy("Decline"), _done(_with_reason(deciding.decline)), ReasonForm, "danger-line"
        ),
        RowAction("receive", INSPECT, gettext_lazy("The goods are here"), _done(_receive), WarehouseForm, "primary"),
        RowAction("hand_over", WORK, gettext_lazy("A carrier has them"), _done(_hand_over), WayBackForm),
        RowAction(
            "send_elsewhere", WORK, gettext_lazy("Send elsewhere"), _done(_send_elsewhere), OtherWarehouseForm
        ),
        RowAction(
            "bear_way_back", WORK, gettext_lazy("Cost of the way back"), _done(_bear_way_back), WayBackCostForm
        ),
        RowAction(
            "pay_before",
            WORK,
            gettext_lazy("Pay before inspection"),
            _done(_pay_before),
            acting.VersionForm,
            hint=gettext_lazy("The money can then be granted though nobody saw the goods."),
        ),
        RowAction(
            "send_repaired", INSPECT, gettext_lazy("Repaired and sent"), _done(_send_repaired), WaybillForm, "primary"
        ),
        RowAction(
            "close_without_goods",
            WORK,
            gettext_lazy("Close: the goods are lost"),
            _done(_with_reason(paying.close_without_goods)),
            ReasonForm,
        ),
        RowAction(
            "write_off",
            WRITE_OFF,
            gettext_lazy("Write off what is missing"),
            _done(_write_off),
            ReasonForm,
        ),
        RowAction(
            "give_nothing",
            GRANT,
            gettext_lazy("Give no money"),
            _done(_with_reason(paying.give_nothing)),
            ReasonForm,
            "danger-line",
        ),
        RowAction(
            "escalate", WORK, gettext_lazy("Let the platform decide"), _escalate, ReasonForm
        ),
        RowAction(
            "cancel", WORK, gettext_lazy("Cancel the return"), _done(_with_reason(deciding.cancel)), ReasonForm,
            "danger-line",
        ),
    )  # fmt: skip

    def fitting_actions(self, row: Any) -> Any:
        """What may be done with the return as it is now."""
        return [name for name, fits in _fits(row).items() if fits]

    @display(description=gettext_lazy("sub-order"))
    def part_link(self, row: ReturnRequest) -> SafeString:
        """The sub-order's number; it leads to its order, with whose number that of the return begins."""
        page = reverse("admin:orders_order_change", args=[row.order_id])
        return format_html('<a class="oms-no" href="{}">{}</a>', page, row.sub_order.number)

    @display(description=gettext_lazy("money"))
    def money_label(self, row: ReturnRequest) -> Any:
        """Where the money is, in its colour."""
        return state_badge(row, "money_state")

    @display(description=gettext_lazy("requested by"))
    def requester(self, row: ReturnRequest) -> str:
        """Who asked for it."""
        return actors.named(row.requested_by_kind, row.requested_by)

    @display(description=gettext_lazy("decided by"))
    def decider(self, row: ReturnRequest) -> str:
        """Who decided on it."""
        return actors.word(row.decided_by) if row.decided_by else "–"

    @display(description=gettext_lazy("deadline"))
    def due_at(self, row: ReturnRequest) -> str:
        """By when somebody has to do something."""
        return when(row.ready_at, "short") if row.state in TIMED and row.ready_at else "–"

    def get_urls(self) -> list[URLPattern]:
        """The addresses of what has a form of its own."""
        wrap = self.admin_site.admin_view
        return [
            path("of/<int:order_id>/", wrap(request_view), name="orders_returnrequest_request"),
            path("of/<int:order_id>/exchange/", wrap(exchanges.PAGE.view), name="orders_returnrequest_exchange"),
            path("rates/", wrap(rates.page), name="orders_returnrequest_rates"),
            path("photo/<int:photo_id>/", wrap(photo_view), name="orders_returnrequest_photo"),
            path("<int:row_id>/inspect/", wrap(inspect_view), name="orders_returnrequest_inspect"),
            path("<int:row_id>/grant/", wrap(grant_view), name="orders_returnrequest_grant"),
            path("<int:row_id>/cannot-repair/", wrap(cannot_repair_view), name="orders_returnrequest_cannot_repair"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list with its tabs."""
        context = {"queue_tabs": tabs(request) if self.has_view_permission(request) else []}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The return with its tracks, units and money."""
        row = self.get_object(request, object_id) if self.has_view_permission(request) else None
        context: dict[str, Any] = {}
        if row is not None:
            user = request.user
            context = showing.context_of(row, request.GET)
            context["shown_exchange"] = exchanges.context_of(row)
            context["routes"] = ROUTES
            context |= {"may_inspect": user.has_perm(INSPECT), "may_grant": user.has_perm(GRANT)}
            context["instead"] = unrepairable.shown(row) if user.has_perm(WORK) else None
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


def _on_page(
    request: HttpRequest, row_id: int, right: str, form: type[Any], do: Callable[[dict[str, Any]], str]
) -> HttpResponse:
    def checked(data: dict[str, Any]) -> str:
        if not ReturnRequest.objects.filter(pk=row_id).exists():
            raise Http404
        return do(data)

    return acting.act(
        request,
        checked,
        may=request.user.has_perms(["orders.view_returnrequest", right]),
        page=reverse("admin:orders_returnrequest_change", args=[row_id]),
        form_class=form,
    )


def inspect_view(request: HttpRequest, row_id: int) -> HttpResponse:
    """Say of each unit what it was found to be."""

    def do(data: dict[str, Any]) -> str:
        try:
            row = inspecting.inspect(
                row_id,
                data["findings"],
                note=data["note"],
                actor=staff_actor(request),
                files=data["photos"],
                version=data["version"],
                named=data["serials"],
            )
        except ChangedMeanwhile as refusal:
            raise showing.with_findings(refusal, data["findings"]) from refusal
        return _("Return %(number)s: %(state)s.") % {"number": row.number, "state": row.get_state_display()}

    return _on_page(request, row_id, INSPECT, InspectForm, do)


def grant_view(request: HttpRequest, row_id: int) -> HttpResponse:
    """Grant the money that was shown."""

    def do(data: dict[str, Any]) -> str:
        user = request.user
        assert user.is_authenticated  # noqa: S101 - for the type checker: the right was asked for
        grant = granting.grant(
            row_id,
            note=data["note"],
            actor=staff_actor(request),
            user=user,
            units=data["units"],
            followed_kept=data["followed_kept"],
            seen=Seen(data["cash"], data["gift_card"], data["points"]),
            version=data["version"],
        )
        if grant.state == GrantState.APPROVED:
            return _("%(number)s is granted.") % {"number": grant.number}
        return _("%(number)s waits for somebody who may grant it.") % {"number": grant.number}

    return _on_page(request, row_id, GRANT, GrantForm, do)


def cannot_repair_view(request: HttpRequest, row_id: int) -> HttpResponse:
    """Give the buyer something else in place of a repair."""

    def do(data: dict[str, Any]) -> str:
        return unrepairable.confirm(row_id, data, actor=staff_actor(request))

    return _on_page(request, row_id, WORK, InsteadForm, do)


@posted(WORK, RequestForm)
def request_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Ask for a return of units that were ticked on the order's page."""
    wanted = requesting.Wanted(data["kind"], data["units"], data["reason"].code, data["remark"], data["agreed_amount"])
    rows = requesting.request_each(
        order_id, wanted, actor=staff_actor(request), files=data["photos"], version=data["version"]
    )
    return _("Asked for: %(numbers)s.") % {"numbers": _(", ").join(row.number for row in rows)}


def photo_view(request: HttpRequest, photo_id: int) -> FileResponse:
    """A photo of a return."""
    if not request.user.has_perm("orders.view_returnrequest"):
        raise PermissionDenied
    photo = ReturnPhoto.objects.filter(pk=photo_id).first()
    if photo is None:
        raise Http404
    return photo_answer(photo)


def photo_answer(photo: ReturnPhoto | StrayPhoto) -> FileResponse:
    """A photo as a browser shows it, and nothing else of it."""
    response = FileResponse(photo.file.open("rb"), content_type=photo.media_type)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox"
    response["Cache-Control"] = "no-store"
    return response


@admin.register(ReturnReason)
class ReturnReasonAdmin(KeysetAdmin):
    """Reasons of returns; one that was ever used is switched off instead of deleted."""

    may_add = may_change = may_delete = True
    list_display = ("__str__", "fault", "needs_photo", "is_active")


@admin.register(ReturnRule)
class ReturnRuleAdmin(KeysetAdmin):
    """On which terms goods come back."""

    may_add = may_change = may_delete = True
    list_display = (
        *("__str__", "accepts_no_reason", "days", "fault_days", "approves_at_once", "decide_hours", "ship_days"),
        *("inspect_hours", "pays_on", "is_active"),
    )
    list_select_related = ("merchant",)
