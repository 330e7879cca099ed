"""Whether promises are kept: late risk before they are broken, and what became of them.

Each open promise is looked at when it should have left, when it should be out for delivery, and when it is due; one
that is at risk also once its goods are there, or never will be. What is found is a function of where the sub-order and
its parcels are, so that looking again does no harm. Promises are real time: a drain does not skip them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from logistics.models import Direction, ShipmentState
from oms.common import tickets
from oms.common.copying import array, text_array
from oms.common.states import listed
from oms.common.work.claiming import Queue, Stage, in_one_transaction
from oms.common.zones import CHINA
from orders.models import DeliveryPromise, LateRisk, PromiseOutcome, SubOrderState
from orders.models.sub_order import ARRIVED, LEFT_WAREHOUSE, UNDONE
from orders.promising.keeping import LEAVES_WITHIN

# So long before a promise is due, a courier should have the parcel.
OUT_BEFORE = timedelta(hours=4)
_NAME = "watch_promises"

QUEUE = Queue(DeliveryPromise, f"q.outcome = '{PromiseOutcome.OPEN}' AND q.ready_at <= statement_timestamp()")

AT_RISK = tickets.register_kind(
    tickets.TicketKind(
        "promise_at_risk",
        _("May come later than promised"),
        "sub_order",
        team="logistics",
        due_within=timedelta(hours=4),
        reasons={
            LateRisk.PLAN_LATER.value: _(
                "%(number)s is promised by %(promised)s, but from %(warehouse)s it comes by %(planned)s."
            ),
            LateRisk.MISSED_WAVE.value: _(
                "%(number)s, promised by %(promised)s, should have left %(warehouse)s and has not."
            ),
            LateRisk.LEFT_LATE.value: _(
                "%(number)s left %(warehouse)s too late to come by %(promised)s, as it is promised."
            ),
            LateRisk.NOT_OUT.value: _("%(number)s is promised by %(promised)s, and no courier has it yet."),
        },
        remedies=_(
            "Ring the warehouse or the carrier, or send it from a nearer place. Where that is no help, tell the buyer"
            " before the promise is broken. It closes by itself once it is there."
        ),
        can_retry=False,
    )
)


@dataclass(frozen=True, slots=True)
class Watched:
    """An open promise, and where its sub-order and parcels are; `is_out` once a courier has one of them."""

    promise_id: int
    order_id: int
    sub_order_id: int
    number: str
    warehouse: str
    promised_by: datetime
    planned_by: datetime | None
    cutoff_at: datetime | None
    state: str
    left_at: datetime | None
    delivered_at: datetime | None
    is_out: bool
    carrier: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a promise, or what threatens it, and when to look again (None: never)."""

    outcome: PromiseOutcome
    risk: str
    look_at: datetime | None


def judge(one: Watched, now: datetime) -> Judgement:
    """What to think of a promise at this time."""
    if one.state in UNDONE or (one.state == SubOrderState.REJECTED and now <= one.promised_by):
        return Judgement(PromiseOutcome.VOID, "", None)
    if one.state in ARRIVED and one.delivered_at is not None:
        if one.delivered_at <= one.promised_by:
            return Judgement(PromiseOutcome.KEPT, "", None)
        return Judgement(PromiseOutcome.BROKEN, _why_broken(one), None)
    if now > one.promised_by:
        return Judgement(PromiseOutcome.BROKEN, _why_broken(one), None)
    return Judgement(PromiseOutcome.OPEN, _risk(one, now), _next_look(one, now))


def _leaves_by(one: Watched) -> datetime | None:
    return one.cutoff_at + LEAVES_WITHIN if one.cutoff_at is not None else None


def _risk(one: Watched, now: datetime) -> str:
    leaves_by = _leaves_by(one)
    if one.left_at is None and one.state not in LEFT_WAREHOUSE:
        if leaves_by is not None and now >= leaves_by:
            return LateRisk.MISSED_WAVE
    elif _arrives_by(one) > one.promised_by:
        return LateRisk.LEFT_LATE
    if now >= one.promised_by - OUT_BEFORE and not one.is_out:
        return LateRisk.NOT_OUT
    if one.planned_by is None or one.planned_by > one.promised_by:
        return LateRisk.PLAN_LATER
    return ""


def _arrives_by(one: Watched) -> datetime:
    """By when nearly all such parcels are there, which leave as late as this one did."""
    if one.planned_by is None:
        return one.promised_by
    leaves_by = _leaves_by(one)
    if one.left_at is None or leaves_by is None or one.left_at <= leaves_by:
        return one.planned_by
    # A wave goes once a day.
    missed = one.left_at - leaves_by
    return one.planned_by + timedelta(days=missed.days + bool(missed % timedelta(days=1)))


def _why_broken(one: Watched) -> str:
    leaves_by = _leaves_by(one)
    left = one.left_at
    if left is None and one.state not in LEFT_WAREHOUSE:
        is_plan = one.planned_by is None or one.planned_by > one.promised_by
        return LateRisk.PLAN_LATER if is_plan else LateRisk.MISSED_WAVE
    if left is not None and leaves_by is not None and left > leaves_by and _arrives_by(one) > one.promised_by:
        return LateRisk.LEFT_LATE
    if one.planned_by is None or one.planned_by > one.promised_by:
        return LateRisk.PLAN_LATER
    return LateRisk.CARRIER_LATE


