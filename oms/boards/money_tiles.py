"""Tiles of money and merchants."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from oms.boards.registry import Figure, Tile, counted, register
from oms.common.desk.lists import midnight
from oms.common.desk.ticket_list import OVERDUE
from oms.common.models import Team, Ticket
from oms.merchants import sandboxes
from oms.merchants.models import EndpointState, Merchant, MerchantApplication, WebhookEndpoint
from oms.merchants.models.application import ApplicationState
from payments.admin import REFUND_QUEUES
from payments.models import (
    BankTransfer,
    BillMatch,
    Dispute,
    DisputeState,
    GrantState,
    Invoice,
    InvoiceState,
    Payment,
    PaymentState,
    Refund,
    RefundGrant,
    RefundState,
    Statement,
    StatementState,
    TransferState,
)
from payments.reconciling.match_pages import OpenFilter

_PAYMENTS, _REFUNDS = "payments.payment", "payments.refund"


def _refunds(_user_id: int) -> list[Figure]:
    grants = RefundGrant.objects.filter(state=GrantState.PROPOSED)
    proposed = {"state__exact": GrantState.PROPOSED.value}
    titles = {code: title for code, title, _condition in REFUND_QUEUES}
    return [
        counted(_("Waits for a second person"), "payments.refundgrant", grants, proposed),
        *(
            counted(titles[code], _REFUNDS, Refund.objects.filter(condition), {"queue": code}, tone=tone)
            for code, _title, condition in REFUND_QUEUES
            for tone in ["danger" if code in ("failed", "overdue") else "warning"]
            if code != "under_way"
        ),
    ]


def _summed(label: Any, model: str, rows: QuerySet[Any], column: str, query: dict[str, str]) -> Figure:
    """How many rows, and what they come to. One statement."""
    found = sandboxes.real(rows).order_by().aggregate(count=Count("pk"), sum=Sum(column, default=Decimal(0)))
    note = (_("%(yuan)s yuan"), {"yuan": f"{found['sum']:,.2f}"})
    return Figure(label, found["count"], model, query, "info", note)


def _money_of_today(_user_id: int) -> list[Figure]:
    today = timezone.localdate()
    since, until = midnight(today), midnight(today + timedelta(days=1))

    def days(column: str) -> dict[str, str]:
        return {f"{column}_from": today.isoformat(), f"{column}_to": today.isoformat()}

    paid = Payment.objects.filter(state=PaymentState.CAPTURED, captured_at__gte=since, captured_at__lt=until)
    sent = Refund.objects.filter(state=RefundState.SUCCEEDED, succeeded_at__gte=since, succeeded_at__lt=until)
    return [
        _summed(
            _("Came in"),
            _PAYMENTS,
            paid,
            "captured_amount",
            {"state__exact": PaymentState.CAPTURED.value, **days("captured_at")},
        ),
        _summed(
            _("Went back"),
            _REFUNDS,
            sent,
            "refunded_amount",
            {"state__exact": RefundState.SUCCEEDED.value, **days("succeeded_at")},
        ),
    ]


def _books(_user_id: int) -> list[Figure]:
    matches = OpenFilter.condition(BillMatch.objects.all())
    transfers = BankTransfer.objects.filter(state=TransferState.ENTERED)
    failed = Invoice.objects.filter(state=InvoiceState.FAILED)
    return [
        counted(_("Differences"), "payments.billmatch", matches, {"open": "1"}),
        counted(
            _("Bank transfers to approve"),
            "payments.banktransfer",
            transfers,
            {"state__exact": TransferState.ENTERED.value},
        ),
        counted(
            _("Failed invoices"),
            "payments.invoice",
            failed,
            {"state__exact": InvoiceState.FAILED.value},
            tone="danger",
        ),
        counted(
            _("Complaints to answer"),
            "payments.dispute",
            Dispute.objects.filter(state=DisputeState.OPEN),
            {"state__exact": DisputeState.OPEN.value},
            tone="danger",
        ),
    ]


def _statements(_user_id: int) -> list[Figure]:
    return [
        counted(label, "payments.statement", Statement.objects.filter(state=state), {"state__exact": state.value})
        for label, state in (
            (_("Statements to approve"), StatementState.CLOSED),
            (_("Statements to pay"), StatementState.APPROVED),
        )
    ]


def _merchants(_user_id: int) -> list[Figure]:
    submitted, under_review = ApplicationState.SUBMITTED, ApplicationState.UNDER_REVIEW
    applications = MerchantApplication.objects.all()
    suspended = Merchant.Status.SUSPENDED
    endpoints = WebhookEndpoint.objects.filter(state=EndpointState.DISABLED)
    application, endpoint = "merchants.merchantapplication", "merchants.webhookendpoint"
    return [
        counted(
            _("New applications"),
            application,
            applications.filter(state=submitted),
            {"state__exact": submitted.value},
        ),
        counted(
            _("Applications under review"),
            application,
            applications.filter(state=under_review),
            {"state__exact": under_review.value},
        ),
        counted(
            _("Suspended merchants"),
            "merchants.merchant",
            Merchant.objects.filter(status=suspended),
            {"status__exact": suspended.value},
        ),
        counted(
            _("Webhook endpoints that are off"),
            endpoint,
            endpoints,
            {"state__exact": EndpointState.DISABLED.value},
            tone="danger",
        ),
    ]


def _technical(_user_id: int) -> list[Figure]:
    rows = Ticket.objects.filter(team=Team.TECHNICAL)
    return [
        counted(_("Waiting"), "common.ticket", rows.waiting(), {"team": Team.TECHNICAL.value}),
        counted(
            _("Overdue"),
            "common.ticket",
            rows.overdue(),
            {"team": Team.TECHNICAL.value, "which": OVERDUE},
            tone="danger",
        ),
    ]


_TILES: Sequence[Tile] = (
    Tile("refunds", _("Refunds"), "payments.view_refund", "undo", _refunds),
    Tile("money_today", _("Money of the day"), "payments.view_payment", "payments", _money_of_today),
    Tile("books", _("Books and bills"), "payments.view_billmatch", "balance", _books),
    Tile("statements", _("Statements"), "payments.view_statement", "account_balance", _statements),
    Tile("merchants", _("Merchants' trouble"), "merchants.view_merchant", "storefront", _merchants),
    Tile("technical", _("Technical trouble"), "common.see_pipeline", "build", _technical),
)
for _tile in _TILES:
    register(_tile)
