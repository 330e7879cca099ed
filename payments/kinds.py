"""The kinds of timeline events about money; see `orders.kinds`."""

from collections.abc import Callable

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.actors import name_actors, word
from orders.kinds import event
from orders.telling import story
from payments.invoicing.words import CONFIRMATIONS
from payments.models import BalanceKind, DisputeKind, DisputeState, GrantKind, Means, RefundReason


def _tell_refund(data: story.Data) -> str:
    reason = story.word(dict(RefundReason.choices), data["reason"])
    return story.fill(gettext("Refund %(number)s of %(amount)s yuan is due: %(reason)s."), {**data, "reason": reason})


def _of_money(sentence: Promise) -> Callable[[story.Data], str]:
    """The sentence, with a word for who has the money where that is no provider."""

    def tell(data: story.Data) -> str:
        return story.fill(sentence, {**data, "provider": word(data["provider"])})

    return tell


def _of_grant(sentence: Promise) -> Callable[[story.Data], str]:
    """The sentence, with a word for what kind of grant it is."""

    def tell(data: story.Data) -> str:
        return story.fill(sentence, {**data, "grant": story.word(dict(GrantKind.choices), data["grant"])})

    return tell


def _of_dispute(sentence: Promise) -> Callable[[story.Data], str]:
    """The sentence, with words for the dispute's kind and state."""

    def tell(data: story.Data) -> str:
        words = {"dispute": story.word(dict(DisputeKind.choices), data["dispute"])}
        if "state" in data:
            words["state"] = story.word(dict(DisputeState.choices), data["state"])
        return story.fill(sentence, {**data, **words})

    return tell


def _of_tender(sentence: Promise) -> Callable[[story.Data], str]:
    """The sentence, with a word for what kind of balance it is."""

    def tell(data: story.Data) -> str:
        return story.fill(sentence, {**data, "tender": story.word(dict(BalanceKind.choices), data["tender"])})

    return tell


