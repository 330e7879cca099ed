"""Calls of JD Logistics' gateway (LOP): a JSON array with one object, signed in the address."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
from django.utils import timezone

from logistics.carriers.adapters.jdl.setup import Setup
from logistics.carriers.adapters.setting_up import inner, text, written
from oms.common.models import Connection
from oms.common.work.http import client
from oms.common.work.singly import Unclear

GATEWAY = "https://api.jdl.com"
CREATE, CANCEL = "/ecap/v1/orders/create", "/ecap/v1/orders/cancel"
SALTED = "md5-salt"
_KEYED = {"HMacMD5": "md5", "HMacSHA1": "sha1", "HMacSHA256": "sha256", "HMacSHA512": "sha512"}
_DONE = ("0", "1000", "200", "")


class Refused(Exception):
    """JD understood what was asked, and does not do it; `code` is its own, `data` what it said with it."""

    def __init__(self, code: str, reason: str, data: Mapping[str, Any]) -> None:
        super().__init__(f"{code} {reason}".strip()[:300])
        self.code, self.data = code, data


def sign(path: str, body: str, timestamp: str, *, key: str, secret: str, token: str, algorithm: str = SALTED) -> str:
    """The signature of a call: hexadecimal for `md5-salt`, base64 for those with a key."""
    signed = "".join(
        (secret, "access_token", token, "app_key", key, "method", path, "param_json", body, "timestamp", timestamp)
    )
    content = f"{signed}v2.0{secret}".encode()
    if algorithm == SALTED:
        return hashlib.md5(content, usedforsecurity=False).hexdigest()
    return base64.b64encode(hmac.digest(secret.encode(), content, _KEYED[algorithm])).decode()


def ask(link: Connection, setup: Setup, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data that JD answers.

    Raises Refused where it does not do it, Unclear where it answers nothing that is understood, and httpx.HTTPError
    where the connection is down.
    """
    data, timestamp = json.dumps([body], ensure_ascii=False, separators=(",", ":")), written(timezone.now())
    parameters = {
        "LOP-DN": setup.options.domain,
        "app_key": setup.app_key,
        "access_token": setup.access_token,
        "timestamp": timestamp,
        "v": "2.0",
        "sign": sign(path, data, timestamp, key=setup.app_key, secret=setup.app_secret, token=setup.access_token),
        "algorithm": SALTED,
    }
    headers = {"content-type": "application/json", "user-agent": "lop-http/python3"}
    address = (link.base_url or GATEWAY).rstrip("/") + path
    try:
        response = client().post(
            address, params=parameters, content=data.encode(), headers=headers, timeout=link.timeout_seconds
        )
        response.raise_for_status()
        said = msgspec.json.decode(response.content, type=dict[str, Any])
    except (httpx.HTTPStatusError, httpx.RemoteProtocolError, httpx.ReadError) as error:
        # The error quotes the address, and that the access token.
        raise Unclear(f"JD did not answer {path}: {type(error).__name__}") from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unclear(f"JD answered no JSON to {path}: {error}") from error
    if said.get("success") is True and text(said, "code") in _DONE:
        return inner(said, "data")
    if said.get("success") is False:
        raise Refused(text(said, "code"), text(said, "msg") or text(said, "message"), inner(said, "data"))
    raise Unclear(f"JD did not say to {path} whether it is done: {text(said, 'code')}")
