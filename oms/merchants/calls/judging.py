"""What is wrong with a call that somebody pasted: its header, time, key and signature, and what the API would answer;
nothing of it is carried out, and no secret and no signature is told."""

import hashlib
import hmac
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.handlers.wsgi import WSGIRequest
from django.db import transaction
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from oms.client import signing
from oms.merchants.calls import credentials
from oms.merchants.calls.authentication import ApiUser, check_time, read_header
from oms.merchants.calls.refused import data_of
from oms.merchants.calls.views import MerchantView
from oms.merchants.models import ApiCredential, Merchant, SpentNonce

API = "/api/v1/"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Pasted:
    """A call as it was pasted: address with or without host, headers one a line, the body's text."""

    method: str
    address: str
    headers: str
    body: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is fine, and what to say of it."""

    is_fine: bool
    about: str
    text: str


@dataclass(slots=True)
class Judgement:
    """What was found. `canonical` is the text that the signature must sign, `digest` its SHA-256."""

    findings: list[Finding] = field(default_factory=list)
    canonical: str = ""
    digest: str = ""

    def wrong(self, about: str, text: str) -> None:
        """Note a fault."""
        self.findings.append(Finding(False, about, text))

    def fine(self, about: str, text: str) -> None:
        """Note what is as it should be."""
        self.findings.append(Finding(True, about, text))

    @property
    def is_fine(self) -> bool:
        """Whether nothing is wrong."""
        return all(one.is_fine for one in self.findings)


def judge(merchant: Merchant, pasted: Pasted) -> Judgement:
    """Everything that is wrong with the call, as far as it can be seen without it."""
    found = Judgement()
    headers = _headers(pasted.headers, found)
    try:
        address = urlsplit(pasted.address.strip())
    except ValueError:
        found.wrong(_("Address"), _("This is no address. Write it as your program does, such as /api/v1/orders."))
        return found
    body = pasted.body.encode(errors="replace")
    credential = _credential(merchant, pasted, headers, address.path, address.query, body, found)
    _try(merchant, credential, pasted.method.upper(), address.path, address.query, headers, body, found)
    return found


def _headers(text: str, found: Judgement) -> dict[str, str]:
    """The headers by name in lower case."""
    headers: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        # As curl writes them.
        name, colon, value = line.strip().removeprefix("-H ").strip("'\" ").partition(":")
        name = name.strip()
        if not colon or not _NAME.fullmatch(name):
            found.wrong(_("Headers"), _("This is no header: %(line)s. Write name: value.") % {"line": line[:80]})
            continue
        if name.lower() in headers:
            found.wrong(_("Headers"), _("%(name)s stands there twice. Send it once.") % {"name": name})
        headers[name.lower()] = value.strip()
    return headers


def _credential(
    merchant: Merchant,
    pasted: Pasted,
    headers: Mapping[str, str],
    path: str,
    query: str,
    body: bytes,
    found: Judgement,
) -> ApiCredential | None:
    """The merchant's credential that the call names, with what is wrong with its proof; None where it names none."""
    header, about = headers.get("authorization", ""), "Authorization"
    if not header:
        found.wrong(about, _("The header is missing: nobody knows who calls."))
        return None
    if header.lower().startswith("bearer "):
        hashed = ApiCredential.hash_token(header[7:].strip())
        known = ApiCredential.objects.filter(merchant=merchant, token_hash=hashed).first()
        return _in_force(known, about, found)
    try:
        proof = read_header(header)
    except APIException as refusal:
        found.wrong(about, str(refusal.detail))
        return None
    try:
        check_time(proof)
        found.fine("timestamp", _("It is within the five minutes that a signature is good."))
    except APIException as refusal:
        found.wrong("timestamp", str(refusal.detail))
    known = _in_force(ApiCredential.objects.filter(merchant=merchant, app_key=proof.key).first(), "key", found)
    if known is None:
        return None
    if SpentNonce.objects.filter(credential=known, nonce=proof.nonce).exists():
        found.wrong(
            "nonce", _("A call with this nonce came already. Make a new one for every call, repeated ones too.")
        )
    else:
        found.fine("nonce", _("No call with it came yet."))
    _signature(known, proof, pasted.method, path, query, headers, body, found)
    return known


def _in_force(known: ApiCredential | None, about: str, found: Judgement) -> ApiCredential | None:
    if known is None:
        found.wrong(about, _("You have no credential of this key or token."))
    elif known.revoked_at is not None:
        found.wrong(about, _("The credential %(name)s was revoked.") % {"name": known.name})
        return None
    else:
        networks = ", ".join(known.allowed_networks) or _("any address")
        said = _("It is the credential %(name)s; it may be used from: %(networks)s.")
        found.fine(about, said % {"name": known.name, "networks": networks})
    return known


def _signature(
    known: ApiCredential,
    proof: signing.Proof,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    found: Judgement,
) -> None:
    parts: dict[str, Any] = {
        "key": proof.key,
        "timestamp": proof.timestamp,
        "nonce": proof.nonce,
        "method": method.upper(),
        "path": path,
        "query": query,
        "body": body,
        "idempotency_key": headers.get("idempotency-key", ""),
        "if_match": headers.get("if-match", ""),
    }
    text = signing.canonical_text(**parts)
    found.canonical, found.digest = text.decode(errors="replace"), hashlib.sha256(text).hexdigest()
    live = known.secrets.filter(retired_at=None).values_list("encrypted", flat=True)
    secrets = [secret for cipher in live if (secret := credentials.readable(cipher))]
    if _is_signed(secrets, text, proof.signature):
        found.fine("signature", _("It is that of this call."))
        return
    slip = _slip(secrets, parts, text, proof.signature)
    said = _(
        "It is not that of this call: compare the text below with yours, line by line; if they are equal, the secret is"
        " wrong."
    )
    found.wrong("signature", f"{said} {slip}" if slip else said)


