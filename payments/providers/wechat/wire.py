"""How WeChat Pay is spoken to: what is signed, what is verified, what is sealed, and what its codes mean."""

import base64
import binascii
import json
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils import timezone

from oms.common import signatures
from oms.common.models import Connection
from oms.common.money import fen_text
from oms.common.work.http import client
from oms.common.work.singly import Unclear
from oms.common.zones import CHINA
from payments.providers.errors import NotSetUp, Refused, secret

ADDRESS = "https://api.mch.weixin.qq.com"
SECRETS = ("mchid", "appid", "merchant_private_key", "merchant_serial", "api_v3_key")
# In the mode of new merchants; without them WeChat's certificates are fetched.
PUBLIC_KEY_SECRETS = ("platform_public_key", "platform_public_key_id")
SCHEME = "WECHATPAY2-SHA256-RSA2048"
NO_SUCH = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"})
PAID_ALREADY = frozenset({"ORDERPAID", "ORDER_PAID"})
# Of failures by these codes nobody knows what was done: the same request again.
_UNCLEAR = frozenset({"SYSTEM_ERROR", "SYSTEMERROR", "BANK_ERROR", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED"})


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are at WeChat Pay, and our keys."""

    mchid: str
    appid: str
    key: RSAPrivateKey
    serial: str
    api_v3_key: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """What WeChat says beside a message to prove it. `at` is in seconds since 1970."""

    at: int
    nonce: str
    serial: str
    value: str


def account(link: Connection) -> Account:
    """The account of the connection. Raises NotSetUp, or signatures.NoKey."""
    known = link.secrets()
    mchid, appid, key, serial, api_key = (str(secret(link.code, known, name)) for name in SECRETS)
    if len(api_key.encode()) != 32:
        raise NotSetUp(f"The api_v3_key of the connection {link.code} has not 32 bytes.")
    return Account(mchid, appid, signatures.private_key(key), serial, api_key.encode())


def signature_of(headers: Mapping[str, str]) -> Signature | None:
    """The signature in the headers (names in lower case), or None where there is none of the one kind that we take."""
    at, nonce, serial, value, kind = (
        headers.get(f"wechatpay-{name}", "") for name in ("timestamp", "nonce", "serial", "signature", "signature-type")
    )
    # The type is not always said.
    if kind not in ("", SCHEME) or not (nonce and serial and value):
        return None
    if not (at.isascii() and at.isdigit() and len(at) < 12):
        return None
    return Signature(int(at), nonce, serial, value)


def signed_text(*lines: str) -> str:
    """The text that is signed: each line with its end, also the last one."""
    return "".join(f"{line}\n" for line in lines)


def authorization(us: Account, method: str, target: str, body: str) -> str:
    """The header that proves that a request is ours. `target` is path and query."""
    at, nonce = str(int(timezone.now().timestamp())), random.token_hex(16).upper()
    value = signatures.sign(us.key, signed_text(method, target, at, nonce, body))
    return (
        f'{SCHEME} mchid="{us.mchid}",nonce_str="{nonce}",signature="{value}",timestamp="{at}",serial_no="{us.serial}"'
    )


def base_url(link: Connection) -> str:
    """Where requests go."""
    return (link.base_url or ADDRESS).rstrip("/")


def headers(link: Connection, method: str, target: str, body: str = "") -> dict[str, str]:
    """The headers of a request, signed."""
    found = {
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": "oms",
        "authorization": authorization(account(link), method, target, body),
    }
    if key_id := link.secrets().get("platform_public_key_id"):
        found["wechatpay-serial"] = str(key_id)
    return found


def send(link: Connection, method: str, target: str, content: Mapping[str, Any] | None = None) -> httpx.Response:
    """The answer as it came, not verified. Raises httpx.HTTPError where there is none."""
    body = "" if content is None else json.dumps(dict(content), ensure_ascii=False, separators=(",", ":"))
    return client().request(
        method,
        f"{base_url(link)}{target}",
        content=body.encode(),
        headers=headers(link, method, target, body),
        timeout=link.timeout_seconds,
    )


def unseal(us: Account, resource: Mapping[str, Any]) -> str:
    """What WeChat sealed for us with the API v3 key. Raises ValueError for what is not so sealed, KeyError."""
    if resource.get("algorithm") != "AEAD_AES_256_GCM":
        raise ValueError("not sealed by AEAD_AES_256_GCM")
    nonce, beside = str(resource["nonce"]).encode(), str(resource.get("associated_data") or "").encode()
    try:
        return AESGCM(us.api_v3_key).decrypt(nonce, base64.b64decode(resource["ciphertext"]), beside).decode()
    except (InvalidTag, binascii.Error) as error:
        raise ValueError("not sealed with our API v3 key") from error


def raise_for_refusal(response: httpx.Response) -> None:
    """Raises Refused with WeChat's code, or Unclear, for an answer that is no success."""
    if response.is_success:
        return
    try:
        said = response.json()
        code, text = str(said["code"]), str(said.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unclear(f"status {response.status_code} without a code") from None
    if response.status_code >= 500 or response.status_code == 429 or code in _UNCLEAR:
        raise Unclear(f"{code} {text}")
    raise Refused(code, text)


def as_yuan(fen: Any) -> str:
    """WeChat's fen as yuan with two places. Raises ValueError for what is no whole number."""
    if not isinstance(fen, int) or isinstance(fen, bool):
        raise ValueError("an amount is no whole number of fen")
    return fen_text(fen)


def as_time(moment: datetime) -> str:
    """A time as WeChat writes it: China's, to the second."""
    return moment.astimezone(CHINA).isoformat(timespec="seconds")
