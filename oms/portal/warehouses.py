"""The merchant's own warehouses and channels: looked at, and warehouses opened without anybody of the staff."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from inventory.models import StorageClass, Warehouse
from logistics.by_merchant import opening
from logistics.by_merchant.opening import NewWarehouse, WarehouseChange
from logistics.by_merchant.speaker import PROTOCOL
from oms.common.desk.acting import INPUT, RowAction, RowActions
from oms.common.errors import WrongFields
from oms.common.templatetags.staff import badge
from oms.merchant_admin import OwnPages, merchant_of, site
from oms.merchants.models import Channel, Merchant
from oms.portal import imports


def _time_of_day(label: Any) -> forms.TimeField:
    return forms.TimeField(
        label=label,
        required=False,
        help_text=gettext_lazy("China's time, such as 16:00; empty: as the service level says."),
        widget=forms.TimeInput(attrs={**INPUT, "type": "time"}, format="%H:%M"),
    )


class WarehouseForm(forms.Form):
    """A warehouse that the merchant runs itself."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120, widget=forms.TextInput(attrs=INPUT))
    address = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=300,
        required=False,
        help_text=gettext_lazy(
            "Whole, with province, city and district; it stands on labels as the sender's. Not for what is virtual."
        ),
        widget=forms.Textarea(attrs={**INPUT, "rows": 2}),
    )
    contact_name = forms.CharField(
        label=gettext_lazy("Contact person"), max_length=60, required=False, widget=forms.TextInput(attrs=INPUT)
    )
    contact_phone = forms.CharField(
        label=gettext_lazy("Contact phone"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={**INPUT, "inputmode": "tel"}),
    )
    storage_classes = forms.MultipleChoiceField(
        label=gettext_lazy("Storage classes"),
        choices=StorageClass.choices,
        initial=[StorageClass.AMBIENT, StorageClass.GENERAL],
        help_text=gettext_lazy("What can be kept there. What is virtual gets a warehouse of its own."),
        widget=forms.CheckboxSelectMultiple,
    )
    waybill_when = forms.ChoiceField(
        label=gettext_lazy("Waybills"),
        choices=[
            (Warehouse.WaybillWhen.OWN, gettext_lazy("We bring our own and report them")),
            (Warehouse.WaybillWhen.AT_RELEASE, gettext_lazy("The platform's carriers: labels are printed here")),
        ],
        widget=forms.Select(attrs=INPUT),
    )
    code = forms.CharField(
        label=gettext_lazy("Code (empty: one is made)"),
        max_length=32,
        required=False,
        widget=forms.TextInput(attrs=INPUT),
    )


class ChangeForm(forms.Form):
    """What may change of a warehouse, and what promises are made of."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120, widget=forms.TextInput(attrs=INPUT))
    contact_name = forms.CharField(
        label=gettext_lazy("Contact person"), max_length=60, required=False, widget=forms.TextInput(attrs=INPUT)
    )
    contact_phone = forms.CharField(
        label=gettext_lazy("Contact phone"), max_length=20, required=False, widget=forms.TextInput(attrs=INPUT)
    )
    daily_capacity = forms.IntegerField(
        label=gettext_lazy("daily capacity"),
        min_value=0,
        max_value=opening.MOST_A_DAY,
        help_text=gettext_lazy(
            "Units that it can send a day; 0: any number. What is above is promised for later days."
        ),
        widget=forms.NumberInput(attrs=INPUT),
    )
    cutoff_same_day = _time_of_day(gettext_lazy("cut-off for the same day"))
    cutoff_next_day = _time_of_day(gettext_lazy("cut-off for the next day"))
    is_active = forms.BooleanField(
        label=gettext_lazy("active"),
        required=False,
        help_text=gettext_lazy("Switched off, it gets no new orders; what it has is shipped as before."),
    )


def _change(request: HttpRequest, warehouse_id: int, data: dict[str, Any]) -> str:
    merchant = merchant_of(request)
    if merchant is None:
        raise PermissionDenied
    changed = opening.change_warehouse(merchant, warehouse_id, cast(WarehouseChange, data))
    return _("Warehouse %(code)s is changed: new orders go by it.") % {"code": changed.code}


class OwnWarehouses(OwnPages, RowActions):
    """The merchant's warehouses."""

    row_actions = (
        RowAction(
            *("edit", "portal.warehouses", gettext_lazy("Change it"), _change, ChangeForm, "primary", "edit"),
            initial=lambda row: {name: getattr(row, name) for name in ChangeForm.base_fields},
        ),
    )

    changes = "portal.warehouses"
    may_add = True
    keyset = ("code",)
    search_fields = ("code", "name")
    list_display = ("code", "name", "kind", "region", "classes", "run_here", "is_active")
    list_select_related = ("region", "connection")
    fields = readonly_fields = (
        *("code", "name", "kind", "region", "address", "contact_name", "contact_phone", "classes"),
        *("waybill_when", "run_here", "daily_capacity", "cutoff_same_day", "cutoff_next_day", "is_active"),
    )

    def own(self, merchant: Merchant) -> QuerySet[Warehouse]:
        """The merchant's."""
        return Warehouse.objects.filter(merchant=merchant)

    @display(description=gettext_lazy("storage classes"))
    def classes(self, warehouse: Warehouse) -> str:
        """In words."""
        words = dict(StorageClass.choices)
        return ", ".join(str(words.get(one, one)) for one in warehouse.storage_classes)

    @display(description=gettext_lazy("shipping"))
    def run_here(self, warehouse: Warehouse) -> SafeString:
        """Whether its orders are shipped on these pages, or by a system of its own."""
        if warehouse.connection is not None and warehouse.connection.protocol == PROTOCOL:
            return badge(_("On these pages and by the API"), "success")
        return badge(_("Virtual") if warehouse.kind == Warehouse.Kind.VIRTUAL else _("By its own system"))

    list_before_template = "portal/warehouses_head.html"

    def get_urls(self) -> list[URLPattern]:
        """With the import by sheet."""
        return imports.urls_of(Warehouse) + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the way to the import."""
        shown = {"may_import": imports.WAREHOUSES.may(request)}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Open a warehouse."""
        merchant = merchant_of(request)
        if merchant is None or not self.has_add_permission(request):
            raise PermissionDenied
        form = WarehouseForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                made = opening.open_warehouse(merchant, NewWarehouse(**form.cleaned_data))
            except WrongFields as refusal:
                for error in refusal.errors:
                    form.add_error(error.attr if error.attr in form.fields else None, error.detail)
            else:
                messages.success(request, _("Warehouse %(code)s is open.") % {"code": made.code})
                return redirect("merchant:inventory_warehouse_change", made.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Open a warehouse"),
            "form": form,
            "list_url": reverse("merchant:inventory_warehouse_changelist"),
        }
        return TemplateResponse(request, "portal/form.html", context, status=400 if form.errors else 200)


class OwnChannels(OwnPages):
    """Where the merchant's orders come from; an order from an unknown source opens a channel of that name."""

    search_fields = ("code", "name")
    list_display = ("code", "name", "is_active", "matches_skus", "created_at")
    fields = readonly_fields = ("code", "name", "is_active", "matches_skus", "may_merge", "created_at")

    def own(self, merchant: Merchant) -> QuerySet[Channel]:
        """The merchant's."""
        return Channel.objects.filter(merchant=merchant)


site.register(Warehouse, OwnWarehouses)
site.register(Channel, OwnChannels)
