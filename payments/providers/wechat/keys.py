"""WeChat's own keys: what a signature of WeChat's is verified with.

New merchants are given one public key, by an id. Others fetch certificates, sealed with their API v3 key; which are in
force changes now and then. A serial that nobody knows makes us fetch them, at most once in `FETCH_SECONDS`: who sends
us made-up serials makes us ask no more than that.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate
from django.utils import timezone

from oms.common import signatures
from oms.common.models import Connection
from oms.common.work.singly import Unclear
from payments.providers.errors import Refused
from payments.providers.wechat import wire
from payments.providers.wechat.wire import Signature

FETCH_SECONDS = 60.0
_CERTIFICATES = "/v3/certificates"


@dataclass(slots=True)
class _Kept:
    """The certificates' keys of one connection by serial, and when they were asked for last (monotonic seconds)."""

    keys: Mapping[str, RSAPublicKey] = field(default_factory=dict)
    asked_at: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


# What this process knows, by connection and version: new secrets begin anew.
_kept: dict[tuple[int, int], _Kept] = {}


def is_wechats(link: Connection, signature: Signature, body: str) -> bool:
    """Whether WeChat signed the message. May fetch certificates."""
    key = find(link, signature.serial)
    return key is not None and _fits(key, signature, body)


def find(link: Connection, serial: str) -> RSAPublicKey | None:
    """The key of that serial, or None where WeChat has none in force."""
    agreed = _agreed(link)
    if serial in agreed:
        return agreed[serial]
    # Where a public key is agreed on, certificates count only while one is changed for the other.
    if agreed and not link.options.get("certificates"):
        return None
    kept = _kept.setdefault((link.pk, link.version), _Kept())
    if serial not in kept.keys:
        with kept.lock:
            is_due = kept.asked_at is None or time.monotonic() - kept.asked_at >= FETCH_SECONDS
            if serial not in kept.keys and is_due:
                kept.asked_at = time.monotonic()
                # What is known stays while WeChat does not answer.
                kept.keys = _fetch(link) or kept.keys
    return kept.keys.get(serial)


def _agreed(link: Connection) -> dict[str, RSAPublicKey]:
    """The public key that was agreed on, by its id, if one was."""
    secrets = link.secrets()
    public, key_id = secrets.get("platform_public_key"), secrets.get("platform_public_key_id")
    return {str(key_id): signatures.public_key(str(public))} if public and key_id else {}


def forget() -> None:
    """Know nothing any more."""
    _kept.clear()


def _fetch(link: Connection) -> dict[str, RSAPublicKey]:
    """The keys of the certificates that are in force by WeChat's answer; none where it proves nothing.

    That it opens with our API v3 key shows who sealed it; that one of WeChat's keys signed it, that it is whole.
    """
    try:
        response = wire.send(link, "GET", _CERTIFICATES)
        wire.raise_for_refusal(response)
        us, now = wire.account(link), timezone.now()
        keys = {}
        for one in json.loads(response.content)["data"]:
            certificate = load_pem_x509_certificate(wire.unseal(us, one["encrypt_certificate"]).encode())
            key = certificate.public_key()
            if isinstance(key, RSAPublicKey) and (
                certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
            ):
                keys[str(one["serial_no"])] = key
        signature = wire.signature_of(response.headers)
        signer = {**keys, **_agreed(link)}.get(signature.serial) if signature else None
        if signer is None or signature is None or not _fits(signer, signature, response.content.decode()):
            return {}
    except (httpx.HTTPError, Refused, Unclear, ValueError, KeyError, TypeError):
        return {}
    return keys


def _fits(key: RSAPublicKey, signature: Signature, body: str) -> bool:
    text = wire.signed_text(str(signature.at), signature.nonce, body)
    return signatures.is_signed(key, text, signature.value)
