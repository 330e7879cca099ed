"""The stage of exchanges: what happened to a return, or to the order of its new goods, has its consequences for the
other one.

It looks at facts only, so that it does not matter in which order they come, or how often: whether the goods are there,
whether the new order goes on, and what is paid of it.
"""

from datetime import timedelta

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.models import Team, Topic
from oms.common.money import fen_text, to_fen
from oms.common.tickets import TicketKind, Trouble, register_kind
from oms.common.work import facts, nudging
from oms.common.work.claiming import Stage
from oms.merchants.models import ExchangeLeaves
from orders import actors, isolating
from orders.actors import Actor
from orders.changing import cancelling
from orders.locking import lock_order
from orders.models import (
    Exchange,
    ExchangeEnd,
    Hold,
    MoneyState,
    Order,
    OrderState,
    ReturnKind,
    ReturnRequest,
    ReturnState,
)
from orders.models.return_request import ENDED_WITHOUT
from orders.returning import deciding, kinds, locking
from orders.returning.locking import lock_return
from orders.reviewing import words
from orders.reviewing.holds import close_hold
from orders.telling import story
from payments.exchanging import beginning, setting_off
from payments.models import Means, NoticeKind, Refund, RefundState
from payments.providers import defaults
from payments.returning import granting
from payments.taking import noticing

NAME = locking.EXCHANGES
# What a refund of money that was never paid, but came by an exchange, says for its transaction.
SET_OFF = "set off"

EXCHANGE_UNPAID = register_kind(
    TicketKind(
        "exchange_unpaid",
        _("An exchange is not paid by what came back"),
        "return",
        team=Team.SERVICE,
        due_within=timedelta(hours=24),
        reasons={
            "gone": _(
                "The goods of return %(number)s do not come back, and order %(order)s with the new ones cannot be"
                " stopped any more: ¥%(amount)s of it are not paid."
            ),
            "short": _(
                "What came back of return %(number)s gave less than was counted on: ¥%(amount)s of order %(order)s are"
                " not paid."
            ),
        },
        remedies=_(
            "Ask the buyer to send the goods, or the parcel back: what comes is set off by itself. Else write off what"
            " is missing, on the return's page."
        ),
        can_retry=False,
    )
)
EXCHANGE_GIVEN_UP = register_kind(
    TicketKind(
        "exchange_given_up",
        _("An exchange could not be begun"),
        "return",
        team=Team.SERVICE,
        due_within=timedelta(hours=24),
        reasons={"": _("The new goods of return %(number)s cannot be sent: %(why)s The return goes on as a refund.")},
        remedies=_("Tell the buyer that the money goes back instead, then close the ticket."),
        can_retry=False,
    )
)

# Exchanges with something to do: those that were marked; whose new order was cancelled; of whose new order money goes
# back.
_DUE = f"""
    SELECT e.return_request_id AS id, e.due_since AS since FROM orders_exchange e WHERE e.due_since IS NOT NULL
    UNION
    SELECT e.return_request_id, now() FROM orders_exchange e JOIN orders_order n ON n.id = e.new_order_id
    WHERE e.begun_at IS NOT NULL AND e.settled_at IS NULL AND e.ended_at IS NULL
      AND n.state = '{OrderState.CANCELLED}'
    UNION
    SELECT e.return_request_id, f.created_at FROM payments_refund f
    JOIN payments_payment p ON p.id = f.payment_id AND p.means = '{Means.EXCHANGE}'
    JOIN orders_exchange e ON e.new_order_id = p.order_id
    WHERE f.state = '{RefundState.INTENDED}' AND f.connection_id IS NULL
"""


