"""Texts that the database keeps sealed: who reads a copy of it cannot use them without the site's keys.

`settings.CREDENTIAL_KEYS` names them: the first one seals, any of them opens, so that one can be changed for another.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def seal(text: str) -> bytes:
    """The text, encrypted; twice the same text gives two different results."""
    return _box(tuple(settings.CREDENTIAL_KEYS)).encrypt(text.encode())


def unseal(sealed: bytes | memoryview | str) -> str:
    """What was sealed. Raises cryptography.fernet.InvalidToken if no key opens it or it was altered."""
    token = sealed.encode() if isinstance(sealed, str) else bytes(sealed)
    return _box(tuple(settings.CREDENTIAL_KEYS)).decrypt(token).decode()


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key))) for key in keys])


def _derived(key: str) -> bytes:
    # A key of its own, so that what Django signs with the same secret tells nothing about what is sealed.
    return HKDF(SHA256(), length=32, salt=None, info=b"oms.common.secrecy").derive(key.encode())
