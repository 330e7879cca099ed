"""The staff's pages of this app, and the money's part of the order's page."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import action, display

from oms.common import tickets
from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import DayRangeFilter, KeysetAdmin, MomentDayFilter, NeedsPersonFilter, RowColumns
from oms.common.desk.sums import Summed
from oms.common.errors import OmsError
from oms.common.fact_words import OUTCOMES
from oms.common.models import InboundFact, Topic
from oms.common.templatetags.staff import when
from orders.actors import Actor
from orders.admin.actions import check_part_of, posted
from orders.admin.staff import staff_actor
from orders.asked import panels
from orders.asked.panels import Remark
from orders.kinds import tell
from orders.models import ActorKind, Order, OrderCharge, OrderEvent
from payments import exporting, transfer_pages
from payments.balances import order_panel  # noqa: F401 - it adds to the order's page
from payments.balances import pages as balance_pages  # noqa: F401 - registers its pages
from payments.disputing import pages as dispute_pages  # noqa: F401 - registers its pages
from payments.granting import pages
from payments.invoicing import pages as invoice_pages  # noqa: F401 - registers its pages
from payments.ledger import pages as ledger_pages  # noqa: F401 - registers its pages
from payments.ledger.account_of_order import account_of
from payments.models import (
    OPEN_REFUNDS,
    Means,
    Payment,
    PaymentState,
    Refund,
    RefundGrant,
    RefundState,
    SettlementRow,
)
from payments.owing import paying_out, retrying, sending
from payments.reconciling import (
    match_pages,  # noqa: F401 - registers its pages
    remitting,
)
from payments.reconciling import pages as bill_pages  # noqa: F401 - registers its pages
from payments.returning import order_panel as returns_panel  # noqa: F401 - it adds to the order's page
from payments.returning import pages as return_pages  # noqa: F401 - registers its pages
from payments.returning import strays_page  # noqa: F401 - registers its pages
from payments.statements import deposit_pages  # noqa: F401 - registers its pages
from payments.statements import pages as statement_pages  # noqa: F401 - registers its pages
from payments.taking import differences, doubling, forfeiting, links

# Of what providers told about an order's money, so much is shown.
MOST_FACTS = 50


class _RowForm(forms.Form):
    kind = forms.ChoiceField(choices=[("payment", "payment"), ("refund", "refund")])
    row = forms.IntegerField(min_value=1)


class _PaidOutForm(forms.Form):
    row = forms.IntegerField(min_value=1)
    note = forms.CharField(label=gettext_lazy("How it was paid"), max_length=200)
    serial = forms.CharField(label=gettext_lazy("Bank serial number"), max_length=64, required=False)


@posted("payments.retry_payment", _RowForm)
def _retry(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Let a stage try a payment or refund of the order again."""
    check_part_of(order_id, Payment if data["kind"] == "payment" else Refund, data["row"])
    retrying.retry(data["kind"], data["row"], actor=staff_actor(request))
    return _("It goes on.")


