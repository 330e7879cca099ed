"""How 诺诺 is spoken to: what is signed, its token, and what its codes mean.

The body is sent byte for byte as it was signed. Tokens are rationed, so one is kept with the connection's secrets.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.db import transaction

from oms.common.models import Connection
from oms.common.work.http import client
from oms.common.work.singly import Unclear
from payments.providers.errors import Refused, secret

GATEWAY = "https://sdk.nuonuo.com/open/v1/services"
TOKEN_ADDRESS = "https://open.nuonuo.com/accessToken"  # noqa: S105 - no secret
# The first two are told to us; the others are kept here while they are in force.
SECRETS = ("app_key", "app_secret", "access_token", "token_until")

SUCCESS = "E0000"
DUPLICATE = "E9106"  # that number was sent before
NOT_FOUND = "E9500"
_BAD_TOKEN = frozenset({"070304", "070305"})
_CREDENTIALS = frozenset({"070101", "070306", "070307"})
# A token that ends within so many seconds is no longer used.
_MARGIN_SECONDS = 300


def sign(app_secret: str, app_key: str, *, senid: str, nonce: str, timestamp: str, body: str) -> str:
    """The signature of a call to `/open/v1/services` with that body."""
    text = f"a=services&l=v1&p=open&k={app_key}&i={senid}&n={nonce}&t={timestamp}&f={body}"
    # SHA-1 is the protocol's own choice.
    return base64.b64encode(hmac.new(app_secret.encode(), text.encode(), hashlib.sha1).digest()).decode()


def call(link: Connection, method: str, content: Mapping[str, Any], *, seller: str = "") -> Any:
    """The `result` of the answer, for the code of success.

    Raises Refused with the service's code, Unclear where nothing is known, httpx.HTTPError where there is no answer.
    """
    known = link.secrets()
    app_key, app_secret = (str(secret(link.code, known, name)) for name in SECRETS[:2])
    body = json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
    senid, nonce = secrets.token_hex(16), str(10_000_000 + secrets.randbelow(90_000_000))
    timestamp = str(int(time.time()))
    response = client().post(
        link.base_url or GATEWAY,
        params={"senid": senid, "nonce": nonce, "timestamp": timestamp, "appkey": app_key},
        content=body.encode(),
        headers={
            "content-type": "application/json; charset=UTF-8",
            "X-Nuonuo-Sign": sign(app_secret, app_key, senid=senid, nonce=nonce, timestamp=timestamp, body=body),
            "accessToken": _token(link, known),
            "userTax": seller,
            "method": method,
        },
        timeout=link.timeout_seconds,
    )
    response.raise_for_status()
    try:
        answer = response.json()
        code = str(answer["code"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unclear(f"the answer to {method} is no JSON object with a code") from error
    if code == SUCCESS:
        return answer.get("result")
    text = str(answer.get("describe") or "")
    if code in _BAD_TOKEN:
        _forget_token(link)
    # The gateway's own codes are digits: nobody looked at the request then.
    if code in _BAD_TOKEN | _CREDENTIALS or not code.startswith("E"):
        raise Unclear(f"{code} {text}")
    raise Refused(code, text)


def _token(link: Connection, known: Mapping[str, Any]) -> str:
    """The token that is kept, or a new one."""
    if known.get("access_token") and float(known.get("token_until") or 0) > time.time() + _MARGIN_SECONDS:
        return str(known["access_token"])
    form = {
        "client_id": known["app_key"],
        "client_secret": known["app_secret"],
        "grant_type": "client_credentials",
    }
    response = client().post(_token_address(link), data=form, timeout=link.timeout_seconds)
    response.raise_for_status()
    try:
        answer = response.json()
        token, lasts = str(answer["access_token"]), float(answer["expires_in"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unclear("no token was given") from error
    _keep(link, {"access_token": token, "token_until": str(time.time() + lasts)})
    return token


def _token_address(link: Connection) -> str:
    """Beside another gateway its tokens are given, too."""
    if not link.base_url:
        return TOKEN_ADDRESS
    parts = urlsplit(link.base_url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.replace("/open/v1/services", "/accessToken"), "", ""))


def _forget_token(link: Connection) -> None:
    _keep(link, {"access_token": "", "token_until": "0"})


@transaction.atomic
def _keep(link: Connection, changed: Mapping[str, str]) -> None:
    locked = Connection.objects.select_for_update(no_key=True).get(pk=link.pk)
    locked.set_secrets({**locked.secrets(), **changed}).save(update_fields=["credentials"])
    link.credentials = locked.credentials


def fetch(link: Connection, address: str) -> bytes:
    """The file at an address that the service named. Raises httpx.HTTPError, and Unclear for what is no PDF."""
    response = client().get(address, timeout=link.timeout_seconds)
    response.raise_for_status()
    if not response.content.startswith(b"%PDF-"):
        raise Unclear("the document is no PDF")
    return response.content