PAYMENT_REQUESTED = event(
    "payment_requested",
    _of_money(_("%(amount)s yuan were requested through %(provider)s.")),
    ("number", "amount", "provider"),
    news={"payment.requested": "The buyer was asked to pay."},
    tone="info",
    icon="request_quote",
)
PAID = event(
    "paid",
    _of_money(_("%(amount)s yuan were paid through %(provider)s.")),
    ("number", "amount", "provider"),
    news={"payment.succeeded": "Money came in."},
    tone="success",
    icon="payments",
    for_buyer=True,
)
CAPTURED_TWICE = event(
    "captured_twice",
    _of_money(_("%(provider)s reported payment %(number)s once more: %(amount)s yuan, notice %(notice)s.")),
    ("number", "amount", "provider"),
    private=("notice",),
    tone="danger",
    icon="content_copy",
)
PAID_TWICE = event(
    "paid_twice",
    _(
        "%(amount)s yuan were paid once more for payment %(of)s; they are booked as %(number)s, and what is too much"
        " goes back."
    ),
    ("number", "amount", "of"),
    tone="warning",
    icon="content_copy",
)
PAYMENT_FAILED = event(
    "payment_failed",
    _of_money(_("The payment of %(amount)s yuan through %(provider)s failed.")),
    ("number", "amount", "provider"),
    news={"payment.failed": "The payment failed."},
    tone="danger",
    icon="credit_card_off",
)
PAYMENT_EXPIRED = event(
    "payment_expired",
    _("Payment %(number)s is not asked for any more."),
    ("number", "amount"),
    news={"payment.expired": "The buyer is asked for it no longer."},
    tone="warning",
    icon="timer_off",
)
REFUND_INTENDED = event(
    "refund_intended",
    _tell_refund,
    ("number", "amount", "reason"),
    news={"refund.created": "Money is to go back to the buyer."},
    tone="warning",
    icon="currency_exchange",
)
REFUND_ASKED_FOR_NEWS = "refund.asked_for"
REFUND_ASKED_FOR = event(
    "refund_asked_for",
    _("The channel's system is asked to send %(amount)s yuan back, refund %(number)s."),
    ("number", "amount", "reason"),
    news={REFUND_ASKED_FOR_NEWS: "Your channel has the money: send it back, and confirm or refuse it by the API."},
    tone="info",
    icon="outgoing_mail",
)
REFUND_CONFIRMED = event(
    "refund_confirmed",
    _("The channel's system says that %(amount)s yuan of refund %(number)s went back, its number %(transaction)s."),
    ("number", "amount", "transaction"),
    tone="info",
    icon="mark_email_read",
)
REFUND_REFUSED = event(
    "refund_refused",
    _("The channel's system does not send refund %(number)s back: %(why)s"),
    ("number", "why"),
    tone="danger",
    icon="unsubscribe",
)
REFUNDED = event(
    "refunded",
    _("Refund %(number)s: %(amount)s yuan went back to the buyer."),
    ("number", "amount", "provider"),
    news={"refund.succeeded": "Money went back."},
    tone="success",
    icon="currency_exchange",
    for_buyer=True,
)
REFUND_FAILED = event(
    "refund_failed",
    _("Refund %(number)s of %(amount)s yuan failed."),
    ("number", "amount", "provider"),
    news={"refund.failed": "The provider refused to send money back."},
    tone="danger",
    icon="credit_card_off",
)
PAID_OUT = event(
    "paid_out",
    _("Refund %(number)s of %(amount)s yuan was paid out by hand: %(note)s"),
    ("number", "amount"),
    private=("note",),
    tone="info",
    icon="account_balance",
)
TRANSFER_ENTERED = event(
    "transfer_entered",
    _("A bank transfer of %(amount)s yuan was entered, bank serial number %(serial)s."),
    None,
    private=("amount", "serial"),
    tone="info",
    icon="account_balance",
)
TRANSFER_APPROVED = event(
    "transfer_approved",
    _("The bank transfer of %(amount)s yuan, bank serial number %(serial)s, was approved."),
    None,
    private=("amount", "serial"),
    tone="success",
    icon="account_balance",
)
TRANSFER_REFUSED = event(
    "transfer_refused",
    _("The bank transfer of %(amount)s yuan, bank serial number %(serial)s, was refused."),
    None,
    private=("amount", "serial"),
    tone="warning",
    icon="account_balance",
)
GRANT_PROPOSED = event(
    "grant_proposed",
    _of_grant(_("%(grant)s: %(amount)s yuan are to be given back (%(number)s): %(note)s")),
    ("number", "amount", "grant"),
    private=("note",),
    tone="info",
    icon="rate_review",
)
GRANTED = event(
    "granted",
    _of_grant(_("%(grant)s: %(amount)s yuan were granted (%(number)s).")),
    ("number", "amount", "grant"),
    news={"refund.granted": "It was granted that money goes back."},
    tone="success",
    icon="approval",
)
GRANT_DECLINED = event(
    "grant_declined",
    _of_grant(_("%(grant)s: %(amount)s yuan were not granted (%(number)s): %(why)s")),
    ("number", "amount", "grant", "why"),
    news={"refund.declined": "What was asked to be given back was not granted."},
    tone="warning",
    icon="do_not_disturb_on",
)
REFUND_SENT = event(
    "refund_sent",
    _("Refund %(number)s of %(amount)s yuan was sent on."),
    ("number", "amount"),
    tone="info",
    icon="send",
)
DISPUTED = event(
    "disputed",
    _of_dispute(_("%(provider)s: %(dispute)s %(number)s about %(amount)s yuan.")),
    None,
    private=("number", "amount", "provider", "dispute"),
    tone="danger",
    icon="gavel",
)
DISPUTE_MOVED = event(
    "dispute_moved",
    _of_dispute(_("%(dispute)s %(number)s: %(state)s. %(note)s")),
    None,
    private=("number", "dispute", "state", "note"),
    tone="warning",
    icon="gavel",
)
_TENDER = ("tender", "number", "amount")
TENDER_HELD = event(
    "tender_held",
    _of_tender(_("%(tender)s %(number)s: %(amount)s yuan are held for this order.")),
    _TENDER,
    tone="info",
    icon="redeem",
)
TENDER_SPENT = event(
    "tender_spent",
    _of_tender(_("%(tender)s %(number)s: %(amount)s yuan were spent on this order.")),
    _TENDER,
    news={"order.tender_spent": "A gift card or points of ours paid a part of the order."},
    tone="success",
    icon="redeem",
)
TENDER_RELEASED = event(
    "tender_released",
    _of_tender(_("%(tender)s %(number)s: %(amount)s yuan are not held any more.")),
    _TENDER,
    news={"order.tender_released": "What was held of a gift card or points is free again."},
    tone="warning",
    icon="redeem",
)
TENDER_GIVEN_BACK = event(
    "tender_given_back",
    _of_tender(_("%(tender)s %(number)s: %(amount)s yuan went back.")),
    _TENDER,
    news={"order.tender_given_back": "What a gift card or points had paid went back to them."},
    tone="success",
    icon="redeem",
)
POINTS_EARNED = event(
    "points_earned",
    _("The order earned %(points)s points (%(number)s)."),
    ("points", "number"),
    news={"order.points_earned": "The order earned points."},
    tone="success",
    icon="stars",
)
POINTS_TAKEN_BACK = event(
    "points_taken_back",
    _("%(points)s points were taken back (%(number)s); %(short)s were spent already and are taken from the next."),
    ("points", "number", "short"),
    news={"order.points_taken_back": "Points that the order had earned were taken back for a refund."},
    tone="warning",
    icon="stars",
)
SETTLED = event(
    "settled",
    _("Sub-order %(number)s: %(net)s yuan are due to the merchant."),
    None,
    private=("number", "net"),
    news={"settlement.opened": "What is due to who fulfilled it was worked out."},
    tone="info",
    icon="receipt_long",
)


