"""Comparing postal addresses."""

import hashlib
import re
from unicodedata import normalize

_NOISE = re.compile(r"[\W_]+")


def address_key(region_code: str, address: str) -> int:
    """A signed 64-bit key that is equal for the same place written with other spaces, punctuation, case or width."""
    text = f"{region_code}:{_NOISE.sub('', normalize('NFKC', address)).lower()}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
