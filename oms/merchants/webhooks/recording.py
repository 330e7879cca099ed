"""How tries ended: written down together, with what they say about the endpoints."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus

from django.conf import settings
from django.db import connection, transaction

from oms.common.postgresql.absence import is_away
from oms.merchants.models import DeliveryState, DisabledBecause, EndpointState
from oms.merchants.webhooks.claiming import SUSPECT_AFTER
from oms.merchants.webhooks.messages import Outcome

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 300


def finish(outcomes: Sequence[Outcome]) -> None:
    """Record how tries ended, as far as their leases are still ours, and what they say about the endpoints.

    What cannot be recorded together is recorded one by one: a bad row takes no other with it. Raises OperationalError
    or InterfaceError while the database is away; recording the same again later does no harm.
    """
    if not outcomes:
        return
    try:
        _record(outcomes)
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("%d outcomes could not be recorded together; each is recorded alone", len(outcomes))
        for outcome in outcomes:
            _record_alone(outcome)


def _record_alone(outcome: Outcome) -> None:
    """Record one outcome; without what the endpoint said, should that be what cannot be recorded."""
    try:
        _record([outcome])
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("the outcome of webhook delivery %d could not be recorded", outcome.message.delivery_id)
        reason = f"what was answered could not be recorded: {type(error).__name__}"
        try:
            _record([replace(outcome, excerpt="", error=reason, retry_after=None)])
        except Exception as worse:
            if is_away(worse):
                raise
            # It is sent again when its lease is over.
            logger.exception("nothing could be recorded of webhook delivery %d", outcome.message.delivery_id)


def _record(outcomes: Sequence[Outcome]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH told AS (
                SELECT * FROM unnest(%(ids)s::bigint[], %(tokens)s::int[], %(numbers)s::int[], %(states)s::text[],
                    %(waits)s::float8[], %(started)s::timestamptz[], %(durations)s::int[], %(statuses)s::int[],
                    %(excerpts)s::text[], %(errors)s::text[])
                AS t(id, token, number, state, wait, started_at, duration_ms, status, excerpt, error)
            ), mine AS MATERIALIZED (
                SELECT d.id FROM merchants_webhookdelivery d JOIN told t ON t.id = d.id AND t.token = d.lease_token
                WHERE d.state = '{DeliveryState.PENDING}' AND d.attempts < t.number
                ORDER BY d.id FOR NO KEY UPDATE OF d
            ), recorded AS (
                UPDATE merchants_webhookdelivery d SET
                    state = t.state, attempts = t.number, lease_until = NULL,
                    ready_at = statement_timestamp() + make_interval(secs => t.wait),
                    response_status = t.status, response_excerpt = t.excerpt, last_error = t.error,
                    duration_ms = t.duration_ms, last_attempt_at = t.started_at,
                    delivered_at = CASE WHEN t.state = '{DeliveryState.DELIVERED}' THEN statement_timestamp()
                        ELSE d.delivered_at END
                FROM mine JOIN told t USING (id) WHERE d.id = mine.id
                RETURNING d.id
            )
            INSERT INTO merchants_webhookattempt
                (delivery_id, number, started_at, duration_ms, response_status, response_excerpt, error)
            SELECT t.id, t.number, t.started_at, t.duration_ms, t.status, t.excerpt, t.error
            FROM recorded JOIN told t USING (id) ORDER BY t.started_at
            """,
            {
                "ids": [outcome.message.delivery_id for outcome in outcomes],
                "tokens": [outcome.message.lease_token for outcome in outcomes],
                "numbers": [outcome.message.number for outcome in outcomes],
                "states": [str(outcome.next_state) for outcome in outcomes],
                "waits": [outcome.next_wait() for outcome in outcomes],
                "started": [outcome.started_at for outcome in outcomes],
                "durations": [outcome.duration_ms for outcome in outcomes],
                "statuses": [outcome.status for outcome in outcomes],
                "excerpts": [outcome.excerpt for outcome in outcomes],
                "errors": [outcome.error for outcome in outcomes],
            },
        )
        _note_health(outcomes)


