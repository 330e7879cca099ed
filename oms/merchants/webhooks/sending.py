"""Sending what is due: claimed endpoint by endpoint, sent side by side, recorded in batches.

An endpoint has only so many messages in flight, more where it answers quickly; one whose last tries failed has a
single one, after a pause that grows: a slow or dead shop takes no place from the others. A message that a killed sender
had in hand is sent again under the same id once its lease is over.
"""

import asyncio
import concurrent.futures
import json
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from types import TracebackType

import httpcore
import httpx
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from standardwebhooks import Webhook

from oms.common.claiming import Queue, Stage
from oms.common.masking import describe
from oms.common.outbound import MAY_GO_OUT
from oms.common.secrecy import unseal
from oms.merchants.models import WebhookDelivery
from oms.merchants.webhooks.addresses import BadAddress, VettedBackend

logger = logging.getLogger(__name__)

# The specification's schedule: seconds to wait before each try, from the one before.
SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
LONGEST_WAIT_SECONDS = 86_400
JITTER = 0.1
# After so many failures in a row an endpoint gets one try at a time, with a pause between two.
SUSPECT_AFTER = 3
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 300
EXCERPT_BYTES = 1000
READ_BYTES = 4000
USER_AGENT = "OMS-Webhooks/1.0"
IDLE_SECONDS = 0.25
# How long finished messages are gathered before they are recorded together.
GATHER_SECONDS = 0.1
# An endpoint that answers within this is quick, and gets so many times the usual number of messages in flight.
QUICK_MS = 1000
QUICK_TIMES = 4
SHUTDOWN_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed delivery with all that sending it needs; `number` is that of this try, from 1."""

    delivery_id: int
    lease_token: int
    number: int
    endpoint_id: int
    url: str
    secrets: tuple[bytes, ...]
    message_id: str
    type: str
    occurred_at: datetime
    data: object

    def body(self) -> str:
        """What is sent and signed: the same in every try."""
        content = {"type": self.type, "timestamp": self.occurred_at.isoformat(), "data": self.data}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    def headers(self, body: str, at: datetime) -> dict[str, str]:
        """The headers of the specification; a signature for each secret that is valid. `at` is in UTC."""
        signatures = [_signer(secret).sign(self.message_id, at, body) for secret in self.secrets]
        return {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": self.message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended: an answer with its status, or an error."""

    message: Message
    started_at: datetime
    duration_ms: int
    status: int | None = None
    excerpt: str = ""
    error: str = ""
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the endpoint took the message."""
        return self.status is not None and 200 <= self.status < 300

    def next_wait(self) -> float | None:
        """Seconds until the next try; None if this was the last one of the schedule."""
        if self.message.number >= len(SCHEDULE):
            return None
        wait = SCHEDULE[self.message.number] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        return min(max(wait, self.retry_after or 0), LONGEST_WAIT_SECONDS)


def claim(limit: int, quick: Collection[int] = ()) -> list[Message]:
    """Lease up to `limit` messages that are due, taking turns among endpoints; commits at once. `quick` are the ids of
    endpoints that may have more in flight.

    The lease outlives the time-out of a try, so that only a sender that died lets one run out. Times are those of
    the statement, not of a transaction that a caller may have begun long before.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH slot AS MATERIALIZED (
                SELECT e.id, CASE WHEN e.failures >= %(suspect)s THEN 1
                    WHEN e.id = ANY(%(quick)s::bigint[]) THEN %(more)s
                    -- The slow ones of a merchant share what one would have.
                    ELSE greatest(%(each)s / (SELECT count(*) FROM merchants_webhookendpoint o
                                              WHERE o.merchant_id = e.merchant_id AND o.state = 'enabled'), 1) END - (
                    SELECT count(*) FROM merchants_webhookdelivery f WHERE f.endpoint_id = e.id
                      AND f.state = 'pending' AND f.lease_until >= statement_timestamp()) AS free
                FROM merchants_webhookendpoint e
                WHERE e.state = 'enabled' AND (e.paused_until IS NULL OR e.paused_until <= statement_timestamp())
                  AND {MAY_GO_OUT}
            ), locked AS MATERIALIZED (
                SELECT q.* FROM slot CROSS JOIN LATERAL (
                    SELECT d.id, d.endpoint_id, d.ready_at FROM merchants_webhookdelivery d
                    WHERE d.endpoint_id = slot.id AND d.state = 'pending' AND d.ready_at <= statement_timestamp()
                      AND (d.lease_until IS NULL OR d.lease_until < statement_timestamp())
                    ORDER BY d.ready_at, d.id LIMIT greatest(slot.free, 0)
                    FOR NO KEY UPDATE OF d SKIP LOCKED
                ) AS q
            ), due AS (
                SELECT id FROM (SELECT id, ready_at, row_number() OVER (PARTITION BY endpoint_id ORDER BY ready_at, id)
                                    AS place FROM locked) AS ranked
                ORDER BY place, ready_at LIMIT %(limit)s
            )
            UPDATE merchants_webhookdelivery d
            SET lease_until = statement_timestamp() + make_interval(secs => %(lease)s), lease_token = d.lease_token + 1
            FROM due, merchants_webhookevent v, merchants_webhookendpoint e
            WHERE d.id = due.id AND v.id = d.event_id AND e.id = d.endpoint_id
            RETURNING d.id, d.lease_token, d.attempts + 1, e.id, e.url, e.secret,
                CASE WHEN e.old_secret_until > statement_timestamp() THEN e.old_secret END,
                v.message_id, v.type, v.occurred_at, v.data
            """,
            {
                "suspect": SUSPECT_AFTER,
                "quick": list(quick),
                "each": settings.WEBHOOKS_IN_FLIGHT_PER_ENDPOINT,
                "more": settings.WEBHOOKS_IN_FLIGHT_PER_ENDPOINT * QUICK_TIMES,
                "limit": limit,
                "lease": settings.WEBHOOKS_TIMEOUT_SECONDS * 2 + 30,
            },
        )
        rows = cursor.fetchall()
    rows.sort(key=lambda row: row[0])
    return [Message(*row[:5], tuple(bytes(s) for s in row[5:7] if s), *row[7:10], json.loads(row[10])) for row in rows]


def finish(outcomes: Sequence[Outcome]) -> None:
    """Record how tries ended, as far as their leases are still ours, and what they say about the endpoints."""
    if not outcomes:
        return
    waits = [None if outcome.is_success else outcome.next_wait() for outcome in outcomes]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH told AS (
                SELECT * FROM unnest(%(ids)s::bigint[], %(tokens)s::int[], %(numbers)s::int[], %(states)s::text[],
                    %(waits)s::float8[], %(started)s::timestamptz[], %(durations)s::int[], %(statuses)s::int[],
                    %(excerpts)s::text[], %(errors)s::text[])
                AS t(id, token, number, state, wait, started_at, duration_ms, status, excerpt, error)
            ), mine AS MATERIALIZED (
                SELECT d.id FROM merchants_webhookdelivery d JOIN told t ON t.id = d.id AND t.token = d.lease_token
                WHERE d.state = 'pending' ORDER BY d.id FOR NO KEY UPDATE OF d
            ), recorded AS (
                UPDATE merchants_webhookdelivery d SET
                    state = t.state, attempts = t.number, lease_until = NULL,
                    ready_at = statement_timestamp() + make_interval(secs => coalesce(t.wait, 0)),
                    response_status = t.status, response_excerpt = t.excerpt, last_error = t.error,
                    duration_ms = t.duration_ms, last_attempt_at = t.started_at,
                    delivered_at = CASE WHEN t.state = 'delivered' THEN statement_timestamp() ELSE d.delivered_at END
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
                "states": [
                    "delivered" if outcome.is_success else "failed" if wait is None else "pending"
                    for outcome, wait in zip(outcomes, waits, strict=True)
                ],
                "waits": waits,
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
                    min(max(outcome.retry_after or 0 for outcome in of[key]), LONGEST_PAUSE_SECONDS)
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
            """
            WITH hopeless AS MATERIALIZED (
                SELECT id FROM merchants_webhookendpoint
                WHERE id = ANY(%(failed)s) AND state = 'enabled'
                  AND (id = ANY(%(gone)s) OR failing_since < statement_timestamp() - %(patience)s)
                ORDER BY id FOR NO KEY UPDATE
            )
            UPDATE merchants_webhookendpoint e SET state = 'disabled', disabled_at = statement_timestamp(),
                disabled_because = CASE WHEN e.id = ANY(%(gone)s) THEN 'gone' ELSE 'failing' END, notice_due = true
            FROM hopeless WHERE e.id = hopeless.id
            RETURNING e.public_id, e.disabled_because
            """,
            {"failed": failed, "gone": gone, "patience": timedelta(days=settings.WEBHOOKS_DISABLE_AFTER_DAYS)},
        )
        for public_id, because in cursor.fetchall():
            logger.warning("webhook endpoint %s was disabled: %s", public_id, because)


class Sender:
    """Sends messages side by side, on a thread of its own that never touches the database. Use it in a `with`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # Names are looked up on threads: those of dead name servers must not keep the others waiting.
        lookups = concurrent.futures.ThreadPoolExecutor(settings.WEBHOOKS_IN_FLIGHT, "webhooks-lookup")
        self._loop.set_default_executor(lookups)
        self._thread = threading.Thread(target=self._loop.run_forever, name="webhooks", daemon=True)
        self._running: set[concurrent.futures.Future[Outcome]] = set()
        self.quick: set[int] = set()

    def __enter__(self) -> "Sender":
        self._thread.start()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_ssl_context(),
            max_connections=settings.WEBHOOKS_IN_FLIGHT + 1,
            max_keepalive_connections=64,
            keepalive_expiry=3,
            network_backend=VettedBackend(),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def in_flight(self) -> int:
        """How many messages are on their way."""
        return len(self._running)

    def start(self, messages: Sequence[Message]) -> None:
        """Begin to send these."""
        for message in messages:
            self._running.add(asyncio.run_coroutine_threadsafe(send(message, self._pool), self._loop))

    def collect(self, wait_seconds: float) -> list[Outcome]:
        """What ended, waiting up to so many seconds for the first and a moment for others."""
        done, _rest = concurrent.futures.wait(
            self._running, wait_seconds, return_when=concurrent.futures.FIRST_COMPLETED
        )
        if done and len(done) < len(self._running):
            time.sleep(GATHER_SECONDS)
            done = {future for future in self._running if future.done()}
        self._running -= done
        outcomes = [future.result() for future in done]
        for outcome in outcomes:
            key = outcome.message.endpoint_id
            (self.quick.add if outcome.is_success and outcome.duration_ms < QUICK_MS else self.quick.discard)(key)
        return outcomes

    async def _close(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.aclose()


@lru_cache(maxsize=256)
def _signer(sealed_secret: bytes) -> Webhook:
    return Webhook(unseal(sealed_secret))


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


async def send(message: Message, pool: httpcore.AsyncConnectionPool) -> Outcome:
    """One try. Whatever goes wrong is part of the outcome; redirects are not followed."""
    started_at, clock_start = datetime.now(UTC), time.monotonic()
    status, excerpt, error, retry_after = None, "", "", None
    try:
        async with asyncio.timeout(settings.WEBHOOKS_TIMEOUT_SECONDS):
            body = message.body()
            url = httpx.URL(message.url)
            target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
            headers = {"host": url.netloc.decode(), **message.headers(body, started_at)}
            timeouts = {"connect": settings.WEBHOOKS_CONNECT_TIMEOUT_SECONDS}
            async with pool.stream(
                "POST", target, headers=headers, content=body.encode(), extensions={"timeout": timeouts}
            ) as response:
                status, retry_after = response.status, _retry_after(response)
                excerpt = await _beginning(response)
    except TimeoutError:
        error = f"no answer within {settings.WEBHOOKS_TIMEOUT_SECONDS:g} s"
    except httpcore.ConnectTimeout:
        error = f"no connection within {settings.WEBHOOKS_CONNECT_TIMEOUT_SECONDS:g} s"
    except BadAddress as refusal:
        error = str(refusal)
    except Exception as failure:
        # Anything else that the other side, the network or the URL does: it fails this try only.
        error = describe(failure)
    if error and status is not None and 200 <= status < 300:
        # Only the body's end is missing: the answer itself was there.
        error = ""
    if not error and status is not None and not 200 <= status < 300:
        error = f"answered {status}"
    return Outcome(
        message,
        started_at,
        int((time.monotonic() - clock_start) * 1000),
        status,
        excerpt,
        error.replace("\0", "").encode(errors="replace").decode()[:300],
        retry_after,
    )


async def _beginning(response: httpcore.Response) -> str:
    """The first bytes of the body as text; the rest is not read."""
    content = b""
    async for part in response.aiter_stream():
        content += part
        if len(content) > READ_BYTES:
            break
    return content[:EXCERPT_BYTES].decode(errors="replace").replace("\0", "")


def _retry_after(response: httpcore.Response) -> float | None:
    """What the answer asks for, in seconds; in either of the header's two forms."""
    for name, value in response.headers:
        if name.lower() == b"retry-after":
            text = value.decode("latin-1").strip()
            if text.isdigit():
                return min(float(text[:9]), LONGEST_WAIT_SECONDS)
            try:
                moment = parsedate_to_datetime(text)
            except ValueError:
                return None
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return min(max((moment - datetime.now(UTC)).total_seconds(), 0), LONGEST_WAIT_SECONDS) or None
    return None


def run(limit: int) -> int:
    """Send what is due, up to `limit` messages, and wait for how it ends; returns how many were claimed."""
    messages = claim(min(limit, settings.WEBHOOKS_IN_FLIGHT))
    if messages:
        with Sender() as sender:
            sender.start(messages)
            while sender.in_flight:
                finish(sender.collect(settings.WEBHOOKS_TIMEOUT_SECONDS * 2))
    return len(messages)


def serve(should_stop: Callable[[], bool]) -> None:
    """Send for ever, until told to stop; then what is in flight has a few seconds to end, the rest is sent again."""
    with Sender() as sender:
        while not should_stop():
            try:
                free = settings.WEBHOOKS_IN_FLIGHT - sender.in_flight
                messages = claim(free, sender.quick) if free > 0 else []
                sender.start(messages)
                if sender.in_flight:
                    finish(sender.collect(IDLE_SECONDS))
                else:
                    time.sleep(IDLE_SECONDS)
            except (DatabaseError, InterfaceError):
                # What could not be recorded is sent again when its lease is over.
                logger.exception("the database cannot be reached; trying again in a second")
                connection.close()
                time.sleep(1)
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while sender.in_flight and time.monotonic() < deadline:
            finish(sender.collect(IDLE_SECONDS))


# In `manage.py drain` only: what is due is tried once. Workers never run it: `manage.py send_webhooks` serves.
STAGE = Stage(
    "send_webhooks",
    run,
    queue=Queue(
        WebhookDelivery,
        "q.state = 'pending'",
        unless="(SELECT e.state FROM merchants_webhookendpoint e WHERE e.id = q.endpoint_id) <> 'enabled'",
    ),
)
