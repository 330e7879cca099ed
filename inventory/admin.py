"""The staff's pages of this app."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextInputWidget,
)

from inventory import (  # noqa: F401 - more pages
    cost_pages,
    guest_pages,
    purchase_pages,
    selling,
    stock_pages,
    transfer_pages,
)
from inventory.filters import found_skus
from inventory.models import Region, Sku, SkuBarcode, StorageClass, Warehouse
from inventory.models.catalogue import MOST_OF_A_BARCODE
from inventory.promising import pages  # noqa: F401 - the pages of promises
from inventory.replenishing import policy_pages, suggestion_pages  # noqa: F401 - the pages of replenishment
from oms.common.desk.lists import KeysetAdmin, staff_actor_name

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


class SkuForm(forms.ModelForm):
    """An article; its barcodes are one field, apart by spaces."""

    barcodes = forms.CharField(
        label=_("barcodes"), required=False, help_text=_("Apart by spaces."), widget=UnfoldAdminTextInputWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "barcodes" in self.fields:
            self.fields["barcodes"].initial = " ".join(self.instance.barcodes.values_list("code", flat=True))

    def clean_barcodes(self) -> list[str]:
        """The codes. Refused where one is too long, or another SKU of the merchant has it."""
        codes = list(dict.fromkeys(self.cleaned_data["barcodes"].replace(",", " ").split()))
        if any(len(code) > MOST_OF_A_BARCODE for code in codes):
            text = gettext("A barcode has at most %(most)d characters.")
            raise forms.ValidationError(text % {"most": MOST_OF_A_BARCODE})
        taken = SkuBarcode.objects.filter(merchant=self.instance.merchant, code__in=codes).exclude(sku=self.instance)
        if other := taken.select_related("sku").first():
            shown = {"code": other.code, "sku": other.sku.code}
            raise forms.ValidationError(gettext("SKU %(sku)s has the barcode %(code)s already.") % shown)
        return codes

    def clean_wants_batches(self) -> bool:
        """Batches cannot be given up while units lie there by them."""
        wanted = self.cleaned_data["wants_batches"]
        if not wanted and self.instance.stock.filter(keeps_lots=True, on_hand__gt=0).exists():
            raise forms.ValidationError(gettext("Units lie there by batches. These can be given up when none is left."))
        return wanted


@admin.register(Sku)
class SkuAdmin(KeysetAdmin):
    """Articles; merchants and files bring them in, here they are looked up, measured and taken off sale."""

    form = SkuForm
    may_change = True
    search_fields = ("code", "name", "barcodes__code")
    search_help_text = _("SKU code, name or barcode")
    list_display = ("code", "name", "merchant", "storage_class", "weight_g", "list_price", "is_active")
    list_select_related = ("merchant",)
    list_filter = (("merchant", RelatedDropdownFilter), ("storage_class", ChoicesDropdownFilter))
    readonly_fields = ("merchant", "code", "storage_class")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Sku], search_term: str
    ) -> tuple[QuerySet[Sku], bool]:
        """By code or barcode exactly, else by a part of the name."""
        return found_skus(queryset, search_term), False

    def save_model(self, request: HttpRequest, obj: Sku, form: forms.ModelForm, change: bool) -> None:
        """Barcodes and batches follow."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            selling.set_barcodes(obj, form.cleaned_data["barcodes"])
            if "wants_batches" in form.changed_data:
                selling.follow_batches(obj, actor=staff_actor_name(request))


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
