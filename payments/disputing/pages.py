"""The staff's pages on disputes: the list, and on an order's page what is contested and how it is answered."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from oms.common.desk.lists import KeysetAdmin, RowColumns
from oms.common.errors import OmsError
from oms.common.secrecy import unseal
from orders.admin.actions import posted
from orders.admin.staff import staff_actor
from orders.asked import panels
from orders.models import Order
from payments.disputing import deciding
from payments.disputing.deciding import DECISIONS, Entered
from payments.models import OPEN_DISPUTES, Dispute, DisputeKind, DisputeState, Payment, PaymentState

ENTER, DECIDE = "payments.enter_dispute", "payments.decide_dispute"


class _EnteredForm(forms.Form):
    number = forms.CharField(label=gettext_lazy("Number at the provider"), max_length=64)
    payment = forms.CharField(label=gettext_lazy("Payment"), max_length=32)
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"), min_value=Decimal("0.01"), max_digits=12, decimal_places=2
    )
    held = forms.DecimalField(
        label=gettext_lazy("Held by the provider"), min_value=Decimal(0), max_digits=12, decimal_places=2
    )
    due_at = forms.DateTimeField(label=gettext_lazy("To be answered by"))


class _DecisionForm(forms.Form):
    row = forms.IntegerField(min_value=1)
    decision = forms.ChoiceField(choices=DisputeState.choices)
    note = forms.CharField(label=gettext_lazy("Note"), max_length=200)


@posted(ENTER, _EnteredForm)
def _enter(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Enter a chargeback of the order."""
    deciding.enter(order_id, Entered(**data), actor=staff_actor(request))
    return _("The chargeback is entered; what the provider keeps is held in the books.")


@posted(DECIDE, _DecisionForm)
def _decide(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Say how a dispute of the order was answered or decided."""
    if not Dispute.objects.filter(pk=data["row"], order=order_id).exists():
        raise OmsError(_("This is no part of the order."))
    dispute = deciding.decide(
        data["row"], DisputeState(data["decision"]), note=data["note"], actor=staff_actor(request)
    )
    return _("%(number)s: %(state)s.") % {"number": dispute.number, "state": dispute.get_state_display()}


@admin.register(Dispute)
class DisputeAdmin(RowColumns, KeysetAdmin):
    """Complaints at providers and chargebacks. They are answered and decided on their orders' pages."""

    search_fields = ("number", "order__number")
    search_help_text = gettext_lazy("Number at the provider, or order number")
    list_display = (
        *("number", "order_link", "kind", "state_label", "amount", "held_amount", "due_at", "opened_at", "ended_at"),
        "note",
    )
    list_select_related = ("order", "connection")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("connection", RelatedDropdownFilter),
    )

    def get_urls(self) -> list[Any]:
        """The addresses of what staff do to disputes on the order's page."""
        wrap = self.admin_site.admin_view
        return [
            path("of/<int:order_id>/enter/", wrap(_enter), name="payments_dispute_enter"),
            path("of/<int:order_id>/decide/", wrap(_decide), name="payments_dispute_decide"),
            *super().get_urls(),
        ]


def _disputes_of(order: Order) -> Mapping[str, Any] | None:
    rows = list(Dispute.objects.filter(order=order).select_related("connection", "payment").order_by("id"))
    captured = Payment.objects.filter(order=order, state=PaymentState.CAPTURED, connection__isnull=False)
    payments = list(captured.order_by("id"))
    if not rows and not payments:
        return None
    return {"rows": [_shown(row) for row in rows], "payments": payments}


def _shown(row: Dispute) -> Mapping[str, Any]:
    decisions = DECISIONS[DisputeKind(row.kind)] if row.state in OPEN_DISPUTES else ()
    return {
        "row": row,
        "text": unseal(row.content) if row.content else "",
        "decisions": [(one.value, one.label) for one in decisions if one != row.state],
    }


panels.register(
    panels.Panel(
        gettext_lazy("Complaints and chargebacks"), "admin/payments/dispute_panel.html", _disputes_of, position=43
    )
)
