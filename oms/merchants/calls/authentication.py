"""Who calls the API: a merchant's credential, proved by a signature or by a bearer token.

A call takes one statement to know its credential, merchant and secrets. A signed one spends its nonce by the same
statement where this process knows the credential's secrets from an earlier call, and else by another. What the process
remembers is never trusted: the statement spends only while the secrets that the signature was compared with are live.
`docs/signing.md` describes the signature.
"""

import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from oms.client import signing
from oms.common.copying import text_array
from oms.common.door.requests import caller_address
from oms.common.networks import contains
from oms.common.postgresql.preparing import fetch_prepared
from oms.merchants.calls import credentials, nonces
from oms.merchants.calls.scopes import PLATFORM_READ
from oms.merchants.models import ApiCredential, Merchant

USE_IS_NOTED_EVERY = timedelta(minutes=1)
# A signature is good for so many seconds before and after its timestamp, by the server's clock.
TIMESTAMP_WINDOW_SECONDS = 300
# Nonces are kept a while longer than any signature is good: the servers' clocks need not agree to the second.
NONCE_MARGIN_SECONDS = 300
_NO_SECRET = "no such key"  # noqa: S105 - what an unknown key is compared with, so that it takes as long

CHALLENGE = f'{signing.SCHEME} realm="OMS API", Bearer realm="OMS API"'


@dataclass(frozen=True, slots=True)
class ApiUser:
    """A merchant that calls the API, and the credential that it does so with."""

    merchant: Merchant
    credential: ApiCredential
    is_authenticated: bool = True

    @property
    def reads_platform(self) -> bool:
        """Whether it may read what is everybody's: a program of the platform's own."""
        return self.merchant.kind == Merchant.Kind.SELF_OPERATED and PLATFORM_READ in self.credential.scopes


class SignatureAuthentication(BaseAuthentication):
    """`Authorization: OMS1-HMAC-SHA256 key=…, timestamp=…, nonce=…, signature=…`.

    Raises AuthenticationFailed with a code that says what is wrong, and PermissionDenied for a foreign address.
    """

    def authenticate(self, request: Request) -> tuple[ApiUser, ApiCredential] | None:
        """The merchant whose key signed the request, or None where it is not signed."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header.upper().startswith("OMS"):
            return None
        proof = read_header(header)
        check_time(proof)
        text = _signed_text(request._request, proof)
        remembered = _remembered.get(proof.key, [])
        is_known = bool(remembered) and _matches(proof.signature, text, remembered)
        spends = (remembered, proof.nonce, _expiry(proof)) if is_known else None
        found = _find("c.app_key = %s", proof.key, spends=spends)
        is_new = found.is_new if found else None
        matches = is_new is not None or _matches(proof.signature, text, found.secrets if found else ())
        if found is None:
            raise AuthenticationFailed(_("There is no app key %(key)s.") % {"key": proof.key}, "unknown_key")
        if found.credential.revoked_at:
            raise _revoked()
        if not matches:
            raise AuthenticationFailed(
                _(
                    "The signature is not that of this request. The SHA-256 of the text that it should sign is"
                    " %(digest)s; compare it with yours, line by line as /api/docs/signing.md says, and check the"
                    " secret."
                )
                % {"digest": hashlib.sha256(text).hexdigest()},
                "signature_mismatch",
            )
        _admit(found, request._request)
        if is_new is None:
            is_new = nonces.spend(found.credential.pk, proof.nonce, _expiry(proof))
        if not is_new:
            detail = _("This nonce was used before. Sign every call, also a repeated one, with a new nonce.")
            raise AuthenticationFailed(detail, "nonce_reused")
        _remember(proof.key, found.secrets)
        _note_use(found.credential)
        return ApiUser(found.merchant, found.credential), found.credential

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return CHALLENGE


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`, looked up by its SHA-256.

    Raises AuthenticationFailed for a token that is unknown or revoked, and as `SignatureAuthentication` does.
    """

    def authenticate(self, request: Request) -> tuple[ApiUser, ApiCredential] | None:
        """The merchant of the request's token, or None where it carries none."""
        scheme, _separator, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        hashed = ApiCredential.hash_token(token.strip())
        found = _find("c.token_hash = %s", hashed)
        if found is None:
            raise AuthenticationFailed(_("This token is not valid."))
        if found.credential.revoked_at:
            raise _revoked()
        _admit(found, request._request)
        _note_use(found.credential)
        return ApiUser(found.merchant, found.credential), found.credential

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return CHALLENGE


