"""What the robots of chat tools have in common: JSON is posted, and a code in the answer says whether it was taken."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from django.utils.translation import gettext as _

from logistics.watching.robots import NotTold
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, register


def post(
    link: Connection, path: str, body: Mapping[str, Any], *, code: str, params: Mapping[str, str] | None = None
) -> None:
    """Post the body below the connection's base address. Raises NotTold unless the answer's `code` is 0, OmsError
    without an address, and httpx.HTTPError."""
    if not link.base_url:
        raise OmsError(_("The connection %(code)s has no base address.") % {"code": link.code})
    response = httpx.post(
        f"{link.base_url.rstrip('/')}{path}", json=dict(body), params=params, timeout=link.timeout_seconds
    )
    response.raise_for_status()
    answer = response.json()
    if answer.get(code) != 0:
        raise NotTold(f"{answer.get(code)} {answer.get('errmsg') or answer.get('msg') or ''}".strip())


def signature(key: str, message: str) -> str:
    """The HMAC-SHA256 of the message, in Base64."""
    return base64.b64encode(hmac.new(key.encode(), message.encode(), "sha256").digest()).decode()


class RobotSpeaker:
    """A robot only listens. See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine: robots send nothing."""
        raise NotGenuine(_("A robot sends no messages."))

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """Nothing."""
        return []

    def accepted(self, link: Connection, message: Message) -> Reply:
        """Nothing to say."""
        return Reply("{}")

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """Why."""
        return Reply('{"error": "robot"}', status=error.status_code)

    def test(self, link: Connection) -> None:
        """A robot cannot be asked without everybody reading it: only whether there is an address is looked at."""
        if not link.base_url and link.protocol != "mail":
            raise OmsError(_("The connection %(code)s has no base address.") % {"code": link.code})


def register_robot(code: str, title: Any, secrets: Sequence[str]) -> None:
    """Let staff choose the protocol for a connection."""
    register(Known(code, frozenset({SystemKind.ROBOT}), title, RobotSpeaker(), secrets))
