"""What payment providers tell us: stored as facts, applied once, whatever their order.

Money that arrives for an order that was cancelled meanwhile is captured all the same; `payments.owing` then finds that
it is too much and sends it back.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce

from oms.common import tickets
from oms.common.models import Connection, SystemKind, Topic
from oms.common.tickets import TicketKind, Trouble
from oms.common.work import facts
from oms.common.work.facts import Fact, FactWork, Verdict
from orders.actors import Actor
from orders.kinds import REVIEW_STARTED
from orders.locking import lock_orders
from orders.models import ActorKind, OrderState
from orders.telling import timeline
from payments import kinds, troubles
from payments.balances import following
from payments.disputing import asking as asking_about
from payments.models import NoticeKind, Payment, Refund
from payments.owing import derived
from payments.providers import defaults
from payments.reconciling import books
from payments.taking import differences, dropping, instalments, judging
from payments.taking.judging import Ruling, Told

_OF_PAYMENTS = (NoticeKind.CAPTURED, NoticeKind.FAILED, NoticeKind.CHANGED)
_OF_REFUNDS = (NoticeKind.REFUNDED, NoticeKind.REFUND_FAILED, NoticeKind.REFUND_CHANGED)
# Stands for the order of what is about none (yet).
_NO_ORDER = 0
# What facts change.
_COLUMNS = ("state", "transaction_number", "fact_id", "ready_at", "lease_until", "needs_person_since")
_PAYMENT_COLUMNS = (*_COLUMNS, "captured_amount", "captured_at")
_REFUND_COLUMNS = (*_COLUMNS, "refunded_amount", "succeeded_at")


@dataclass(frozen=True, slots=True)
class _Ruled:
    """A fact, the row that it is about, and what came of it."""

    told: Told
    row: Payment | Refund
    ruling: Ruling


def locate(found: Sequence[Fact]) -> Mapping[int, int]:
    """The order of each fact whose payment or refund we know, by fact id. Complaints name none: who complains of what
    the provider is asked first."""
    payments = Payment.objects.filter(number__in={fact.subject for fact in found if fact.kind in _OF_PAYMENTS})
    refunds = Refund.objects.filter(number__in={fact.subject for fact in found if fact.kind in _OF_REFUNDS})
    of_payments = dict(payments.order_by().values_list("number", "order_id"))
    of_refunds = dict(refunds.order_by().values_list("number", "order_id"))
    located = {}
    for fact in found:
        orders = of_payments if fact.kind in _OF_PAYMENTS else of_refunds if fact.kind in _OF_REFUNDS else {}
        if fact.kind == NoticeKind.COMPLAINED:
            located[fact.id] = _NO_ORDER
        elif fact.subject in orders:
            located[fact.id] = orders[fact.subject]
    return located


def _lock(order_ids: Iterable[int]) -> list[int]:
    """The orders that could be locked; what is about none needs no lock."""
    wanted = set(order_ids)
    return [*(wanted & {_NO_ORDER}), *lock_orders(wanted - {_NO_ORDER})]


def _understand(fact: Fact) -> object:
    """What the provider says; what is to be known of a complaint it is asked for. Raises ValueError for what it cannot
    say."""
    return None if fact.kind == NoticeKind.COMPLAINED else judging.understand(fact, "")


def apply(fresh: Sequence[Fact], _order_ids: Sequence[int]) -> Mapping[int, Verdict]:
    """Do what the facts say about payments and refunds of locked orders, tell the timeline, call a person where one
    must look, and let orders whose money is all there go on. Returns a verdict for each fact."""
    complaints = [fact for fact in fresh if fact.kind == NoticeKind.COMPLAINED]
    verdicts = dict(asking_about.note_complaints(complaints)) if complaints else {}
    fresh = [fact for fact in fresh if fact.kind != NoticeKind.COMPLAINED]
    tellers = Q(pk__in={fact.connection_id for fact in fresh})
    links = {link.pk: link for link in Connection.objects.filter(tellers | Q(kind=SystemKind.PAYMENT))}
    told = sorted(
        (judging.understand(fact, links[fact.connection_id].code) for fact in fresh), key=lambda one: one.fact_id
    )
    ruled = _rule_on_payments([one for one in told if one.kind in _OF_PAYMENTS], links)
    ruled += _rule_on_refunds([one for one in told if one.kind in _OF_REFUNDS], links)
    _tell(ruled)
    _call_people(ruled)
    _tell_of_second_payments(ruled)
    touched = sorted({one.row.order_id for one in ruled})
    derived.refresh(touched)
    _start_review(touched)
    instalments.ask_for_next(touched)
    following.follow(touched)
    differences.carry_out([one.row for one in ruled if isinstance(one.row, Payment)])
    dropping.drop_needless(touched)
    return verdicts | {one.told.fact_id: one.ruling.verdict for one in ruled}


def _rule_on_payments(told: Sequence[Told], links: Mapping[int, Connection]) -> list[_Ruled]:
    if not told:
        return []
    rows = Payment.objects.filter(number__in={one.subject for one in told}).order_by("id")
    payments = {payment.number: payment for payment in rows.select_for_update(no_key=True)}
    _attach(payments.values(), links)
    before = _snapshot(payments.values(), _PAYMENT_COLUMNS)
    by_hand_id = defaults.by_hand().pk
    ruled = []
    for one in told:
        payment = payments[one.subject]
        ruled.append(_Ruled(one, payment, judging.rule_on_payment(payment, one, by_hand_id)))
    _write(payments.values(), _PAYMENT_COLUMNS, before)
    return ruled


def _rule_on_refunds(told: Sequence[Told], links: Mapping[int, Connection]) -> list[_Ruled]:
    if not told:
        return []
    rows = Refund.objects.filter(number__in={one.subject for one in told}).order_by("id")
    rows = rows.select_related("payment").select_for_update(no_key=True, of=("self",))
    refunds = {refund.number: refund for refund in rows}
    _attach(refunds.values(), links)
    left = _left({refund.payment_id for refund in refunds.values()})
    before = _snapshot(refunds.values(), _REFUND_COLUMNS)
    by_hand_id = defaults.by_hand().pk
    ruled = []
    for one in told:
        refund = refunds[one.subject]
        held = refund.refunded_amount
        ruling = judging.rule_on_refund(refund, one, by_hand_id, left[refund.payment_id])
        left[refund.payment_id] -= refund.refunded_amount - held
        ruled.append(_Ruled(one, refund, ruling))
    _write(refunds.values(), _REFUND_COLUMNS, before)
    return ruled


def _attach(rows: Iterable[Payment | Refund], links: Mapping[int, Connection]) -> None:
    """Give the rows the connections that are read already: they are few."""
    for row in rows:
        if row.connection_id is not None:
            row.connection = links[row.connection_id]


def _left(payment_ids: set[int]) -> dict[int, Decimal]:
    """What each of the payments has not given back yet."""
    refunded = Coalesce(Sum("refunds__refunded_amount"), Decimal(0))
    payments = Payment.objects.filter(pk__in=payment_ids).order_by()
    return dict(payments.annotate(left=F("captured_amount") - refunded).values_list("pk", "left"))


def _snapshot(rows: Iterable[Payment | Refund], columns: Sequence[str]) -> dict[int, list[object]]:
    return {row.pk: [getattr(row, name) for name in columns] for row in rows}


def _write(rows: Iterable[Payment | Refund], columns: Sequence[str], before: Mapping[int, list[object]]) -> None:
    """Write these columns of the rows of one table that are not as they were. One statement."""
    changed = [row for row in rows if [getattr(row, name) for name in columns] != before[row.pk]]
    if not changed:
        return
    table = changed[0]._meta.db_table
    values = [{"id": row.pk, **{name: getattr(row, name) for name in columns}} for row in changed]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {table} t SET {", ".join(f"{name} = n.{name}" for name in columns)}
            FROM json_populate_recordset(NULL::{table}, %s) AS n WHERE t.id = n.id
            """,
            [json.dumps(values, default=str)],
        )


