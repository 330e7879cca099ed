"""Calls over the line. Errors of business come with status 200 and a code; all else leaves what was asked unclear."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from logistics.carriers.adapters.kuaidi100 import signing
from logistics.carriers.adapters.kuaidi100.setup import Setup
from oms.common.models import Connection
from oms.common.work.http import client
from oms.common.work.singly import Unclear

GATEWAY = "https://poll.kuaidi100.com"


def query(link: Connection, setup: Setup, param: Mapping[str, Any]) -> Any:
    """What kuaidi100 answers to a query. Raises Unclear where nothing is understood, httpx.HTTPError where the
    connection is down."""
    text = _text(param)
    signature = signing.of_query(text, setup.key, setup.customer)
    return _ask(link, "/poll/query.do", {"customer": setup.customer, "param": text, "sign": signature})


def subscribe(link: Connection, setup: Setup, param: Mapping[str, Any]) -> Any:
    """What kuaidi100 answers to a subscription, which has the key in it and no signature. Raises as `query`."""
    return _ask(link, "/poll", {"schema": "json", "param": _text({**param, "key": setup.key})})


def recognise(link: Connection, setup: Setup, waybill: str) -> Any:
    """What kuaidi100 answers to whose a waybill is. Raises as `query`."""
    return _ask(link, setup.options.recognise_path, {"num": waybill, "key": setup.key})


def unclear(said: Mapping[str, Any]) -> Unclear:
    """What is raised for an answer that proves nothing."""
    return Unclear(f"kuaidi100 said {said.get('returnCode') or said.get('status')} {said.get('message') or ''}"[:300])


def _ask(link: Connection, path: str, form: Mapping[str, str]) -> Any:
    address = (link.base_url or GATEWAY).rstrip("/") + path
    try:
        response = client().post(address, data=form, timeout=link.timeout_seconds)
        response.raise_for_status()
        return msgspec.json.decode(response.content)
    except (httpx.HTTPStatusError, httpx.RemoteProtocolError, httpx.ReadError) as error:
        raise Unclear(str(error)) from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unclear(f"kuaidi100 answered no JSON to {path}: {error}") from error


def _text(param: Mapping[str, Any]) -> str:
    return json.dumps(param, ensure_ascii=False, separators=(",", ":"))
