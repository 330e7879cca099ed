"""What a person does about a difference: each ends it, books what it comes to, and closes its ticket.

Money is never booked here itself: what a bill proves becomes a fact of the provider, as if its notice had come. All
raise BillMatch.DoesNotExist, and OmsError where the difference has ended or is none of that kind.
"""

from decimal import Decimal

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.models import FactState, InboundFact, Topic
from oms.common.money import yuan
from oms.common.work import facts
from orders.actors import Actor
from orders.changing import charging
from orders.locking import lock_order
from orders.models import ChargeCause, Order
from payments.models import (
    BillForm,
    BillMatch,
    Means,
    NoticeKind,
    Outcome,
    Payment,
    PaymentState,
    Refund,
    RefundReason,
    Resolution,
)
from payments.owing import paying_out, refunding
from payments.reconciling import books, recording, refreshing
from payments.reconciling.books import Held
from payments.taking import doubling, noticing, numbering

# Rows of money that came in, and that went back, to which something of ours can be tied.
MONEY_IN = (Outcome.PAID_WITHOUT_ORDER, Outcome.PAID_BUT_PENDING, Outcome.DOUBLE_PAYMENT, Outcome.UNIDENTIFIED)
MONEY_BACK = (Outcome.REFUND_NOT_OURS, Outcome.STATE_DIFFERS, Outcome.UNIDENTIFIED)
# Of these no money is missing.
WITHOUT_MONEY = (Outcome.DUPLICATE_ROW, Outcome.MALFORMED_ROW, Outcome.STATE_DIFFERS)
# Freight that may be right as the carrier bills it.
FREIGHT_DIFFERS = (Outcome.AMOUNT_DIFFERS, Outcome.NO_SHIPMENT, Outcome.DUPLICATE_ROW)
_WITHOUT_FACTS = (BillForm.COD, BillForm.SETTLEMENT, BillForm.FREIGHT, BillForm.ALIPAY_FUND, BillForm.WECHAT_FUND)


@transaction.atomic
def tie_to_payment(match_id: int, number: str, *, actor: Actor) -> None:
    """The money is this payment of ours; one that we have not captured is captured by it."""
    match = _lock(match_id, MONEY_IN, is_money_in=True)
    payment = Payment.objects.filter(number=number.strip(), connection=match.source.connection).first()
    if payment is None:
        raise OmsError(_("There is no payment %(number)s over this connection.") % {"number": number}, attr="number")
    _must_be_free("payment", payment.pk, number)
    lock_order(payment.order_id)
    if payment.state != PaymentState.CAPTURED:
        _tell(match, NoticeKind.CAPTURED, payment.number, payment.order_id)
    match.payment = payment
    _end(match, books.payments([payment.pk])[payment.pk], actor)


@transaction.atomic
def tie_to_order(match_id: int, number: str, *, actor: Actor) -> None:
    """The money was paid for this order: it becomes a payment of it, and what is too much goes back by itself.

    The payment is called as the provider calls it, where it has a number of ours or another: so it can be refunded
    there.
    """
    match = _lock(match_id, MONEY_IN, is_money_in=True)
    order = Order.objects.filter(number=number.strip()).first()
    if is_paid_twice(match) and match.payment and order == match.payment.order:
        _book_double(match, match.payment, actor)
        return
    if order is None:
        raise OmsError(_("There is no order %(number)s.") % {"number": number}, attr="number")
    lock_order(order.pk)
    name = match.row.own_number if match.row and match.source.form != BillForm.BANK else ""
    if not name or len(name) > 32 or Payment.objects.filter(number=name).exists():
        name = numbering.next_number(order)
    payment = Payment.objects.create(
        number=name,
        order=order,
        means=Means.ONLINE,
        connection=match.source.connection,
        state=PaymentState.PENDING,
        amount=yuan(match.amount_fen),
        ready_at=None,
    )
    _tell(match, NoticeKind.CAPTURED, name, order.pk)
    match.payment = payment
    _end(match, books.payments([payment.pk])[payment.pk], actor)


def is_paid_twice(match: BillMatch) -> bool:
    """Whether the row is money that came once more under the number of a payment of ours."""
    row, payment = match.row, match.payment
    is_other = row is not None and payment is not None and row.transaction_number != payment.transaction_number
    return match.outcome == Outcome.DOUBLE_PAYMENT and is_other


@transaction.atomic
def send_back(match_id: int, *, actor: Actor) -> None:
    """The buyer really paid twice: the money becomes a payment of the order, and what is too much goes back."""
    match = _lock(match_id, (Outcome.DOUBLE_PAYMENT,), is_money_in=True)
    if match.payment is None or not is_paid_twice(match):
        raise OmsError(_("This is no remedy for such a difference."))
    _book_double(match, match.payment, actor)


