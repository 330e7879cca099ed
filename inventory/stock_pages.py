"""The staff's pages of stock: what lies where and why, batches, and single changes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from inventory import adjusting, demands, lots, purchasing, transferring
from inventory.adjusting import Action, Adjustment
from inventory.filters import found_skus
from inventory.models import (
    AdjustmentReason,
    LotMovement,
    MovementNote,
    Quality,
    ReplenishmentPolicy,
    Sku,
    Stock,
    StockAdjustment,
    StockComparison,
    StockDifference,
    StockLot,
    StockMovement,
)
from oms.common.codebook import ACTORS
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.desk.lists import KeysetAdmin, YesFilter, staff_actor_name
from oms.common.errors import OmsError
from oms.common.models import ClockTime

ADJUST = "inventory.adjust_stock"
# Of what happened to a stock row so much is shown on its page.
MOST_MOVEMENTS = 60


class ReadStock:
    """Columns of stock rows and what belongs to them."""

    @display(description=gettext_lazy("SKU"))
    def sku_code(self, row: Any) -> str:
        """The SKU's code and name."""
        return str(_stock_of(row).sku)

    @display(description=gettext_lazy("Whose goods"))
    def owner(self, row: Any) -> str:
        """The code of the merchant whose units they are, which may lie in a warehouse of another."""
        return _stock_of(row).sku.merchant.code

    @display(description=gettext_lazy("warehouse"))
    def warehouse_code(self, row: Any) -> str:
        """The warehouse's code and name."""
        return str(_stock_of(row).warehouse)


def _stock_of(row: Any) -> Stock:
    return row if isinstance(row, Stock) else row.stock


class AlertFilter(YesFilter):
    """Rows that have come down to their reorder point."""

    title = gettext_lazy("below the alert line")
    parameter_name = "below_alert"

    @staticmethod
    def condition(stock: QuerySet[Any]) -> QuerySet[Any]:
        """Those whose free units are not above it; where there is a policy, those whose position is not."""
        policies = ReplenishmentPolicy.objects.filter(
            is_active=True, warehouse_id=OuterRef("warehouse_id"), sku_id=OuterRef("sku_id")
        )
        is_low = Q(reorder_point__gt=0, on_hand__lte=F("reserved") + F("frozen") + F("reorder_point"))
        return stock.filter(Exists(policies.filter(below_since__isnull=False)) | is_low & ~Exists(policies))


class ExpiringFilter(DropdownFilter):
    """Rows of which good units expire soon."""

    title = gettext_lazy("expiring")
    parameter_name = "expiring"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Within how many days."""
        return [(str(days), _("within %(days)d days") % {"days": days}) for days in (0, 7, 30, 90)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those with a batch that is best before then."""
        value = self.value()
        if not value or not value.isdigit():
            return queryset
        last = lots.in_days(min(int(value), 3650))
        batches = StockLot.objects.filter(quality=Quality.GOOD, on_hand__gt=0, best_before__lte=last)
        is_lot = queryset.model is StockLot
        return queryset.filter(pk__in=batches.values("pk" if is_lot else "stock"))


class _AdjustForm(VersionForm):
    action = forms.ChoiceField(
        label=gettext_lazy("What to do"), choices=Action.choices, widget=forms.Select(attrs=INPUT)
    )
    units = forms.IntegerField(label=gettext_lazy("units"), min_value=1, widget=forms.NumberInput(attrs=INPUT))
    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"), choices=AdjustmentReason.choices, widget=forms.Select(attrs=INPUT)
    )
    lot = forms.CharField(
        label=gettext_lazy("batch (where kept)"), max_length=40, required=False, widget=forms.TextInput(attrs=INPUT)
    )
    remark = forms.CharField(
        label=gettext_lazy("note"), max_length=200, required=False, widget=forms.TextInput(attrs=INPUT)
    )