def _note_health(outcomes: Sequence[Outcome]) -> None:
    """One success ends a row of failures; after some in a row the endpoint rests between two tries."""
    endpoints = sorted({outcome.message.endpoint_id for outcome in outcomes})
    of = {key: [outcome for outcome in outcomes if outcome.message.endpoint_id == key] for key in endpoints}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH news AS (
                SELECT * FROM unnest(%(ids)s::bigint[], %(successes)s::int[], %(failures)s::int[], %(rests)s::float8[])
                    AS n(id, successes, failures, rest)
            ), known AS MATERIALIZED (
                SELECT e.id, n.successes, n.rest, e.failing_since,
                    CASE WHEN n.successes > 0 THEN 0 ELSE e.failures + n.failures END AS failures
                FROM merchants_webhookendpoint e JOIN news n USING (id)
                -- A success that changes nothing is noted once a minute. Who failed is locked here, in order: it may
                -- have to be disabled next.
                WHERE n.failures > 0 OR e.failures > 0 OR e.last_success_at IS NULL
                   OR e.last_success_at < statement_timestamp() - interval '1 minute'
                ORDER BY e.id FOR NO KEY UPDATE OF e
            ), judged AS (
                SELECT k.*, greatest(k.rest, CASE WHEN k.failures < %(suspect)s THEN 0
                    ELSE least(%(pause)s * 2.0 ^ least(k.failures - %(suspect)s, 20), %(longest)s) END) AS pause
                FROM known k
            )
            UPDATE merchants_webhookendpoint e SET
                failures = j.failures,
                failing_since = CASE WHEN j.failures > 0 THEN coalesce(j.failing_since, statement_timestamp()) END,
                last_success_at = CASE WHEN j.successes > 0 THEN statement_timestamp() ELSE e.last_success_at END,
                paused_until = CASE WHEN j.pause > 0 THEN statement_timestamp() + make_interval(secs => j.pause) END
            FROM judged j WHERE e.id = j.id
            """,
            {
                "ids": endpoints,
                "successes": [sum(outcome.is_success for outcome in of[key]) for key in endpoints],
                "failures": [sum(not outcome.is_success for outcome in of[key]) for key in endpoints],
                "rests": [
                    float(min(max(outcome.retry_after or 0 for outcome in of[key]), LONGEST_PAUSE_SECONDS))
                    for key in endpoints
                ],
                "suspect": SUSPECT_AFTER,
                "pause": FIRST_PAUSE_SECONDS,
                "longest": LONGEST_PAUSE_SECONDS,
            },
        )
    failed = [key for key in endpoints if not all(outcome.is_success for outcome in of[key])]
    gone = [key for key in failed if any(outcome.status == HTTPStatus.GONE for outcome in of[key])]
    if failed:
        _disable_hopeless(failed, gone)


def _disable_hopeless(failed: list[int], gone: list[int]) -> None:
    """Who is gone, or failed for days without one success, is told nothing more; the merchant is to know."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH hopeless AS MATERIALIZED (
                SELECT id FROM merchants_webhookendpoint
                WHERE id = ANY(%(failed)s) AND state = '{EndpointState.ENABLED}'
                  AND (id = ANY(%(gone)s) OR failing_since < statement_timestamp() - %(patience)s::interval)
                ORDER BY id FOR NO KEY UPDATE
            )
            UPDATE merchants_webhookendpoint e SET
                state = '{EndpointState.DISABLED}', disabled_at = statement_timestamp(), notice_due = true,
                disabled_because = CASE WHEN e.id = ANY(%(gone)s) THEN '{DisabledBecause.GONE}'
                    ELSE '{DisabledBecause.FAILING}' END
            FROM hopeless WHERE e.id = hopeless.id
            RETURNING e.public_id, e.disabled_because
            """,
            {
                "failed": failed,
                "gone": gone,
                "patience": f"{settings.WEBHOOKS_DISABLE_AFTER_DAYS} days",
            },
        )
        for public_id, because in cursor.fetchall():
            logger.warning("webhook endpoint %s was disabled: %s", public_id, because)
