"""Amounts of money: whole fen inside computations, decimals with two places at the edges. Never a float."""

from decimal import Decimal
from functools import lru_cache

MAX_FEN = 999_999_999_999  # the largest amount that the columns hold: 9,999,999,999.99 yuan

_HUNDRED = Decimal(100)


class NotAnAmount(ValueError):
    """The value is not a number of whole fen within the limits."""


def to_fen(yuan: Decimal) -> int:
    """Whole fen of an amount in yuan. Raises NotAnAmount for more than two places, NaN or too large a number."""
    if not yuan:
        return 0
    if not yuan.is_finite() or yuan.adjusted() > 10:
        raise NotAnAmount(yuan)
    fen = int(yuan * _HUNDRED)
    # The product is rounded to 28 digits, this comparison is exact.
    if Decimal(fen).scaleb(-2) != yuan or abs(fen) > MAX_FEN:
        raise NotAnAmount(yuan)
    return fen


@lru_cache(maxsize=1 << 16)
def fen_text(fen: int) -> str:
    """An amount in fen as decimal text in yuan: 1234 → "12.34"."""
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{fen // 100}.{fen % 100:02d}"


def yuan(fen: int) -> Decimal:
    """An amount in fen as a decimal in yuan."""
    return Decimal(fen).scaleb(-2)
