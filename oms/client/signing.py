"""The signature of a request, by the rules of docs/signing.md. Only the standard library: clients use it as it is.

The server and the client build the same text out of a request and compare HMAC-SHA256 of it.
"""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit

SCHEME = "OMS1-HMAC-SHA256"
# What is neither letter, digit nor one of "-._~" is written as %XX; in a path the slash stays as well.
_UNRESERVED = "-._~"
_HEADER = re.compile(
    re.escape(SCHEME) + r" key=([0-9A-Za-z_-]{1,64}), timestamp=([0-9]{1,12}), nonce=([0-9A-Za-z_-]{16,64}),"
    r" signature=([0-9a-f]{64})",
    re.ASCII,
)


class MalformedHeader(ValueError):
    """The Authorization header has the scheme's name but not its form."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the Authorization header carries: key id, Unix time in seconds, nonce, signature in hex."""

    key: str
    timestamp: int
    nonce: str
    signature: str

    def header(self) -> str:
        """The value of the Authorization header."""
        return f"{SCHEME} key={self.key}, timestamp={self.timestamp}, nonce={self.nonce}, signature={self.signature}"


def parse(header: str) -> Proof:
    """What an Authorization header of this scheme says. Raises MalformedHeader for any other form."""
    match = _HEADER.fullmatch(header)
    if match is None or (len(match[2]) > 1 and match[2].startswith("0")):
        raise MalformedHeader(header)
    return Proof(match[1], int(match[2]), match[3], match[4])


def canonical_path(path: str) -> str:
    """The path with every %XX read as its byte and written again in one way only."""
    return quote(unquote_to_bytes(path), safe="/" + _UNRESERVED)


def canonical_query(query: str | bytes) -> str:
    """The query's parameters, decoded, written again in one way only and sorted by name.

    Parameters of one name keep their order, since it means something. `+` is a space, `a` is `a=`, and nothing between
    two `&` is left out: what the server reads as the same is signed as the same.
    """
    raw = query.encode() if isinstance(query, str) else query
    if not raw:
        return ""
    pairs = []
    for piece in raw.split(b"&"):
        if piece:
            name, _equals, value = piece.partition(b"=")
            pairs.append((_rewritten(name), _rewritten(value)))
    pairs.sort(key=lambda pair: pair[0])
    return "&".join([f"{name}={value}" for name, value in pairs])


def _rewritten(part: bytes) -> str:
    return quote(unquote_to_bytes(part.replace(b"+", b" ")), safe=_UNRESERVED)


def canonical_text(
    *,
    key: str,
    timestamp: int,
    nonce: str,
    method: str,
    path: str,
    query: str | bytes = "",
    body: bytes = b"",
    idempotency_key: str = "",
    if_match: str = "",
) -> bytes:
    """The text that is signed: one line for each part. `path` and `query` as in the address, percent-encoded."""
    lines = (
        SCHEME,
        key,
        str(timestamp),
        nonce,
        method,
        canonical_path(path),
        canonical_query(query),
        hashlib.sha256(body).hexdigest(),
        idempotency_key,
        if_match,
    )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def signature(secret: str, text: bytes) -> str:
    """HMAC-SHA256 of the text under the secret's UTF-8 bytes, in lower-case hex."""
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def authorization(
    app_key: str,
    secret: str,
    method: str,
    url: str,
    body: bytes = b"",
    *,
    idempotency_key: str = "",
    if_match: str = "",
    timestamp: int | None = None,
    nonce: str | None = None,
) -> str:
    """The Authorization header of a request to `url` (whole, or from the path on), signed now with a new nonce."""
    timestamp = int(time.time()) if timestamp is None else timestamp
    nonce = secrets.token_urlsafe(18) if nonce is None else nonce
    parts = urlsplit(url)
    text = canonical_text(
        key=app_key,
        timestamp=timestamp,
        nonce=nonce,
        method=method,
        path=parts.path or "/",
        query=parts.query,
        body=body,
        idempotency_key=idempotency_key,
        if_match=if_match,
    )
    return Proof(app_key, timestamp, nonce, signature(secret, text)).header()
