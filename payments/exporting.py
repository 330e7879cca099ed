"""What can be exported of money: payments, refunds, grants, settlements, statements and the ledger."""

from typing import Any

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from oms.common.files.exporting import Column, Export, register
from payments.models import (
    EntryKind,
    GrantKind,
    GrantState,
    LedgerEntry,
    LedgerLine,
    Means,
    Payment,
    PaymentState,
    Refund,
    RefundGrant,
    RefundReason,
    RefundState,
    RowKind,
    SettlementRow,
    Statement,
    StatementState,
)

RIGHT = "payments.export_money"


def _money(model: type[Model], *columns: Column, **more: Any) -> Export:
    """An export of money, under its one right."""
    return register(Export(model, columns, RIGHT, RIGHT, **more))


PAYMENTS = _money(
    Payment,
    Column(_("payment number"), "number"),
    Column(_("order number"), "order__number"),
    Column(_("means of payment"), "means", dict(Means.choices)),
    Column(_("connection"), "connection__code"),
    Column(_("state"), "state", dict(PaymentState.choices)),
    Column(_("amount"), "amount"),
    Column(_("captured"), "captured_amount"),
    Column(_("created at"), "created_at"),
    Column(_("captured at"), "captured_at"),
)
REFUNDS = _money(
    Refund,
    Column(_("refund number"), "number"),
    Column(_("order number"), "order__number"),
    Column(_("payment number"), "payment__number"),
    Column(_("connection"), "connection__code"),
    Column(_("state"), "state", dict(RefundState.choices)),
    Column(_("reason"), "reason", dict(RefundReason.choices)),
    Column(_("amount"), "amount"),
    Column(_("refunded"), "refunded_amount"),
    Column(_("created at"), "created_at"),
    Column(_("due at"), "due_at"),
    Column(_("succeeded at"), "succeeded_at"),
)
GRANTS = _money(
    RefundGrant,
    Column(_("number of the grant"), "number"),
    Column(_("order number"), "order__number"),
    Column(_("kind"), "kind", dict(GrantKind.choices)),
    Column(_("state"), "state", dict(GrantState.choices)),
    Column(_("reason"), "reason__code"),
    Column(_("who bears it"), "bearer"),
    Column(_("amount"), "amount"),
    Column(_("proposed by"), "proposed_by"),
    Column(_("proposed at"), "proposed_at"),
    Column(_("decided by"), "decided_by"),
    Column(_("decided at"), "decided_at"),
)
SETTLEMENT_ROWS = _money(
    SettlementRow,
    Column(_("merchant"), "merchant__code"),
    Column(_("kind"), "kind", dict(RowKind.choices)),
    Column(_("order number"), "order__number"),
    Column(_("sub-order number"), "sub_order__number"),
    Column(_("SKU"), "line__sku__code"),
    Column(_("units"), "quantity"),
    Column(_("goods"), "goods_amount"),
    Column(_("borne by the platform"), "platform_amount"),
    Column(_("freight"), "freight_amount"),
    Column(_("commission rate"), "rate"),
    Column(_("commission"), "commission_amount"),
    Column(_("other"), "other_amount"),
    Column(_("net"), "net_amount"),
    Column(_("due on"), "due_on"),
    Column(_("statement number"), "statement__number"),
    Column(_("reason"), "reason"),
    Column(_("document"), "document"),
)
STATEMENTS = _money(
    Statement,
    Column(_("statement number"), "number"),
    Column(_("merchant"), "merchant__code"),
    Column(_("state"), "state", dict(StatementState.choices)),
    Column(_("first day"), "starts_on"),
    Column(_("until (not including)"), "ends_on"),
    Column(_("carried over"), "opening_amount"),
    Column(_("sum of rows"), "rows_amount"),
    Column(_("total"), "total_amount"),
    Column(_("rows"), "row_count"),
    Column(_("approved by"), "approved_by"),
    Column(_("bank serial"), "bank_serial"),
    Column(_("paid at"), "paid_at"),
)
LEDGER = _money(
    LedgerLine,
    Column(_("key"), "entry__key"),
    Column(_("fact"), "entry__kind", dict(EntryKind.choices)),
    Column(_("order number"), "entry__order__number"),
    Column(_("subject"), "entry__subject"),
    Column(_("account"), "account"),
    Column(_("party"), "party"),
    Column(_("debit (fen)"), "debit_fen"),
    Column(_("credit (fen)"), "credit_fen"),
    Column(_("occurred at"), "entry__occurred_at"),
    Column(_("reason"), "entry__reason"),
    listed=LedgerEntry,
    path="entry",
)
