"""Latin parts beside a Chinese address: "Room 1203, 上海市浦东新区…", "Shenzhen 南山区…", "科苑路15号, Shenzhen".

They may stand before the division, in the middle of it or behind it. What they say of the house goes to the end of the
address; the divisions that they name complete the Chinese ones, and where both contradict each other nothing is taken.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from orders.intake import latin
from orders.intake.divisions import Divisions, Place
from orders.intake.scanning import Located, forms, locate
from orders.intake.traditional import simplified

_NO_CHINESE = re.compile(r"[^\u3400-\u9fff]+")
_NUMBER_APART = re.compile(r"\d.*[\s,，;；)）\]】]$", re.DOTALL)
_LETTER = re.compile(r"[A-Za-z]")
_PIECE = re.compile(r"[^,，;；、|/\s]+")
_BETWEEN_COMMAS = re.compile(r"\s*[,，;；、|\n]\s*")
_EDGES = " ,，;；、|/-[]【】<>《》\n\t"
_BRACKETS = (("(", ")"), ("（", "）"))
_WITH_KIND = tuple("区县市旗省州盟")
_WIDE_ENDS = ("省", "市", "自治区", "特别行政区")


@dataclass(frozen=True, slots=True)
class Aside:
    """What was read, and the text, from which the Latin parts that stood in the way went to its end."""

    located: Located
    text: str


def read_beside(located: Located, text: str, known: Divisions) -> Aside | None:
    """Read a text that was not certain, and of which `located` is what was read so far, with regard to its Latin
    parts; nothing where they do not help. Where only they name the division, the text stays whole (`end` is 0)."""
    spelt = _latin_in(text)
    wide = (" ".join(latin.wide_names(spelt, known)), _wide_at_the_end(text, known))
    for way in _without_latin_in_the_way(located, text):
        folded = simplified(way.core)
        # The names alone, then within the province or city that Latin names mean, or that stands at the end.
        for within in dict.fromkeys([*([""] if way.aside else []), *(f"{names} " for names in wide if names)]):
            found = locate(within + folded, 0, known)
            if found.place and found.end > len(within) and way.may_end(within + folded, found.end):
                aside = _without_own_names(way.aside, found.place)
                return Aside(found, f"{within}{way.core} {aside}".strip())
        if spelt and (place := _by_latin(locate(folded, 0, known), spelt, folded, known)):
            return Aside(Located(place, 0), text)
    return _from_the_end(text, known)


def contradicted(place: Place, text: str) -> bool:
    """Whether Latin parts of the text name a division that the place is not in."""
    return _LETTER.search(text) is not None and not latin.agrees(_latin_in(text), place)


def _latin_in(text: str) -> str:
    return ", ".join(run[0] for run in _NO_CHINESE.finditer(text) if _LETTER.search(run[0]))


@dataclass(frozen=True, slots=True)
class _Way:
    """A text without a part that stood in the way: at its beginning, or `within` the names of divisions."""

    core: str
    aside: str = ""
    within: bool = False

    def may_end(self, text: str, end: int) -> bool:
        """Whether the names may end there: with something within them, only by the word for its kind."""
        return not self.within or text[:end].rstrip(_EDGES).endswith(_WITH_KIND)


def _without_latin_in_the_way(located: Located, text: str) -> Iterator[_Way]:
    """The text as it is, then without what is not Chinese at its beginning, or behind the province or city."""
    yield _Way(text)
    for run in islice(_NO_CHINESE.finditer(text), 2):
        before, after = text[: run.start()], text[run.end() :]
        if before:
            if located.scope is not None and _LETTER.search(run[0]):
                yield _Way(f"{before} {after}", _trimmed(run[0]), within=True)
        elif after and (_LETTER.search(run[0]) or _NUMBER_APART.search(run[0])):
            yield _Way(after, _trimmed(run[0]))


def _trimmed(part: str) -> str:
    part = part.strip(_EDGES)
    for opening, closing in _BRACKETS:
        if part.count(opening) != part.count(closing) or (part.startswith(opening) and part.endswith(closing)):
            part = part.strip(opening + closing)
    return part.strip(_EDGES)


def _without_own_names(aside: str, place: Place) -> str:
    """The part without what it says of the province, city and district, which are known."""
    pieces = [piece for piece in _BETWEEN_COMMAS.split(aside) if piece and not latin.is_name_of(piece, place)]
    return ", ".join(pieces)


def _by_latin(located: Located, spelt: str, folded: str, known: Divisions) -> Place | None:
    """The division that the Latin parts name, alone or in the province or city that the text begins with, where no
    Chinese name speaks against it."""
    scope = located.scope
    within = [one.name for one in (scope.province, scope) if one] if scope else []
    place = latin.find(spelt, known, within).place
    if place is None or located.gone or (located.candidates and place not in located.candidates):
        return None
    if scope and place not in scope.places:
        return None
    for piece in _PIECE.finditer(folded):
        for end, meanings in forms(folded, piece.start(), known.country.full, known.longest):
            if folded[end - 1] in _WITH_KIND and place not in [named.place for named in meanings]:
                return None
    return place


def _wide_at_the_end(text: str, known: Divisions) -> str:
    """The province and city that stand apart at the end, in the order of Chinese addresses: …, 深圳市, 广东省."""
    names: list[str] = []
    for piece in reversed(_PIECE.findall(text)):
        if not piece.endswith(_WIDE_ENDS) or (piece not in known.provinces and piece not in known.country.cities):
            break
        names.append(piece)
    return "".join(names)


def _from_the_end(text: str, known: Divisions) -> Aside | None:
    """An address that goes from the house to the province, as English ones do: 科苑路15号, 南山区, 深圳市, 广东省."""
    pieces = list(_PIECE.finditer(text))
    if len(pieces) < 3 or not pieces[-1][0].endswith(_WIDE_ENDS):
        return None
    for count in range(min(3, len(pieces) - 1), 1, -1):
        names = "".join(piece[0] for piece in reversed(pieces[-count:]))
        found = locate(simplified(names), 0, known)
        if found.place and found.end == len(names) and found.zone is None:
            return Aside(found, f"{names} {text[: pieces[-count].start()].strip(_EDGES)}")
    return None