class _QualityForm(_AdjustForm):
    action = None  # type: ignore[assignment]
    source = forms.ChoiceField(
        label=pgettext_lazy("quality", "from"), choices=Quality.choices, widget=forms.Select(attrs=INPUT)
    )
    target = forms.ChoiceField(
        label=pgettext_lazy("quality", "to"), choices=Quality.choices, widget=forms.Select(attrs=INPUT)
    )
    field_order = ("version", "units", "source", "target", "reason", "lot", "remark")


def _wanted(stock_id: int, data: Mapping[str, Any], quality: str) -> Adjustment:
    lot_id = None
    if data["lot"]:
        lot_id = (
            StockLot.objects.filter(stock=stock_id, quality=quality, lot=data["lot"], on_hand__gt=0)
            .order_by("best_before", "pk")
            .values_list("pk", flat=True)
            .first()
        )
        if lot_id is None:
            raise OmsError(_("This batch does not belong to the stock."), attr="lot")
    return Adjustment(data["units"], AdjustmentReason(data["reason"]), data["remark"], lot_id)


def _adjust(request: HttpRequest, stock_id: int, data: dict[str, Any]) -> str:
    stock = adjusting.adjust(
        stock_id,
        Action(data["action"]),
        _wanted(stock_id, data, Quality.GOOD),
        actor=staff_actor_name(request),
        version=data["version"],
    )
    text = _("On hand now: %(on_hand)d, of these frozen: %(frozen)d.")
    return text % {"on_hand": stock.on_hand, "frozen": stock.frozen}


def _change_quality(request: HttpRequest, stock_id: int, data: dict[str, Any]) -> str:
    stock = adjusting.change_quality(
        stock_id,
        data["source"],
        data["target"],
        _wanted(stock_id, data, data["source"]),
        actor=staff_actor_name(request),
        version=data["version"],
    )
    text = ngettext("%(on_hand)d good unit is on hand now.", "%(on_hand)d good units are on hand now.", stock.on_hand)
    return text % {"on_hand": stock.on_hand}