def _tell_refused_invoice(data: story.Data) -> str:
    values = {**data, "reason": CONFIRMATIONS.word(str(data["reason"]))}
    return story.fill(gettext("Invoice %(number)s of %(amount)s yuan was refused: %(reason)s"), values)


INVOICE_ASKED = event(
    "invoice_asked",
    _("An invoice is asked for."),
    (),
    tone="info",
    icon="edit_note",
)
INVOICE_WITHDRAWN = event(
    "invoice_withdrawn",
    _("No invoice is wanted any more."),
    (),
    tone="warning",
    icon="edit_off",
)
INVOICE_REQUESTED = event(
    "invoice_requested",
    _("Invoice %(number)s of %(amount)s yuan was requested."),
    ("number", "amount"),
    tone="info",
    icon="description",
)
INVOICE_ISSUED = event(
    "invoice_issued",
    _("Invoice %(official_number)s of %(amount)s yuan was issued (%(number)s)."),
    ("number", "amount", "official_number"),
    news={"invoice.issued": "The tax bureau issued an invoice."},
    tone="success",
    icon="receipt_long",
    for_buyer=True,
)
INVOICE_RED_ISSUED = event(
    "invoice_red_issued",
    _("Red invoice %(official_number)s of %(amount)s yuan was issued (%(number)s)."),
    ("number", "amount", "official_number"),
    news={"invoice.red_issued": "A red invoice takes back all or a part of one."},
    tone="warning",
    icon="receipt_long",
    for_buyer=True,
)
INVOICE_FAILED = event(
    "invoice_failed",
    _tell_refused_invoice,
    ("number", "amount"),
    private=("reason",),
    news={"invoice.failed": "An invoice was refused; staff look at it."},
    tone="danger",
    icon="error",
)

DEPOSIT_HELD = event(
    "deposit_held",
    _("The balance was not paid in time: %(amount)s yuan of deposit are held until it is decided."),
    ("amount",),
    tone="warning",
    icon="savings",
)
DEPOSIT_FORFEITED = event(
    "deposit_forfeited",
    _("The deposit of %(amount)s yuan is forfeited."),
    ("amount",),
    news={"order.deposit_forfeited": "The balance was not paid in time: the deposit is kept."},
    tone="warning",
    icon="savings",
    for_buyer=True,
)
DEPOSIT_RETURNED = event(
    "deposit_returned",
    _("The deposit of %(amount)s yuan goes back."),
    ("amount",),
    tone="info",
    icon="savings",
)

name_actors(
    {
        "book_collected": _("Book what channels took"),
        "request_payment": _("Open a payment"),
        "send_payment": _("Ask the payment provider"),
        "payment_facts": _("Apply payment notices"),
        "payment": _("Payment"),
        "expire_unpaid": _("Cancel what was not paid"),
        "request_balance": _("Ask for the balance of a change"),
        "end_changes": _("End changes that were not paid"),
        "ask_payments": _("Ask after payments"),
        "ask_refunds": _("Ask what became of refunds"),
        "ask_disputes": _("Ask about complaints"),
        "close_payments": _("Close payments at providers"),
        "owing": _("Put right what is owed"),
        "close_statements": _("Close periods of merchants"),
        "preview": _("Preview"),
        "send_refund": _("Send refunds"),
        "chase_refunds": _("Ask after refunds"),
        "invoice": _("Ask for invoices"),
        "send_invoice": _("Have invoices issued"),
        "mail_invoice": _("Mail invoices"),
        "expire_balances": _("Let gift cards and points expire"),
        **dict(Means.choices),
        # The pretended providers of `make run`.
        "alipay-sim": _("Alipay (simulated)"),
        "wechat-sim": _("WeChat Pay (simulated)"),
        "nuonuo-sim": _("Nuonuo (simulated)"),
        # The connection, and its protocol.
        **dict.fromkeys(("by-hand", "by_hand"), _("Recorded by hand")),
    }
)
