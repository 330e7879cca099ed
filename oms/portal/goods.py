"""The merchant's SKUs and stock: made, changed and counted by the services of the API, one by one or by sheet."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from inventory import selling, sharing
from inventory.counting import MOST_UNITS
from inventory.models import Sku, Stock, StorageClass, Warehouse
from inventory.models.catalogue import MOST_BARCODES, MOST_G, MOST_MM, MOST_OF_A_BARCODE
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.errors import OmsError
from oms.merchant_admin import OwnPages, actor_of, merchant_of, site
from oms.merchants.models import Channel, Merchant
from oms.portal import imports
from orders.stock import changes as stock_changes
from orders.stock.changes import Change

CATALOGUE = "portal.catalogue"


def _number(label: Any, most: int) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, min_value=1, max_value=most, required=False, widget=forms.NumberInput(attrs=INPUT)
    )


def _text(label: Any, longest: int, *, required: bool = False) -> forms.CharField:
    return forms.CharField(label=label, max_length=longest, required=required, widget=forms.TextInput(attrs=INPUT))


class SkuChangeForm(forms.Form):
    """What may change of a SKU."""

    name = _text(gettext_lazy("Name"), 200, required=True)
    list_price = forms.DecimalField(
        label=gettext_lazy("Price (yuan)"),
        max_digits=12,
        decimal_places=2,
        min_value=0,
        widget=forms.NumberInput(attrs={**INPUT, "step": "0.01"}),
    )
    brand = _text(gettext_lazy("Brand"), 80)
    category = _text(gettext_lazy("Category"), 120)
    barcodes = forms.CharField(
        label=gettext_lazy("Barcodes, one a line"),
        max_length=MOST_BARCODES * (MOST_OF_A_BARCODE + 2),
        required=False,
        widget=forms.Textarea(attrs={**INPUT, "rows": 2}),
    )
    weight_g = forms.IntegerField(
        label=gettext_lazy("Weight (g)"),
        min_value=0,
        max_value=MOST_G,
        initial=0,
        widget=forms.NumberInput(attrs=INPUT),
    )
    length_mm = _number(gettext_lazy("Length (mm)"), MOST_MM)
    width_mm = _number(gettext_lazy("Width (mm)"), MOST_MM)
    height_mm = _number(gettext_lazy("Height (mm)"), MOST_MM)
    is_active = forms.BooleanField(label=gettext_lazy("On sale"), required=False, initial=True)

    def clean_barcodes(self) -> list[str]:
        """Each once."""
        codes = list(dict.fromkeys(re.split(r"[\s,，;；]+", self.cleaned_data["barcodes"].strip())))
        codes = [code for code in codes if code]
        if len(codes) > MOST_BARCODES or any(len(code) > MOST_OF_A_BARCODE for code in codes):
            detail = _("Give at most %(most)d barcodes of at most %(long)d characters.")
            raise forms.ValidationError(detail % {"most": MOST_BARCODES, "long": MOST_OF_A_BARCODE})
        return codes


class SkuForm(SkuChangeForm):
    """A new SKU."""

    code = forms.RegexField(
        r"\A[0-9A-Za-z][0-9A-Za-z._:#-]{0,63}\Z",
        label=gettext_lazy("SKU code"),
        help_text=gettext_lazy("As orders name it; it never changes."),
        widget=forms.TextInput(attrs=INPUT),
    )
    storage_class = forms.ChoiceField(
        label=gettext_lazy("Storage class"),
        choices=StorageClass.choices,
        initial=StorageClass.GENERAL,
        widget=forms.Select(attrs=INPUT),
    )
    field_order = ("code", "name", "storage_class")


class ChangeSkuForm(VersionForm, SkuChangeForm):
    """The same, of the version that the person looked at."""


def _change_sku(request: HttpRequest, sku_id: int, data: dict[str, Any]) -> str:
    version = data.pop("version")
    sku = selling.change_sku(sku_id, data, version=version)
    return _("%(code)s is changed.") % {"code": sku.code}


def _initial(sku: Sku) -> dict[str, Any]:
    names = [name for name in SkuChangeForm.base_fields if name != "barcodes"]
    codes = "\n".join(sku.barcodes.values_list("code", flat=True))
    return {**{name: getattr(sku, name) for name in names}, "barcodes": codes}


class OwnSkus(OwnPages, RowActions):
    """What the merchant sells."""

    changes = CATALOGUE
    may_add = True
    keyset = ("code", "id")
    search_fields = ("code", "barcodes__code")
    search_help_text = gettext_lazy("SKU code or barcode")
    list_display = ("code", "name", "storage_class", "list_price", "is_active", "by_channel")
    list_before_template = "portal/skus_head.html"
    row_actions = (
        RowAction(
            *("edit", CATALOGUE, gettext_lazy("Change it"), _change_sku, ChangeSkuForm, "primary"), initial=_initial
        ),
    )

    def own(self, merchant: Merchant) -> QuerySet[Sku]:
        """As the API."""
        return Sku.objects.visible_to(merchant)

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """What each open channel of the merchant may sell of each."""
        channels = Channel.objects.filter(merchant=merchant_of(request), is_active=True).order_by("code")
        codes = dict(channels.values_list("pk", "code"))
        units = sharing.sellable_units({channel: [row.pk for row in rows] for channel in codes})
        for row in rows:
            row.by_channel = [f"{code}: {units[channel, row.pk]}" for channel, code in codes.items()]

    @display(description=gettext_lazy("units that channels may sell"))
    def by_channel(self, sku: Any) -> str:
        """Channel by channel."""
        return " · ".join(sku.by_channel)

    def get_urls(self) -> list[URLPattern]:
        """With the import by sheet."""
        return imports.urls_of(Sku) + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the way to the import."""
        shown = {"may_import": imports.SKUS.may(request)}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Make a SKU."""
        merchant = merchant_of(request)
        if merchant is None or not self.has_add_permission(request):
            raise PermissionDenied
        form = SkuForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                sku = selling.add_sku(merchant, dict(form.cleaned_data))
            except OmsError as refusal:
                form.add_error(refusal.attr if refusal.attr in form.fields else None, str(refusal))
            else:
                messages.success(request, _("%(code)s is made.") % {"code": sku.code})
                return redirect("merchant:inventory_sku_changelist")
        address = reverse("merchant:inventory_sku_changelist")
        return _form(self, request, _("Add a SKU"), form, address)


class CountForm(forms.Form):
    """How many units of a SKU lie in one of one's own warehouses."""

    sku = _text(gettext_lazy("SKU code"), 64, required=True)
    warehouse = forms.ChoiceField(label=gettext_lazy("Warehouse"), widget=forms.Select(attrs=INPUT))
    on_hand = forms.IntegerField(
        label=gettext_lazy("Units counted"),
        min_value=0,
        max_value=MOST_UNITS,
        help_text=gettext_lazy("All that lie there, those for orders too."),
        widget=forms.NumberInput(attrs=INPUT),
    )
    note = _text(gettext_lazy("Note"), 200)

    def __init__(self, merchant: Merchant, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Warehouse.objects.filter(merchant=merchant, is_active=True).order_by("code")
        self.fields["warehouse"].choices = [(row.code, str(row)) for row in rows]  # type: ignore[attr-defined]


class OwnCountForm(VersionForm):
    """The same of a row that is there."""

    on_hand = CountForm.base_fields["on_hand"]
    note = CountForm.base_fields["note"]


def _count(request: HttpRequest, change: Change) -> Stock:
    merchant = merchant_of(request)
    if merchant is None:
        raise Http404
    (outcome,) = stock_changes.change_many(merchant, [change], actor=actor_of(request))
    if isinstance(outcome, OmsError):
        raise outcome
    return outcome


def _count_row(request: HttpRequest, stock_id: int, data: dict[str, Any]) -> str:
    row = Stock.objects.select_related("sku", "warehouse").get(pk=stock_id)
    said = {"on_hand": data["on_hand"], "version": data["version"], "note": data["note"]}
    counted = _count(request, Change(row.sku.code, row.warehouse.code, **said))
    return _counted(counted.on_hand)


def _counted(units: int) -> str:
    return ngettext("Counted: %(units)d unit.", "Counted: %(units)d units.", units) % {"units": units}


class OwnStock(OwnPages, RowActions):
    """Where the merchant's goods lie, and how many."""

    changes = CATALOGUE
    list_display = ("sku", "warehouse", "on_hand", "reserved", "frozen")
    list_select_related = ("sku", "warehouse")
    search_fields = ("sku__code",)
    list_before_template = "portal/stock_head.html"
    fields = readonly_fields = ("sku", "warehouse", "on_hand", "reserved", "frozen", "bin", "changed_at")
    row_actions = (
        RowAction(
            *("count", CATALOGUE, gettext_lazy("Count"), _count_row, OwnCountForm, "primary"),
            initial=lambda row: {"on_hand": row.on_hand},
            hint=gettext_lazy(
                "A count below what orders were promised takes the newest promises away; they wait for stock again."
            ),
        ),
    )

    def own(self, merchant: Merchant) -> QuerySet[Stock]:
        """As the API."""
        return Stock.objects.visible_to(merchant)

    def fitting_actions(self, row: Stock) -> list[str]:
        """Who keeps the goods counts them."""
        return ["count"] if row.warehouse.merchant_id == row.sku.merchant_id else []

    def get_urls(self) -> list[URLPattern]:
        """With the import by sheet, and a count of what was never there."""
        view = self.admin_site.admin_view(self.count_view)
        return [*imports.urls_of(Stock), path("count/", view, name="inventory_stock_count"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the ways to the import and the count."""
        may = request.user.has_perm(CATALOGUE)
        shown = {"may_import": imports.STOCK.may(request), "may_change": may}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def count_view(self, request: HttpRequest) -> HttpResponse:
        """Say how many units of a SKU lie in a warehouse, also of one that never lay there."""
        merchant = merchant_of(request)
        if merchant is None or not request.user.has_perm(CATALOGUE):
            raise PermissionDenied
        form = CountForm(merchant, request.POST or None)
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            try:
                counted = _count(request, Change(data["sku"], data["warehouse"], data["on_hand"], note=data["note"]))
            except OmsError as refusal:
                form.add_error(refusal.attr if refusal.attr in form.fields else None, str(refusal))
            else:
                messages.success(request, _counted(counted.on_hand))
                return redirect("merchant:inventory_stock_changelist")
        address = reverse("merchant:inventory_stock_changelist")
        return _form(self, request, _("Count units"), form, address)


def _form(page: OwnPages, request: HttpRequest, title: str, form: forms.Form, back: str) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": title,
        "form": form,
        "list_url": back,
    }
    return TemplateResponse(request, "portal/form.html", context, status=400 if form.errors else 200)


site.register(Sku, OwnSkus)
site.register(Stock, OwnStock)
