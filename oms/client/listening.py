"""A developer's events on his own machine: asked for again and again, shown, and passed on as the webhook would be.

The server sends webhooks to public addresses only; here a program on a developer's machine asks instead.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from oms.client.calling import Client, Unreachable

_PATH = "/api/v1/events"
_FORWARD_TIMEOUT_SECONDS = 20.0


def follow(
    client: Client, *, since: datetime, types: str = "", every_seconds: float = 2.0, once: bool = False
) -> Iterator[dict[str, Any]]:
    """The merchant's events from `since` on, one after the other, for ever; with `once` those that there are.

    Asks again after `every_seconds` where there are none, also where the server was not reached. Raises ApiError.
    """
    query = {"updated_since": since.isoformat(), **({"types": types} if types else {})}
    while True:
        try:
            page = client.request("GET", _PATH, query=query).data
        except Unreachable:
            if once:
                raise
            time.sleep(every_seconds)
            continue
        yield from page["results"]
        query = {"cursor": page["cursor"], **({"types": types} if types else {})}
        if page["next"] is None:
            if once:
                return
            time.sleep(every_seconds)


def new_secret() -> str:
    """A secret such as an endpoint gets."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


@dataclass(frozen=True, slots=True)
class Forwarder:
    """Passes events on to an address as a webhook would bring them: the same body, headers and signature, but for the
    `webhook-id`, which is the event's own."""

    url: str
    secret: str

    def __post_init__(self) -> None:
        """Raises ValueError for what is no address, or no secret."""
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"{self.url!r} is no address: it must begin with http:// or https://.")
        self._key()

    def send(self, event: dict[str, Any]) -> str:
        """Send it once; returns what came of it, in words. Never raises because of the receiver."""
        call = urllib.request.Request(self.url, self.body(event), self.headers(event), method="POST")  # noqa: S310
        try:
            with urllib.request.urlopen(call, timeout=_FORWARD_TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked above
                return str(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return str(error.code)
        except OSError as error:
            return f"no answer: {getattr(error, 'reason', error)}"

    @staticmethod
    def body(event: dict[str, Any]) -> bytes:
        """What is sent and signed."""
        content = {"type": event["type"], "timestamp": event["occurred_at"], "data": event["data"]}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

    def headers(self, event: dict[str, Any], *, now: Callable[[], float] = time.time) -> dict[str, str]:
        """The headers of the Standard Webhooks specification."""
        timestamp = str(int(now()))
        signed = f"{event['id']}.{timestamp}.".encode() + self.body(event)
        digest = base64.b64encode(hmac.new(self._key(), signed, hashlib.sha256).digest()).decode()
        return {
            "content-type": "application/json",
            "user-agent": "OMS-Listen/1.0",
            "webhook-id": event["id"],
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{digest}",
        }

    def _key(self) -> bytes:
        try:
            return base64.b64decode(self.secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError("The secret is none: it has the form whsec_… with Base64 after it.") from None