# Encrypted secrets by app key, as the last call found them.
_remembered: dict[str, list[str]] = {}
_REMEMBERED_AT_MOST = 10_000


def _remember(app_key: str, encrypted: list[str]) -> None:
    if len(_remembered) >= _REMEMBERED_AT_MOST:
        _remembered.clear()
    _remembered[app_key] = encrypted


@dataclass(frozen=True, slots=True)
class _Found:
    """A credential; `is_new` says whether the nonce was, or None where it was not spent because the credential's live
    secrets are not those that the signature was compared with."""

    credential: ApiCredential
    merchant: Merchant
    secrets: list[str]  # encrypted
    is_new: bool | None = None


def _find(condition: str, value: str, *, spends: tuple[list[str], str, datetime] | None = None) -> _Found | None:
    """The credential for which the condition holds, with its merchant and live secrets, by one statement.

    `spends` has the secrets that the signature was compared with, its nonce, and when that expires.
    """
    sql, credential_fields, merchant_fields = _statement()
    sql += condition
    values: list[object] = [value]
    if spends is not None:
        sql, values = nonces.spending(sql), [value, text_array(spends[0]), *spends[1:]]
    rows = fetch_prepared(sql, values)
    if not rows:
        return None
    (row,) = rows
    split, end = len(credential_fields), len(credential_fields) + len(merchant_fields)
    credential = ApiCredential.from_db("default", credential_fields, row[:split])
    merchant = Merchant.from_db("default", merchant_fields, row[split:end])
    credential.merchant = merchant
    secrets = row[end]
    is_new = row[end + 1] if spends is not None and secrets == spends[0] else None
    return _Found(credential, merchant, secrets, is_new)


@lru_cache(maxsize=1)
def _statement() -> tuple[str, list[str], list[str]]:
    """The lookup up to its condition, and the fields that it reads, in the models' order; other fields are read when
    they are asked for. Written by hand because it comes before every call of the API.
    """
    of_credential = ["id", "merchant_id", "name", "app_key", "scopes", "allowed_networks"]
    of_credential += ["calls_per_minute", "last_used_at", "revoked_at"]
    of_merchant = ["id", "code", "name", "kind", "status", "opens_channels"]
    columns = [f"c.{name} AS credential_{name}" for name in of_credential]
    columns += [f"m.{name} AS merchant_{name}" for name in of_merchant]
    sql = f"""
        SELECT {", ".join(columns)}, ARRAY(
            SELECT s.encrypted FROM merchants_credentialsecret s
            WHERE s.credential_id = c.id AND s.retired_at IS NULL ORDER BY s.id) AS secrets
        FROM merchants_apicredential c JOIN merchants_merchant m ON m.id = c.merchant_id WHERE """
    return sql, of_credential, of_merchant


def read_header(header: str) -> signing.Proof:
    """The parts of an Authorization header. Raises AuthenticationFailed."""
    scheme = header.partition(" ")[0]
    if scheme != signing.SCHEME:
        detail = _("Sign with %(scheme)s; %(given)s is not known here.")
        raise AuthenticationFailed(detail % {"scheme": signing.SCHEME, "given": scheme[:40]}, "unsupported_scheme")
    try:
        return signing.parse(header)
    except signing.MalformedHeader:
        detail = _("Send the header once, in this form: Authorization: %(form)s")
        form = f"{signing.SCHEME} key=…, timestamp=…, nonce=…, signature=…"
        raise AuthenticationFailed(detail % {"form": form}, "malformed_authorization") from None


