"""The tries themselves: HTTP requests side by side, on a thread that never touches the database."""

import asyncio
import concurrent.futures
import ssl
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import TracebackType

import httpcore
import httpx
from django.conf import settings

from oms.common.masking import describe
from oms.merchants.webhooks.addresses import BadAddress, VettedBackend
from oms.merchants.webhooks.messages import LONGEST_WAIT_SECONDS, Message, Outcome

EXCERPT_BYTES = 1000
READ_BYTES = 4000
# How long finished messages are gathered before they are recorded together.
GATHER_SECONDS = 0.1
# An endpoint that answers within this is quick.
QUICK_MS = 1000


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
        if not self._running:
            time.sleep(wait_seconds)
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
                "POST", target, headers=list(headers.items()), content=body.encode(), extensions={"timeout": timeouts}
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
