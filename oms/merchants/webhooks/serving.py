"""The sender's work: what is due is claimed, sent side by side, and recorded in batches.

A message that a killed sender had in hand is sent again under the same id, by the next or another sender.
"""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from oms.common.postgresql.absence import is_away
from oms.common.work import heartbeat
from oms.common.work.claiming import Queue, Stage
from oms.merchants.models import DeliveryState, WebhookDelivery
from oms.merchants.webhooks.claiming import backlog, claim
from oms.merchants.webhooks.messages import Outcome
from oms.merchants.webhooks.presence import Presence
from oms.merchants.webhooks.recording import finish
from oms.merchants.webhooks.sending import Sender

logger = logging.getLogger(__name__)

IDLE_SECONDS = 0.25
SHUTDOWN_SECONDS = 5


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
    with Presence() as presence, Sender() as sender:
        ended: list[Outcome] = []  # and not recorded yet
        caught_up = heartbeat.Pulse(heartbeat.WEBHOOKS)
        while not should_stop():
            try:
                presence.look()
                ended += sender.collect(IDLE_SECONDS)
                finish(ended)
                ended = []
                free = settings.WEBHOOKS_IN_FLIGHT - sender.in_flight
                messages = claim(free, sender.quick, presence.number) if free > 0 else []
                sender.start(messages)
                if len(messages) < free:
                    caught_up.beat()
            except (DatabaseError, InterfaceError) as error:
                if is_away(error):
                    logger.exception("the database cannot be reached; trying again in a second")
                else:
                    logger.exception("a round of sending failed; trying again in a second")
                connection.close()
                time.sleep(1)
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while (ended or sender.in_flight) and time.monotonic() < deadline:
            ended += sender.collect(IDLE_SECONDS)
            finish(ended)
            ended = []


# For the figures, and for `manage.py drain`, which tries once what is due. Workers never run it: `serve` does its work.
STAGE = Stage(
    "send_webhooks",
    run,
    queue=Queue(WebhookDelivery, f"q.state = '{DeliveryState.PENDING}'"),
    backlog=backlog,
)
