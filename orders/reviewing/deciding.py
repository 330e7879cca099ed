"""The review stage: rules hold, reject, put off or pass orders; what nothing holds goes on after the grace period."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext

from oms.common.copying import array, records
from oms.common.work import clock
from oms.common.work.claiming import Queue, Stage, in_one_transaction
from oms.merchants import sandboxes
from orders import kinds
from orders.actors import Actor
from orders.changing import cancelling
from orders.models import ActorKind, Hold, Order, OrderState, Outcome
from orders.reviewing import compiling, words
from orders.reviewing.compiling import Hit, Verdict
from orders.reviewing.conditions.base import SINCE, plain_figure
from orders.reviewing.holds import mark_sub_orders

QUEUE = Queue(Order, f"q.state = '{OrderState.IN_REVIEW}' AND q.open_holds = 0")

# After so many seconds an order that waits for another one is looked at again.
WAIT_SECONDS = 60
# So many orders of a batch are rejected at once; the others stay for the next one.
MOST_REJECTED = 50


@dataclass(frozen=True, slots=True)
class _Policy:
    """How long orders of a channel wait before and after the review, in seconds; whether finance looks at them, too."""

    delay: float
    grace: float
    finance_reviews: bool
    is_test: bool


def run(limit: int) -> int:
    """Review up to `limit` orders; returns how many were claimed."""
    return in_one_transaction(QUEUE, limit, _review)


def _review(order_ids: list[int]) -> None:
    policies = _policies(order_ids)
    if any(policy.delay for policy in policies.values()):
        order_ids = _without_early_ones(order_ids, policies)
    verdicts = compiling.judge(compiling.find(compiling.active_rules(), _judged(order_ids, policies)))
    rejected = [key for key, one in verdicts.items() if one.outcome == Outcome.REJECT]
    put_off = rejected[MOST_REJECTED:]
    if not clock.waits_are_skipped():
        waiting = [key for key, one in verdicts.items() if one.outcome == Outcome.WAIT]
        _look_again_later(waiting)
        put_off += waiting
    decided = {key: one for key, one in verdicts.items() if key not in put_off}
    _remember(decided)
    _open_holds(decided)
    _reject(rejected[:MOST_REJECTED], verdicts)
    left = set(order_ids) - set(put_off)
    if any(policy.finance_reviews for policy in policies.values()):
        _ask_finance(left)
    _approve_or_wait(left, policies)


def _judged(order_ids: list[int], policies: Mapping[int, _Policy]) -> list[int]:
    """The orders that rules judge: nobody of the staff would look at those of sandboxes."""
    tests = [channel_id for channel_id, policy in policies.items() if policy.is_test]
    if not tests:
        return order_ids
    skipped = Order.objects.filter(pk__in=order_ids, channel__in=tests).values_list("pk", flat=True)
    return sorted(set(order_ids) - set(skipped))


def _policies(order_ids: Collection[int]) -> dict[int, _Policy]:
    """By channel, in seconds as they pass on this installation; none where waits are skipped. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.id, c.review_delay_seconds, c.grace_seconds, c.finance_reviews, c.merchant_id IN {sandboxes.IDS}
            FROM merchants_channel c
            WHERE c.id IN (SELECT o.channel_id FROM orders_order o WHERE o.id = ANY(%s::bigint[]))
            """,
            [array(order_ids)],
        )
        rows = cursor.fetchall()
    skips = clock.waits_are_skipped()

    def seconds(said: int | None, usual: int) -> float:
        return 0 if skips else (usual if said is None else said) / settings.TIME_SPEED

    return {
        key: _Policy(
            seconds(delay, settings.REVIEW_DELAY_SECONDS),
            seconds(grace, settings.GRACE_PERIOD_SECONDS),
            finance,
            is_test,
        )
        for key, delay, grace, finance, is_test in rows
    }


def _without_early_ones(order_ids: list[int], policies: Mapping[int, _Policy]) -> list[int]:
    """Put off the orders whose delay is not over; returns the others."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_order o SET ready_at = {SINCE.format("o")} + make_interval(secs => p.delay)
            FROM unnest(%s::bigint[], %s::float8[]) AS p(channel_id, delay)
            WHERE o.id = ANY(%s::bigint[]) AND p.channel_id = o.channel_id AND o.reviewed_at IS NULL
              AND {SINCE.format("o")} + make_interval(secs => p.delay) > now()
            RETURNING o.id
            """,
            [list(policies), [policy.delay for policy in policies.values()], array(order_ids)],
        )
        early = {key for (key,) in cursor.fetchall()}
    return [key for key in order_ids if key not in early]


def _look_again_later(order_ids: Sequence[int]) -> None:
    if order_ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orders_order SET ready_at = now() + make_interval(secs => %s) WHERE id = ANY(%s::bigint[])",
                [WAIT_SECONDS / settings.TIME_SPEED, array(order_ids)],
            )


def _remember(verdicts: Mapping[int, Verdict]) -> None:
    """Keep what the rules found and by which figures."""
    if verdicts:
        rows = [
            {
                "order_id": order_id,
                "outcome": str(verdict.outcome),
                "hits": [[hit.rule.id, hit.rule.called, str(hit.rule.outcome), hit.facts] for hit in verdict.hits],
            }
            for order_id, verdict in verdicts.items()
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO orders_reviewdecision (order_id, outcome, hits)"
                " SELECT * FROM jsonb_to_recordset(%s::jsonb) AS r(order_id bigint, outcome text, hits jsonb)",
                [records(rows)],
            )


def _open_holds(verdicts: Mapping[int, Verdict]) -> None:
    rows = [_hold(hit) for verdict in verdicts.values() for hit in verdict.holds]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH found AS MATERIALIZED (
                SELECT * FROM jsonb_to_recordset(%s::jsonb)
                    AS r(order_id bigint, rule_id bigint, rule_key uuid, rule text, reason text, details jsonb,
                        level smallint)
            ), opened AS (
                INSERT INTO orders_hold (order_id, kind, rule_id, rule_key, reason, details, level, opened_by)
                SELECT order_id, '{Hold.Kind.RULE}', rule_id, rule_key, reason, details, level, rule FROM found
                -- What was released once holds again only for another reason, also under another version of the rules.
                ON CONFLICT (order_id, rule_key) WHERE rule_key IS NOT NULL DO UPDATE SET reason = EXCLUDED.reason,
                    rule_id = EXCLUDED.rule_id, details = EXCLUDED.details, level = EXCLUDED.level,
                    opened_by = EXCLUDED.opened_by, opened_at = now(), released_at = NULL, released_by = '',
                    release_note = ''
                    WHERE orders_hold.released_at IS NOT NULL AND orders_hold.reason <> EXCLUDED.reason
                RETURNING order_id, reason, details, opened_by
            ), told AS (
                INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
                SELECT order_id, '{kinds.HELD}', '{ActorKind.RULE}', opened_by,
                    jsonb_build_object('hold', '{Hold.Kind.RULE}', 'rule', opened_by, 'reason', reason,
                        'details', details)
                FROM opened
            )
            UPDATE orders_order o SET open_holds = o.open_holds + h.count, reviewed_at = now()
            FROM (SELECT order_id, count(*) FROM opened GROUP BY order_id) AS h
            WHERE o.id = h.order_id
            """,
            [records(rows)],
        )


