"""Order numbers: 16 digits that tell staff what they are and competitors nothing.

    kind (1) | buyer shard (2) | keyed permutation of a database sequence (12) | check digit (1)

The permutation is a balanced Feistel network over two halves of six digits: each round adds a keyed hash of one half
to the other modulo 10^6, so it is a bijection on 0 … 10^12 - 1 whatever the hash, and needs no table and no retry
(Black and Rogaway 2002, "Ciphers with arbitrary finite domains", the Feistel construction). The check digit is
Damm's, which catches every single wrong digit and every swap of neighbours.
"""

from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

from django.conf import settings
from stdnum import damm

HALF = 10**6
_ROUNDS = 6


@lru_cache(maxsize=1)
def _keys(secret: str) -> tuple["blake2b", ...]:
    return tuple(
        blake2b(digest_size=8, key=blake2b(secret.encode()).digest(), person=b"oms-%d" % number)
        for number in range(_ROUNDS)
    )


def _mix(round_key: "blake2b", half: int) -> int:
    keyed = round_key.copy()
    keyed.update(half.to_bytes(4, "big"))
    return int.from_bytes(keyed.digest(), "big") % HALF


def permute(sequence: int) -> int:
    """The number that stands for the `sequence`-th order; both lie in 0 … 10^12 - 1. Raises ValueError outside."""
    if not 0 <= sequence < HALF * HALF:
        raise ValueError(f"sequence {sequence} has more than 12 digits")
    left, right = divmod(sequence, HALF)
    for key in _keys(settings.ORDER_NUMBER_KEY):
        left, right = right, (left + _mix(key, right)) % HALF
    return left * HALF + right


def recover(permuted: int) -> int:
    """The inverse of `permute`."""
    left, right = divmod(permuted, HALF)
    for key in reversed(_keys(settings.ORDER_NUMBER_KEY)):
        left, right = (right - _mix(key, left)) % HALF, left
    return left * HALF + right


def buyer_shard(buyer: str) -> int:
    """Which of 100 shards a buyer's orders belong to, so that a distributed database keeps them together."""
    return crc32(buyer.encode()) % 100


def order_number(kind: int, buyer: str, sequence: int) -> str:
    """The number of an order of one-digit `kind` (1 to 9)."""
    body = f"{kind}{buyer_shard(buyer):02d}{permute(sequence):012d}"
    return body + damm.calc_check_digit(body)


def is_order_number(text: str) -> bool:
    """Whether the text could be an order number: 16 digits with a right check digit."""
    return len(text) == 16 and text.isascii() and text.isdigit() and damm.is_valid(text)
