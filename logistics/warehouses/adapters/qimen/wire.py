"""Calls over the line. Only `flag` says what became of a call; the gateway's own refusals have another form.

Told apart are what was done, what the warehouse refused for good, and what is not known: then the same is asked again
under the same number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

import httpx
from django.utils import timezone

from logistics.warehouses.adapters.qimen import signing
from logistics.warehouses.adapters.qimen.setup import PREFIX, Setup
from oms.common.models import Connection
from oms.common.work import xml
from oms.common.work.calling import Unclear
from oms.common.work.http import client
from oms.common.zones import CHINA

MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """What a warehouse answered: whether it did what was asked, why not, and the answer itself."""

    is_done: bool
    reason: str
    answer: Element

    def has_any(self, words: Sequence[str]) -> bool:
        """Whether its reason has any of the words."""
        return any(word.lower() in self.reason.lower() for word in words)

    def text(self, path: str) -> str:
        """The text of an element of the answer."""
        return xml.text_of(self.answer, path)


def ask(link: Connection, mine: Setup, method: str, content: Mapping[str, Any]) -> Said:
    """What the warehouse answers. Raises Unclear where it is not known what became of it, httpx.HTTPError where the
    connection is down."""
    body = xml.write("request", content)
    headers = {"content-type": "application/xml" if mine.options.unsigned else "text/xml;charset=utf-8"}
    try:
        response = client().post(
            _address(link),
            params=_parameters(mine, method, body),
            content=body.encode(),
            headers=headers,
            timeout=link.timeout_seconds,
        )
        response.raise_for_status()
        if len(response.content) > MOST_BYTES:
            raise Unclear(f"The answer to {method} has more than {MOST_BYTES} bytes.")
        root = xml.parse(response.content.decode("utf-8-sig"))
    except (httpx.HTTPStatusError, httpx.RemoteProtocolError, httpx.ReadError) as error:
        raise Unclear(str(error)) from error
    except ValueError as error:
        raise Unclear(f"The answer to {method} cannot be read: {error}") from error
    return _judged(mine, method, root)


def _judged(mine: Setup, method: str, root: Element) -> Said:
    if root.tag == "error_response":
        # About the call, or the gateway's own trouble: never a word of the warehouse on what was asked.
        told = [xml.text_of(root, name) for name in ("code", "sub_code", "sub_msg", "msg")]
        raise Unclear(f"The gateway refused {method}: {' '.join(filter(None, told))}"[:300])
    flag = xml.text_of(root, "flag")
    if flag not in ("success", "failure"):
        raise Unclear(f"The answer to {method} does not say what became of it.")
    code, text = xml.text_of(root, "code"), xml.text_of(root, "message") or xml.text_of(root, "msg")
    said = Said(flag == "success", " ".join(filter(None, [code, text]))[:300], root)
    if not said.is_done and said.has_any(mine.options.busy):
        raise Unclear(f"The warehouse puts {method} off: {said.reason}")
    return said


def written(at: datetime) -> str:
    """A time as the form has it: of China, without a zone."""
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _parameters(mine: Setup, method: str, body: str) -> dict[str, str]:
    parameters = {
        "method": f"{PREFIX}{method}" if mine.options.prefixed else method,
        "timestamp": written(timezone.now()),
        "format": "xml",
        "v": "2.0",
        "customerId": mine.options.customer_id,
    }
    if mine.options.unsigned:
        return parameters
    parameters |= {"app_key": mine.app_key, "sign_method": mine.options.sign_method}
    if mine.session:
        parameters["session"] = mine.session
    return {**parameters, signing.SIGN: signing.sign(parameters, body, mine.app_secret)}


def _address(link: Connection) -> str:
    if not link.base_url:
        raise Unclear(f"The connection {link.code} has no base address.")
    return link.base_url