def _hold(hit: Hit) -> dict[str, Any]:
    return {
        "order_id": hit.order_id,
        "rule_id": hit.rule.id,
        "rule_key": str(hit.rule.key),
        "rule": hit.rule.called,
        "reason": "; ".join(map(plain_figure, hit.facts))[:300],
        "details": {"facts": hit.facts},
        "level": hit.rule.level,
    }


def _reject(order_ids: Sequence[int], verdicts: Mapping[int, Verdict]) -> None:
    """Cancel the orders for what their rules found; the money goes back as after any cancellation."""
    for order_id in order_ids:
        hit = next(one for one in verdicts[order_id].hits if one.rule.outcome == Outcome.REJECT)
        cancelling.cancel_order(order_id, reason=words.rejection(hit.rule.called), actor=_rule(hit))


def _rule(hit: Hit) -> Actor:
    return Actor(ActorKind.RULE, hit.rule.called)


def rule_hits(order_ids: list[int]) -> dict[int, str]:
    """Which of these orders the review rules hold or cancel, or will once they are reviewed, and why. Two
    statements."""
    verdicts = compiling.judge(compiling.find(compiling.active_rules(), order_ids))
    found = {}
    for order_id, verdict in verdicts.items():
        hits = verdict.holds or [hit for hit in verdict.hits if hit.rule.outcome == Outcome.REJECT]
        if hits and verdict.outcome not in (Outcome.PASS, Outcome.WAIT):
            found[order_id] = gettext("; ").join(words.of_hit(hit.rule.called, hit.facts) for hit in hits)
    return found


