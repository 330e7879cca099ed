"""The keys of the pretended providers and of the merchant that is registered with them: made once, and kept in a file.

A real provider never has the merchant's private key; here both sides are made in one place.
"""

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from oms.common import signatures


@dataclass(frozen=True, slots=True)
class Pair:
    """A private and a public key, each as base64 in one line."""

    private: str
    public: str


@dataclass(frozen=True, slots=True)
class AlipayKeys:
    """What the merchant and Alipay's peer know of each other."""

    app_id: str
    seller_id: str
    app: Pair
    alipay: Pair


@dataclass(frozen=True, slots=True)
class WechatKeys:
    """What the merchant and WeChat Pay's peer know of each other."""

    mchid: str
    appid: str
    merchant: Pair
    merchant_serial: str
    api_v3_key: str
    platform: Pair
    public_key_id: str


@dataclass(frozen=True, slots=True)
class NuonuoKeys:
    """What the company that issues invoices and 诺诺's peer know of each other."""

    app_key: str
    app_secret: str
    tax_number: str


@dataclass(frozen=True, slots=True)
class KdniaoKeys:
    """What the shipper and kdniao's peer know of each other."""

    business_id: str
    app_key: str


@dataclass(frozen=True, slots=True)
class Kuaidi100Keys:
    """What the one who follows parcels and kuaidi100's peer know of each other; the salt comes with subscriptions."""

    customer: str
    key: str
    salt: str


@dataclass(frozen=True, slots=True)
class SfKeys:
    """What a customer and SF's peer know of each other."""

    partner_id: str
    check_word: str
    monthly_card: str
    push_token: str


@dataclass(frozen=True, slots=True)
class JdlKeys:
    """What a customer and JD Logistics' peer know of each other."""

    app_key: str
    app_secret: str
    access_token: str
    customer_code: str
    push_token: str


@dataclass(frozen=True, slots=True)
class CainiaoKeys:
    """What a shipper and Cainiao's peer know of each other."""

    token: str
    app_secret: str


@dataclass(frozen=True, slots=True)
class QimenKeys:
    """What the owner of goods and the warehouse's peer know of each other."""

    app_key: str
    app_secret: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class Keys:
    """All of them."""

    alipay: AlipayKeys
    wechat: WechatKeys
    nuonuo: NuonuoKeys
    kdniao: KdniaoKeys
    kuaidi100: Kuaidi100Keys
    sf: SfKeys
    jdl: JdlKeys
    cainiao: CainiaoKeys
    qimen: QimenKeys


def make() -> Keys:
    """New keys. Takes a moment."""
    serial = secrets.token_hex(20).upper()
    return Keys(
        AlipayKeys("2026000000000001", "2088000000000001", pair(), pair()),
        WechatKeys(
            *("1900000001", "wx0000000000000001", pair(), serial, secrets.token_hex(16), pair()),
            "PUB_KEY_ID_0100000000",
        ),
        _make_nuonuo(),
        make_kdniao(),
        make_kuaidi100(),
        _make_sf(),
        _make_jdl(),
        _make_cainiao(),
        make_qimen(),
    )


def _make_nuonuo() -> NuonuoKeys:
    return NuonuoKeys(secrets.token_hex(4), secrets.token_hex(16), "91110000MA00AAAA0A")


def make_kdniao() -> KdniaoKeys:
    """New keys of the carrier platform."""
    return KdniaoKeys("1000001", secrets.token_hex(16))


def make_kuaidi100() -> Kuaidi100Keys:
    """New keys of the platform that follows parcels."""
    return Kuaidi100Keys(secrets.token_hex(16).upper(), secrets.token_hex(8), secrets.token_hex(8))


def _make_sf() -> SfKeys:
    return SfKeys("OMSCUSTOMER", secrets.token_hex(16), "7551234567", secrets.token_hex(16))


def _make_jdl() -> JdlKeys:
    return JdlKeys(
        secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(16), "010K0000001", secrets.token_hex(16)
    )


def _make_cainiao() -> CainiaoKeys:
    return CainiaoKeys(secrets.token_hex(16), secrets.token_hex(16))


def make_qimen() -> QimenKeys:
    """New keys of the warehouse."""
    return QimenKeys(secrets.token_hex(4), secrets.token_hex(16), "C001")


# What a file from before there was one lacks.
_MADE_LATER: Mapping[str, Callable[[], Any]] = {
    "nuonuo": _make_nuonuo,
    "kdniao": make_kdniao,
    "kuaidi100": make_kuaidi100,
    "sf": _make_sf,
    "jdl": _make_jdl,
    "cainiao": _make_cainiao,
    "qimen": make_qimen,
}


def kept(path: Path) -> Keys:
    """The keys of the file, made now where there is none; only its owner may read it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(make()), file)
    found = json.loads(path.read_text())
    for name, make_one in _MADE_LATER.items():
        if name not in found:
            found[name] = asdict(make_one())
            path.write_text(json.dumps(found))
    alipay, wechat = found["alipay"], found["wechat"]
    return Keys(
        AlipayKeys(**{**alipay, "app": Pair(**alipay["app"]), "alipay": Pair(**alipay["alipay"])}),
        WechatKeys(**{**wechat, "merchant": Pair(**wechat["merchant"]), "platform": Pair(**wechat["platform"])}),
        NuonuoKeys(**found["nuonuo"]),
        KdniaoKeys(**found["kdniao"]),
        Kuaidi100Keys(**found["kuaidi100"]),
        SfKeys(**found["sf"]),
        JdlKeys(**found["jdl"]),
        CainiaoKeys(**found["cainiao"]),
        QimenKeys(**found["qimen"]),
    )


def pem(kind: str, key: str) -> str:
    """The key as PEM: `kind` is PRIVATE or PUBLIC."""
    lines = "\n".join(key[start : start + 64] for start in range(0, len(key), 64))
    return f"-----BEGIN {kind} KEY-----\n{lines}\n-----END {kind} KEY-----\n"


def certificate(pair: Pair) -> x509.Certificate:
    """A certificate of the pair's public key, signed by itself, in force now."""
    private = signatures.private_key(pair.private)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated Platform")])
    today = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    in_force = builder.not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=3650))
    return in_force.sign(private, SHA256())


def pair() -> Pair:
    """A new pair of 2048 bits. Takes a moment."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Pair(base64.b64encode(private).decode(), base64.b64encode(public).decode())
