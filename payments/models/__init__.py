"""Money in, money back, documents, and what merchants are owed. Amounts in yuan."""

from payments.models.bill import (
    FUND_FORMS,
    MAPPED_FORMS,
    SETTLED_OUTCOMES,
    TRADE_FORMS,
    Bill,
    BillDay,
    BillForm,
    BillMatch,
    BillRow,
    BillRowKind,
    BillSource,
    Outcome,
    Resolution,
)
from payments.models.dispute import OPEN_DISPUTES, Dispute, DisputeKind, DisputeState
from payments.models.grant import (
    CAUSE_OF,
    GrantKind,
    GrantLimit,
    GrantReason,
    GrantState,
    RefundGrant,
    RefundGrantLine,
)
from payments.models.invoice import Invoice, InvoiceState
from payments.models.ledger import Account, EntryKind, LedgerEntry, LedgerLine, Side
from payments.models.pay_out import PayOut
from payments.models.payment import OPEN_PAYMENTS, Means, NoticeKind, Payment, PaymentState
from payments.models.refund import OPEN_REFUNDS, Refund, RefundReason, RefundState
from payments.models.settlement import CommissionTerm, RowKind, SettlementRow, Statement, StatementState
from payments.models.transfer import BankTransfer, TransferState

__all__ = [
    "CAUSE_OF",
    "FUND_FORMS",
    "MAPPED_FORMS",
    "OPEN_DISPUTES",
    "OPEN_PAYMENTS",
    "OPEN_REFUNDS",
    "SETTLED_OUTCOMES",
    "TRADE_FORMS",
    "Account",
    "BankTransfer",
    "Bill",
    "BillDay",
    "BillForm",
    "BillMatch",
    "BillRow",
    "BillRowKind",
    "BillSource",
    "CommissionTerm",
    "Dispute",
    "DisputeKind",
    "DisputeState",
    "EntryKind",
    "GrantKind",
    "GrantLimit",
    "GrantReason",
    "GrantState",
    "Invoice",
    "InvoiceState",
    "LedgerEntry",
    "LedgerLine",
    "Means",
    "NoticeKind",
    "Outcome",
    "PayOut",
    "Payment",
    "PaymentState",
    "Refund",
    "RefundGrant",
    "RefundGrantLine",
    "RefundReason",
    "RefundState",
    "Resolution",
    "RowKind",
    "SettlementRow",
    "Side",
    "Statement",
    "StatementState",
    "TransferState",
]