def look_again(order_id: int) -> None:
    """Run the review rules on a locked order once more, because what they look at changed. It is past the time at which
    rules cancel or put off: those that would cancel it hold it."""
    hits = compiling.find(compiling.active_rules(), [order_id], only_new=False)
    verdicts = {
        key: one if one.outcome != Outcome.REJECT else Verdict(Outcome.HOLD, one.hits, _rejecting(one.hits))
        for key, one in compiling.judge(hits).items()
    }
    _remember(verdicts)
    _open_holds(verdicts)
    Order.objects.filter(pk=order_id, reviewed_at=None).update(reviewed_at=timezone.now())
    mark_sub_orders(order_id)


def _rejecting(hits: Iterable[Hit]) -> list[Hit]:
    return [hit for hit in hits if hit.rule.outcome == Outcome.REJECT]


def _ask_finance(order_ids: Collection[int]) -> None:
    """Hold those that the first review lets go on for the second one, each once, where their channel wants it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH opened AS (
                INSERT INTO orders_hold (order_id, kind, reason, opened_by)
                SELECT o.id, '{Hold.Kind.FINANCE}', '', 'review' FROM orders_order o
                JOIN merchants_channel c ON c.id = o.channel_id AND c.finance_reviews
                WHERE o.id = ANY(%s::bigint[]) AND o.state = '{OrderState.IN_REVIEW}' AND o.open_holds = 0
                  AND NOT EXISTS (
                      SELECT FROM orders_hold h WHERE h.order_id = o.id AND h.kind = '{Hold.Kind.FINANCE}')
                RETURNING order_id
            ), told AS (
                INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
                SELECT order_id, '{kinds.HELD}', '{ActorKind.JOB}', 'review',
                    jsonb_build_object('hold', '{Hold.Kind.FINANCE}', 'reason', '')
                FROM opened
            )
            UPDATE orders_order o SET open_holds = o.open_holds + 1, reviewed_at = coalesce(o.reviewed_at, now())
            FROM opened WHERE o.id = opened.order_id
            """,
            [array(order_ids)],
        )


def _approve_or_wait(order_ids: Collection[int], policies: Mapping[int, _Policy]) -> None:
    at_once = [key for key, policy in policies.items() if not policy.grace]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                UPDATE orders_order SET state = '{OrderState.READY_TO_SPLIT}',
                    reviewed_at = coalesce(reviewed_at, now()), ready_at = now(), attempts = 0, last_error = ''
                WHERE id = ANY(%(ids)s::bigint[]) AND state = '{OrderState.IN_REVIEW}' AND open_holds = 0
                  AND (reviewed_at IS NOT NULL OR channel_id = ANY(%(at_once)s::bigint[]))
                RETURNING id
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, from_state, to_state)
            SELECT id, '{kinds.APPROVED}', 'job', 'review', '{OrderState.IN_REVIEW}', '{OrderState.READY_TO_SPLIT}'
            FROM moved
            """,
            {"ids": array(order_ids), "at_once": array(at_once)},
        )
        if len(at_once) < len(policies):
            cursor.execute(
                f"""
                UPDATE orders_order o SET reviewed_at = now(), ready_at = ready_at + make_interval(secs => p.grace)
                FROM unnest(%(channels)s::bigint[], %(waits)s::float8[]) AS p(channel_id, grace)
                WHERE o.id = ANY(%(ids)s::bigint[]) AND o.state = '{OrderState.IN_REVIEW}' AND o.open_holds = 0
                  AND o.reviewed_at IS NULL AND p.channel_id = o.channel_id
                """,
                {
                    "ids": array(order_ids),
                    "channels": list(policies),
                    "waits": [policy.grace for policy in policies.values()],
                },
            )


STAGE = Stage("review", run, wakes=("split", "owing"), queue=QUEUE)
