"""The staff's pages of what is bought and of what came."""

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from inventory import purchase_arrivals, purchasing, typed_rows
from inventory.models import (
    PurchaseOrder,
    PurchaseOrderLine,
    PurchaseState,
    Receipt,
    ReceiptLine,
)
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.desk.lists import KeysetAdmin, RowColumns, staff_actor_name
from oms.common.errors import OmsError, WrongFields
from oms.merchants.models import Merchant

RECEIVE, END = "inventory.add_receipt", "inventory.end_purchaseorder"
APPROVE = "inventory.approve_purchaseorder"
_AREA = UnfoldAdminTextareaWidget(attrs={"rows": 6})


class ReadOnlyLines(TabularInline):
    """Lines that services write."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only services write lines."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only services write lines."""
        return False


class _BoughtLines(ReadOnlyLines):
    model = PurchaseOrderLine
    fields = readonly_fields = ("sku", "quantity", "received", "expected_on")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PurchaseOrderLine]:
        """With what the rows show of other tables."""
        return super().get_queryset(request).select_related("sku")


class _ReceivedLines(ReadOnlyLines):
    model = ReceiptLine
    fields = readonly_fields = ("sku", "quantity", "quality", "lot", "best_before", "numbers")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReceiptLine]:
        """With what the rows show of other tables."""
        return super().get_queryset(request).select_related("sku").prefetch_related("serials")

    @display(description=gettext_lazy("serial numbers"))
    def numbers(self, line: ReceiptLine) -> str:
        """Those of its units, as far as they were told."""
        return ", ".join(str(one) for one in line.serials.all()) or "–"


class PurchaseOrderForm(forms.ModelForm):
    """A new purchase order: its lines are typed or pasted into one field."""

    rows = forms.CharField(
        label=gettext_lazy("Goods, a line each"),
        widget=_AREA,
        help_text=gettext_lazy("A line each: SKU code, units, and the day expected where it is another (2026-12-31)."),
    )

    is_draft = forms.BooleanField(
        label=gettext_lazy("a draft"),
        required=False,
        help_text=gettext_lazy("Nothing of it is expected or promised before it is approved."),
    )

    class Meta:
        model = PurchaseOrder
        fields = ("merchant", "number", "warehouse", "supplier", "expected_on")

    def clean_rows(self) -> list[purchasing.Bought]:
        """The lines; what cannot be read is told by line."""
        try:
            return typed_rows.rows_of(self.cleaned_data["rows"], typed_rows.bought)
        except OmsError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """What the service would refuse is said before it is asked."""
        given = super().clean() or self.cleaned_data
        merchant, warehouse, rows = (given.get(name) for name in ("merchant", "warehouse", "rows"))
        days = [("expected_on", given.get("expected_on")), *(("rows", one.expected_on) for one in rows or ())]
        wrong_days = {error.attr: error for name, day in days for error in purchasing.wrong_day(day, name)}
        for name, error in wrong_days.items():
            self.add_error(name, str(error.detail))
        if merchant and warehouse and rows and (wrong := purchasing.problems(merchant, rows, warehouse)):
            self.add_error("rows", typed_rows.told(wrong, self.data[self.add_prefix("rows")]))
        return given


class _ReceiveForm(forms.Form):
    reference = forms.CharField(label=gettext_lazy("reference"), max_length=64, widget=forms.TextInput(attrs=INPUT))
    rows = forms.CharField(
        label=gettext_lazy("Goods, a line each: code or barcode, units, quality, batch, best before, serial numbers"),
        widget=forms.Textarea(attrs={**INPUT, "rows": 5}),
    )
    note = forms.CharField(
        label=gettext_lazy("note"), max_length=200, required=False, widget=forms.TextInput(attrs=INPUT)
    )


class _ApproveForm(VersionForm):
    supplier = forms.CharField(
        label=gettext_lazy("supplier"), max_length=120, widget=forms.TextInput(attrs={**INPUT, "autocomplete": "off"})
    )
    expected_on = forms.DateField(
        label=gettext_lazy("expected on"), widget=forms.DateInput(attrs={**INPUT, "type": "date"})
    )


