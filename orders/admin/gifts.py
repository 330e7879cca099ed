"""Gift rules and the log of what they gave."""

from time import monotonic
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import KeysetAdmin, RowColumns
from oms.common.desk.seen import SeenForm
from oms.common.templatetags.staff import when
from orders.changing import gift_rehearsing, gifts
from orders.models import GiftGrant, GiftRule
from orders.models.gift_rule import GiftStanding


class GiftRuleForm(SeenForm):
    """Checks what one field cannot say of another."""

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError by field."""
        data = super().clean()
        gift = data.get("gift")
        if gift is not None and gift.is_placeholder:
            self.add_error("gift", _("Choose a SKU that there really is."))
        if data.get("per_units") and data.get("per_amount"):
            self.add_error("per_amount", _("Count by units or by amount, not by both."))
        return data


class RehearsalForm(forms.Form):
    """Asks over how many of the last orders."""

    orders = forms.IntegerField(
        label=gettext_lazy("Over the last orders"),
        min_value=1,
        max_value=gift_rehearsing.MOST_ORDERS,
        initial=gift_rehearsing.MOST_ORDERS,
    )


class GiftStandingFilter(DropdownFilter):
    """What became of gifts."""

    title = gettext_lazy("what became of it")
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All standings."""
        return [*GiftStanding.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[GiftGrant]) -> QuerySet[GiftGrant]:
        """Those of the chosen standing."""
        where = {
            str(GiftStanding.ALONG): Q(after_days=None),
            str(GiftStanding.PROMISED): Q(after_days__isnull=False, line=None, dropped=""),
            str(GiftStanding.SENT): Q(after_days__isnull=False, line__isnull=False),
            str(GiftStanding.DROPPED): ~Q(dropped=""),
        }.get(self.value() or "")
        return queryset if where is None else queryset.filter(where)


def told_of(grant: GiftGrant) -> SafeString | str:
    """What became of a gift, in words; `line__order` and the rule are read with it."""
    match grant.standing:
        case GiftStanding.SENT if grant.line:
            link = reverse("admin:orders_order_change", args=[grant.line.order_id])
            number = format_html('<a class="oms-no" href="{}">{}</a>', link, grant.line.order.number)
            return format_html(escape(_("Sent by order %(number)s")) % {"number": "{}"}, number)
        case GiftStanding.DROPPED:
            return _("Not sent: %(why)s") % {"why": grant.get_dropped_display()}
        case GiftStanding.PROMISED if not grant.rule.is_active:
            return _("Waits until its rule is on again")
        case GiftStanding.PROMISED if grant.ready_at:
            return _("Follows from %(day)s on") % {"day": when(grant.ready_at)}
        case GiftStanding.PROMISED:
            return _("Follows %(days)d days after completion") % {"days": grant.after_days}
    return str(grant.standing.label)


def _switch(on: bool, said: Any) -> Any:
    def do(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
        row = gifts.switch(row_id, on=on)
        return str(said) % {"name": row.name}

    return do


def _rehearse(request: HttpRequest, row_id: int, data: dict[str, Any]) -> HttpResponse:
    row = GiftRule.objects.select_related("gift").get(pk=row_id)
    begun = monotonic()
    found = gift_rehearsing.rehearse(row_id, data["orders"])
    context = {
        **admin.site.each_context(request),
        "title": _("Rehearsal of %(name)s") % {"name": row.name},
        "row": row,
        "found": found,
        "value": found.units * row.stated_value,
        "seconds": f"{monotonic() - begun:.1f}",
    }
    return TemplateResponse(request, "admin/orders/giftrule/rehearsal.html", context)


@admin.register(GiftRule)
class GiftRuleAdmin(RowActions):
    """What is given along with which orders; a rule that gave something is switched off instead of deleted."""

    may_add = may_change = True
    form = GiftRuleForm
    keyset = ("priority", "id")
    search_fields = ("name", "gift__code")
    search_help_text = gettext_lazy("Name, or SKU of the gift")
    list_display = (
        *("name", "is_active", "stopped_at", "priority", "is_exclusive", "gift", "after_days", "starts_at", "ends_at"),
    )
    list_select_related = ("gift",)
    autocomplete_fields = ("gift", "goods", "channels")
    readonly_fields = ("is_active", "stopped_at", "created_at")
    fieldsets = (
        (None, {"fields": ("name", "priority", "is_exclusive", "is_active", "stopped_at")}),
        (gettext_lazy("Which orders"), {"fields": ("channels", "regions", "time_kind", "starts_at", "ends_at")}),
        (
            gettext_lazy("Which goods, and how many"),
            {"fields": ("goods", "min_units", "min_amount", "min_order_amount")},
        ),
        (
            gettext_lazy("The gift"),
            {"fields": ("gift", "gift_units", "after_days", "stated_value", "per_units", "per_amount", "most_times")},
        ),
        (gettext_lazy("Limits"), {"fields": ("most_per_buyer", "within_days")}),
    )
    row_actions = (
        RowAction(
            "on",
            "orders.switch_giftrule",
            gettext_lazy("Switch on"),
            _switch(True, gettext_lazy("Rule %(name)s gives from now on.")),
            tone="primary",
            icon="play_arrow",
        ),
        RowAction(
            "off",
            "orders.switch_giftrule",
            gettext_lazy("Switch off"),
            _switch(False, gettext_lazy("Rule %(name)s gives nothing from now on.")),
            icon="pause",
            hint=gettext_lazy("What it promised for after completion waits until it is switched on again."),
        ),
        RowAction(
            "rehearse",
            "orders.switch_giftrule",
            gettext_lazy("Rehearse"),
            _rehearse,
            form=RehearsalForm,
            icon="science",
            hint=gettext_lazy("Shows what it would have given; nothing is written."),
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """With the version that was looked at, where somebody may save over it."""
        (title, first), *rest = super().get_fieldsets(request, obj)
        seen = ("seen_version",) if obj is not None and self.has_change_permission(request, obj) else ()
        return [(title, {**first, "fields": (*first["fields"], *seen)}), *rest]

    def fitting_actions(self, row: GiftRule) -> list[str]:
        """On or off, and the rehearsal always."""
        return ["off" if row.is_active else "on", "rehearse"]


@admin.register(GiftGrant)
class GiftGrantAdmin(RowColumns, KeysetAdmin):
    """The log: which rule gave or promised what to which order, by which figures, and what became of it."""

    search_fields = ("order__number",)
    search_help_text = gettext_lazy("Order number")
    list_display = ("order_link", "rule", "gift", "units", "reason", "outcome", "granted_at")
    list_select_related = ("order", "rule__gift", "line__sku", "line__order")
    list_filter = (("rule", RelatedDropdownFilter), GiftStandingFilter)
    fields = readonly_fields = ("order_link", "rule", "gift", "units", "reason", "outcome", "granted_at")
    shown_by: ClassVar[dict[str, str]] = {"why": "reason"}

    @display(description=gettext_lazy("gift"))
    def gift(self, grant: GiftGrant) -> str:
        """The SKU that was given."""
        return grant.sku_code

    @display(description=gettext_lazy("what became of it"))
    def outcome(self, grant: GiftGrant) -> SafeString | str:
        """Whether it came along, follows, was sent afterwards, or why not."""
        return told_of(grant)

    @display(description=gettext_lazy("reason"))
    def reason(self, grant: GiftGrant) -> str:
        """By which figures the rule decided."""
        text = _("%(units)s units for ¥%(amount)s count: %(times)s time(s)")
        return text % {name: grant.why.get(name, "–") for name in ("units", "amount", "times")}
