"""Calls over the line. Business errors come with status 200 and a code; all else leaves what was asked unclear."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from logistics.carriers.adapters.kdniao import envelope
from logistics.carriers.adapters.kdniao.setup import Setup, text
from oms.common.models import Connection
from oms.common.work.http import client
from oms.common.work.singly import Unclear

GATEWAY = "https://api.kdniao.com"
_PATHS = {"1007": "/api/EOrderService", "1147": "/api/EOrderService", "1127": "/api/EOrderService"}
_PATHS |= {"1801": "/api/OOrderService", "1802": "/api/OOrderService"}
_USUAL_PATH = "/api/dist"


def ask(link: Connection, setup: Setup, request_type: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What kdniao answers. Raises Unclear where it answers nothing that is understood, httpx.HTTPError where the
    connection is down."""
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    form = envelope.fields(data, business_id=setup.business_id, request_type=request_type, app_key=setup.app_key)
    try:
        response = client().post(_address(link, request_type), data=form, timeout=link.timeout_seconds)
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except (httpx.HTTPStatusError, httpx.RemoteProtocolError, httpx.ReadError) as error:
        raise Unclear(str(error)) from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unclear(f"kdniao answered no JSON to {request_type}: {error}") from error


def unclear(said: Mapping[str, Any]) -> Unclear:
    """What is raised for an answer that proves nothing."""
    return Unclear(f"kdniao said {text(said, 'ResultCode') or text(said, 'Code')} {text(said, 'Reason')}"[:300])


def succeeded(said: Mapping[str, Any]) -> bool:
    """Whether what was asked is done."""
    return said.get("Success") in (True, "true", "True")


def _address(link: Connection, request_type: str) -> str:
    """An address with a path of its own, as the sandbox's, takes every kind of request."""
    base = (link.base_url or GATEWAY).rstrip("/")
    return base if urlsplit(base).path else base + _PATHS.get(request_type, _USUAL_PATH)
