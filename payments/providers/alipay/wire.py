"""How Alipay is spoken to: what is signed, what is verified, and what its codes mean.

A request is a signed form; the answer is a JSON object of which one member is signed, exactly as it stands there.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from django.utils import timezone

from oms.common import signatures
from oms.common.models import Connection
from oms.common.work.http import client
from oms.common.work.singly import Unclear
from oms.common.zones import CHINA
from payments.providers.alipay import certificates
from payments.providers.alipay.certificates import Certificates
from payments.providers.errors import Refused, secret

GATEWAY = "https://openapi.alipay.com/gateway.do"
SECRETS = ("app_id", "seller_id", "app_private_key")
# In key mode; `certificates.SECRETS` in certificate mode.
KEY_SECRETS = ("alipay_public_key",)
SIGN_TYPE = "RSA2"
_TIME = "%Y-%m-%d %H:%M:%S"
# The number of a payment at Alipay has letters, digits and `_` only; ours have `-` instead.
_OURS, _THEIRS = "-", "_"

SUCCESS = "10000"
NO_SUCH_TRADE = "ACQ.TRADE_NOT_EXIST"
PAID_ALREADY = "ACQ.TRADE_HAS_SUCCESS"
# Of failures by these codes nobody knows what was done.
_SYSTEM_ERRORS = frozenset({"ACQ.SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR", "SYSTEM_ERROR"})


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are at Alipay, and the keys of both sides: Alipay's is one in key mode, in certificate mode there may be
    several."""

    app_id: str
    seller_id: str
    app_key: RSAPrivateKey
    alipay_key: RSAPublicKey | None
    certificates: Certificates | None


def account(link: Connection) -> Account:
    """The account of the connection. Raises NotSetUp, or signatures.NoKey."""
    secrets = link.secrets()
    app_id, seller_id, ours = (str(secret(link.code, secrets, name)) for name in SECRETS)
    found = certificates.of(secrets)
    theirs = None if found else signatures.public_key(str(secret(link.code, secrets, KEY_SECRETS[0])))
    return Account(app_id, seller_id, signatures.private_key(ours), theirs, found)


def key_of(link: Connection, us: Account, certificate_number: str) -> RSAPublicKey | None:
    """The key with which Alipay signs what names the certificate of that number (in key mode: nothing); None where no
    such certificate counts. May ask Alipay for the certificate."""
    if us.certificates is None:
        return us.alipay_key
    return certificates.find(link, us.certificates, certificate_number, partial(_certificate, link))


def _certificate(link: Connection, number: str) -> str:
    """The text of a certificate of Alipay's, with those above it; empty where Alipay gives none. Nothing proves the
    answer but that the certificate leads to a root of ours."""
    method = "alipay.open.app.alipaycert.download"
    try:
        found = members(_post(link, signed(link, method, {"alipay_cert_sn": number})).decode())
        said = json.loads(found[_member(method)])
        return base64.b64decode(said["alipay_cert_content"], validate=True).decode()
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ""


def signed_text(
    parameters: Mapping[str, str], without: tuple[str, ...] = ("sign",), *, keep_empty: bool = False
) -> str:
    """The text that is signed: the parameters in the order of their names, unescaped. Requests leave empty ones out."""
    chosen = sorted(
        (name, value) for name, value in parameters.items() if name not in without and (value or keep_empty)
    )
    return "&".join(f"{name}={value}" for name, value in chosen)


def signed(link: Connection, method: str, content: Mapping[str, Any], **more: str) -> dict[str, str]:
    """The parameters of a request, signed; empty ones are left out."""
    us = account(link)
    parameters = {
        "app_id": us.app_id,
        "method": method,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": SIGN_TYPE,
        "timestamp": as_time(timezone.now()),
        "version": "1.0",
        "biz_content": json.dumps(dict(content), ensure_ascii=False, separators=(",", ":")),
        **{name: value for name, value in more.items() if value},
    }
    if us.certificates:
        parameters |= {
            "app_cert_sn": us.certificates.app_number,
            "alipay_root_cert_sn": us.certificates.root_number,
        }
    return {**parameters, "sign": signatures.sign(us.app_key, signed_text(parameters))}


