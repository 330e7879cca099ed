"""What was refused on its way in, and what merchants want their buyers told."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.fernet import InvalidToken
from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from oms.common.desk import acting
from oms.common.desk.acting import VersionForm
from oms.common.desk.lists import KeysetAdmin, RowColumns
from oms.common.errors import OmsError
from oms.common.masking import mask_name, mask_phone, mask_text
from orders.admin.staff import staff_actor
from orders.asked.panels import Panel, register
from orders.intake import rejecting
from orders.intake.placing import Refused
from orders.models import BuyerNotification, Order, RejectedOrder

logger = logging.getLogger(__name__)

_SEES_PERSONAL_DATA = "orders.view_personal_data"
MOST_LINES = 400
MOST_MESSAGES = 10
# Of an order in JSON, what tells nothing of a person. A key that is not known may be a slip for one that does.
_SHOWN = frozenset(
    {
        *("external_number", "source", "ordered_at", "payment_method", "promise", "merchant", "sku", "quantity"),
        *("unit_price", "line_discount", "freight_amount", "coupon_amount", "gift_card_amount", "payable_amount"),
        *("platform_amount", "merchant_amount", "adjustment_amount", "adjustment_bearer", "paid_at"),
        *("used", "amount", "region_code", "province", "city", "district"),
    }
)


def _opened(row: RejectedOrder) -> str | None:
    """The row as it came; None where no key opens it."""
    try:
        return row.opened()
    except InvalidToken:
        logger.warning("no key opens refused row %d", row.pk)
        return None


def _set_out(text: str) -> str:
    """JSON indented for reading; anything else as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def masked_body(text: str) -> str:
    """The row as it came, set out for reading, without what tells who the people are; empty where it is not JSON.

    Of what is no order nobody can say where names and addresses stand.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(body, dict):
        return ""
    lines = json.dumps(_masked(body), ensure_ascii=False, indent=2).splitlines()
    return "\n".join(lines[:MOST_LINES] + ["…"] * (len(lines) > MOST_LINES))


def _masked(value: Any, keys: tuple[str, ...] = ()) -> Any:
    if isinstance(value, dict):
        return {mask_text(name)[:60]: _masked(held, (*keys, name)) for name, held in value.items()}
    if isinstance(value, list):
        return [_masked(held, keys) for held in value]
    if value is None or value == "" or isinstance(value, bool):
        return value
    key = keys[-1] if keys else ""
    if key in _SHOWN or (key == "name" and "lines" in keys):
        return mask_text(value) if isinstance(value, str) else value
    match key:
        case "name":
            return mask_name(str(value))
        case "phone":
            return mask_phone(str(value))
    return "…"


def error_lines(row: RejectedOrder) -> list[tuple[str, str, str]]:
    """What was wrong with the row, as (field, code, what to do about it)."""
    return [(e.get("attr") or "–", str(e.get("code", "")), mask_text(str(e.get("detail", "")))) for e in row.errors]


class RefusedColumns:
    """What pages of refused rows show of them; mix it into a KeysetAdmin."""

    @staticmethod
    def without_bodies(request: HttpRequest, rows: QuerySet[RejectedOrder]) -> QuerySet[RejectedOrder]:
        """The rows; a list of them is read without what only a row's own page shows."""
        match = request.resolver_match
        return rows.defer("body", "body_digest") if match and (match.url_name or "").endswith("_changelist") else rows

    @display(description=gettext_lazy("what was wrong"))
    def reasons(self, row: RejectedOrder) -> SafeString:
        """The first thing that was wrong, and how many more."""
        found = error_lines(row)
        if not found:
            return format_html("–")
        attr, _code, detail = found[0]
        more = len(found) - 1
        rest = ngettext("and one more", "and %(count)d more", more) % {"count": more} if more else ""
        return format_html('<span class="oms-no">{}</span> {} <span class="oms-sub">{}</span>', attr, detail, rest)

    @display(description=gettext_lazy("what was wrong"))
    def errors_table(self, row: RejectedOrder) -> SafeString:
        """Every wrong field, and what to do about it."""
        return format_html(
            '<table class="oms-table"><thead><tr><th>{}</th><th>{}</th><th>{}</th></tr></thead>'
            "<tbody>{}</tbody></table>",
            _("Field"),
            _("Rule"),
            _("What to do"),
            format_html_join(
                "",
                '<tr><td class="oms-no">{}</td><td class="oms-no">{}</td><td>{}</td></tr>',
                error_lines(row),
            ),
        )

    @display(description=gettext_lazy("the row as it came"))
    def body_text(self, row: RejectedOrder) -> SafeString | str:
        """The body, without personal data."""
        if row.state == RejectedOrder.State.DISCARDED:
            return _("It was discarded: the body is forgotten.")
        body = _opened(row)
        if body is None:
            return _("no key opens them")
        text = masked_body(body)
        if not text:
            detail = _(
                "It is no order in JSON (%(count)d characters). Nobody knows where names stand: it is not shown."
            )
            return detail % {"count": len(body)}
        return format_html('<pre class="oms-pre" tabindex="0">{}</pre>', text)