def check_time(proof: signing.Proof) -> None:
    """Raises AuthenticationFailed for a timestamp too far from the server's clock."""
    now = int(time.time())
    if abs(now - proof.timestamp) > TIMESTAMP_WINDOW_SECONDS:
        detail = _("The timestamp is more than %(seconds)d s off; it is %(now)d here. Set your clock.")
        raise AuthenticationFailed(detail % {"seconds": TIMESTAMP_WINDOW_SECONDS, "now": now}, "timestamp_out_of_range")


def _signed_text(request: HttpRequest, proof: signing.Proof) -> bytes:
    """What the request's signature must have signed, from what the server will act on. Raises RequestDataTooBig."""
    meta = request.META
    return signing.canonical_text(
        key=proof.key,
        timestamp=proof.timestamp,
        nonce=proof.nonce,
        method=request.method or "",
        path=quote(request.path),
        query=meta.get("QUERY_STRING", "").encode("latin-1", "replace"),
        body=request.body,
        idempotency_key=meta.get("HTTP_IDEMPOTENCY_KEY", ""),
        if_match=meta.get("HTTP_IF_MATCH", ""),
    )


def _matches(given: str, text: bytes, encrypted: list[str] | tuple[()]) -> bool:
    """Whether one of the secrets gives this signature; every one is tried, in constant time, and one for nobody."""
    matches = False
    for secret in [credentials.readable(cipher) for cipher in encrypted] or [None]:
        expected = signing.signature(secret or _NO_SECRET, text)
        matches |= hmac.compare_digest(expected, given) and secret is not None
    return matches


def _revoked() -> AuthenticationFailed:
    return AuthenticationFailed(_("This credential was revoked. Ask for a new one."), "credential_revoked")


def _admit(found: _Found, request: HttpRequest) -> None:
    """Refuse merchants that may not call, and callers from elsewhere than the credential allows."""
    if found.merchant.status != Merchant.Status.ACTIVE:
        code = f"merchant_{found.merchant.status}"
        raise AuthenticationFailed(_("This merchant may not use the API. Ask the operator of this site."), code)
    if found.credential.allowed_networks:
        address = caller_address(request)
        if not any(contains(network, address) for network in found.credential.allowed_networks):
            detail = _("This credential may not be used from %(address)s. Add the address to those that it allows.")
            raise PermissionDenied(detail % {"address": address or "–"}, "address_not_allowed")


def _expiry(proof: signing.Proof) -> datetime:
    return datetime.fromtimestamp(proof.timestamp + TIMESTAMP_WINDOW_SECONDS + NONCE_MARGIN_SECONDS, UTC)


def _note_use(credential: ApiCredential) -> None:
    """Keep when the credential was last used, in at most one write a minute however many calls there are."""
    now = timezone.now()
    before = now - USE_IS_NOTED_EVERY
    if credential.last_used_at is None or credential.last_used_at < before:
        due = Q(last_used_at__isnull=True) | Q(last_used_at__lt=before)
        ApiCredential.objects.filter(due, pk=credential.pk).update(last_used_at=now)


class SignatureScheme(OpenApiAuthenticationExtension):
    """How the OpenAPI schema describes the signature."""

    target_class = SignatureAuthentication
    name = "signature"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A header of our own scheme, which OpenAPI can only describe in words."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": (
                f"`{signing.SCHEME} key=<app key>, timestamp=<Unix seconds>, nonce=<16 to 64 of A-Za-z0-9_->,"
                " signature=<hex>`: HMAC-SHA256 over scheme, key, timestamp, nonce, method, path, sorted query,"
                " SHA-256 of the body, Idempotency-Key and If-Match, one a line. See /api/docs/signing.md."
            ),
        }


class TokenScheme(OpenApiAuthenticationExtension):
    """How the OpenAPI schema describes the token."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A plain HTTP bearer token."""
        return {"type": "http", "scheme": "bearer", "description": "The token shown when the credential was made."}
