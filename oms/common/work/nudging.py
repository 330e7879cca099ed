"""Waking the workers of a stage right after a commit.

A nudge gives speed, never certainty: the work is the rows themselves, and beat finds them. So it is sent after the
commit, waits at most half a second for the broker, is never retried, and after a failure is left out for a while. A
process nudges a stage at most ten times a second: the stage works until nothing is left.
"""

import logging
import time
from functools import lru_cache, partial

from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.5
REST_SECONDS = 5.0
SPACING_SECONDS = 0.1
TASK = "oms.run_stage"

_silent_until = 0.0
_sent_at: dict[str, float] = {}
_enabled = True


def nudge(*stages: str) -> None:
    """Once the running transaction is committed, tell the workers that these stages have work."""
    if _enabled:
        for stage in stages:
            transaction.on_commit(partial(_send, stage), robust=True)


def disable() -> None:
    """Send no nudges from this process; for commands that run the stages themselves."""
    global _enabled
    _enabled = False


def prepare() -> None:
    """Load what sending needs, most of a second's work, so that no order waits for it; the broker is not asked."""
    app = _producer_app()
    app.amqp  # noqa: B018 - loaded when it is first looked at
    app.connection_for_write().transport  # noqa: B018


@lru_cache(maxsize=1)
def _producer_app():  # type: ignore[no-untyped-def]
    from celery import Celery

    app = Celery("nudges", broker=settings.REDIS_URL, set_as_current=False)
    app.conf.update(
        broker_connection_retry=False,
        broker_connection_timeout=TIMEOUT_SECONDS,
        broker_transport_options={
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
            "retry_on_timeout": False,
            "max_retries": 0,
        },
        task_publish_retry=False,
    )
    return app


def _send(stage: str) -> None:
    global _silent_until
    now = time.monotonic()
    if now < _silent_until or now < _sent_at.get(stage, 0.0) + SPACING_SECONDS:
        return
    _sent_at[stage] = now
    try:
        _producer_app().send_task(
            TASK,
            args=[stage],
            ignore_result=True,
            expires=60,
            retry=False,
            priority=settings.CELERY_TASK_DEFAULT_PRIORITY,
        )
    except Exception as error:
        # Whatever is wrong with the broker, the order is committed and beat will find it.
        _silent_until = time.monotonic() + REST_SECONDS
        logger.warning("nudge of %s left out: %s", stage, error)
