"""Calling WeChat Pay, with the answer's signature verified."""

import json
from collections.abc import Mapping
from typing import Any

from oms.common.models import Connection
from oms.common.work.singly import Unclear
from payments.providers.wechat import keys, wire


def call(link: Connection, method: str, target: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What WeChat answered, proved to be WeChat's; {} for an answer without a body.

    Raises Refused with WeChat's code, Unclear where nothing is known, httpx.HTTPError where there is no answer.
    """
    response = wire.send(link, method, target, content)
    signature, body = wire.signature_of(response.headers), response.content.decode(errors="replace")
    # Whether every refusal is signed is not sure; one that is must fit.
    if signature is None and response.is_success:
        raise Unclear("the answer is not signed")
    if signature is not None and not keys.is_wechats(link, signature, body):
        raise Unclear("the signature of the answer does not fit")
    wire.raise_for_refusal(response)
    said = json.loads(body) if body else {}
    if not isinstance(said, dict):
        raise Unclear("the answer is no object")
    return said
