"""RSA signatures as payment providers use them: PKCS#1 v1.5 over SHA-256, written in base64.

A key is given as PEM or as the bare base64 within it, which is how providers hand keys out and what fits into one line
of a form.
"""

import base64
import binascii
import re
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

_ARMOUR = re.compile(r"-----(BEGIN|END) [A-Z ]+-----")


class NoKey(ValueError):
    """A text that should be an RSA key is none."""


@lru_cache(maxsize=64)
def private_key(text: str) -> RSAPrivateKey:
    """The private key (PKCS#8 or PKCS#1). Raises NoKey, which does not repeat the text."""
    try:
        key = load_der_private_key(_der(text), password=None)
    except (ValueError, TypeError):
        raise NoKey("this is no private key") from None
    if not isinstance(key, RSAPrivateKey):
        raise NoKey("this is no RSA key")
    return key


@lru_cache(maxsize=64)
def public_key(text: str) -> RSAPublicKey:
    """The public key. Raises NoKey."""
    try:
        key = load_der_public_key(_der(text))
    except ValueError:
        raise NoKey("this is no public key") from None
    if not isinstance(key, RSAPublicKey):
        raise NoKey("this is no RSA key")
    return key


def sign(key: RSAPrivateKey, text: str) -> str:
    """The signature of the text (as UTF-8), in base64."""
    return base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def is_signed(key: RSAPublicKey, text: str, signature: str) -> bool:
    """Whether the signature is one of the text by the owner of the key; what is no base64 is none."""
    try:
        key.verify(base64.b64decode(signature, validate=True), text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _der(text: str) -> bytes:
    bare = _ARMOUR.sub("", text.replace("\\n", "\n"))
    return base64.b64decode("".join(bare.split()), validate=True)