@admin.register(Stock)
class StockAdmin(ReadStock, RowActions):
    """What lies where. Units change only through the ledger; staff set the figures that steer replenishment, and put
    single figures right with a reason."""

    # Apps above that know more of stock add filters of theirs.
    more_filters: ClassVar[list[Any]] = []

    may_change = True
    search_fields = ("sku__code", "sku__name", "sku__barcodes__code")
    search_help_text = gettext_lazy("SKU code, name or barcode")
    list_display = (
        *("sku_code", "owner", "warehouse_code", "units_available", "on_hand", "reserved", "frozen", "safety_stock"),
        *("units_on_order", "units_in_transit", "reorder_point"),
    )
    list_select_related = ("sku__merchant", "warehouse")
    fields = (
        ("sku", "owner", "warehouse"),
        ("units_available", "on_hand"),
        ("reserved", "frozen"),
        ("units_on_order", "units_in_transit"),
        ("safety_stock", "reorder_point"),
        ("reorder_quantity", "bin"),
        "portions",
        "story",
    )
    readonly_fields = (
        *("sku", "owner", "warehouse", "on_hand", "reserved", "frozen", "units_available", "units_on_order"),
        *("units_in_transit", "portions", "story"),
    )
    row_actions = (
        RowAction(
            "adjust",
            ADJUST,
            gettext_lazy("Adjust"),
            _adjust,
            _AdjustForm,
            tone="primary",
            icon="tune",
            hint=gettext_lazy("For a single figure. What is promised to orders is not touched: count it then."),
        ),
        RowAction(
            "change_quality",
            ADJUST,
            gettext_lazy("Change the quality"),
            _change_quality,
            _QualityForm,
            icon="swap_horiz",
            hint=gettext_lazy("Only good units are sold."),
        ),
    )

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Its own, and those of apps above."""
        places = [("warehouse", RelatedDropdownFilter), ("sku__merchant", RelatedDropdownFilter)]
        return [*places, AlertFilter, ExpiringFilter, *self.more_filters]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Stock], search_term: str
    ) -> tuple[QuerySet[Stock], bool]:
        """By the SKU's code, barcode or name."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(sku__in=found_skus(Sku.objects.all(), search_term).values("pk")), False

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """What of the page's rows is on order and in transit. Two statements."""
        places = {(row.warehouse_id, row.sku_id) for row in rows}
        on_order = purchasing.on_order(places) if rows else {}
        in_transit = transferring.in_transit(places) if rows else {}
        for row in rows:
            place = (row.warehouse_id, row.sku_id)
            row.coming = {"on_order": on_order[place], "in_transit": in_transit[place]}

    def save_model(self, request: HttpRequest, obj: Stock, form: forms.ModelForm, change: bool) -> None:
        """Only what steers: units may have changed since the page was drawn. Fewer units kept back wake who waits."""
        values: dict[str, Any] = {name: form.cleaned_data[name] for name in form.changed_data}
        if "safety_stock" in values:
            values["wakes_backorders_since"] = ClockTime()
        if values:
            Stock.objects.filter(pk=obj.pk).update(**values)

    @display(description=gettext_lazy("available"))
    def units_available(self, stock: Stock) -> int:
        """Units that can still be promised."""
        return stock.available

    @display(description=gettext_lazy("on order"))
    def units_on_order(self, stock: Stock) -> int:
        """Units that were bought and are not there yet."""
        place = (stock.warehouse_id, stock.sku_id)
        return stock.coming["on_order"] if hasattr(stock, "coming") else purchasing.on_order({place})[place]

    @display(description=gettext_lazy("in transit"))
    def units_in_transit(self, stock: Stock) -> int:
        """Units that left another warehouse for this one and are not there yet."""
        place = (stock.warehouse_id, stock.sku_id)
        return stock.coming["in_transit"] if hasattr(stock, "coming") else transferring.in_transit({place})[place]

    @display(description=gettext_lazy("batches and qualities"))
    def portions(self, stock: Stock) -> SafeString | str:
        """Units that are told apart, what expires first first."""
        rows = stock.lots.exclude(on_hand=0).order_by("quality", F("best_before").asc(nulls_last=True), "pk")
        return render_to_string("admin/inventory/portions.html", {"rows": rows, "today": lots.today()}) if rows else "–"

    @display(description=gettext_lazy("ledger"))
    def story(self, stock: Stock) -> SafeString | str:
        """What happened to it last, in words, with what was there then."""
        moves = list(stock.movements.order_by("-id")[:MOST_MOVEMENTS])
        on_hand, reserved, frozen = stock.on_hand, stock.reserved, stock.frozen
        named = demands.shown((move.demand_kind, move.demand_id) for move in moves)
        rows = []
        for move in moves:
            whom = named.get((move.demand_kind, move.demand_id))
            rows.append((move, whom, on_hand, reserved, frozen, ACTORS.word(move.actor) or "–", note_words(move.note)))
            on_hand -= move.on_hand_change
            reserved -= move.reserved_change
            frozen -= move.frozen_change
        return render_to_string("admin/inventory/story.html", {"rows": rows}) if rows else "–"


def note_words(note: str) -> str:
    """What was noted on a movement, in words where it is a code."""
    codes = dict(MovementNote.choices) | dict(AdjustmentReason.choices)
    return str(codes.get(note, note)) or "–"