def run(limit: int) -> int:
    """Do what is due of up to `limit` exchanges; returns of how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT d.id, r.order_id FROM (SELECT id, min(since) AS since FROM ({_DUE}) AS x GROUP BY id) AS d"
            " JOIN orders_returnrequest r ON r.id = d.id ORDER BY d.since LIMIT %s",
            [limit],
        )
        due = cursor.fetchall()
    return isolating.work_on(NAME, due, lambda keys, _orders: _work(keys))


def backlog() -> str:
    """Exchanges with something to do."""
    return f"""
        SELECT d.since AS due, {isolating.needs_person("r.order_id")} AS needs_person
        FROM (SELECT id, min(since) AS since FROM ({_DUE}) AS x GROUP BY id) AS d
        JOIN orders_returnrequest r ON r.id = d.id
    """


def _work(return_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT id FROM ({_DUE}) AS d WHERE id = ANY(%s::bigint[])", [array(return_ids)])
        still_due = sorted(key for (key,) in cursor.fetchall())
    # Rows that move one at a time, each with the two orders that it is between.
    for key in still_due:
        look_at(key, actor=actors.job(NAME))
    return len(still_due)


def look_at(return_id: int, *, actor: Actor) -> None:
    """Do what is due of one exchange. Needs an open transaction."""
    row = lock_return(return_id)
    exchange = Exchange.objects.get(pk=return_id)
    if exchange.new_order_id is not None:
        lock_order(exchange.new_order_id)
    Exchange.objects.filter(pk=return_id).update(due_since=None)
    if exchange.begun_at is None:
        _begin(row, exchange, actor)
        return
    _give_back(exchange)
    assert exchange.new_order_id is not None  # noqa: S101 - it was begun
    new = Order.objects.get(pk=exchange.new_order_id)
    if exchange.ended_at is None and new.state == OrderState.CANCELLED:
        _end_cancelled(row, exchange, new, actor)
    elif exchange.ended_at is None and _brings_nothing(row):
        _stop(row, exchange, new, actor)
    row, exchange = lock_return(return_id), _read(return_id)
    setting_off.follow(exchange, actor=actor)
    if exchange.is_open:
        _go_on(row, exchange, actor)
    _ask_for_what_is_missing(row, _read(return_id), new)


def _read(return_id: int) -> Exchange:
    return Exchange.objects.select_related("new_order", "return_request").get(pk=return_id)


def _begin(row: ReturnRequest, exchange: Exchange, actor: Actor) -> None:
    """Begin what was approved at a door that does not begin it itself. Where that cannot be, the money goes back."""
    if exchange.ended_at is not None:
        return
    if row.state in (ReturnState.CANCELLED, ReturnState.EXPIRED):
        _end(row, exchange, ExchangeEnd.RETURN_ENDED, actor)
    elif row.state in beginning.BEGINS_IN:
        try:
            beginning.begin(row.pk, actor=actor)
        except OmsError as refusal:
            _end(row, exchange, ExchangeEnd.NOT_POSSIBLE, actor)
            trouble = Trouble(row.pk, "", {"number": row.number, "why": str(refusal)}, about_id=row.order_id)
            tickets.open_tickets(EXCHANGE_GIVEN_UP, [trouble], opened_by=NAME)


def _give_back(exchange: Exchange) -> None:
    """What goes back of what the goods had paid goes to the original order: it is there at once."""
    refunds = Refund.objects.filter(
        order=exchange.new_order_id, payment__means=Means.EXCHANGE, state=RefundState.INTENDED
    )
    news = [
        facts.News(
            key=f"{refund.number}:exchange",
            kind=NoticeKind.REFUNDED,
            subject=refund.number,
            occurred_at=timezone.now(),
            body={"amount": str(refund.amount), "transaction": SET_OFF},
        )
        for refund in refunds.order_by("pk")
    ]
    if news:
        by_hand = defaults.by_hand().pk
        facts.receive(by_hand, Topic.PAYMENT, news)
        stored = facts.stored(by_hand, [one.key for one in news])
        facts.apply_now(noticing.WORK, stored, [exchange.new_order_id or 0])


def _end_cancelled(row: ReturnRequest, exchange: Exchange, new: Order, actor: Actor) -> None:
    """The new order is over. What was not handed over stays with the buyer where the buyer did not pay the difference;
    all else goes on as a refund."""
    is_unpaid = new.cancel_reason == story.NOT_PAID_IN_TIME
    was_waiting = row.state == ReturnState.AWAITING_GOODS
    why = ExchangeEnd.RETURN_ENDED if _brings_nothing(row) else ExchangeEnd.ORDER_CANCELLED
    _end(row, exchange, ExchangeEnd.UNPAID if is_unpaid else why, actor)
    if is_unpaid and was_waiting:
        deciding.cancel(row.pk, reason=story.NOT_PAID_IN_TIME, actor=actor)


def _brings_nothing(row: ReturnRequest) -> bool:
    """Whether the return ended without goods, or nothing is given for them."""
    is_over = row.state == ReturnState.CLOSED and row.money_state == MoneyState.NOTHING
    return is_over or row.state in ENDED_WITHOUT


def _stop(row: ReturnRequest, exchange: Exchange, new: Order, actor: Actor) -> None:
    """The goods do not come back: the new ones are stopped, if they still can be."""
    if new.cancel_requested_at is not None:
        return
    try:
        order = cancelling.cancel_order(new.pk, reason=story.EXCHANGE_OVER, actor=actor)
    except cancelling.CannotCancel:
        return
    if order.state == OrderState.CANCELLED:
        _end(row, exchange, ExchangeEnd.RETURN_ENDED, actor)


def _end(row: ReturnRequest, exchange: Exchange, why: ExchangeEnd, actor: Actor) -> None:
    """Give the exchange up; the return goes on as one for which money goes back, where it goes on."""
    exchange.ended_at, exchange.end_reason = timezone.now(), why
    exchange.save(update_fields=["ended_at", "end_reason"])
    row.kind = ReturnKind.RETURN_AND_REFUND
    locking.save(row, kinds.EXCHANGE_ENDED, actor, why=why.value)
    if exchange.new_order_id is not None:
        _close_hold(exchange.new_order_id, words.EXCHANGE_ENDED, actor)


def _go_on(row: ReturnRequest, exchange: Exchange, actor: Actor) -> None:
    """The new goods may leave once those that come back are as far as the channel wants them to be, and give what was
    counted on as far as that is known. Where all that they give pays for the new ones, nobody has to grant it."""
    is_there = row.received_at is not None and row.state not in ENDED_WITHOUT
    covers = exchange.settled_at is not None and not missing(exchange)
    if row.money_state == MoneyState.TO_GRANT:
        try:
            shown = granting.preview(row.pk)
        except OmsError:
            return  # the return's page says why, and a person grants it
        covers = shown.exchanged >= setting_off.used_of(exchange)
        if not shown.amount and shown.exchanged:
            granting.grant(row.pk, note="", actor=actor, user=None)
    elif row.money_state == MoneyState.PROPOSED or row.inspected_at is None:
        covers = row.inspected_at is not None or exchange.leaves == ExchangeLeaves.RECEIVED
    if is_there and covers:
        _close_hold(exchange.new_order_id or 0, words.GOODS_BACK, actor)


def _close_hold(order_id: int, note: str, actor: Actor) -> None:
    for hold in Hold.objects.filter(order=order_id, kind=Hold.Kind.EXCHANGE, released_at=None):
        close_hold(hold, note=note, actor=actor)
        nudging.nudge("review", "split", "allocate", "release")


def missing(exchange: Exchange) -> int:
    """What of the new order should be paid by goods that came back, and is not, in fen; known only once their money is
    decided, or they do not come."""
    row = exchange.return_request
    is_decided = exchange.settled_at is not None or _brings_nothing(row)
    if not exchange.is_open or not is_decided or exchange.new_order is None:
        return 0
    kept = setting_off.set_off(row.order_id, exchange.new_order.number).total
    return max(setting_off.used_of(exchange) - kept - to_fen(exchange.written_off), 0)


def _ask_for_what_is_missing(row: ReturnRequest, exchange: Exchange, new: Order) -> None:
    """Call a person for what is not paid though the new goods left, or cannot be stopped."""
    short = missing(exchange)
    if not short:
        tickets.close_tickets([EXCHANGE_UNPAID], [row.pk])
        return
    if new.cancel_requested_at is not None:
        return
    values = {"number": row.number, "order": new.number, "amount": fen_text(short)}
    trouble = Trouble(row.pk, "gone" if _brings_nothing(row) else "short", values, about_id=row.order_id)
    tickets.open_tickets(EXCHANGE_UNPAID, [trouble], opened_by=NAME)


STAGE = Stage(NAME, run, wakes=("owing", "review", "send_payment"), backlog=backlog)
