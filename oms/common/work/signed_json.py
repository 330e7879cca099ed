"""The protocol `json`, for systems that have none of their own: JSON over HTTPS, signed as Standard Webhooks says.

Both directions are signed with the connection's secret `whsec_…` (headers webhook-id, webhook-timestamp,
webhook-signature; https://www.standardwebhooks.com). A callback says what happened:

    {"facts": [{"key": "…", "kind": "packed", "subject": "…-1-W1", "occurred_at": "2026-01-02T09:00:00+08:00",
                "body": {…}}]}

and is answered `{"stored": 1}`. What a kind means and what its body holds is said where the facts are applied.
"""

import base64
import hmac
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import msgspec
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from standardwebhooks import Webhook

from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, Unreadable, register

SECRET = "signing_secret"  # noqa: S105 - the name of one
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Told(msgspec.Struct):
    key: _Text
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=24)]
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    body: dict[str, Any] = {}


class _Body(msgspec.Struct):
    facts: Annotated[list[_Told], msgspec.Meta(max_length=1000)]


class SignedJson:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine unless signed with the secret, within the connection's clock skew."""
        identity = message.headers.get("webhook-id", "")
        stamp = message.headers.get("webhook-timestamp", "")
        given = message.headers.get("webhook-signature", "")
        if not (identity and given and stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
            raise NotGenuine(_("The headers webhook-id, webhook-timestamp and webhook-signature are needed."))
        sent_at = datetime.fromtimestamp(int(stamp), UTC)
        if abs((message.received_at - sent_at).total_seconds()) > link.clock_skew_seconds:
            raise NotGenuine(_("The time of the message differs too much from ours."))
        expected = _webhook(link).sign(identity, sent_at, message.body)
        if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in given.split(" ")):
            raise NotGenuine(_("The signature does not fit."))

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """Raises Unreadable, naming the field."""
        try:
            told = msgspec.json.decode(body, type=_Body)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
            raise Unreadable(str(error)) from error
        return [News(one.key, one.kind, one.subject, one.occurred_at, one.body) for one in told.facts]

    def accepted(self, link: Connection, message: Message) -> Reply:
        """That it is stored."""
        return Reply('{"stored": true}')

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """Which rule it broke."""
        body = {"error": {"code": error.code, "detail": str(error)}}
        return Reply(msgspec.json.encode(body).decode(), status=error.status_code)

    def test(self, link: Connection) -> None:
        """Ask for `/ping` below the base address. Raises OmsError or httpx.HTTPError."""
        post(link, "ping", {})


def post(link: Connection, path: str, body: object) -> Any:
    """Send signed JSON below the connection's base address; returns the JSON answered.

    Raises OmsError without a base address or a secret, httpx.HTTPError for anything but a 2xx answer.
    """
    if not link.base_url:
        raise OmsError(_("The connection %(code)s has no base address.") % {"code": link.code})
    text = msgspec.json.encode(body).decode()
    identity, now = f"msg_{uuid.uuid4().hex}", timezone.now()
    response = httpx.post(
        f"{link.base_url.rstrip('/')}/{path}",
        content=text,
        headers={
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": _webhook(link).sign(identity, now.astimezone(UTC), text),
        },
        timeout=link.timeout_seconds,
    )
    response.raise_for_status()
    return response.json() if response.content else None


def _webhook(link: Connection) -> Webhook:
    secret = str(link.secrets().get(SECRET, ""))
    try:
        return Webhook(secret)
    except Exception as error:
        raise NotGenuine(_("The connection %(code)s has no signing secret.") % {"code": link.code}) from error


def new_secret() -> str:
    """A fresh signing secret."""
    return f"whsec_{base64.b64encode(uuid.uuid4().bytes + uuid.uuid4().bytes).decode()}"


register(
    Known(
        "json",
        frozenset({SystemKind.WAREHOUSE, SystemKind.CARRIER, SystemKind.ROBOT, SystemKind.SMS}),
        gettext_lazy("Signed JSON"),
        SignedJson(),
        secrets=(SECRET,),
    )
)
