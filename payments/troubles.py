"""What a person has to look at about money: the kinds of tickets, and how their subjects are shown."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from django.db.models import Model
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from oms.common.fact_words import OUTCOMES, kinds_of
from oms.common.models import Topic
from oms.common.tickets import Shown, TicketKind, register_kind, register_subject
from payments.models import (
    BalanceAdjustment,
    BankTransfer,
    Dispute,
    DisputeKind,
    Means,
    NoticeKind,
    Payment,
    Refund,
    RefundGrant,
    Statement,
)

PAYMENT, REFUND, GRANT, TRANSFER = "payment", "refund", "grant", "transfer"
ADJUSTMENT, STATEMENT, DISPUTE = "adjustment", "statement", "dispute"
TEAM = "finance"
_DAY = timedelta(days=1)

PAYMENT_AMOUNT_DIFFERS = register_kind(
    TicketKind(
        "payment_amount_differs",
        _("Another amount was paid than was asked for"),
        PAYMENT,
        TEAM,
        _DAY,
        reasons={
            "too_much": _("Payment %(number)s: %(told)s yuan came through %(provider)s instead of %(expected)s."),
            "too_little": _("Payment %(number)s: only %(told)s of %(expected)s yuan came through %(provider)s."),
        },
        remedies=_(
            "What is too much goes back by itself. Where money is missing, the order is cancelled at its deadline and"
            " the money goes back; ask the buyer to pay the rest, or the provider whether the amount is right."
        ),
    )
)
PAYMENT_CAPTURED_AGAIN = register_kind(
    TicketKind(
        "payment_captured_again",
        _("A payment was reported as captured once more"),
        PAYMENT,
        TEAM,
        _DAY,
        reasons={
            "": _(
                "Payment %(number)s: %(provider)s reported %(told)s yuan as captured once more, in message %(key)s;"
                " %(held)s yuan are booked."
            )
        },
        remedies=_(
            "Where the buyer paid twice, send it back by the button on the order's page; where the same money was told"
            " once more, say that you looked at it."
        ),
        retry_title=_("I looked at it"),
    )
)
ORDER_PAID_AGAIN = register_kind(
    TicketKind(
        "order_paid_again",
        _("An order was paid by two payments"),
        PAYMENT,
        TEAM,
        _DAY,
        reasons={
            "": _(
                "Payment %(number)s: %(amount)s yuan came through %(provider)s although the order was paid already;"
                " what is too much goes back by itself."
            )
        },
        remedies=_(
            "See on the order's page what goes back, and whether it arrived. Where the buyer wanted something else with"
            " it, talk to the buyer; then close the ticket with what was done."
        ),
        can_retry=False,
    )
)
PAYMENT_TOLD_BY_ANOTHER = register_kind(
    TicketKind(
        "payment_told_by_another",
        _("Message of another provider about a payment"),
        PAYMENT,
        TEAM,
        _DAY,
        reasons={
            NoticeKind.CAPTURED: _(
                "%(teller)s says that it has %(told)s yuan of payment %(number)s, which goes over %(provider)s."
                " Nothing was booked."
            ),
            NoticeKind.FAILED: _(
                "%(teller)s says that payment %(number)s failed, which goes over %(provider)s. Nothing was booked."
            ),
        },
        remedies=_("Find out at both providers where the money is. Money at the wrong one must be sent back there."),
    )
)
REFUND_AMOUNT_DIFFERS = register_kind(
    TicketKind(
        "refund_amount_differs",
        _("Another amount went back than was to"),
        REFUND,
        TEAM,
        _DAY,
        reasons={
            "too_much": _("Refund %(number)s: %(told)s yuan went back through %(provider)s instead of %(expected)s."),
            "too_little": _("Refund %(number)s: only %(told)s of %(expected)s yuan went back through %(provider)s."),
            "more_than_there_was": _(
                "Refund %(number)s: %(provider)s says that %(told)s yuan went back instead of %(expected)s, which is"
                " more than the payment had left; %(held)s yuan are booked."
            ),
        },
        remedies=_(
            "Ask the provider which amount is right. What is missing can be sent on its own, or recorded as paid by"
            " hand, on the order's page."
        ),
    )
)
REFUND_SENT_AGAIN = register_kind(
    TicketKind(
        "refund_sent_again",
        _("A refund was reported once more"),
        REFUND,
        TEAM,
        _DAY,
        reasons={
            "": _(
                "Refund %(number)s: %(teller)s reported %(told)s yuan once more, in message %(key)s; %(held)s yuan are"
                " booked."
            )
        },
        remedies=_("Find out whether the buyer got the money twice, and ask for it back."),
    )
)
REFUND_TOLD_BY_ANOTHER = register_kind(
    TicketKind(
        "refund_told_by_another",
        _("Message of another provider about a refund"),
        REFUND,
        TEAM,
        _DAY,
        reasons={
            NoticeKind.REFUNDED: _(
                "%(teller)s says that %(told)s yuan of refund %(number)s went back, which goes over %(provider)s."
                " Nothing was booked."
            ),
            NoticeKind.REFUND_FAILED: _(
                "%(teller)s says that refund %(number)s failed, which goes over %(provider)s. Nothing was booked."
            ),
        },
        remedies=_("Find out at both providers whether the buyer got the money."),
    )
)
REFUND_FAILED = register_kind(
    TicketKind(
        "refund_failed",
        _("A refund failed"),
        REFUND,
        TEAM,
        _DAY,
        reasons={
            "": _("Refund %(number)s of %(expected)s yuan through %(provider)s failed: the money is still ours."),
            Means.EXTERNAL: _("Refund %(number)s of %(expected)s yuan: the channel's system does not send it back."),
        },
        remedies=_("Send it once more, or pay it by hand and record how, on the order's page."),
    )
)
REFUND_SILENT = register_kind(
    TicketKind(
        "refund_silent",
        _("No word about a refund"),
        REFUND,
        TEAM,
        _DAY,
        reasons={"": _("%(provider)s has said nothing about refund %(number)s of %(expected)s yuan for days.")},
        remedies=_("Ask the provider; then send it once more, or pay it by hand and record how, on the order's page."),
    )
)
REFUND_BY_HAND = register_kind(
    TicketKind(
        "refund_by_hand",
        _("A refund must be paid by hand"),
        REFUND,
        TEAM,
        _DAY,
        reasons={
            "cash": _("Refund %(number)s of %(expected)s yuan: the buyer paid in cash, which nobody can send back."),
            "external": _("Refund %(number)s of %(expected)s yuan: the merchant took the money and must send it back."),
            "offline": _("Refund %(number)s of %(expected)s yuan: the buyer paid by bank transfer."),
        },
        remedies=_("Pay it, or have the merchant pay it, and record how on the order's page."),
        can_retry=False,
    )
)
TRANSFER_TO_APPROVE = register_kind(
    TicketKind(
        "transfer_to_approve",
        _("A bank transfer is to be approved"),
        TRANSFER,
        TEAM,
        _DAY,
        reasons={"": _("%(by)s entered %(amount)s yuan for order %(number)s, bank serial number %(serial)s.")},
        remedies=_("Compare it with the account, and approve or refuse it on the order's page: not who entered it."),
        can_retry=False,
    )
)
REFUND_TO_SEND = register_kind(
    TicketKind(
        "refund_to_send",
        _("A granted refund waits to be sent"),
        REFUND,
        TEAM,
        _DAY,
        reasons={"": _("Refund %(number)s: %(expected)s yuan were granted, which is more than goes by rule.")},
        remedies=_("Send it in the list of refunds, or on the order's page."),
        can_retry=False,
    )
)
REFUND_OVERDUE = register_kind(
    TicketKind(
        "refund_overdue",
        _("A refund takes too long"),
        REFUND,
        TEAM,
        _DAY,
        reasons={"": _("Refund %(number)s of %(expected)s yuan was to be with the buyer by %(due)s.")},
        remedies=_("Find out where it hangs; then send it once more, or pay it by hand and record how."),
        can_retry=False,
    )
)
GRANT_TO_APPROVE = register_kind(
    TicketKind(
        "grant_to_approve",
        _("A refund or compensation is to be approved"),
        GRANT,
        TEAM,
        _DAY,
        reasons={"": _("%(number)s: %(amount)s yuan are asked for.")},
        remedies=_("Grant it or decline it on the order's page."),
        can_retry=False,
    )
)
STATEMENT_DISPUTED = register_kind(
    TicketKind(
        "statement_disputed",
        _("A merchant disputes a statement"),
        STATEMENT,
        TEAM,
        2 * _DAY,
        reasons={"": _("Statement %(number)s: %(text)s")},
        remedies=_("Answer on the statement's page. Where the merchant is right, add a correction to the open period."),
        can_retry=False,
    )
)
ADJUSTMENT_TO_APPROVE = register_kind(
    TicketKind(
        "adjustment_to_approve",
        _("An adjustment of a gift card or points is to be approved"),
        ADJUSTMENT,
        TEAM,
        _DAY,
        reasons={"": _("%(number)s is to change by %(amount)s yuan.")},
        remedies=_("Approve it or decline it in the list of adjustments: not who proposed it."),
        can_retry=False,
    )
)
DEPOSIT_TO_DECIDE = register_kind(
    TicketKind(
        "deposit_to_decide",
        _("A deposit is kept or given back"),
        "order",
        TEAM,
        2 * _DAY,
        reasons={"": _("The balance was not paid in time; %(amount)s yuan of deposit are held.")},
        remedies=_("Keep it or give it back on the order's page, as was agreed with the buyer."),
        can_retry=False,
    )
)
CASH_NOT_COLLECTED = register_kind(
    TicketKind(
        "cash_not_collected",
        _("Delivered without anybody to collect the cash"),
        "sub_order",
        TEAM,
        _DAY,
        reasons={
            "": _(
                "Sub-order %(number)s of virtual goods was delivered, to be paid on delivery (%(amount)s yuan), and no"
                " parcel of the order is left at whose door it could be paid."
            )
        },
        remedies=_("Ask the buyer for the money."),
    )
)

DISPUTE_OPEN = register_kind(
    TicketKind(
        "dispute_open",
        _("A buyer complains at the provider, or has the money charged back"),
        DISPUTE,
        TEAM,
        _DAY,
        reasons={
            DisputeKind.COMPLAINT: _("%(provider)s has a complaint %(number)s about a payment of %(amount)s yuan."),
            DisputeKind.CHARGEBACK: _(
                "%(provider)s charges %(amount)s yuan back (%(number)s) and keeps %(held)s yuan until it is decided."
            ),
        },
        remedies=_(
            "Answer at the provider before the deadline, with proof of delivery; then say on the order's page how you"
            " answered, and in the end how it was decided."
        ),
        can_retry=False,
    )
)

OF_PAYMENTS = (PAYMENT_AMOUNT_DIFFERS, PAYMENT_CAPTURED_AGAIN, PAYMENT_TOLD_BY_ANOTHER)
# What is over once the buyer has the money.
OF_OPEN_REFUNDS = (REFUND_FAILED, REFUND_SILENT, REFUND_BY_HAND, REFUND_TO_SEND, REFUND_OVERDUE)
OF_REFUNDS = (*OF_OPEN_REFUNDS, REFUND_AMOUNT_DIFFERS, REFUND_SENT_AGAIN, REFUND_TOLD_BY_ANOTHER)

# What came of facts that contradict what we hold, in words.
OUTCOMES.add(
    {
        "other_connection": _("goes over another provider"),
        "captured_again": _("captured before"),
        "refunded_again": _("went back before"),
        "amount_differs": _("another amount"),
    }
)
kinds_of(Topic.PAYMENT).add(dict(NoticeKind.choices))


def _show(model: type[Model], page: str, name: str, ids: Collection[int]) -> Mapping[int, Shown]:
    rows = model._default_manager.filter(pk__in=ids).values_list("pk", name)
    return {key: Shown(text, reverse(f"admin:{page}", args=[key])) for key, text in rows}


register_subject(PAYMENT, lambda ids: _show(Payment, "payments_payment_change", "number", ids))
register_subject(REFUND, lambda ids: _show(Refund, "payments_refund_change", "number", ids))
register_subject(TRANSFER, lambda ids: _show(BankTransfer, "payments_banktransfer_change", "serial", ids))
register_subject(DISPUTE, lambda ids: _show(Dispute, "payments_dispute_change", "number", ids))
register_subject(
    ADJUSTMENT, lambda ids: _show(BalanceAdjustment, "payments_balanceadjustment_change", "account__number", ids)
)
register_subject(GRANT, lambda ids: _show(RefundGrant, "payments_refundgrant_change", "number", ids))
register_subject(STATEMENT, lambda ids: _show(Statement, "payments_statement_change", "number", ids))
