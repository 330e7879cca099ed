"""The staff's pages of this app, and the money's part of the order's page."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.staff import KeysetAdmin, NeedsPersonFilter, RowColumns
from orders import panels
from orders.models import Order
from orders.panels import Remark
from orders.story import REFUND_REASONS
from payments.models import (
    Invoice,
    Payment,
    PaymentNotice,
    PaymentStatus,
    Refund,
    RefundStatus,
    Settlement,
)


def refund_reason(refund: Refund) -> str:
    """Why the money goes back, in words."""
    return str(REFUND_REASONS.get(refund.reason, refund.reason))


@admin.register(Payment)
class PaymentAdmin(RowColumns, KeysetAdmin):
    """Money in. Only providers' notices and the pipeline change it."""

    search_fields = ("number", "order__number")
    search_help_text = gettext_lazy("Payment or order number")
    list_display = (
        "number",
        "order_link",
        "provider",
        "state_label",
        "amount",
        "captured_amount",
        "created_at",
        "captured_at",
    )
    list_select_related = ("order",)
    list_filter = (("state", ChoicesDropdownFilter), NeedsPersonFilter)


@admin.register(PaymentNotice)
class PaymentNoticeAdmin(KeysetAdmin):
    """What providers told us, as it came."""

    search_fields = ("reference", "notice_key")
    search_help_text = gettext_lazy("Payment or refund number, notice key")
    list_display = ("notice_key", "provider", "kind", "reference", "amount", "occurred_at", "applied_at", "outcome")
    list_filter = (("kind", ChoicesDropdownFilter),)


@admin.register(Refund)
class RefundAdmin(RowColumns, KeysetAdmin):
    """Money back."""

    search_fields = ("number", "order__number")
    search_help_text = gettext_lazy("Refund or order number")
    list_display = ("number", "order_link", "state_label", "amount", "why", "created_at", "succeeded_at", "error_text")
    list_select_related = ("order",)
    list_filter = (("state", ChoicesDropdownFilter), NeedsPersonFilter)

    @display(description=gettext_lazy("reason"))
    def why(self, refund: Refund) -> str:
        """Why the money goes back."""
        return refund_reason(refund)


@admin.register(Invoice)
class InvoiceAdmin(RowColumns, KeysetAdmin):
    """Tax documents."""

    search_fields = ("number", "order__number")
    search_help_text = gettext_lazy("Invoice or order number")
    list_display = ("number", "order_link", "state_label", "title", "amount", "created_at", "issued_at")
    list_select_related = ("order",)
    list_filter = (("state", ChoicesDropdownFilter),)


@admin.register(Settlement)
class SettlementAdmin(RowColumns, KeysetAdmin):
    """What merchants are owed."""

    search_fields = ("sub_order__number",)
    search_help_text = gettext_lazy("Sub-order number")
    list_display = (
        "sub_order",
        "order_link",
        "merchant",
        "state_label",
        "gross_amount",
        "commission_amount",
        "net_amount",
        "due_on",
    )
    list_select_related = ("merchant", "sub_order__order")
    list_filter = (("merchant", RelatedDropdownFilter), ("state", ChoicesDropdownFilter))


# --- The order's page


def _money_moved(order: Order) -> Mapping[str, Any]:
    payments = list(Payment.objects.filter(order=order).order_by("id"))
    refunds = list(Refund.objects.filter(order=order).order_by("id"))
    invoices = list(Invoice.objects.filter(order=order).order_by("id"))
    settlements = list(
        Settlement.objects.filter(sub_order__order=order).select_related("merchant", "sub_order").order_by("id")
    )
    captured = sum((payment.captured_amount for payment in payments), Decimal(0))
    refunded = sum((refund.amount for refund in refunds if refund.state == RefundStatus.SUCCEEDED), Decimal(0))
    return {
        "payments": payments,
        "refunds": [{"row": refund, "reason": refund_reason(refund)} for refund in refunds],
        "invoices": invoices,
        "settlements": settlements,
        "captured": captured,
        "refunded": refunded,
        "balance": captured - refunded,
        "remarks": list(_remarks(payments, refunds)),
    }


def _remarks(payments: list[Payment], refunds: list[Refund]) -> Iterator[Remark]:
    for payment in payments:
        if payment.state == PaymentStatus.FAILED:
            yield Remark(_("Payment %(number)s failed.") % {"number": payment.number}, "warning")
    rows: list[Payment | Refund] = [*payments, *refunds]
    for row in rows:
        if row.needs_person_since:
            values = {"number": row.number, "attempts": row.attempts, "error": row.last_error}
            yield Remark(
                _("%(number)s needs a person: it failed %(attempts)s times, last with “%(error)s”.") % values, "danger"
            )
    for refund in refunds:
        values = {"number": refund.number, "amount": f"{refund.amount:,.2f}", "reason": refund_reason(refund)}
        if refund.state == RefundStatus.FAILED:
            yield Remark(
                _("Refund %(number)s of %(amount)s yuan failed (%(reason)s): the money is still ours.") % values,
                "danger",
            )
        elif refund.state != RefundStatus.SUCCEEDED:
            yield Remark(
                _("Refund %(number)s of %(amount)s yuan is under way (%(reason)s).") % values,
            )


def _orders_of_stuck_payments() -> QuerySet[Any]:
    # Both tables are queues in the state named here only; the partial index of that queue serves.
    stuck = Payment.objects.filter(state=PaymentStatus.INTENDED, needs_person_since__isnull=False)
    return stuck.order_by().values("order_id")


def _orders_of_stuck_refunds() -> QuerySet[Any]:
    stuck = Refund.objects.filter(state=RefundStatus.INTENDED, needs_person_since__isnull=False)
    return stuck.order_by().values("order_id")


def _orders_of_number(text: str) -> QuerySet[Any]:
    return Payment.objects.filter(number=text).order_by().values("order_id")


def _orders_of_refund_number(text: str) -> QuerySet[Any]:
    return Refund.objects.filter(number=text).order_by().values("order_id")


def _looks_derived(text: str) -> bool:
    """Numbers of payments and refunds begin with that of their order."""
    return len(text) > 17 and text[:16].isdigit() and text[16] == "-"


panels.register(
    panels.Panel(gettext_lazy("Payments and refunds"), "admin/payments/order_panel.html", _money_moved, position=40)
)
panels.register_needing_person(_orders_of_stuck_payments)
panels.register_needing_person(_orders_of_stuck_refunds)
panels.register_lookup(panels.Lookup(_looks_derived, _orders_of_number))
panels.register_lookup(panels.Lookup(_looks_derived, _orders_of_refund_number))
