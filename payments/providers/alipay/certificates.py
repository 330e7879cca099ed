"""Alipay's certificate mode: both sides name certificates by numbers of their own making, and Alipay's may change.

A message of Alipay's names the certificate that it was signed with. One that we do not hold is asked for, at most once
in `FETCH_SECONDS`, and counts where one of the root certificates that we were given stands behind it.
"""

import base64
import binascii
import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID
from django.utils import timezone

from oms.common import signatures
from oms.common.models import Connection

FETCH_SECONDS = 60.0
# With these secrets of the connection it is spoken to in certificate mode.
SECRETS = ("app_certificate", "alipay_root_certificate", "alipay_certificate")
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
# The root file has certificates of another kind of key, too.
_RSA = "1.2.840.113549.1.1."
_NAMES = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME, NameOID.COUNTRY_NAME)
# A chain from Alipay's own certificate to the root is no longer than this.
_LONGEST_CHAIN = 5


@dataclass(frozen=True, slots=True)
class Certificates:
    """What a connection in certificate mode has: the numbers of our own and the root certificate, those of the root,
    and the keys of Alipay's certificates by number."""

    app_number: str
    root_number: str
    roots: Sequence[x509.Certificate]
    keys: Mapping[str, RSAPublicKey]


@dataclass(slots=True)
class _Kept:
    """The keys that were asked for, of one connection, and when last (monotonic seconds)."""

    keys: dict[str, RSAPublicKey] = field(default_factory=dict)
    asked_at: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


# What this process knows, by connection and version: new secrets begin anew.
_kept: dict[tuple[int, int], _Kept] = {}


def of(secrets: Mapping[str, object]) -> Certificates | None:
    """The certificates among the secrets of a connection; None in key mode. Raises signatures.NoKey."""
    texts = [str(secrets.get(name) or "") for name in SECRETS]
    return _read(*texts) if all(texts) else None


@lru_cache(maxsize=32)
def _read(app: str, root: str, alipay: str) -> Certificates:
    ours, roots, theirs = read(app), read(root), read(alipay)
    rsa = [certificate for certificate in roots if _is_rsa(certificate)]
    if not (ours and rsa and theirs):
        raise signatures.NoKey("this is no certificate")
    keys = {number(one): key for one in theirs if isinstance(key := one.public_key(), RSAPublicKey)}
    return Certificates(number(ours[0]), "_".join(map(number, rsa)), rsa, keys)


def read(text: str) -> list[x509.Certificate]:
    """The certificates of a text, in PEM; lines may have been lost. What cannot be read is left out."""
    found = []
    for block in _BLOCK.findall(text):
        try:
            found.append(x509.load_der_x509_certificate(base64.b64decode("".join(block.split()), validate=True)))
        except (ValueError, binascii.Error, UnsupportedAlgorithm):
            continue
    return found


def number(certificate: x509.Certificate) -> str:
    """The number by which Alipay knows the certificate: the digest of its issuer and its serial number in decimal."""
    parts = zip(("CN", "OU", "O", "C"), _NAMES, strict=True)
    issuer = ",".join(f"{name}={_attribute(certificate, oid)}" for name, oid in parts)
    return hashlib.md5(f"{issuer}{certificate.serial_number}".encode(), usedforsecurity=False).hexdigest()


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    values = certificate.issuer.get_attributes_for_oid(oid)
    # So do Alipay's own clients write what is not there.
    return str(values[0].value) if values else "None"


def _is_rsa(certificate: x509.Certificate) -> bool:
    return certificate.signature_algorithm_oid.dotted_string.startswith(_RSA)


def find(link: Connection, known: Certificates, wanted: str, download: Callable[[str], str]) -> RSAPublicKey | None:
    """The key of Alipay's certificate of that number, or None where there is none that counts.

    `download` gives the text of a certificate that we do not hold, or an empty one.
    """
    if wanted in known.keys:
        return known.keys[wanted]
    kept = _kept.setdefault((link.pk, link.version), _Kept())
    if wanted and wanted not in kept.keys:
        with kept.lock:
            is_due = kept.asked_at is None or time.monotonic() - kept.asked_at >= FETCH_SECONDS
            if wanted not in kept.keys and is_due:
                kept.asked_at = time.monotonic()
                kept.keys |= _proved(known, wanted, read(download(wanted)))
    return kept.keys.get(wanted)


def forget() -> None:
    """Know nothing any more."""
    _kept.clear()


def _proved(known: Certificates, wanted: str, chain: Sequence[x509.Certificate]) -> dict[str, RSAPublicKey]:
    """The key of the wanted certificate of the chain, if it is in force and leads to a root of ours."""
    now = timezone.now()
    for certificate in chain:
        key = certificate.public_key()
        if (
            number(certificate) == wanted
            and isinstance(key, RSAPublicKey)
            and certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
            and _leads_to_root(certificate, chain, known.roots)
        ):
            return {wanted: key}
    return {}


def _leads_to_root(
    certificate: x509.Certificate, chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> bool:
    for _step in range(_LONGEST_CHAIN):
        if any(_is_issued_by(certificate, root) for root in roots):
            return True
        above = next((other for other in chain if other != certificate and _is_issued_by(certificate, other)), None)
        if above is None:
            return False
        certificate = above
    return False


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return _may_issue(issuer)


def _may_issue(issuer: x509.Certificate) -> bool:
    """Whether it is one of an authority: our own certificate comes from the same root and must vouch for nobody."""
    try:
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        # Roots of old have no extensions; nobody but their owner has signed by them.
        return issuer.issuer == issuer.subject
