"""kuaidi100's signatures: upper-case hexadecimal MD5 over a JSON text and secrets. Pure.

The text is signed byte for byte, so it is never written anew before it is checked. Some senders encode it once for the
form, others twice: both are read.
"""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus


@dataclass(frozen=True, slots=True)
class Pushed:
    """A push: the JSON text as it was signed, and the signature."""

    param: str
    signature: str


def of_query(param: str, key: str, customer: str) -> str:
    """The signature of a query."""
    return _digest(f"{param}{key}{customer}")


def of_push(param: str, salt: str) -> str:
    """The signature of a push."""
    return _digest(f"{param}{salt}")


def opened(body: str) -> Pushed:
    """The push in a form; what is missing is empty."""
    given = dict(parse_qsl(body, keep_blank_values=True))
    param, signature = given.get("param", ""), given.get("sign", "")
    return Pushed(param if param[:1] in ("{", "[") else unquote_plus(param), signature)


def is_signed(pushed: Pushed, salt: str) -> bool:
    """Whether the signature fits, in capitals or not; takes the same time for every wrong one."""
    return hmac.compare_digest(of_push(pushed.param, salt).encode(), pushed.signature.upper().encode())


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()
