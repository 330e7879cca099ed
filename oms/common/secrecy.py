"""Texts that the database keeps sealed: who reads a copy of it cannot use them without the site's keys.

`settings.CREDENTIAL_KEYS` names them: the first one seals, any of them opens, so that one can be changed for another
(`oms.common.resealing`). What `seal` returns is stored in a SealedField or a SealedTextField, and nowhere else: these
fields are how the change of keys finds it.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models


class _Sealed:
    """A column that holds what `seal` returned, at least where the SQL condition `only_if` on its row holds."""

    def __init__(self, *args: Any, only_if: str = "true", **options: Any) -> None:
        self.only_if = only_if
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        """See Field."""
        name, path, args, options = super().deconstruct()  # type: ignore[misc]
        if self.only_if != "true":
            options["only_if"] = self.only_if
        return name, path, args, options


class SealedField(_Sealed, models.BinaryField):
    """What `seal` returned, as bytes."""


class SealedTextField(_Sealed, models.TextField):
    """What `seal` returned, as text."""


def seal(text: str) -> bytes:
    """The text, encrypted; twice the same text gives two different results. Store it in a SealedField."""
    return _box(tuple(settings.CREDENTIAL_KEYS)).encrypt(text.encode())


def unseal(sealed: bytes | memoryview | str) -> str:
    """What was sealed. Raises cryptography.fernet.InvalidToken if no key opens it or it was altered."""
    return _box(tuple(settings.CREDENTIAL_KEYS)).decrypt(_token(sealed)).decode()


def key_of(sealed: bytes | memoryview | str) -> int | None:
    """The place in the settings of the key that opens it; None if none does."""
    for place, key in enumerate(settings.CREDENTIAL_KEYS):
        try:
            _box((key,)).decrypt(_token(sealed))
        except InvalidToken:
            continue
        return place
    return None


def seal_again(sealed: bytes | memoryview | str) -> bytes:
    """The same text sealed with the first key. Raises cryptography.fernet.InvalidToken like `unseal`."""
    return _box(tuple(settings.CREDENTIAL_KEYS)).rotate(_token(sealed))


def fingerprint(key: str) -> str:
    """A name for a key that tells nothing of it."""
    return hashlib.sha256(_derived(key, b"oms.common.secrecy fingerprint")).hexdigest()[:12]


def fields() -> list["SealedField | SealedTextField"]:
    """Every column of the database that holds sealed texts, by its table's and its own name."""
    from django.apps import apps

    found: Sequence[Any] = [
        field
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
        if isinstance(field, _Sealed) and not model._meta.proxy and model._meta.managed
    ]
    return sorted(found, key=lambda field: (field.model._meta.db_table, field.column))


def _token(sealed: bytes | memoryview | str) -> bytes:
    return sealed.encode() if isinstance(sealed, str) else bytes(sealed)


@lru_cache(maxsize=16)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    # A key of its own, so that what Django signs with the same secret tells nothing about what is sealed.
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key, b"oms.common.secrecy"))) for key in keys])


def _derived(key: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(key.encode())