def gateway(link: Connection) -> str:
    """Where requests go."""
    return link.base_url or GATEWAY


def address(link: Connection, method: str, content: Mapping[str, Any], **more: str) -> str:
    """The address of a page of Alipay's to which a browser is sent: the signed request in a link."""
    return f"{gateway(link)}?{urlencode(signed(link, method, content, **more))}"


def call(link: Connection, method: str, content: Mapping[str, Any], **more: str) -> dict[str, Any]:
    """What Alipay answered, proved to be Alipay's.

    Raises Refused with the sub-code, Unclear where nothing is known, httpx.HTTPError where there is no answer.
    """
    form = signed(link, method, content, **more)
    answer = _verified(link, method, _post(link, form))
    code, sub_code = str(answer.get("code", "")), str(answer.get("sub_code", ""))
    if code == SUCCESS:
        return answer
    text = str(answer.get("sub_msg") or answer.get("msg") or "")
    # 40004: refused by the business; other 400…: our mistake, such as a parameter or a right that is missing.
    if code.startswith("400") and sub_code not in _SYSTEM_ERRORS:
        raise Refused(sub_code or code, text)
    raise Unclear(f"{code} {sub_code} {text}")


def _post(link: Connection, form: Mapping[str, str]) -> bytes:
    response = client().post(gateway(link), data=form, timeout=link.timeout_seconds)
    response.raise_for_status()
    return response.content


def _member(method: str) -> str:
    """Under which name the answer to a call stands."""
    return f"{method.replace('.', '_')}_response"


def _verified(link: Connection, method: str, content: bytes) -> dict[str, Any]:
    """The member of the answer that is signed. Raises Unclear for one without a signature, or with a wrong one."""
    try:
        found = members(content.decode())
        inner, given, number = (
            found.get(_member(method)),
            json.loads(found.get("sign", '""')),
            str(json.loads(found.get("alipay_cert_sn", '""'))),
        )
    except ValueError as error:
        raise Unclear(f"the answer to {method} is no JSON object") from error
    if inner is None or not given:
        raise Unclear(f"the answer to {method} is not signed: {_codes(found)}")
    key = key_of(link, account(link), number)
    if key is None or not signatures.is_signed(key, inner, given):
        raise Unclear(f"the signature of the answer to {method} does not fit")
    return json.loads(inner)


def _codes(found: Mapping[str, str]) -> str:
    """The codes of an answer that proves nothing, for who reads the error."""
    for text in found.values():
        value = json.loads(text)
        if isinstance(value, dict):
            return f"{value.get('code', '')} {value.get('sub_code', '')}".strip()
    return ""


def members(text: str) -> dict[str, str]:
    """The members of a JSON object, each value as the exact text that stands there. Raises ValueError."""
    decoder = json.JSONDecoder()
    found: dict[str, str] = {}
    place = _behind("{", text, 0)
    while not text.startswith("}", place):
        if found:
            place = _behind(",", text, place)
        name, place = decoder.raw_decode(text, place)
        start = _behind(":", text, place)
        _value, end = decoder.raw_decode(text, start)
        found[str(name)] = text[start:end]
        place = _behind("", text, end)
    return found


def _behind(sign: str, text: str, place: int) -> int:
    """The place of what follows the sign, before and after which blanks may stand. Raises ValueError."""
    match = re.compile(rf"\s*{re.escape(sign)}\s*").match(text, place)
    if match is None:
        raise ValueError(f"no {sign} at {place}")
    return match.end()


def their_number(number: str) -> str:
    """Our number as Alipay takes it."""
    return number.replace(_OURS, _THEIRS)


def our_number(number: str) -> str:
    """The number that Alipay names, as we write it."""
    return number.replace(_THEIRS, _OURS)


def as_time(moment: datetime) -> str:
    """A time as Alipay writes it: China's."""
    return moment.astimezone(CHINA).strftime(_TIME)


def read_time(text: str) -> datetime:
    """The moment that Alipay writes; thousandths of seconds are dropped. Raises ValueError."""
    return datetime.strptime(text[:19], _TIME).replace(tzinfo=CHINA)


def as_amount(amount: Decimal) -> str:
    """Yuan with two places."""
    return f"{amount:.2f}"
