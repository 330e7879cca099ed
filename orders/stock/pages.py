"""The staff's pages of stock counts, and what orders add to the list of stock."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from inventory import hosting, typed_rows
from inventory.models import CountState, StockCount, StockCountLine
from inventory.purchase_pages import ReadOnlyLines
from inventory.stock_pages import StockAdmin
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.desk.lists import RowColumns, YesFilter
from oms.common.errors import OmsError
from oms.common.files import tables
from orders.admin.actions import ReasonForm, staff_actor
from orders.models import StockWait
from orders.stock import counts
from orders.stock.counts import Counted

COUNT, DECIDE = "inventory.add_stockcount", "inventory.approve_stockcount"


class ShortForOrders(YesFilter):
    """Stock rows for which sub-orders wait."""

    title = gettext_lazy("short for orders")
    parameter_name = "short_for_orders"

    @staticmethod
    def condition(stock: QuerySet[Any]) -> QuerySet[Any]:
        """Those that somebody waits for."""
        waits = StockWait.objects.filter(warehouse_id=OuterRef("warehouse_id"), sku_id=OuterRef("sku_id"))
        return stock.filter(Exists(waits))


StockAdmin.more_filters.append(ShortForOrders)


class _CountLines(ReadOnlyLines):
    model = StockCountLine
    fields = readonly_fields = ("goods", "merchant", "expected", "counted", "found", "missing")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockCountLine]:
        """With what the rows show of other tables."""
        return super().get_queryset(request).select_related("stock__sku__merchant")

    @display(description=gettext_lazy("Whose goods"))
    def merchant(self, line: StockCountLine) -> str:
        """The merchant's name."""
        return str(line.stock.sku.merchant)

    @display(description=gettext_lazy("SKU"))
    def goods(self, line: StockCountLine) -> str:
        """The SKU's code and name."""
        return str(line.stock.sku)

    @display(description=pgettext_lazy("stock count", "difference"))
    def found(self, line: StockCountLine) -> str:
        """Units beyond what the books said."""
        return f"{line.difference:+d}"


class _CountForm(forms.ModelForm):
    class Meta:
        model = StockCount
        fields = ("warehouse", "merchant")

    def clean(self) -> dict[str, Any]:
        """What the service would refuse is said before it is asked."""
        given = super().clean() or self.cleaned_data
        warehouse, merchant = given.get("warehouse"), given.get("merchant")
        if warehouse and merchant and not hosting.host(warehouse).takes(merchant.pk):
            self.add_error("merchant", str(hosting.not_kept(warehouse)))
        return given


class _RowsForm(forms.Form):
    rows = forms.CharField(
        label=gettext_lazy("lines: code or barcode, units"),
        required=False,
        widget=forms.Textarea(attrs={**INPUT, "rows": 5}),
    )
    file = forms.FileField(label=gettext_lazy("or a file whose first columns are code and units"), required=False)


class _ScanForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("barcode"),
        max_length=64,
        widget=forms.TextInput(attrs={**INPUT, "autocomplete": "off"}),
    )


def _count_rows(request: HttpRequest, count_id: int, data: dict[str, Any]) -> str:
    text = data["rows"]
    if data["file"]:
        lines = _lines_of(tables.read_upload(data["file"], needs_rows=False))
        text = "\n".join([text, *lines] if text.strip() else lines)
    rows = [Counted(*row) for row in typed_rows.rows_of(text, typed_rows.code_and_units)]
    wrong = counts.count(count_id, rows)
    if len(wrong) == len(rows):
        raise OmsError(typed_rows.told(wrong, text))
    done = len(rows) - len(wrong)
    said = ngettext("%(count)d line was counted.", "%(count)d lines were counted.", done) % {"count": done}
    return f"{said} {typed_rows.told(wrong, text)}".strip()


def _lines_of(table: tables.Table) -> list[str]:
    """The first two cells of each row of a file, at its number in the file; the first row, too, where it is none of
    names but of a code and units. Raises UnreadableFile where there is none."""
    rows = dict(table.rows)
    if len(table.headers) > 1 and table.headers[1].strip().isdecimal():
        rows[min(rows, default=2) - 1] = table.headers
    if not rows:
        raise tables.UnreadableFile(_("The file has no rows."))
    return ["\t".join(rows.get(number, [])[:2]) for number in range(1, max(rows) + 1)]


