"""Comparing postal addresses and phone numbers."""

import hashlib
import re

_NOISE = re.compile(r"[\W_]+")
_PHONE_NOISE = re.compile(r"^\+?86|\D", re.ASCII)


def address_key(region_code: str, address: str) -> int:
    """A signed 64-bit key that is equal for the same place written with other spaces, punctuation or case."""
    text = f"{region_code}:{_NOISE.sub('', address).lower()}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def phone_key(phone: str) -> str:
    """The digits of a Chinese phone number without the country code: equal for the same number written otherwise."""
    return _PHONE_NOISE.sub("", phone.strip())