def _approve(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    order = purchasing.approve(
        order_id,
        supplier=data["supplier"],
        expected_on=data["expected_on"],
        actor=staff_actor_name(request),
        version=data["version"],
    )
    return _("%(number)s is bought, and expected on %(day)s.") % {"number": order.number, "day": order.expected_on}


def _receive(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    order = PurchaseOrder.objects.select_related("merchant", "warehouse").get(pk=order_id)
    rows = typed_rows.rows_of(data["rows"], typed_rows.unloaded)
    try:
        receipt = purchase_arrivals.receive_goods(
            order.warehouse,
            rows,
            reference=data["reference"],
            actor=staff_actor_name(request),
            merchant=order.merchant,
            purchase_order=order,
            note=data["note"],
        )
    except WrongFields as wrong:
        raise OmsError(typed_rows.told(wrong.errors, data["rows"])) from wrong
    units = receipt.lines.aggregate(units=Sum("quantity"))["units"]
    text = ngettext(
        "%(units)d unit was booked as %(reference)s.", "%(units)d units were booked as %(reference)s.", units
    )
    return text % {"units": units, "reference": receipt.reference}


def _end(*, is_cancelled: bool) -> Any:
    def do(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
        order = purchasing.end(
            order_id, is_cancelled=is_cancelled, actor=staff_actor_name(request), version=data["version"]
        )
        return _("Nothing more is expected of %(number)s.") % {"number": order.number}

    return do


@admin.register(PurchaseOrder)
class PurchaseOrderAdmin(RowColumns, RowActions):
    """What is on its way, and booking what came of it."""

    form = PurchaseOrderForm
    may_add = True
    inlines = (_BoughtLines,)
    search_fields = ("number", "lines__sku__code")
    search_help_text = gettext_lazy("Number or SKU code")
    list_display = ("number", "state_label", "merchant", "warehouse", "supplier", "expected_on", "open_units")
    list_select_related = ("merchant", "warehouse")
    list_filter = (("state", ChoicesDropdownFilter), ("warehouse", RelatedDropdownFilter))
    row_actions = (
        RowAction(
            "approve",
            APPROVE,
            gettext_lazy("Approve"),
            _approve,
            _ApproveForm,
            tone="primary",
            icon="check",
            hint=gettext_lazy("From now on it is expected, and promised to buyers."),
        ),
        RowAction(
            "receive",
            RECEIVE,
            gettext_lazy("Book what came"),
            _receive,
            _ReceiveForm,
            tone="primary",
            icon="move_to_inbox",
            hint=gettext_lazy("A reference is booked once; more, fewer or damaged units are booked as they came."),
        ),
        RowAction("close", END, gettext_lazy("Expect nothing more"), _end(is_cancelled=False), VersionForm),
        RowAction(
            "cancel",
            END,
            gettext_lazy("Call it off"),
            _end(is_cancelled=True),
            VersionForm,
            tone="danger-line",
        ),
    )

    def get_fields(self, request: HttpRequest, obj: PurchaseOrder | None = None) -> tuple[str, ...]:
        """What is asked for when it is new, and what it says then."""
        if obj is None:
            return ("merchant", "number", "warehouse", "supplier", "expected_on", "rows", "is_draft")
        decided = ("approved_by", "approved_at") if obj.approved_at else ()
        about = ("number", "state_label", "merchant", "warehouse", "supplier", "expected_on")
        return (*about, "created_by", "created_at", *decided)

    def get_readonly_fields(self, request: HttpRequest, obj: PurchaseOrder | None = None) -> tuple[str, ...]:
        """What was bought does not change: another is bought, or this one called off."""
        return self.get_fields(request, obj) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: PurchaseOrder | None) -> list[Any]:
        """Its lines, once there are any."""
        return [_BoughtLines] if obj else []

    def fitting_actions(self, row: PurchaseOrder) -> list[str]:
        """What is over takes late goods still, unless it was called off; a draft takes none."""
        if row.state == PurchaseState.DRAFT:
            return ["approve", "cancel"]
        if row.state == PurchaseState.OPEN:
            return ["receive", "close", "cancel"]
        return ["receive"] if row.state == PurchaseState.CLOSED else []

    def save_model(self, request: HttpRequest, obj: PurchaseOrder, form: forms.ModelForm, change: bool) -> None:
        """Written by the service, which also makes the lines."""
        made = purchasing.order(
            obj.merchant,
            obj.number,
            obj.warehouse,
            form.cleaned_data["rows"],
            supplier=obj.supplier,
            expected_on=obj.expected_on,
            is_draft=form.cleaned_data["is_draft"],
            actor=staff_actor_name(request),
        )
        obj.pk = made.pk

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """Units that are still to come, by order. One statement."""
        super().prepare_rows(request, rows)
        _count_open(rows)

    @display(description=gettext_lazy("still to come"))
    def open_units(self, order: Any) -> int:
        """Units that are not there yet."""
        if not hasattr(order, "units_to_come"):
            _count_open([order])
        return int(order.units_to_come)


def _count_open(orders: Any) -> None:
    """Units that are still to come, kept with each order. One statement."""
    counts: Counter[int] = Counter()
    lines = purchasing.open_lines().filter(order__in=[order.pk for order in orders])
    for order_id, quantity, received in lines.values_list("order_id", "quantity", "received"):
        counts[order_id] += quantity - received
    for order in orders:
        order.units_to_come = counts[order.pk]


class ReceiptForm(forms.ModelForm):
    """Goods that came without a purchase order."""

    merchant = forms.ModelChoiceField(label=gettext_lazy("Whose goods"), queryset=Merchant.objects.all())
    rows = forms.CharField(
        label=gettext_lazy("Goods, a line each"),
        widget=_AREA,
        help_text=gettext_lazy(
            "A line each: SKU code or barcode, units, and where they matter quality, batch, day, and at the end the"
            " serial numbers: P1060312,2,,,,SN01 SN02"
        ),
    )

    class Meta:
        model = Receipt
        fields = ("warehouse", "reference", "note")

    def clean_rows(self) -> list[purchasing.Unloaded]:
        """The lines; what cannot be read is told by line."""
        try:
            return typed_rows.rows_of(self.cleaned_data["rows"], typed_rows.unloaded)
        except OmsError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """What the service would refuse is said before it is asked."""
        given = super().clean() or self.cleaned_data
        warehouse, merchant, rows = (given.get(name) for name in ("warehouse", "merchant", "rows"))
        if warehouse and merchant and rows and (wrong := purchase_arrivals.wrong_goods(merchant, rows, warehouse)):
            self.add_error("rows", typed_rows.told(wrong, self.data[self.add_prefix("rows")]))
        return given


@admin.register(Receipt)
class ReceiptAdmin(KeysetAdmin):
    """Goods that came."""

    form = ReceiptForm
    may_add = True
    inlines = (_ReceivedLines,)
    search_fields = ("reference", "purchase_order__number", "lines__serials__serial")
    search_help_text = gettext_lazy("Reference, number of a purchase order or serial number")
    list_display = ("reference", "warehouse", "purchase_order", "transfer", "actor", "created_at", "note")
    list_select_related = ("warehouse", "purchase_order", "transfer")
    list_filter = (("warehouse", RelatedDropdownFilter),)

    def get_fields(self, request: HttpRequest, obj: Receipt | None = None) -> tuple[str, ...]:
        """What is asked for when it is new, and what it says then."""
        if obj is None:
            return ("merchant", "warehouse", "reference", "rows", "note")
        return ("reference", "warehouse", "purchase_order", "transfer", "note", "actor", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Receipt | None = None) -> tuple[str, ...]:
        """What came does not change."""
        return self.get_fields(request, obj) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Receipt | None) -> list[Any]:
        """Its lines, once there are any."""
        return [_ReceivedLines] if obj else []

    def save_model(self, request: HttpRequest, obj: Receipt, form: forms.ModelForm, change: bool) -> None:
        """Booked by the service."""
        made = purchase_arrivals.receive_goods(
            obj.warehouse,
            form.cleaned_data["rows"],
            reference=obj.reference,
            actor=staff_actor_name(request),
            merchant=form.cleaned_data["merchant"],
            note=obj.note,
        )
        obj.pk = made.pk