def _scan(request: HttpRequest, count_id: int, data: dict[str, Any]) -> str:
    wrong = counts.count(count_id, [Counted(data["code"].strip(), 1)], adds=True)
    if wrong:
        raise OmsError(wrong[0].detail)
    return _("%(code)s: one unit more.") % {"code": data["code"]}


def _submit(request: HttpRequest, count_id: int, data: dict[str, Any]) -> str:
    counts.submit(count_id, version=data["version"])
    return _("The count is to be approved now.")


def _reopen(request: HttpRequest, count_id: int, data: dict[str, Any]) -> str:
    counts.reopen(count_id, version=data["version"])
    return _("The count is open again.")


def _approve(request: HttpRequest, count_id: int, data: dict[str, Any]) -> str:
    counts.approve(count_id, reason=data["reason"], actor=staff_actor(request), version=data["version"])
    missing = sum(StockCountLine.objects.filter(count=count_id).values_list("missing", flat=True))
    if missing:
        text = ngettext(
            "The differences were booked; %(units)d unit is missing for orders: see the ticket.",
            "The differences were booked; %(units)d units are missing for orders: see the tickets.",
            missing,
        )
        return text % {"units": missing}
    return _("The differences were booked.")


def _dismiss(request: HttpRequest, count_id: int, data: dict[str, Any]) -> str:
    counts.dismiss(count_id, reason=data["reason"], actor=staff_actor(request), version=data["version"])
    return _("The count counts for nothing.")


_FITTING = {
    CountState.COUNTING: ("count_rows", "scan", "submit", "dismiss"),
    CountState.SUBMITTED: ("approve", "reopen", "dismiss"),
}


@admin.register(StockCount)
class StockCountAdmin(RowColumns, RowActions):
    """Stock-takes: counted by whoever may, booked by whoever may approve."""

    may_add = True
    search_fields = ("warehouse__code",)
    search_help_text = gettext_lazy("Warehouse code")
    form = _CountForm
    list_display = (
        "__str__",
        "state_label",
        "warehouse",
        "merchant",
        "counted_by",
        "created_at",
        "decided_by",
        "reason",
    )
    list_select_related = ("warehouse", "merchant")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("warehouse", RelatedDropdownFilter),
        ("merchant", RelatedDropdownFilter),
    )
    row_actions = (
        RowAction("scan", COUNT, gettext_lazy("One more"), _scan, _ScanForm, tone="primary", icon="barcode_scanner"),
        RowAction(
            "count_rows",
            COUNT,
            gettext_lazy("Enter what was counted"),
            _count_rows,
            _RowsForm,
            hint=gettext_lazy("What is named again gets the newer figure."),
        ),
        RowAction("submit", COUNT, gettext_lazy("All is counted"), _submit, VersionForm),
        RowAction(
            "approve",
            DECIDE,
            gettext_lazy("Book the differences"),
            _approve,
            ReasonForm,
            tone="primary",
            hint=gettext_lazy("Orders that cannot be kept wait again, the youngest first."),
        ),
        RowAction("reopen", DECIDE, gettext_lazy("Count again"), _reopen, VersionForm),
        RowAction("dismiss", DECIDE, gettext_lazy("Dismiss"), _dismiss, ReasonForm, tone="danger-line"),
    )

    def get_fields(self, request: HttpRequest, obj: StockCount | None = None) -> tuple[str, ...]:
        """What is asked for when it is new, and what it says then."""
        if obj is None:
            return ("warehouse", "merchant")
        told = ("reference",) if obj.reference else ()
        return (
            "warehouse",
            "merchant",
            "state_label",
            *told,
            "counted_by",
            "created_at",
            "decided_by",
            "decided_at",
            "reason",
        )

    def get_readonly_fields(self, request: HttpRequest, obj: StockCount | None = None) -> tuple[str, ...]:
        """Counted and decided by actions."""
        return self.get_fields(request, obj) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: StockCount | None) -> list[Any]:
        """Its lines, once there are any."""
        return [_CountLines] if obj else []

    def fitting_actions(self, row: StockCount) -> tuple[str, ...]:
        """What is decided stays so."""
        return _FITTING.get(CountState(row.state), ())

    def save_model(self, request: HttpRequest, obj: StockCount, form: forms.ModelForm, change: bool) -> None:
        """Begun by the service."""
        obj.pk = counts.begin(obj.warehouse, merchant=obj.merchant, actor=staff_actor(request)).pk
