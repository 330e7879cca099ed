"""The staff's pages of claims on parcels."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from logistics.carriers import claiming
from logistics.models import CLAIM_RUNS, ClaimState, ParcelClaim
from oms.common.desk.acting import INPUT, RowAction, RowActions
from oms.common.desk.lists import RowColumns, staff_actor_name
from oms.common.templatetags.staff import when
from orders.actors import Actor
from orders.models import ActorKind

WORK = "logistics.work_parcelclaim"


def _actor(request: HttpRequest) -> Actor:
    return Actor(ActorKind.STAFF, staff_actor_name(request))


class TextForm(forms.Form):
    """What was said, and where its papers are."""

    text = forms.CharField(
        label=gettext_lazy("what happened, and where its papers are"),
        max_length=1000,
        widget=forms.Textarea(attrs={**INPUT, "rows": 2}),
    )


class AmountForm(TextForm):
    """An amount, and what was said of it."""

    amount = forms.DecimalField(
        label=gettext_lazy("amount (yuan)"),
        max_digits=10,
        decimal_places=2,
        min_value=Decimal("0.01"),
        widget=forms.NumberInput(attrs=INPUT),
    )
    field_order: Sequence[str] = ("amount", "text")


class RemedyForm(TextForm):
    """What became of the buyer's goods."""

    kind = forms.ChoiceField(
        label=gettext_lazy("buyer's goods"),
        choices=[pair for pair in ParcelClaim.Remedy.choices if pair[0]],
        widget=forms.Select(attrs=INPUT),
    )
    field_order = ("kind", "text")


class OpenForm(AmountForm):
    """A new claim."""

    kind = forms.ChoiceField(
        label=gettext_lazy("for"), choices=ParcelClaim.Kind.choices, widget=forms.Select(attrs=INPUT)
    )
    due_on = forms.DateField(
        label=gettext_lazy("deadline"),
        initial=lambda: (timezone.localtime() + timedelta(days=7)).date(),
        widget=forms.DateInput(attrs={**INPUT, "type": "date"}),
    )
    field_order: Sequence[str] = ("kind", "amount", "due_on", "text")


class ParcelForm(OpenForm):
    """A new claim on one parcel."""

    although_on_time = forms.BooleanField(
        label=gettext_lazy("It is lost although no scan and no alert says so: the carrier told us"), required=False
    )


def open_claim(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    """Claim money for the parcel."""
    claiming.open_claim(
        key,
        data["kind"],
        data["amount"],
        due_on=data["due_on"],
        text=data["text"],
        actor=_actor(request),
        although_on_time=data["although_on_time"],
    )
    return _("The claim is open.")


class LateForm(OpenForm):
    """Claims for what is late together."""

    waybill = forms.CharField(
        label=gettext_lazy("only for waybill (empty: for each parcel that is late)"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs=INPUT),
    )
    field_order = ("kind", "amount", "due_on", "waybill", "text")


def claim_late(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    """Claim money for the parcels of a group of alerts."""
    opened = claiming.claim_late(
        key,
        data["kind"],
        data["amount"],
        due_on=data["due_on"],
        text=data["text"],
        actor=_actor(request),
        waybill=data["waybill"].strip(),
    )
    return ngettext("One claim is open.", "%(count)s claims are open.", len(opened)) % {"count": len(opened)}


def _step(do: Callable[..., Any]) -> Callable[[HttpRequest, int, dict[str, Any]], str]:
    def act(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
        amount = (data["amount"],) if "amount" in data else (data["kind"],) if "kind" in data else ()
        do(key, *amount, text=data["text"], actor=_actor(request))
        return _("Recorded.")

    return act


_S = ClaimState
# In which states each step makes sense; the others always do.
_FITS = {
    "file": (_S.OPEN,),
    "agree": (_S.OPEN, _S.FILED),
    "pay": (_S.AGREED,),
    "refuse": (_S.OPEN, _S.FILED),
    "withdraw": CLAIM_RUNS,
}


@admin.register(ParcelClaim)
class ParcelClaimAdmin(RowColumns, RowActions):
    """Claims, the newest first, with what was wanted, agreed and paid."""

    search_fields = ("shipment__waybill_number", "shipment__number")
    search_help_text = gettext_lazy("Shipment or waybill number")
    list_display = (
        *("shipment", "order_link", "kind", "state_label", "wanted", "agreed", "paid", "due_on", "remedy"),
        "opened_at",
    )
    list_select_related = ("shipment__sub_order__order",)
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("shipment__carrier", RelatedDropdownFilter),
    )
    fields = readonly_fields = (
        # On the order's page its goods are sent again, or its buyer is compensated.
        *(
            "shipment",
            "order_link",
            "kind",
            "state",
            "wanted",
            "agreed",
            "paid",
            "due_on",
            "remedy",
            "remedy_text",
            "opened_by",
        ),
        *("opened_at", "ended_at", "notes_table"),
    )
    row_actions = (
        RowAction("file", WORK, gettext_lazy("Filed at the carrier"), _step(claiming.file), TextForm, "primary"),
        RowAction("agree", WORK, gettext_lazy("Agreed"), _step(claiming.agree), AmountForm, "primary"),
        RowAction("pay", WORK, gettext_lazy("Paid by the carrier"), _step(claiming.pay), AmountForm, "primary"),
        RowAction("refuse", WORK, gettext_lazy("Refused by the carrier"), _step(claiming.refuse), TextForm),
        RowAction("withdraw", WORK, gettext_lazy("Withdraw"), _step(claiming.withdraw), TextForm, "danger-line"),
        RowAction("remedy", WORK, gettext_lazy("Note what became of the goods"), _step(claiming.remedy), RemedyForm),
        RowAction("note", WORK, gettext_lazy("Add a note"), _step(claiming.note), TextForm),
    )

    def fitting_actions(self, row: Any) -> Any:
        """Steps that the claim may take now."""
        return [name for name in super().fitting_actions(row) if name not in _FITS or row.state in _FITS[name]]

    @display(description=gettext_lazy("state"))
    def state_label(self, claim: ParcelClaim) -> str:
        """How far it has come."""
        return claim.get_state_display()

    @display(description=gettext_lazy("notes"))
    def notes_table(self, claim: ParcelClaim) -> SafeString | str:
        """What was noted, in its order."""
        rows = ((SafeString(when(one.written_at, "short")), one.written_by, one.text) for one in claim.notes.all())
        return format_html_join("", "<p>{} {}: {}</p>", rows) or "–"
