"""Calls of Cainiao's gateway: a form around a JSON text and its digest; it answers JSON, or XML with the same names."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import httpx
import msgspec

from logistics.carriers.adapters.cainiao.setup import Setup
from logistics.carriers.adapters.setting_up import text
from oms.common.models import Connection
from oms.common.work.http import client
from oms.common.work.singly import Unclear

GATEWAY = "https://link.cainiao.com/gateway/link.do"


class Refused(Exception):
    """Cainiao understood what was asked, and does not do it; `code` is its own."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip()[:300])
        self.code = code


def digest(data: str, app_secret: str) -> str:
    """The digest of a JSON text: base64 of the raw MD5 of the text and the secret."""
    return base64.b64encode(hashlib.md5(f"{data}{app_secret}".encode(), usedforsecurity=False).digest()).decode()


def ask(link: Connection, setup: Setup, message_type: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Cainiao answers to a type of message.

    Raises Refused where it does not do it, Unclear where it answers nothing that is understood, and httpx.HTTPError
    where the connection is down.
    """
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    form = {
        "msg_type": message_type,
        "logistic_provider_id": setup.token,
        "data_digest": digest(data, setup.app_secret),
        "logistics_interface": data,
    }
    try:
        response = client().post(link.base_url or GATEWAY, data=form, timeout=link.timeout_seconds)
        response.raise_for_status()
        said = opened(response.text)
    except (httpx.HTTPStatusError, httpx.RemoteProtocolError, httpx.ReadError) as error:
        raise Unclear(str(error)) from error
    if text(said, "success").lower() == "false":
        raise Refused(text(said, "errorCode"), text(said, "errorMsg"))
    if text(said, "success").lower() != "true":
        raise Unclear(f"Cainiao did not say to {message_type} whether it is done")
    return said


def opened(body: str) -> Mapping[str, Any]:
    """The fields of an answer; an element of XML that has others of one name in it is a list. Raises Unclear."""
    try:
        if not body.lstrip().startswith("<"):
            return msgspec.json.decode(body, type=dict[str, Any])
        if "<!DOCTYPE" in body or "<!ENTITY" in body:
            raise Unclear("Cainiao answered XML that declares entities")
        said = _fields(ElementTree.fromstring(body))  # noqa: S314 - without a document type it can declare nothing
    except (msgspec.MsgspecError, RecursionError, ElementTree.ParseError) as error:
        raise Unclear(f"Cainiao answered neither JSON nor XML: {error}") from error
    if not isinstance(said, dict):
        raise Unclear("Cainiao answered XML without fields")
    return said


def _fields(element: ElementTree.Element) -> Any:
    children = list(element)
    if not children:
        return element.text or ""
    if element.tag.endswith(("List", "Cols")):
        return [_fields(child) for child in children]
    return {child.tag: _fields(child) for child in children}
