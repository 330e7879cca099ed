"""Money in, money back, documents, and what merchants are owed. Amounts in yuan."""

from payments.models.invoice import Invoice, InvoiceState
from payments.models.payment import OPEN_PAYMENTS, Means, NoticeKind, Payment, PaymentState
from payments.models.refund import OPEN_REFUNDS, Refund, RefundReason, RefundState
from payments.models.settlement import Settlement, SettlementState
from payments.models.transfer import BankTransfer, TransferState

__all__ = [
    "OPEN_PAYMENTS",
    "OPEN_REFUNDS",
    "BankTransfer",
    "Invoice",
    "InvoiceState",
    "Means",
    "NoticeKind",
    "Payment",
    "PaymentState",
    "Refund",
    "RefundReason",
    "RefundState",
    "Settlement",
    "SettlementState",
    "TransferState",
]
