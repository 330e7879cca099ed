"""The staff's pages of this app."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminDecimalFieldWidget

from inventory.models import MovementNote, Region, Sku, Stock, StockMovement, StorageClass, Warehouse
from inventory.promising import pages  # noqa: F401 - the pages of promises
from oms.common.codebook import ACTORS
from oms.common.desk.lists import KeysetAdmin

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


def _degrees(label: "str | _StrPromise", most: int) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        min_value=-most,
        max_value=most,
        required=False,
        help_text=_("Degrees; empty: those of the region."),
        widget=UnfoldAdminDecimalFieldWidget,
    )


@admin.register(Region)
class RegionAdmin(KeysetAdmin):
    """Divisions, taken over from the reference data; whether a region is served is said here."""

    may_change = True
    readonly_fields = ("code", "province", "city", "district", "longitude", "latitude", "precision")
    keyset = ("code",)
    search_fields = ("code", "province", "city", "district")
    list_display = ("code", "province", "city", "district", "is_served", "longitude", "latitude", "precision")
    list_filter = ("is_served",)
    actions = ("serve", "serve_no_longer")

    @admin.action(description=_("Serve the selected regions"), permissions=["change"])
    def serve(self, request: HttpRequest, regions: QuerySet[Region]) -> None:
        """Let orders to the regions go on; those that wait are released by their holds."""
        regions.update(is_served=True)

    @admin.action(description=_("Serve the selected regions no longer"), permissions=["change"])
    def serve_no_longer(self, request: HttpRequest, regions: QuerySet[Region]) -> None:
        """Let new orders to the regions wait for a person."""
        regions.update(is_served=False)


@admin.register(Sku)
class SkuAdmin(KeysetAdmin):
    """Articles; merchants and files bring them in, here they are looked up and taken off sale."""

    may_change = True
    search_fields = ("code",)
    search_help_text = _("SKU code")
    list_display = ("code", "name", "merchant", "storage_class", "weight_g", "list_price", "is_active")
    list_select_related = ("merchant",)
    list_filter = (("merchant", RelatedDropdownFilter), ("storage_class", ChoicesDropdownFilter))
    readonly_fields = ("merchant", "code", "storage_class")


class WarehouseForm(forms.ModelForm):
    """A warehouse: what it stores is chosen, and where it lies follows from its region unless said."""

    storage_classes = forms.MultipleChoiceField(
        label=_("storage classes"), choices=StorageClass.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    longitude = _degrees(_("longitude"), 180)
    latitude = _degrees(_("latitude"), 90)

    def clean(self) -> dict[str, Any]:
        """Take what was left empty from the region."""
        given = super().clean() or self.cleaned_data
        region = given.get("region")
        for name in ("longitude", "latitude"):
            if given.get(name) is None and region is not None:
                given[name] = getattr(region, name)
        return given


@admin.register(Warehouse)
class WarehouseAdmin(KeysetAdmin):
    """Warehouses: where they are, what they store and whom they serve."""

    form = WarehouseForm
    may_add = may_change = True
    keyset = ("code",)
    search_fields = ("code", "name")
    list_display = ("code", "name", "merchant", "kind", "region", "daily_capacity", "is_active")
    list_select_related = ("merchant", "region")
    list_filter = (("merchant", RelatedDropdownFilter), ("kind", ChoicesDropdownFilter))
    autocomplete_fields = ("region",)

    def get_readonly_fields(self, request: HttpRequest, obj: Warehouse | None = None) -> tuple[str, ...]:
        """Files and timelines name a warehouse by its code: it never changes."""
        return ("code", "merchant") if obj else ()


class ReadStock:
    """Columns of stock rows and what belongs to them."""

    @display(description=_("SKU"))
    def sku_code(self, row: Stock | StockMovement) -> str:
        """The SKU's code and name."""
        stock = row if isinstance(row, Stock) else row.stock
        return str(stock.sku)

    @display(description=_("warehouse"))
    def warehouse_code(self, row: Stock | StockMovement) -> str:
        """The warehouse's code and name."""
        stock = row if isinstance(row, Stock) else row.stock
        return str(stock.warehouse)


@admin.register(Stock)
class StockAdmin(ReadStock, KeysetAdmin):
    """What lies where. Units change only through the ledger; staff set the figures that steer replenishment."""

    may_change = True
    search_fields = ("sku__code",)
    search_help_text = _("SKU code")
    list_display = ("sku_code", "warehouse_code", "on_hand", "reserved", "units_available", "reorder_point")
    list_select_related = ("sku", "warehouse")
    list_filter = (("warehouse", RelatedDropdownFilter),)
    fields = (
        "sku",
        "warehouse",
        "on_hand",
        "reserved",
        "units_available",
        "safety_stock",
        "reorder_point",
        "reorder_quantity",
    )
    readonly_fields = ("sku", "warehouse", "on_hand", "reserved", "units_available")

    @display(description=_("available"))
    def units_available(self, stock: Stock) -> int:
        """Units that can still be promised."""
        return stock.available


@admin.register(StockMovement)
class StockMovementAdmin(ReadStock, KeysetAdmin):
    """The ledger. It is only read."""

    search_fields = ("stock__sku__code",)
    search_help_text = _("SKU code")
    list_display = (
        "created_at",
        "sku_code",
        "warehouse_code",
        "kind",
        "on_hand_change",
        "reserved_change",
        "actor_words",
        "note_words",
    )
    shown_by: ClassVar[Mapping[str, str]] = {"actor": "actor_words", "note": "note_words"}
    list_select_related = ("stock__sku", "stock__warehouse")
    list_filter = (("kind", ChoicesDropdownFilter),)

    @display(description=_("actor"))
    def actor_words(self, movement: StockMovement) -> str:
        """Who did it: a person by name, others in words."""
        return ACTORS.word(movement.actor) or "–"

    @display(description=_("note"))
    def note_words(self, movement: StockMovement) -> str:
        """What was noted, in words where the system did it."""
        return str(dict(MovementNote.choices).get(movement.note, movement.note)) or "–"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StockMovement], search_term: str
    ) -> tuple[QuerySet[StockMovement], bool]:
        """The newest movements of the SKU, found through its few stock rows."""
        if not search_term.strip():
            return queryset, False
        stock = Stock.objects.filter(sku__code=search_term.strip()).values_list("pk", flat=True)
        return queryset.filter(stock__in=list(stock)), False
