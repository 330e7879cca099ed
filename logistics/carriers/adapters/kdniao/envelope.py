"""kdniao's envelope: form fields around a JSON text, and its signature. Pure.

The signature is over the JSON text byte for byte, so it is never written anew before it is checked. Some senders encode
the text once for the form, others twice: both are read.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote_plus

import msgspec


@dataclass(frozen=True, slots=True)
class Envelope:
    """What was sent: the JSON text as it was signed, whose it is, what it is about, and the signature."""

    data: str
    business_id: str
    request_type: str
    signature: str


def sign(data: str, app_key: str) -> str:
    """The signature of a JSON text: base64 of the hexadecimal text of its MD5."""
    digest = hashlib.md5(f"{data}{app_key}".encode(), usedforsecurity=False).hexdigest()
    return base64.b64encode(digest.encode()).decode()


def is_signed(envelope: Envelope, app_key: str) -> bool:
    """Whether the signature fits; takes the same time for every wrong one."""
    return hmac.compare_digest(sign(envelope.data, app_key).encode(), envelope.signature.encode())


def fields(data: str, *, business_id: str, request_type: str, app_key: str) -> dict[str, str]:
    """The form that carries a JSON text."""
    return {
        "RequestData": data,
        "EBusinessID": business_id,
        "RequestType": request_type,
        "DataSign": sign(data, app_key),
        "DataType": "2",
    }


# A message is opened to be told genuine and once more to be read, right after one another.
@lru_cache(maxsize=4)
def opened(body: str) -> Envelope:
    """The envelope of a body: a form, or the same fields as JSON. What is missing is empty."""
    given = _of_json(body) if body.lstrip().startswith("{") else dict(parse_qsl(body, keep_blank_values=True))
    data, signature = given.get("RequestData", ""), given.get("DataSign", "")
    if data[:1] not in ("{", "["):
        data, signature = unquote_plus(data), unquote_plus(signature)
    return Envelope(data, given.get("EBusinessID", ""), given.get("RequestType", ""), signature)


def _of_json(body: str) -> Mapping[str, str]:
    try:
        said = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return {name: value for name, value in said.items() if isinstance(value, str)}
