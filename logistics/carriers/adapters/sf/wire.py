"""Calls of SF's gateway: a form around a JSON text and its digest; the answer is JSON inside JSON."""

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

import httpx
import msgspec

from logistics.carriers.adapters.setting_up import inner, text
from logistics.carriers.adapters.sf.setup import Setup
from oms.common.models import Connection
from oms.common.work.http import client
from oms.common.work.singly import Unclear

GATEWAY = "https://sfapi.sf-express.com/std/service"
_PASSED, _DONE = "A1000", "S0000"


class Refused(Exception):
    """SF understood what was asked, and does not do it; `code` is its own."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip()[:300])
        self.code = code


def digest(data: str, timestamp: str, check_word: str) -> str:
    """The digest of a JSON text: base64 of the raw MD5 of what Java's URLEncoder makes of it."""
    # Java leaves * as it is and encodes ~, Python the other way round.
    encoded = quote_plus(f"{data}{timestamp}{check_word}", safe="*").replace("~", "%7E")
    return base64.b64encode(hashlib.md5(encoded.encode(), usedforsecurity=False).digest()).decode()


def ask(link: Connection, setup: Setup, service: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What SF answers to a service code.

    Raises Refused where it does not do it, Unclear where what it answers proves nothing, such as a wrong digest, and
    httpx.HTTPError where the connection is down.
    """
    data, timestamp = json.dumps(body, ensure_ascii=False, separators=(",", ":")), str(int(time.time()))
    form = {
        "partnerID": setup.partner_id,
        "requestID": str(uuid4()),
        "serviceCode": service,
        "timestamp": timestamp,
        "msgDigest": digest(data, timestamp, setup.check_word),
        "msgData": data,
    }
    try:
        response = client().post(link.base_url or GATEWAY, data=form, timeout=link.timeout_seconds)
        response.raise_for_status()
        outer = msgspec.json.decode(response.content, type=dict[str, Any])
        if text(outer, "apiResultCode") != _PASSED:
            raise Unclear(f"SF said {text(outer, 'apiResultCode')} {text(outer, 'apiErrorMsg')}"[:300])
        said = msgspec.json.decode(text(outer, "apiResultData"), type=dict[str, Any])
    except (httpx.HTTPStatusError, httpx.RemoteProtocolError, httpx.ReadError) as error:
        raise Unclear(str(error)) from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unclear(f"SF answered no JSON to {service}: {error}") from error
    if said.get("success") not in (True, "true") or text(said, "errorCode") not in ("", _DONE):
        raise Refused(text(said, "errorCode"), text(said, "errorMsg"))
    return inner(said, "msgData")