class _Ledger(ReadStock, KeysetAdmin):
    """A ledger. It is only read."""

    search_help_text = gettext_lazy("SKU code")
    shown_by: ClassVar[Mapping[str, str]] = {"actor": "actor_words", "note": "note_words"}
    list_filter = (("kind", ChoicesDropdownFilter),)

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """What the page's rows are for. One statement a kind of it."""
        named = demands.shown((row.demand_kind, row.demand_id) for row in rows)
        for row in rows:
            row.for_whom = named.get((row.demand_kind, row.demand_id))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row of a page of its own, prepared like those of the list."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.prepare_rows(request, [row])
        return row

    @display(description=pgettext_lazy("stock movement", "for"))
    def whom(self, movement: Any) -> SafeString | str:
        """The order, transfer or return that it is for, linked to its page."""
        found = movement.for_whom
        return format_html('<a class="oms-link oms-nowrap" href="{}">{}</a>', found.url, found.text) if found else "–"

    @display(description=gettext_lazy("actor"))
    def actor_words(self, movement: Any) -> str:
        """Who did it: a person by name, others in words."""
        return ACTORS.word(movement.actor) or "–"

    @display(description=gettext_lazy("note"))
    def note_words(self, movement: Any) -> str:
        """What was noted, in words where the system did it."""
        return note_words(movement.note)


@admin.register(StockMovement)
class StockMovementAdmin(_Ledger):
    """The ledger of stock."""

    search_fields = ("stock__sku__code",)
    list_display = (
        *(
            "created_at",
            "sku_code",
            "owner",
            "warehouse_code",
            "kind",
            "on_hand_change",
            "reserved_change",
            "frozen_change",
        ),
        *("whom", "actor_words", "note_words"),
    )
    list_select_related = ("stock__sku__merchant", "stock__warehouse")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StockMovement], search_term: str
    ) -> tuple[QuerySet[StockMovement], bool]:
        """The newest movements of the SKU, found through its few stock rows."""
        if not search_term.strip():
            return queryset, False
        stock = Stock.objects.filter(sku__code=search_term.strip()).values_list("pk", flat=True)
        return queryset.filter(stock__in=list(stock)), False


@admin.register(LotMovement)
class LotMovementAdmin(_Ledger):
    """The ledger of batches and qualities."""

    search_fields = ("lot__lot",)
    search_help_text = gettext_lazy("batch")
    list_display = (
        *("created_at", "lot", "kind", "on_hand_change", "reserved_change", "frozen_change"),
        *("actor_words", "note_words"),
    )
    list_select_related = ("lot",)


@admin.register(StockLot)
class StockLotAdmin(ReadStock, KeysetAdmin):
    """Batches and qualities: what expires when, and what is not sold."""

    search_fields = ("lot", "stock__sku__code")
    search_help_text = gettext_lazy("batch or SKU code")
    list_display = (
        *("sku_code", "owner", "warehouse_code", "quality", "lot", "best_before", "on_hand", "reserved", "frozen"),
    )
    list_select_related = ("stock__sku__merchant", "stock__warehouse")
    list_filter = (
        ("quality", ChoicesDropdownFilter),
        ExpiringFilter,
        ("stock__warehouse", RelatedDropdownFilter),
    )


@admin.register(StockAdjustment)
class StockAdjustmentAdmin(ReadStock, KeysetAdmin):
    """What people put right, and why."""

    search_fields = ("stock__sku__code",)
    search_help_text = gettext_lazy("SKU code")
    list_display = (
        *("created_at", "sku_code", "owner", "warehouse_code", "action_words", "units", "reason", "remark", "actor"),
    )
    shown_by: ClassVar[Mapping[str, str]] = {"action": "action_words"}
    list_select_related = ("stock__sku__merchant", "stock__warehouse")
    list_filter = (("reason", ChoicesDropdownFilter),)

    @display(description=gettext_lazy("what was done"))
    def action_words(self, adjustment: StockAdjustment) -> str:
        """The action in words."""
        return str(dict(Action.choices).get(adjustment.action, StockMovement.Kind.QUALITY.label))


class _Differences(TabularInline):
    model = StockDifference
    fields = readonly_fields = ("code", "quality", "ours", "theirs")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only reports make them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only reports make them."""
        return False


@admin.register(StockComparison)
class StockComparisonAdmin(KeysetAdmin):
    """What warehouses reported, with what differs."""

    inlines = (_Differences,)
    list_display = ("reported_at", "warehouse", "compared", "differing")
    list_select_related = ("warehouse",)
    list_filter = (("warehouse", RelatedDropdownFilter),)