def _book_double(match: BillMatch, payment: Payment, actor: Actor) -> None:
    row = match.row
    assert row is not None  # noqa: S101 - `_lock` saw to it
    lock_order(payment.order_id)
    at, key = row.occurred_at or match.created_at, f"bill_row:{row.pk}:again"
    again = doubling.Again(yuan(match.amount_fen), row.transaction_number, at, key)
    match.payment = doubling.book(payment, again, actor=actor)
    _must_be_free("payment", match.payment.pk, match.payment.number)
    _end(match, books.payments([match.payment.pk])[match.payment.pk], actor)


@transaction.atomic
def tie_to_cards(match_id: int, numbers: str, *, actor: Actor) -> None:
    """The bank's money was paid for these gift cards (their numbers, with blanks or commas between them): for all of
    them that was sold and not paid yet, which must come to the amount."""
    match = _lock(match_id, (Outcome.UNIDENTIFIED,), is_money_in=True)
    if match.source.form != BillForm.BANK:
        raise OmsError(_("This is no remedy for such a difference."))
    named = list(dict.fromkeys(numbers.replace(",", " ").split()))
    sales = books.unpaid_sales(named)
    if unknown := [number for number in named if number not in sales]:
        detail = _("Of %(numbers)s nothing was sold that is not paid yet.") % {"numbers": ", ".join(unknown)}
        raise OmsError(detail, attr="numbers")
    found = [sale for of_card in sales.values() for sale in of_card]
    total = sum(sale.fen for sale in found)
    if total != match.amount_fen:
        detail = _("The amounts differ: the bill has %(told)s yuan, our books have %(held)s.")
        raise OmsError(detail % {"told": yuan(match.amount_fen), "held": yuan(total)}, attr="numbers")
    recording.link_sales({match.pk: [sale.id for sale in found]})
    match.outcome, match.difference_fen, match.booked_fen = Outcome.MATCHED, 0, total
    recording.settle([match], Resolution.TIED, by=actor.name)
    refreshing.refresh_days([match])


@transaction.atomic
def tie_to_refund(match_id: int, number: str, *, actor: Actor) -> None:
    """The money that went back is this refund of ours; one that we do not know to have arrived has arrived by it."""
    match = _lock(match_id, MONEY_BACK, is_money_in=False)
    of_ours = Q(connection=match.source.connection)
    if match.source.form == BillForm.BANK:
        # What nobody could be asked to send back was paid from the bank.
        of_ours |= Q(connection=None) | Q(pay_outs__isnull=False)
    refund = Refund.objects.filter(of_ours, number=number.strip()).first()
    if refund is None:
        raise OmsError(_("There is no refund %(number)s over this connection.") % {"number": number}, attr="number")
    if match.refund_id != refund.pk:
        _must_be_free("refund", refund.pk, number)
    lock_order(refund.order_id)
    if not books.refunds([refund.pk])[refund.pk].is_over:
        if refund.connection_id is None:
            paying_out.confirm_paid_out(refund.pk, note=match.key, serial=match.key, actor=actor)
            _apply_by_hand(refund)
        else:
            _tell(match, NoticeKind.REFUNDED, refund.number, refund.order_id)
    match.refund = refund
    _end(match, books.refunds([refund.pk])[refund.pk], actor)


def _apply_by_hand(refund: Refund) -> None:
    """What was recorded of the refund counts at once."""
    pending = InboundFact.objects.filter(subject=refund.number, state=FactState.PENDING, topic=Topic.PAYMENT)
    for link_id, key in pending.values_list("connection", "fact_key"):
        facts.apply_now(noticing.WORK, facts.stored(link_id, [key]), [refund.order_id])


@transaction.atomic
def tie_as_goodwill(match_id: int, number: str, *, reason: str, actor: Actor) -> None:
    """The money that went back, such as in the provider's back office, was goodwill for the order of this payment."""
    match = _lock(match_id, (Outcome.REFUND_NOT_OURS,), is_money_in=False)
    payment = Payment.objects.filter(
        number=number.strip(), connection=match.source.connection, state=PaymentState.CAPTURED
    ).first()
    if payment is None:
        raise OmsError(_("There is no payment %(number)s over this connection.") % {"number": number}, attr="number")
    amount = yuan(-match.amount_fen)
    lock_order(payment.order_id)
    charging.give(payment.order_id, amount, ChargeCause.GOODWILL, reason=reason, actor=actor)
    refund = _refund(match, payment, amount)
    _tell(match, NoticeKind.REFUNDED, refund.number, payment.order_id)
    match.refund = refund
    _end(match, books.refunds([refund.pk])[refund.pk], actor, reason)


def _refund(match: BillMatch, payment: Payment, amount: Decimal) -> Refund:
    name = match.row.own_number if match.row else ""
    if not name or len(name) > 32 or Refund.objects.filter(number=name).exists():
        name = refunding.next_number(payment.order)
    return Refund.objects.create(
        number=name,
        order_id=payment.order_id,
        payment=payment,
        connection_id=payment.connection_id,
        amount=amount,
        reason=RefundReason.GOODWILL,
        ready_at=None,
    )


