"""Sub-orders and holds."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns
from orders import actors
from orders.admin import exporting, shortages
from orders.admin.part_filters import DoingFilter, ShortFilter
from orders.fulfilling import decisions
from orders.models import CancelReason, Hold, SubOrder, SubOrderLine
from orders.models.shares import SHARES
from orders.reviewing import words
from orders.telling.story import REASONS, shortage_text


class SubOrderLineInline(TabularInline):
    """The lines of a sub-order."""

    model = SubOrderLine
    fields = readonly_fields = (
        "order_line",
        "quantity",
        *SHARES,
    )
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[SubOrderLine]:
        """With what the rows show of other tables."""
        return super().get_queryset(request).select_related("order_line")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only the split writes lines."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only the split writes lines."""
        return False


@admin.register(SubOrder)
class SubOrderAdmin(ExportMixin, RowColumns, KeysetAdmin):
    """What warehouses ship. Actions are on the order's page."""

    export = exporting.SUB_ORDERS

    search_fields = ("number", "order__number")
    search_help_text = _("Sub-order or order number")
    list_display = (
        "number",
        "order_link",
        "state_label",
        "merchant",
        "warehouse",
        "storage_class",
        "total_quantity",
        "payable_amount",
        "created_at",
    )
    list_select_related = ("order", "merchant", "warehouse")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("storage_class", ChoicesDropdownFilter),
        ("merchant", RelatedDropdownFilter),
        ("warehouse", RelatedDropdownFilter),
        DoingFilter,
        ShortFilter,
        NeedsPersonFilter,
    )
    inlines = (SubOrderLineInline,)
    shown_by: ClassVar[Mapping[str, str]] = {"sourcing": "sourcing_words", "shortage": "shortage_words"}

    def get_urls(self) -> list[URLPattern]:
        """The page of shortages before those of the rows."""
        return shortages.urls() + super().get_urls()

    @display(description=_("sourcing"))
    def sourcing_words(self, part: SubOrder) -> SafeString | str:
        """Which warehouses were looked at, how far each is, what became of it, and how a parcel would have gone."""
        decision = decisions.of([part])[part.pk]
        rows = ((one.code, one.km, one.verdict, one.way) for one in decision.candidates)
        table = format_html_join("", "<tr><td>{}</td><td>{} km</td><td>{}</td><td>{}</td></tr>", rows)
        sentences = format_html_join("", "<p>{}</p>", ((sentence,) for sentence in decision.sentences))
        return format_html('<table class="oms-table"><tbody>{}</tbody></table>{}', table, sentences) if table else "–"

    @display(description=_("shortage"))
    def shortage_words(self, part: SubOrder) -> str:
        """How many units of what are missing."""
        return shortage_text(part.shortage) or "–"


class OpenFilter(DropdownFilter):
    """Open ones unless others are asked for."""

    title = _("which ones")
    parameter_name = "which"
    all_option = ["", _("Open ones")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What else can be asked for."""
        return [("released", _("Released ones")), ("all", _("All"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Hold]) -> QuerySet[Hold]:
        """Holds that are open, released, or all."""
        if self.value() == "all":
            return queryset
        return queryset.filter(released_at__isnull=self.value() != "released")


@admin.register(Hold)
class HoldAdmin(RowColumns, KeysetAdmin):
    """Why orders may not go on. They are released on the order's page."""

    search_fields = ("order__number",)
    search_help_text = _("Order number")
    list_display = ("why", "order_link", "kind", "opened_at", "opener", "released_at", "releaser")
    list_select_related = ("order",)
    list_filter = (OpenFilter, ("kind", ChoicesDropdownFilter), ("rule", RelatedDropdownFilter))
    fields = (("order_link", "kind"), ("why", "rule"), ("opened_at", "opener"), ("released_at", "releaser"), "note")
    readonly_fields = sum(((row,) if isinstance(row, str) else row for row in fields), ())

    @display(description=_("reason"))
    def why(self, hold: Hold) -> str:
        """Why the order is held."""
        return words.why(hold)

    @display(description=_("opened by"))
    def opener(self, hold: Hold) -> str:
        """Who stopped it."""
        return words.opener(hold)

    @display(description=_("released by"))
    def releaser(self, hold: Hold) -> str:
        """Who let it go on."""
        return actors.word(hold.released_by)

    @display(description=_("note on release"))
    def note(self, hold: Hold) -> str:
        """What was said then."""
        return REASONS.word(hold.release_note)


@admin.register(CancelReason)
class CancelReasonAdmin(KeysetAdmin):
    """Why orders are cancelled; a reason that was ever chosen is switched off instead of deleted."""

    may_add = may_change = True
    list_display = ("__str__", "code", "bearer", "for_staff", "for_merchants", "for_buyers", "is_active")