def _tell(ruled: Sequence[_Ruled]) -> None:
    """Put what happened on the timelines."""
    timeline.record_all(
        timeline.Entry(
            one.row.order_id,
            one.ruling.event,
            Actor(ActorKind.PROVIDER, one.told.teller),
            data={
                "amount": str(one.row.amount if one.told.amount is None else one.told.amount),
                "provider": one.row.provider,
                "number": one.row.number,
                **({"notice": one.told.key} if one.ruling.event is kinds.CAPTURED_TWICE else {}),
            },
        )
        for one in ruled
        if one.ruling.event
    )


def _call_people(ruled: Sequence[_Ruled]) -> None:
    """Close the tickets of refunds that went back, and open those that the rulings ask for."""
    gone = [one.row.pk for one in ruled if one.ruling.event is kinds.REFUNDED]
    tickets.close_tickets(troubles.OF_OPEN_REFUNDS, gone)
    found: dict[str, tuple[TicketKind, list[Trouble]]] = {}
    for one in ruled:
        kind = one.ruling.ticket
        if kind:
            trouble = Trouble(one.row.pk, one.ruling.reason, one.ruling.values, about_id=one.row.order_id)
            found.setdefault(kind.code, (kind, []))[1].append(trouble)
    for kind, of_kind in found.values():
        tickets.open_tickets(kind, of_kind, opened_by=facts.STAGES[Topic.PAYMENT])


def _tell_of_second_payments(ruled: Sequence[_Ruled]) -> None:
    """Call a person where an order that was paid got another payment of its own: what is too much goes back by rule,
    and nobody would know."""
    again = books.paid_again({one.row.order_id for one in ruled if one.ruling.event is kinds.PAID})
    if not again:
        return
    second = Payment.objects.filter(pk__in=again).select_related("connection").order_by("pk")
    values = {
        one: {"number": one.number, "amount": str(one.captured_amount), "provider": one.provider} for one in second
    }
    found = [Trouble(one.pk, values=of, about_id=one.order_id) for one, of in values.items()]
    tickets.open_tickets(troubles.ORDER_PAID_AGAIN, found, opened_by=facts.STAGES[Topic.PAYMENT])


def _start_review(order_ids: Sequence[int]) -> None:
    """Orders whose money is all there go on; the orders are locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                UPDATE orders_order SET state = '{OrderState.IN_REVIEW}', paid_at = now(), ready_at = now(),
                    pay_by = NULL, attempts = 0, last_error = '', needs_person_since = NULL
                WHERE id = ANY(%s) AND state = '{OrderState.AWAITING_PAYMENT}' AND paid_amount >= payable_amount
                RETURNING id
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, from_state, to_state)
            SELECT id, '{REVIEW_STARTED}', '{ActorKind.JOB}', 'payment', '{OrderState.AWAITING_PAYMENT}',
                '{OrderState.IN_REVIEW}'
            FROM moved
            """,
            [list(order_ids)],
        )


WORK = FactWork(Topic.PAYMENT, locate, _lock, apply, _understand)
STAGE = facts.fact_stage(WORK, wakes=("review", "owing", "ask_payments", "ask_refunds", "ask_disputes"))


def run(limit: int) -> int:
    """Apply up to `limit` facts about money; returns how many were settled or put off."""
    return STAGE.run(limit)
