"""The staff's pages of transfers between warehouses."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet, Sum
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from inventory import purchasing, transfer_arrivals, transferring, typed_rows
from inventory.models import Transfer, TransferLine, TransferState, TransferStep, Warehouse
from inventory.purchase_pages import ReadOnlyLines
from inventory.transferring import Moved
from oms.common.codebook import ACTORS
from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.desk.lists import RowColumns, staff_actor_name
from oms.common.errors import OmsError, WrongFields
from oms.merchants.models import Merchant

APPROVE, SHIP = "inventory.approve_transfer", "inventory.ship_transfer"
RECEIVE, END = "inventory.receive_transfer", "inventory.end_transfer"


class _Lines(ReadOnlyLines):
    model = TransferLine
    fields = readonly_fields = ("sku", "quantity", "shipped", "received", "found", "sent_batches")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TransferLine]:
        """With what the rows show of other tables."""
        return super().get_queryset(request).select_related("sku", "transfer").prefetch_related("batches")

    @display(description=pgettext_lazy("transfer", "difference"))
    def found(self, line: TransferLine) -> str:
        """Units that arrived beyond what was sent, once something has arrived or nothing more will."""
        is_over = line.transfer.state == TransferState.CLOSED
        return f"{line.difference:+d}" if line.received or is_over else "–"

    @display(description=gettext_lazy("batches"))
    def sent_batches(self, line: TransferLine) -> str:
        """The batches that left, with their units."""
        return " · ".join(
            f"{batch.lot or '–'} {batch.best_before or ''} × {batch.quantity}" for batch in line.batches.all()
        )


class _Steps(ReadOnlyLines):
    model = TransferStep
    fields = readonly_fields = ("created_at", "kind", "units", "who", "note")

    @display(description=gettext_lazy("actor"))
    def who(self, step: TransferStep) -> str:
        """Who did it: a person by name, others in words."""
        return ACTORS.word(step.actor) or "–"


class TransferForm(forms.ModelForm):
    """A new transfer: its lines are typed or pasted into one field."""

    rows = forms.CharField(
        label=gettext_lazy("Goods, a line each"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text=gettext_lazy("A line each: SKU code or barcode, and units."),
    )

    class Meta:
        model = Transfer
        fields = ("reference", "merchant", "source", "target", "expected_on", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Sent twice, it is one transfer: the second one has the same reference.
        if "reference" in self.fields and not self.is_bound:
            self.fields["reference"].initial = transferring.new_reference()

    def _get_validation_exclusions(self) -> set[str]:
        """The service knows a transfer that is told twice, and says in words what is wrong with its way."""
        return {*super()._get_validation_exclusions(), "reference", "target"}  # type: ignore[misc]  # not in the stubs

    def clean_rows(self) -> list[tuple[str, int]]:
        """Codes and units; what cannot be read is told by line."""
        try:
            return typed_rows.rows_of(self.cleaned_data["rows"], typed_rows.code_and_units)
        except OmsError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """The lines, with what the service would refuse said before it is asked."""
        given = super().clean() or self.cleaned_data
        for error in transferring.wrong_day(given.get("expected_on")):
            self.add_error("expected_on", str(error.detail))
        merchant, source, target, rows = (given.get(name) for name in ("merchant", "source", "target", "rows"))
        if not (isinstance(merchant, Merchant) and source and target and rows):
            return given
        try:
            given["lines"] = _moved(merchant, source, target, rows)
            transferring.check_reference(given.get("reference", ""), source, target, given["lines"])
        except WrongFields as wrong:
            self.add_error("rows", typed_rows.told(wrong.errors, self.data[self.add_prefix("rows")]))
        except OmsError as refusal:
            self.add_error("reference", str(refusal))
        return given


def _moved(merchant: Merchant, source: Warehouse, target: Warehouse, rows: list[tuple[str, int]]) -> list[Moved]:
    """What the rows name. Raises WrongFields that names every row which cannot be moved."""
    known = purchasing.by_code_or_barcode(merchant, {code for code, _units in rows})
    unknown = [purchasing.unknown_sku(row, code) for row, (code, _units) in enumerate(rows) if code not in known]
    if unknown:
        raise WrongFields(unknown)
    lines = [Moved(known[code], units) for code, units in rows]
    if wrong := transferring.problems(source, target, lines):
        raise WrongFields(wrong)
    return lines


class _NoteForm(VersionForm):
    note = forms.CharField(
        label=gettext_lazy("note"), max_length=200, required=False, widget=forms.TextInput(attrs=INPUT)
    )


class _DayForm(VersionForm):
    expected_on = forms.DateField(
        label=gettext_lazy("Arrives on"),
        required=False,
        widget=forms.DateInput(attrs={**INPUT, "type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy(
            "Units on their way may be sold ahead and promised by this day; without one they are not."
        ),
    )


class _ShipForm(_DayForm, _NoteForm):
    pass


class _ReasonForm(VersionForm):
    reason = forms.CharField(label=gettext_lazy("reason"), max_length=200, widget=forms.TextInput(attrs=INPUT))


class _ReceiveForm(_NoteForm):
    reference = forms.CharField(label=gettext_lazy("reference"), max_length=64, widget=forms.TextInput(attrs=INPUT))
    rows = forms.CharField(
        label=gettext_lazy("lines: code or barcode, units, quality, batch, best before, serial numbers"),
        widget=forms.Textarea(attrs={**INPUT, "rows": 5}),
    )
    field_order = ("version", "reference", "rows", "note")


def _to_come(transfer: Transfer) -> Mapping[str, Any]:
    """A receipt of all that is still to come, to be changed where it differs."""
    lines = transfer.lines.filter(received__lt=F("shipped")).select_related("sku")
    number = transfer.receipts.count() + 1
    return {
        "reference": f"{transfer.reference[:60]}-{number}",
        "rows": "\n".join(f"{line.sku.code} {line.shipped - line.received}" for line in lines),
    }


def _approve(request: HttpRequest, transfer_id: int, data: dict[str, Any]) -> str:
    transfer = _told(transferring.approve, transfer_id, actor=staff_actor_name(request), version=data["version"])
    return _("The units of %(reference)s are set aside.") % {"reference": transfer.reference}


def _ship(request: HttpRequest, transfer_id: int, data: dict[str, Any]) -> str:
    transfer = transferring.ship(
        transfer_id,
        actor=staff_actor_name(request),
        note=data["note"],
        version=data["version"],
        expected_on=data["expected_on"],
    )
    units = transfer.lines.aggregate(units=Sum("shipped"))["units"]
    text = ngettext(
        "%(units)d unit of %(reference)s is on its way.", "%(units)d units of %(reference)s are on their way.", units
    )
    return text % {"units": units, "reference": transfer.reference}


def _expect(request: HttpRequest, transfer_id: int, data: dict[str, Any]) -> str:
    told = {"actor": staff_actor_name(request), "version": data["version"]}
    transfer = transferring.expect(transfer_id, data["expected_on"], **told)
    if transfer.expected_on is None:
        return _("Nobody knows when %(reference)s comes.") % {"reference": transfer.reference}
    values = {"reference": transfer.reference, "day": transfer.expected_on.isoformat()}
    return _("%(reference)s is expected on %(day)s.") % values


def _day(transfer: Transfer) -> Mapping[str, Any]:
    """The day that was said, else that of the lane for what leaves today."""
    is_here = transfer.state == TransferState.APPROVED
    usual = transferring.usual_day(transfer.source, transfer.target) if is_here else None
    return {"expected_on": transfer.expected_on or usual}


def _receive(request: HttpRequest, transfer_id: int, data: dict[str, Any]) -> str:
    receipt = _told(
        transfer_arrivals.receive,
        transfer_id,
        typed_rows.rows_of(data["rows"], typed_rows.unloaded),
        text=data["rows"],
        reference=data["reference"],
        actor=staff_actor_name(request),
        note=data["note"],
        version=data["version"],
    )
    units = receipt.lines.aggregate(units=Sum("quantity"))["units"]
    text = ngettext(
        "%(units)d unit was booked as %(reference)s.", "%(units)d units were booked as %(reference)s.", units
    )
    return text % {"units": units, "reference": receipt.reference}


def _told(do: Any, *args: Any, text: str = "", **kwargs: Any) -> Any:
    """What the service answers; what is wrong with rows is told by their numbers in the text."""
    try:
        return do(*args, **kwargs)
    except WrongFields as wrong:
        raise OmsError(typed_rows.told(wrong.errors, text)) from wrong


def _close(request: HttpRequest, transfer_id: int, data: dict[str, Any]) -> str:
    transfer = transferring.close(
        transfer_id, reason=data["reason"], actor=staff_actor_name(request), version=data["version"]
    )
    return pgettext("transfer", "Nothing more is expected of %(number)s.") % {"number": transfer.reference}


def _count_units(rows: Sequence[Any]) -> None:
    """Give transfers how many units they have, and how many of these are in transit. Two statements."""
    ids = [row.pk for row in rows]
    of_page = TransferLine.objects.filter(transfer__in=ids).order_by()
    units = dict(of_page.values_list("transfer").annotate(Sum("quantity")))
    coming = transferring.lines_in_transit().filter(transfer__in=ids).order_by()
    to_come = dict(coming.values_list("transfer").annotate(units=Sum(F("shipped") - F("received"))))
    for row in rows:
        row.units_in_all, row.units_to_come = units.get(row.pk, 0), to_come.get(row.pk, 0)


def _cancel(request: HttpRequest, transfer_id: int, data: dict[str, Any]) -> str:
    transfer = transferring.cancel(
        transfer_id, reason=data["note"], actor=staff_actor_name(request), version=data["version"]
    )
    return _("%(reference)s is cancelled; its units are free again.") % {"reference": transfer.reference}


_FITTING: Mapping[str, tuple[str, ...]] = {
    TransferState.DRAFT: ("approve", "cancel"),
    TransferState.APPROVED: ("ship", "cancel"),
    TransferState.SHIPPED: ("receive", "expect", "close"),
    TransferState.PARTLY_RECEIVED: ("receive", "expect", "close"),
    TransferState.CLOSED: ("receive",),
}


@admin.register(Transfer)
class TransferAdmin(RowColumns, RowActions):
    """Goods that go from one warehouse to another: written, approved, sent, received, closed."""

    form = TransferForm
    may_add = True
    inlines = (_Lines, _Steps)
    search_fields = ("reference", "lines__sku__code")
    search_help_text = gettext_lazy("Reference or SKU code")
    list_display = (
        "reference",
        "state_label",
        "source",
        "target",
        "merchant",
        "units",
        "to_come",
        "expected_on",
        "created_at",
    )
    list_select_related = ("merchant", "source", "target")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("source", RelatedDropdownFilter),
        ("target", RelatedDropdownFilter),
        ("merchant", RelatedDropdownFilter),
    )
    row_actions = (
        RowAction(
            "approve",
            APPROVE,
            gettext_lazy("Approve and set the units aside"),
            _approve,
            VersionForm,
            tone="primary",
            icon="task_alt",
        ),
        RowAction(
            "ship",
            SHIP,
            gettext_lazy("Send on its way"),
            _ship,
            _ShipForm,
            tone="primary",
            icon="local_shipping",
            hint=gettext_lazy("What is set aside leaves the stock of the source and is in transit to the target."),
            initial=_day,
        ),
        RowAction("expect", SHIP, gettext_lazy("Say when it arrives"), _expect, _DayForm, icon="event", initial=_day),
        RowAction(
            "receive",
            RECEIVE,
            gettext_lazy("Book what came"),
            _receive,
            _ReceiveForm,
            tone="primary",
            icon="move_to_inbox",
            hint=gettext_lazy("A reference is booked once; more, fewer or damaged units are booked as they came."),
            initial=_to_come,
        ),
        RowAction(
            "close",
            END,
            gettext_lazy("Close with the differences"),
            _close,
            _ReasonForm,
            hint=gettext_lazy("What has not arrived is lost; it is no longer in transit."),
        ),
        RowAction("cancel", END, gettext_lazy("Call it off"), _cancel, _NoteForm, tone="danger-line"),
    )

    def get_fields(self, request: HttpRequest, obj: Transfer | None = None) -> tuple[str, ...]:
        """What is asked for when it is new, and what it says then."""
        if obj is None:
            return ("reference", "merchant", "source", "target", "expected_on", "rows", "note")
        return ("reference", "state_label", "merchant", "source", "target", "expected_on", "note", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Transfer | None = None) -> tuple[str, ...]:
        """What was written does not change: another is written, or this one called off."""
        return self.get_fields(request, obj) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Transfer | None) -> list[Any]:
        """Its lines and its story, once there are any."""
        return [_Lines, _Steps] if obj else []

    def fitting_actions(self, row: Transfer) -> tuple[str, ...]:
        """What turns up after it was closed is booked, too."""
        return _FITTING.get(row.state, ())

    def save_model(self, request: HttpRequest, obj: Transfer, form: forms.ModelForm, change: bool) -> None:
        """Written by the service, which also makes the lines."""
        made = transferring.draft(
            obj.source,
            obj.target,
            form.cleaned_data["lines"],
            actor=staff_actor_name(request),
            note=obj.note,
            reference=obj.reference,
            expected_on=obj.expected_on,
        )
        obj.pk = made.pk

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """Units, and those in transit, by transfer. Two statements."""
        super().prepare_rows(request, rows)
        _count_units(rows)

    @display(description=gettext_lazy("units"))
    def units(self, transfer: Transfer) -> int:
        """Units that were to be moved."""
        if not hasattr(transfer, "units_in_all"):
            _count_units([transfer])
        return transfer.units_in_all  # type: ignore[attr-defined, no-any-return]

    @display(description=gettext_lazy("in transit"))
    def to_come(self, transfer: Transfer) -> int:
        """Units that left and have not arrived."""
        if not hasattr(transfer, "units_to_come"):
            _count_units([transfer])
        return transfer.units_to_come  # type: ignore[attr-defined, no-any-return]
