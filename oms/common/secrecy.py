"""Texts that the database keeps sealed: who reads a copy of it cannot use them without the site's SECRET_KEY."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def seal(text: str) -> bytes:
    """The text, encrypted under the site's key; twice the same text gives two different results."""
    return _box(settings.SECRET_KEY).encrypt(text.encode())


def unseal(sealed: bytes | memoryview) -> str:
    """What was sealed. Raises cryptography.fernet.InvalidToken if it was sealed under another key or altered."""
    return _box(settings.SECRET_KEY).decrypt(bytes(sealed)).decode()


@lru_cache(maxsize=4)
def _box(secret_key: str) -> Fernet:
    # A key of its own, so that what Django signs with the same secret tells nothing about what is sealed.
    derived = HKDF(SHA256(), length=32, salt=None, info=b"oms.common.secrecy").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