def _next_look(one: Watched, now: datetime) -> datetime:
    leaves_by = _leaves_by(one)
    looks = [one.promised_by - OUT_BEFORE, one.promised_by + timedelta(seconds=1)]
    if leaves_by is not None:
        looks.append(leaves_by)
    return min(moment for moment in looks if moment > now)


def run(limit: int) -> int:
    """Look at up to `limit` open promises whose time has come; returns how many."""
    _wake_what_is_over()
    return in_one_transaction(QUEUE, limit, _watch)


def _wake_what_is_over() -> None:
    """Let those at risk be looked at now whose goods arrived or never will: nobody need ring a carrier for them."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_deliverypromise SET ready_at = now() WHERE id IN (
                SELECT p.id FROM orders_deliverypromise p JOIN orders_suborder s ON s.id = p.sub_order_id
                WHERE p.outcome = '{PromiseOutcome.OPEN}' AND p.risk <> '' AND p.ready_at > now()
                  AND s.state IN ({listed([*ARRIVED, *UNDONE])})
                FOR NO KEY UPDATE OF p SKIP LOCKED)
            """
        )


def _watch(promise_ids: list[int]) -> None:
    now = timezone.now()
    verdicts = [(one, judge(one, now)) for one in _read(promise_ids)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_deliverypromise p SET outcome = v.outcome, risk = v.risk, ready_at = v.look_at,
                risk_since = CASE WHEN v.risk <> '' THEN coalesce(p.risk_since, now()) END,
                decided_at = CASE WHEN v.look_at IS NULL THEN now() END,
                carried_by = v.carrier, attempts = 0, last_error = ''
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
                AS v(id, outcome, risk, look_at, carrier)
            WHERE p.id = v.id
            """,
            [
                array(one.promise_id for one, _verdict in verdicts),
                text_array(verdict.outcome.value for _one, verdict in verdicts),
                text_array(str(verdict.risk) for _one, verdict in verdicts),
                text_array(verdict.look_at.isoformat() if verdict.look_at else None for _one, verdict in verdicts),
                text_array(one.carrier for one, _verdict in verdicts),
            ],
        )
    _tell(verdicts)


def _read(promise_ids: Sequence[int]) -> list[Watched]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT p.id, p.order_id, p.sub_order_id, s.number, w.code, p.promised_by, p.planned_by, p.cutoff_at,
                s.state, coalesce(s.shipped_at, h.left_at), s.delivered_at, coalesce(h.is_out, false),
                coalesce(h.carrier, ''), p.superseded_at IS NULL
            FROM orders_deliverypromise p JOIN orders_suborder s ON s.id = p.sub_order_id
            JOIN inventory_warehouse w ON w.id = p.warehouse_id
            LEFT JOIN LATERAL (
                SELECT min(h.left_at) AS left_at, max(c.code) AS carrier, bool_or(h.state IN (
                    '{ShipmentState.OUT_FOR_DELIVERY}', '{ShipmentState.FAILED_DELIVERY}', '{ShipmentState.SIGNED}'
                )) AS is_out
                FROM logistics_shipment h LEFT JOIN logistics_carrier c ON c.id = h.carrier_id
                -- By what is in them: merged sub-orders go in a parcel with another one's number.
                WHERE h.id IN (
                    SELECT x.shipment_id FROM orders_suborderline l
                    JOIN logistics_shipmentline x ON x.sub_order_line_id = l.id WHERE l.sub_order_id = s.id
                    UNION ALL
                    SELECT g.id FROM logistics_shipment g WHERE g.sub_order_id = s.id AND NOT EXISTS (
                        SELECT FROM logistics_shipmentline x WHERE x.shipment_id = g.id)
                ) AND h.direction = '{Direction.OUT}' AND h.state <> '{ShipmentState.CANCELLED}'
            ) AS h ON true
            WHERE p.id = ANY(%s::bigint[]) ORDER BY p.id
            """,
            [array(promise_ids)],
        )
        return [Watched(*row) for row in cursor.fetchall()]


def _tell(verdicts: Sequence[tuple[Watched, Judgement]]) -> None:
    """Open tickets on what may be late, and close those of what is not any more. A promise that another one followed is
    only measured."""
    current = [(one, verdict) for one, verdict in verdicts if one.is_current]
    risky = [(one, verdict) for one, verdict in current if verdict.look_at is not None and verdict.risk]
    troubles = [
        tickets.Trouble(
            one.sub_order_id,
            str(verdict.risk),
            {
                "number": one.number,
                "warehouse": one.warehouse,
                "promised": _wall_clock(one.promised_by),
                "planned": _wall_clock(one.planned_by) if one.planned_by else "–",
            },
            about_id=one.order_id,
        )
        for one, verdict in risky
    ]
    tickets.open_tickets(AT_RISK, troubles, opened_by=_NAME)
    over = {one.sub_order_id for one, _verdict in current} - {trouble.subject_id for trouble in troubles}
    tickets.close_tickets([AT_RISK], over, closed_by=_NAME)


def _wall_clock(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M}"


STAGE = Stage(_NAME, run, queue=QUEUE)