@posted("payments.return_payment", pages.RowForm)
def _send_back(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Send back what was paid once more for a payment of the order."""
    check_part_of(order_id, Payment, data["row"])
    amount = sum(double.captured_amount for double in doubling.send_back(data["row"], actor=staff_actor(request)))
    return _("%(amount)s yuan are booked; what is too much goes back now.") % {"amount": f"{amount:,.2f}"}


@posted("payments.pay_out_refund", _PaidOutForm)
def _paid_out(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Record that a refund of the order was paid by hand."""
    check_part_of(order_id, Refund, data["row"])
    scan = transfer_pages.scan_of(request)
    proof = {"note": data["note"], "serial": data["serial"], "scan": scan}
    paying_out.confirm_paid_out(data["row"], **proof, actor=staff_actor(request))
    return _("The refund is recorded as paid.")


class _DepositForm(forms.Form):
    decision = forms.ChoiceField(choices=[("return", "return"), ("forfeit", "forfeit")])


@posted("payments.decide_deposit", _DepositForm)
def _decide_deposit(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Keep the held deposit of the order, or give it back."""
    is_forfeited = data["decision"] == "forfeit"
    amount = forfeiting.decide(order_id, is_forfeited=is_forfeited, actor=staff_actor(request))
    if is_forfeited:
        return _("The deposit of %(amount)s yuan is forfeited.") % {"amount": f"{amount:,.2f}"}
    return _("The deposit of %(amount)s yuan goes back.") % {"amount": f"{amount:,.2f}"}


@posted("payments.send_refund", pages.RowForm)
def _send(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Send a granted refund of the order."""
    check_part_of(order_id, Refund, data["row"])
    refund = sending.send(data["row"], actor=staff_actor(request))
    return _("Refund %(number)s is sent.") % {"number": refund.number}


def through(payment: Payment) -> str:
    """Through whom the payment's money comes, in words."""
    return str(payment.connection) if payment.connection else payment.get_means_display()


@admin.register(Payment)
class PaymentAdmin(Summed, ExportMixin, RowColumns, KeysetAdmin):
    """Money in. Only providers' facts and the pipeline change it; what needs a person is done on the order's page."""

    search_fields = ("number", "order__number")
    search_help_text = gettext_lazy("Payment or order number")
    list_display = (
        "number",
        "order_link",
        "through",
        "state_label",
        "amount",
        "captured_amount",
        "created_at",
        "captured_at",
    )
    shown_by = {"means": "through"}
    list_select_related = ("order", "connection")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("means", ChoicesDropdownFilter),
        ("connection", RelatedDropdownFilter),
        ("created_at", DayRangeFilter),
        ("captured_at", MomentDayFilter),
        NeedsPersonFilter,
    )
    summed = ("amount", "captured_amount")
    export = exporting.PAYMENTS

    @display(description=gettext_lazy("means of payment"))
    def through(self, payment: Payment) -> str:
        """Through whom the money comes."""
        return through(payment)

    @display(description=gettext_lazy("what happened"))
    def log(self, payment: Payment) -> SafeString:
        """Its way from state to state, from the order's timeline, oldest first."""
        told = OrderEvent.objects.filter(order=payment.order_id, data__number=payment.number).order_by("id")
        return format_html_join(mark_safe("<br>"), "{} {}", ((when(row.created_at), tell(row)) for row in told))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of it, and what happened."""
        return [*super().get_fields(request, obj), "log"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of it."""
        return [*super().get_readonly_fields(request, obj), "log"]

    def get_urls(self) -> list[Any]:
        """The addresses of what staff do to money on the order's page."""
        site = self.admin_site
        return [
            path("of/<int:order_id>/retry/", site.admin_view(_retry), name="payments_retry"),
            path("of/<int:order_id>/send-back/", site.admin_view(_send_back), name="payments_send_back"),
            path("of/<int:order_id>/deposit/", site.admin_view(_decide_deposit), name="payments_deposit_decide"),
            path("of/<int:order_id>/send/", site.admin_view(_send), name="payments_send"),
            path("of/<int:order_id>/paid-out/", site.admin_view(_paid_out), name="payments_paid_out"),
            *super().get_urls(),
        ]


# What is to be done about refunds: code, title, which ones.
REFUND_QUEUES: Sequence[tuple[str, Any, Q]] = (
    ("to_send", gettext_lazy("To send"), Q(state=RefundState.GRANTED)),
    ("under_way", gettext_lazy("Under way"), Q(state__in=OPEN_REFUNDS)),
    ("failed", gettext_lazy("Failed"), Q(state=RefundState.FAILED)),
    ("by_hand", gettext_lazy("To be paid by hand"), Q(state=RefundState.INTENDED, connection=None)),
    ("overdue", gettext_lazy("Past its time"), ~Q(state=RefundState.SUCCEEDED) & Q(due_at__lt=Now())),
)


class RefundQueueFilter(DropdownFilter):
    """What is to be done about refunds."""

    title = gettext_lazy("queue")
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The queues."""
        return [(code, title) for code, title, _condition in REFUND_QUEUES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        """The queue's rows."""
        chosen = next((condition for code, _title, condition in REFUND_QUEUES if code == self.value()), None)
        return queryset if chosen is None else queryset.filter(chosen)


@admin.register(Refund)
class RefundAdmin(Summed, ExportMixin, RowColumns, KeysetAdmin):
    """Money back."""

    search_fields = ("number", "order__number")
    search_help_text = gettext_lazy("Refund or order number")
    list_display = (
        *("number", "order_link", "state_label", "amount", "refunded_amount", "reason", "created_at", "due_at"),
        *("succeeded_at", "error_text"),
    )
    list_select_related = ("order",)
    list_filter = (
        RefundQueueFilter,
        ("state", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        ("connection", RelatedDropdownFilter),
        ("created_at", DayRangeFilter),
        ("succeeded_at", MomentDayFilter),
        NeedsPersonFilter,
    )
    summed = ("amount", "refunded_amount")
    export = exporting.REFUNDS
    actions = ("send_selected",)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether the person may send what was granted."""
        return request.user.has_perm("payments.send_refund")

    @action(description=gettext_lazy("Send the selected refunds"), permissions=["send"])
    def send_selected(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        """Send each that waits for it."""
        for refund in queryset.order_by("pk"):
            try:
                sending.send(refund.pk, actor=staff_actor(request))
                messages.success(request, _("Refund %(number)s is sent.") % {"number": refund.number})
            except OmsError as refusal:
                messages.error(request, f"{refund.number}: {refusal}")


# --- The order's page


def _money_moved(order: Order) -> Mapping[str, Any]:
    payments = list(Payment.objects.filter(order=order).select_related("connection").order_by("id"))
    refunds = list(Refund.objects.filter(order=order).order_by("id"))
    settlements = list(
        SettlementRow.objects.filter(order=order).select_related("merchant", "sub_order", "statement").order_by("id")
    )
    charges = list(OrderCharge.objects.filter(order=order).select_related("sub_order").order_by("id"))
    grants = list(RefundGrant.objects.filter(order=order).select_related("reason").order_by("id"))
    rows: list[Payment | Refund] = [*payments, *refunds]
    cash = remitting.standing([payment.pk for payment in payments if payment.means == Means.CASH])
    captured = sum((payment.captured_amount for payment in payments), Decimal(0))
    refunded = sum((refund.refunded_amount for refund in refunds), Decimal(0))
    return {
        "account": account_of(charges, payments, refunds, payment_state=order.payment_state),
        "payments": [
            {
                "row": payment,
                "through": through(payment),
                "standing": cash[payment.pk].label if payment.pk in cash else "",
                "is_paid_twice": payment.needs_person_since and doubling.open_ticket(payment.pk) is not None,
            }
            for payment in payments
        ],
        "order_id": order.pk,
        "refunds": refunds,
        "grants": grants,
        "facts": list(_facts([row.number for row in rows])),
        "settlements": settlements,
        "captured": captured,
        "refunded": refunded,
        "balance": captured - refunded,
        "pay_link": links.address_of(order) if differences.asks_for(order) else "",
        "remarks": list(_remarks(payments, refunds)),
        "actions": [
            panels.Action(
                "refund",
                _("Refund or compensate"),
                "undo",
                None,
                reverse("admin:payments_grant", args=[order.pk]),
                right="payments.grant_refund",
            )
        ],
    }


def _facts(numbers: list[str]) -> Iterator[Mapping[str, Any]]:
    """What providers told of these payments and refunds, the oldest first."""
    found = InboundFact.objects.filter(topic=Topic.PAYMENT, subject__in=numbers).select_related("connection")
    for fact in found.order_by("id")[:MOST_FACTS]:
        yield {"row": fact, "outcome": OUTCOMES.word(fact.outcome)}


def _remarks(payments: list[Payment], refunds: list[Refund]) -> Iterator[Remark]:
    # What needs a person has a ticket, which stands above the remarks.
    for payment in payments:
        if payment.state == PaymentState.FAILED:
            yield Remark(_("Payment %(number)s failed.") % {"number": payment.number}, "warning")
    for refund in refunds:
        if refund.state in OPEN_REFUNDS and not refund.needs_person_since:
            values = {"number": refund.number, "amount": f"{refund.amount:,.2f}"}
            values["reason"] = refund.get_reason_display()
            yield Remark(_("Refund %(number)s of %(amount)s yuan is under way (%(reason)s).") % values)


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
panels.register_lookup(panels.Lookup(_looks_derived, _orders_of_number, gettext_lazy("payment number")))
panels.register_lookup(panels.Lookup(_looks_derived, _orders_of_refund_number, gettext_lazy("refund number")))


def _retry_row(kind: str, row_id: int, by: str) -> None:
    retrying.retry(kind, row_id, actor=Actor(ActorKind.STAFF, by))


for _kind in ("payment", "refund"):
    tickets.register_retry(_kind, tickets.Retry("payments.retry_payment", partial(_retry_row, _kind)))