def _slip(secrets: list[str], parts: Mapping[str, Any], text: bytes, given: str) -> str:
    """The usual slip that gives this signature, if one does."""
    raw = "\n".join([*text.decode(errors="replace").split("\n")[:5], parts["path"]])
    lines = text.decode(errors="replace").split("\n")
    unsorted = "\n".join([*lines[:6], str(parts["query"]), *lines[7:]]).encode(errors="replace")
    slips = {
        _("You signed an empty body."): signing.canonical_text(**{**parts, "body": b""}),
        _("You signed without the Idempotency-Key."): signing.canonical_text(**{**parts, "idempotency_key": ""}),
        _("You signed without If-Match."): signing.canonical_text(**{**parts, "if_match": ""}),
        _("You signed without the query."): signing.canonical_text(**{**parts, "query": ""}),
        _("You signed the query as it stands in the address: sort and encode it."): unsorted,
        _("You signed the path as it stands in the address: encode it."): "\n".join([raw, *lines[6:]]).encode(
            errors="replace"
        ),
        _("You signed with a line break at the end."): text + b"\n",
        _("You signed the body with a line break at its end, or sent it without."): signing.canonical_text(
            **{**parts, "body": parts["body"] + b"\n"}
        ),
        _("You signed the text without its empty lines at the end."): text.rstrip(b"\n"),
    }
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        if _is_signed(secrets, signing.canonical_text(**{**parts, "method": method}), given):
            return _("You signed another method.")
    return next((said for said, other in slips.items() if other != text and _is_signed(secrets, other, given)), "")


def _is_signed(secrets: list[str], text: bytes, given: str) -> bool:
    return any(hmac.compare_digest(signing.signature(secret, text), given) for secret in secrets)


def _try(
    merchant: Merchant,
    credential: ApiCredential | None,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    found: Judgement,
) -> None:
    """What the API would answer: the call is made in a transaction that is taken back."""
    about = _("Call")
    path = unquote(path)
    if not path.startswith(API):
        found.wrong(about, _("Addresses of the API begin with %(prefix)s.") % {"prefix": API})
        return
    try:
        match = resolve(path)
    except Resolver404:
        found.wrong(about, _("There is no such address. Look at the documentation."))
        return
    view = getattr(match.func, "view_class", None) or getattr(match.func, "cls", None)
    if view is None or not issubclass(view, MerchantView):
        found.wrong(about, _("This address takes no calls of merchants."))
        return
    if merchant.status != Merchant.Status.ACTIVE:
        found.wrong(about, _("This merchant may not use the API. Ask the operator of this site."))
        return
    if credential is None:
        found.wrong(about, _("What the call itself would answer is not looked at while nobody knows whose it is."))
        return
    if view.answers_a_secret and method == "POST":
        found.fine(about, _("It would make a secret: what it would answer is not tried here."))
        return
    request = WSGIRequest(_environ(method, path, query, headers, body))
    # Who calls is known; the same call proves it by itself.
    request._force_auth_user = ApiUser(merchant, credential)  # type: ignore[attr-defined]
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    request.is_only_tried = True  # type: ignore[attr-defined]
    with transaction.atomic():
        answer = match.func(request, *match.args, **match.kwargs)
        transaction.set_rollback(True)
    _told(answer, found, about)


def _told(answer: Response, found: Judgement, about: str) -> None:
    if answer.status_code < HTTPStatus.BAD_REQUEST:
        said = _("It would be answered with %(status)d; nothing was done.")
        found.fine(about, said % {"status": answer.status_code})
        for place, row in _refused_rows(data_of(answer)):
            found.wrong(place, row)
        return
    data = data_of(answer)
    errors = data.get("errors") if isinstance(data, Mapping) else None
    if not errors:
        message = data.get("message", "") if isinstance(data, Mapping) else ""
        found.wrong(about, f"{answer.status_code} {message}".strip())
        return
    for error in errors:
        found.wrong(
            str(error.get("attr") or about), f"{error.get('detail')} ({answer.status_code} {error.get('code')})"
        )


def _refused_rows(data: Any) -> list[tuple[str, str]]:
    """Of a call of many rows, what is wrong with each that would be refused."""
    rows = data.get("results") if isinstance(data, Mapping) else None
    if not isinstance(rows, list):
        return []
    return [
        (f"{i}.{error.get('attr') or ''}".strip("."), f"{error.get('detail')} ({error.get('code')})")
        for i, row in enumerate(rows)
        if isinstance(row, Mapping)
        for error in row.get("errors") or []
    ]


def _environ(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    named = {
        f"HTTP_{name.upper().replace('-', '_')}": value
        for name, value in headers.items()
        if name not in ("content-type", "content-length", "authorization", "cookie")
    }
    return {
        **named,
        "REQUEST_METHOD": method,
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "https",
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.version": (1, 0),
    }
