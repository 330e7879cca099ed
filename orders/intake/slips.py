"""Slips of the keyboard within the names of divisions: a suffix struck twice (浙江省省杭州市), a blank within a name
(合 肥市). Tried only where the text as it stands is certain nowhere."""

import re

from orders.intake.divisions import Divisions
from orders.intake.scanning import Located, locate
from orders.intake.traditional import simplified

_TWICE = re.compile(r"([省市区县])\1")
_BLANK_WITHIN = re.compile(r"(?<=[\u4e00-\u9fff])[^\S\n]+(?=[\u4e00-\u9fff])")
# No province, city and district are struck twice more than once each.
_MOST = 3


def read_past(address: str, start: int, known: Divisions) -> tuple[Located, str] | None:
    """What the address means without its slips, and its text without them; None where that is not certain either.

    A suffix counts as struck twice only where another name follows it: 市市后街 is a street.
    """
    for text in dict.fromkeys((address, _BLANK_WITHIN.sub("", address))):
        for times in range(_MOST + 1):
            mended, last = text, start
            for found in list(_TWICE.finditer(text, start))[:times][::-1]:
                mended = mended[: found.start()] + mended[found.end() - 1 :]
                last = max(last, found.start() + 1)
            if mended == address:
                continue
            located = locate(simplified(mended), start, known)
            # `last` is where the last one stands in the text as it was: each before it moved it by one.
            if located.place and located.end > last - max(times - 1, 0):
                return located, mended
    return None
