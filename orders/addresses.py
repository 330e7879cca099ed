"""Comparing postal addresses."""

import hashlib
import re

_NOISE = re.compile(r"[\W_]+")


def address_key(region_code: str, address: str) -> int:
    """A signed 64-bit key that is equal for the same place written with other spaces, punctuation or case."""
    text = f"{region_code}:{_NOISE.sub('', address).lower()}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
