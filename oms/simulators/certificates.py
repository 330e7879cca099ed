"""The pretended authority of Alipay's certificates: a root, and what it issued to the merchant and to Alipay's peer."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from oms.common import signatures
from oms.simulators import keys
from oms.simulators.keys import AlipayKeys, Pair

_YEARS = timedelta(days=3650)


@dataclass(slots=True)
class Authority:
    """A root with a key of its own. Making one takes a moment."""

    pair: Pair = field(default_factory=keys.pair)
    root: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.issue(self.pair, is_authority=True)

    def issue(self, pair: Pair, *, is_authority: bool = False, since: datetime | None = None) -> x509.Certificate:
        """A certificate of the pair's public key, in force for ten years."""
        start = since or datetime.now(UTC) - timedelta(days=1)
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Simulated Org"),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Simulated OU"),
                x509.NameAttribute(NameOID.COMMON_NAME, "Simulated Root"),
            ]
        )
        public: RSAPublicKey = signatures.public_key(pair.public)
        builder = x509.CertificateBuilder(name, name, public, x509.random_serial_number(), start, start + _YEARS)
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        return builder.sign(signatures.private_key(self.pair.private), SHA256())


@dataclass(slots=True)
class Certified:
    """Alipay's peer in certificate mode: who vouches, the merchant's certificate, and Alipay's own with its key."""

    authority: Authority
    app: x509.Certificate
    own: x509.Certificate
    pair: Pair

    def renew(self, authority: Authority | None = None) -> None:
        """From now on Alipay signs with a new key; its certificate is vouched for by another authority, if one is
        given."""
        self.pair = keys.pair()
        self.own = (authority or self.authority).issue(self.pair)


def certify(known: AlipayKeys, authority: Authority | None = None) -> Certified:
    """Certificates of the keys that both sides have."""
    authority = authority or Authority()
    return Certified(authority, authority.issue(known.app), authority.issue(known.alipay), known.alipay)


def number(certificate: x509.Certificate) -> str:
    """Alipay's number of a certificate."""
    names = {"CN": NameOID.COMMON_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}
    names |= {"O": NameOID.ORGANIZATION_NAME, "C": NameOID.COUNTRY_NAME}
    issuer = ",".join(
        f"{name}={certificate.issuer.get_attributes_for_oid(oid)[0].value!s}" for name, oid in names.items()
    )
    return hashlib.md5(f"{issuer}{certificate.serial_number}".encode(), usedforsecurity=False).hexdigest()


def text(certificate: x509.Certificate) -> str:
    """The certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()
