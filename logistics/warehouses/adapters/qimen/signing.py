"""The signature of the 奇门 form: over all parameters of the address and the body, byte for byte. Pure.

It is made of whatever parameters there are, known or not, so that none can be added or changed on the way.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

METHODS = ("md5", "hmac", "hmac-sha256")
SIGN = "sign"


class UnknownMethod(ValueError):
    """Nobody signs like that."""


def sign(parameters: Mapping[str, str], body: str, secret: str, *, keeps_empty: bool = False) -> str:
    """The signature by the parameter `sign_method`, `md5` where there is none. Parameters without a value do not count;
    where it `keeps_empty` ones, their names do. Raises UnknownMethod.
    """
    counted = sorted((name, value) for name, value in parameters.items() if name != SIGN and (value or keeps_empty))
    middle = ("".join(f"{name}{value}" for name, value in counted) + body).encode()
    method, key = parameters.get("sign_method") or "md5", secret.encode()
    if method == "md5":
        return hashlib.md5(key + middle + key, usedforsecurity=False).hexdigest().upper()
    if method == "hmac":
        return hmac.new(key, middle, "md5").hexdigest().upper()
    if method == "hmac-sha256":
        return hmac.new(key, middle, "sha256").hexdigest().upper()
    raise UnknownMethod(f"The sign_method {method[:20]} is not known.")


def is_signed(parameters: Mapping[str, str], body: str, secret: str) -> bool:
    """Whether the parameter `sign` fits, whichever way empty and doubly encoded values were taken. Raises
    UnknownMethod."""
    given = parameters.get(SIGN, "").encode()
    once_more = {name: unquote_plus(value) for name, value in parameters.items()}
    fitting = 0
    for one in (parameters, once_more):
        for keeps_empty in (False, True):
            fitting += hmac.compare_digest(sign(one, body, secret, keeps_empty=keeps_empty).encode(), given)
    return fitting > 0


def signed_parts(parameters: Mapping[str, str], headers: Mapping[str, str], body: str) -> tuple[Mapping[str, str], str]:
    """What a received message signs: its parameters, the headers that it names in `top-sign-list`, and the fields of a
    form, which then are no body."""
    named = [name.strip() for name in headers.get("top-sign-list", "").split(",") if name.strip()]
    from_headers = {name: unquote_plus(headers.get(name.lower(), "")) for name in named}
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {**parameters, **from_headers, **dict(parse_qsl(body, keep_blank_values=True))}, ""
    return {**parameters, **from_headers}, body