@admin.register(RejectedOrder)
class RejectedOrderAdmin(RefusedColumns, RowColumns, KeysetAdmin):
    """Rows that were refused, and why. Merchants correct them; staff replay them once a cause on our side is gone."""

    search_fields = ("external_number",)
    search_help_text = gettext_lazy("External number")
    list_display = ("__str__", "merchant_code", "door", "state_label", "reasons", "times", "last_at", "order_link")
    list_filter = (
        ("merchant", RelatedDropdownFilter),
        ("door", ChoicesDropdownFilter),
        ("state", ChoicesDropdownFilter),
    )
    fields = (
        ("external_number", "merchant_code"),
        ("door", "state_label"),
        ("times", "order_link"),
        ("created_at", "last_at"),
        ("keep_until", "version"),
        "errors_table",
        "body_text",
    )
    readonly_fields = sum(((row,) if isinstance(row, str) else row for row in fields), ())
    actions = ("replay_selected",)
    change_form_outer_after_template = "admin/orders/rejectedorder/row_actions.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RejectedOrder]:
        """The list needs no bodies."""
        return self.without_bodies(request, super().get_queryset(request).select_related("merchant", "order"))

    @display(description=gettext_lazy("merchant"))
    def merchant_code(self, row: RejectedOrder) -> str:
        """Whose it is."""
        return row.merchant.code

    # --- Actions

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm("orders.replay_rejectedorder")

    def get_urls(self) -> list[URLPattern]:
        """Each action has its own address."""
        wrap, name = self.admin_site.admin_view, "orders_rejectedorder"
        return [
            path("<int:row_id>/replay/", wrap(self.replay_view), name=f"{name}_replay"),
            path("<int:row_id>/open/", wrap(self.open_view), name=f"{name}_open"),
            path("<int:row_id>/discard/", wrap(self.discard_view), name=f"{name}_discard"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The row, and what may be done with it."""
        row = self.get_object(request, object_id)
        may = row is not None and row.state == RejectedOrder.State.OPEN and self.has_replay_permission(request)
        may_open = row is not None and row.body is not None and request.user.has_perm(_SEES_PERSONAL_DATA)
        context = {"row": row, "may_replay": may, "may_open": may_open, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def open_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """The row as it came, names and all, for those who may see them; the log says who looked."""

        def show(_data: dict[str, Any]) -> HttpResponse:
            row = RejectedOrder.objects.get(pk=row_id)
            body = _opened(row)
            if body is None:
                raise OmsError(_("no key opens them"))
            logger.info("refused row %d was read with personal data by user %s", row.pk, request.user.pk)
            return TemplateResponse(
                request,
                "admin/orders/rejectedorder/opened.html",
                {**self.admin_site.each_context(request), "title": str(row), "row": row, "body": _set_out(body)},
            )

        return self._act(request, row_id, show, may=request.user.has_perm(_SEES_PERSONAL_DATA), form_class=forms.Form)

    def replay_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Send the row in again as it came."""

        def replay(data: dict[str, Any]) -> str:
            return self._replay(request, row_id, data["version"])

        return self._act(request, row_id, replay, may=self.has_replay_permission(request))

    def discard_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Close the row and forget its body."""

        def discard(data: dict[str, Any]) -> str:
            rejecting.discard(row_id, version=data["version"])
            return _("The row is discarded.")

        return self._act(request, row_id, discard, may=self.has_replay_permission(request))

    @action(description=gettext_lazy("Replay the selected rows"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[RejectedOrder]) -> None:
        """Send each in again as it came; a message says what became of it."""
        for row in queryset.order_by("pk"):
            try:
                messages.success(request, self._replay(request, row.pk, row.version))
            except OmsError as refusal:
                messages.error(request, f"{row}: {refusal}")

    @staticmethod
    def _replay(request: HttpRequest, row_id: int, version: int) -> str:
        """What became of it. Raises OmsError where it is refused again."""
        outcome = rejecting.replay(row_id, None, actor=staff_actor(request), version=version)
        if isinstance(outcome, Refused):
            first = outcome.errors[0]
            values = {"field": first.attr or "–", "detail": mask_text(first.detail)}
            raise OmsError(_("Refused again: %(field)s: %(detail)s") % values)
        return _("It is order %(number)s now.") % {"number": outcome.number}

    def _act(
        self,
        request: HttpRequest,
        row_id: int,
        do: Callable[[dict[str, Any]], HttpResponse | str],
        *,
        may: bool,
        form_class: type[forms.Form] = VersionForm,
    ) -> HttpResponse:
        return acting.act(
            request,
            do,
            may=may and self.has_view_permission(request),
            page=reverse("admin:orders_rejectedorder_change", args=[row_id]),
            form_class=form_class,
        )


@admin.register(BuyerNotification)
class BuyerNotificationAdmin(RowColumns, KeysetAdmin):
    """Messages that merchants want their buyers told. What they say is sealed: staff see that there is one, and how
    it begins.
    """

    search_fields = ("buyer_reference",)
    search_help_text = gettext_lazy("Buyer")
    list_display = ("__str__", "merchant_code", "buyer_reference", "kind", "hint", "state_label", "created_at")
    list_filter = (("merchant", RelatedDropdownFilter), ("state", ChoicesDropdownFilter))
    fields = (("merchant_code", "buyer_reference"), ("kind", "hint"), ("state_label", "created_at"))
    readonly_fields = sum(fields, ())

    def get_queryset(self, request: HttpRequest) -> QuerySet[BuyerNotification]:
        """Without the content, which no page of the staff's opens."""
        return super().get_queryset(request).select_related("merchant").defer("content")

    @display(description=gettext_lazy("merchant"))
    def merchant_code(self, row: BuyerNotification) -> str:
        """Who wants it told."""
        return row.merchant.code


# --- The order's page


def _around(order: Order) -> Mapping[str, Any] | None:
    """The refused rows that became the order, and the newest messages to its buyer from its merchant."""
    refused = list(RejectedOrder.objects.filter(order=order).defer("body", "body_digest").order_by("id"))
    told = BuyerNotification.objects.filter(
        buyer_reference=order.buyer_reference, merchant=order.channel.merchant_id
    ).defer("content")
    told_now = list(told.order_by("-id")[:MOST_MESSAGES])
    if not (refused or told_now):
        return None
    return {"refused": refused, "told": told_now}


register(Panel(gettext_lazy("Refused rows and messages"), "admin/orders/order/intake_panel.html", _around, position=90))