@transaction.atomic
def accept_fee(match_id: int, *, actor: Actor) -> None:
    """The fee, or the freight, is right as the bill has it."""
    is_freight = BillMatch.objects.filter(pk=match_id, source__form=BillForm.FREIGHT, row__isnull=False).exists()
    match = _lock(match_id, FREIGHT_DIFFERS if is_freight else (Outcome.FEE_DIFFERS,))
    recording.settle([match], Resolution.FEE_ACCEPTED, by=actor.name)
    refreshing.refresh_days([match])


@transaction.atomic
def write_off(match_id: int, *, reason: str, actor: Actor) -> None:
    """Nobody will find out more, or it is not worth it: the difference becomes a gain or a loss."""
    match = _lock(match_id)
    if not reason.strip():
        raise OmsError(_("Give a reason."), attr="reason")
    if match.outcome in WITHOUT_MONEY:
        raise OmsError(_("No money is missing here: note that you looked at it."))
    recording.settle([match], Resolution.WRITTEN_OFF, by=actor.name, reason=reason.strip())
    refreshing.refresh_days([match])


@transaction.atomic
def note(match_id: int, *, reason: str, actor: Actor) -> None:
    """Somebody looked, and nothing has to be booked."""
    match = _lock(match_id)
    if not reason.strip():
        raise OmsError(_("Give a reason."), attr="reason")
    if match.unexplained_fen:
        raise OmsError(
            _("%(amount)s yuan of it are unexplained: tie it to what it is, or write it off.")
            % {"amount": yuan(match.unexplained_fen)}
        )
    recording.settle([match], Resolution.NOTED, by=actor.name, reason=reason.strip())
    refreshing.refresh_days([match])


@transaction.atomic
def note_missed(bill_id: int, *, reason: str, actor: Actor) -> int:
    """Somebody looked at all parcels that the bill missed and that are still open; returns how many. Raises OmsError
    where there are none."""
    if not reason.strip():
        raise OmsError(_("Give a reason."), attr="reason")
    missed = BillMatch.objects.filter(missed_by=bill_id, resolution="").order_by("pk")
    matches = list(missed.select_for_update(of=("self",)).select_related("source"))
    if not matches:
        raise OmsError(_("This has ended already."))
    recording.settle(matches, Resolution.NOTED, by=actor.name, reason=reason.strip())
    refreshing.refresh_days(matches)
    return len(matches)


def _lock(match_id: int, outcomes: tuple[Outcome, ...] = (), *, is_money_in: bool | None = None) -> BillMatch:
    """The match, locked. Raises OmsError unless it is open, of one of the outcomes, and of money in that direction."""
    found = BillMatch.objects.select_for_update(of=("self",)).select_related("row", "source__connection")
    match = found.get(pk=match_id)
    if not match.is_open:
        raise OmsError(_("This has ended already."))
    if outcomes and match.outcome not in outcomes:
        raise OmsError(_("This is no remedy for such a difference."))
    if is_money_in is not None and (
        match.row is None or is_money_in != (match.amount_fen > 0) or match.source.form in _WITHOUT_FACTS
    ):
        raise OmsError(_("This is no remedy for such a difference."))
    return match


def _must_be_free(column: str, key: int, number: str) -> None:
    if (
        key in books.matched(column, [key])
        and not BillMatch.objects.filter(**{column: key}, outcome=Outcome.PAID_BUT_PENDING, resolution="").exists()
    ):
        raise OmsError(_("Another row stands for %(number)s already.") % {"number": number}, attr="number")


def _tell(match: BillMatch, kind: NoticeKind, number: str, order_id: int) -> None:
    """What the bill proves, as a fact about a payment or refund of the locked order; applied at once."""
    row, link = match.row, match.source.connection_id
    assert row is not None  # noqa: S101 - `_lock` saw to it
    news = facts.News(
        key=f"bill_row:{row.pk}:{number}",
        kind=kind,
        subject=number,
        occurred_at=row.occurred_at or match.created_at,
        body={"amount": str(yuan(abs(match.amount_fen))), "transaction": row.transaction_number},
    )
    facts.receive(link, Topic.PAYMENT, [news])
    facts.apply_now(noticing.WORK, facts.stored(link, [news.key]), [order_id])


def _end(match: BillMatch, held: Held, actor: Actor, reason: str = "") -> None:
    refreshing.compare(match, held)
    if match.outcome != Outcome.MATCHED:
        raise OmsError(
            _("The amounts differ: the bill has %(told)s yuan, our books have %(held)s.")
            % {"told": yuan(abs(match.amount_fen)), "held": yuan(abs(held.moved_fen))}
        )
    # What was missed of it came with this row.
    ours = {"payment": match.payment} if match.payment else {"refund": match.refund}
    missed = list(BillMatch.objects.filter(row__isnull=True, resolution="", **ours))
    if missed:
        recording.settle(missed, Resolution.BY_ITSELF)
    recording.settle([match], Resolution.TIED, by=actor.name, reason=reason)
    refreshing.refresh_days([match, *missed])
