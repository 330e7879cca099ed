"""What is sent to an endpoint, and how a try to send it can end."""

import json
import random
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from standardwebhooks import Webhook

from oms.common.secrecy import unseal
from oms.merchants.models import DeliveryState

# The specification's schedule: seconds to wait before each try, from the one before.
SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
LONGEST_WAIT_SECONDS = 86_400
JITTER = 0.1
USER_AGENT = "OMS-Webhooks/1.0"


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

    @property
    def next_state(self) -> DeliveryState:
        """What becomes of the delivery: the last try of the schedule ends it."""
        if self.is_success:
            return DeliveryState.DELIVERED
        return DeliveryState.FAILED if self.message.number >= len(SCHEDULE) else DeliveryState.PENDING

    def next_wait(self) -> float:
        """Seconds until the next try, where there is one."""
        if self.next_state != DeliveryState.PENDING:
            return 0.0
        wait = SCHEDULE[self.message.number] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        return float(min(max(wait, self.retry_after or 0), LONGEST_WAIT_SECONDS))


@lru_cache(maxsize=256)
def _signer(sealed_secret: bytes) -> Webhook:
    return Webhook(unseal(sealed_secret))
