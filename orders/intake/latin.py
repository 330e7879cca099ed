"""Addresses in English or pinyin: "Room 5, 88 Keyuan Road, Nanshan District, Shenzhen, Guangdong".

Names of divisions stand between commas, with or without the word for their kind, or next to each other; in any order,
since English goes from the house to the country. A division is taken only where every name that was found belongs to it
and no other division fits as well: names that sound alike (Suzhou, Fuzhou, Gulou) are told apart by those beside them.
How the names are spelt stands in `latin.csv`: pinyin made with `pypinyin` and corrected by hand, and other usual
spellings (Harbin, Kwun Tong).
"""

import csv
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from orders.intake.divisions import Divisions, Place

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[a-z&]+(?:'[a-z]+)*")
_EDGE = re.compile(r"^[\s\d.#()-]+|[\s\d.#()-]+$")
_COUNTRY = re.compile(r"^(?:p\.?\s?r\.?\s?(?:c\.?|china)|(?:people'?s republic of )?china|mainland china|cn)$")
# Words for what kind of division a name is, by how its Chinese name ends.
_KINDS = {
    "district": "区", "dist": "区", "qu": "区", "newarea": "区", "newdistrict": "区", "xinqu": "区",
    "county": "县", "xian": "县", "autonomouscounty": "县", "zizhixian": "县",
    "city": "市", "shi": "市", "municipality": "市", "banner": "旗", "qi": "旗",
    "province": "省", "sheng": "省", "autonomousregion": "区", "zizhiqu": "区", "sar": "区",
    "prefecture": "州盟区", "autonomousprefecture": "州", "zhou": "州", "zizhizhou": "州", "league": "盟", "meng": "盟",
}  # fmt: skip
_MOST_WORDS = 5
# Parts of Hong Kong that are no districts.
_PARTS = {"kowloon", "kln", "newterritories", "nt", "hongkongisland"}


@dataclass(frozen=True, slots=True)
class Found:
    """The division, where it is certain, else those that every name fits."""

    place: Place | None
    candidates: tuple[Place, ...] = ()


def is_latin(text: str) -> bool:
    """Whether the text is written in Latin letters only."""
    return not _CHINESE.search(text) and re.search(r"[A-Za-z]{2}", text) is not None


def is_part_of_hong_kong(name: str) -> bool:
    """Whether it is what people write before a district of Hong Kong, such as Kowloon."""
    return _joined(_WORD.findall(name.lower())) in _PARTS


def is_wide(word: str) -> bool:
    """Whether the word spells the name of a province or a city."""
    return any(name[-1] in "省市" or name.endswith("自治区") for name in _spellings().meanings.get(word.lower(), ()))


def find(text: str, known: Divisions, within: Iterable[str] = ()) -> Found:
    """The division that the text names, `within` those of these Chinese names."""
    spelt = _spellings()
    evidence = [frozenset([name]) for name in within]
    evidence += _named(text)
    districts = {name.lstrip("0123456789") for names in evidence for name in names}
    named = (meaning.place for name in districts for meaning in known.country.full.get(name, ()))
    places = sorted({place for place in named if place}, key=lambda place: place.code)
    fitting = [place for place in places if _fits(spelt.own(place), place, evidence)]
    return Found(fitting[0], ()) if len(fitting) == 1 else Found(None, tuple(fitting))


def wide_names(text: str, known: Divisions) -> tuple[str, ...]:
    """The Chinese names of the one province, or province and city, that the text spells; none where it spells a
    district too, or may mean several."""
    named = _named(text)
    if not named:
        return ()
    areas = {
        (place.province, place.city)
        for place in known.by_code.values()
        if all(not names.isdisjoint((place.province, place.city)) for names in named)
    }
    if len(areas) == 1:
        return tuple(dict.fromkeys(areas.pop()))
    provinces = {province for province, _city in areas}
    return tuple(provinces) if len(provinces) == 1 else ()


def agrees(text: str, place: Place) -> bool:
    """Whether every division that the text spells may be the place or what it lies in."""
    own = _spellings().own(place)
    return all(not names.isdisjoint(own) for names in _named(text))


def is_name_of(text: str, place: Place) -> bool:
    """Whether the whole text spells the place, or the province or city that it lies in."""
    spelt = _spellings()
    names = _whole(_EDGE.sub("", text.lower().replace("’", "'")), spelt.meanings)
    return not names.isdisjoint(spelt.own(place))


def _named(text: str) -> list[frozenset[str]]:
    return list(_names(text.lower().replace("’", "'"), _spellings().meanings))


def in_chinese(name: str, names: Container[str]) -> str:
    """The one of these Chinese names that the Latin one means; itself where it means none of them, or several."""
    meant = [meaning for meaning in _whole(_EDGE.sub("", name.lower()), _spellings().meanings) if meaning in names]
    return meant[0] if len(meant) == 1 else name


@dataclass(frozen=True, slots=True)
class _Spellings:
    """What each spelling means, and the names that mean something else in one province, with its code before them."""

    meanings: Mapping[str, frozenset[str]]
    marked: frozenset[str]

    def own(self, place: Place) -> tuple[str, str, str]:
        """The division's province, city and district as `meanings` has them."""
        district = place.code[:2] + place.district
        return place.province, place.city, district if district in self.marked else place.district


@lru_cache(maxsize=1)
def _spellings() -> _Spellings:
    spelt: dict[str, set[str]] = {}
    marked = set()
    with (Path(__file__).parent / "latin.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row["province_code"] + row["name"]
            if row["province_code"]:
                marked.add(name)
            for latin in row["latin"].split("|"):
                spelt.setdefault(latin, set()).add(name)
    return _Spellings({latin: frozenset(names) for latin, names in spelt.items()}, frozenset(marked))


def _fits(own: tuple[str, str, str], place: Place, evidence: Sequence[frozenset[str]]) -> bool:
    """Whether its district was named, and its city or province, and nothing that does not belong to it. Of Taiwan's
    cities no districts are known."""
    province, city, district = (any(name in names for names in evidence) for name in own)
    if not district or not (province or (city and place.city != place.district)):
        return False
    return place.code.startswith("71") or all(not names.isdisjoint(own) for names in evidence)


def _names(text: str, spelt: Mapping[str, frozenset[str]]) -> Iterator[frozenset[str]]:
    """What each name of a division in the text may mean: between commas, before the word for its kind, or in a row of
    names at an end of the text."""
    segments = [segment for part in re.split(r"[,，;；\n/|()]+", text) if (segment := _EDGE.sub("", part.strip()))]
    segments = [segment for segment in segments if not _COUNTRY.match(segment)]
    for segment in segments:
        if found := _whole(segment, spelt):
            yield found
            continue
        words = _WORD.findall(segment)
        yield from _before_kinds(words, spelt)
        if len(segments) <= 2:
            yield from _in_a_row(words, spelt)


def _whole(segment: str, spelt: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """What the segment means as a whole, with or without the word for its kind."""
    words = _WORD.findall(segment)
    joined = _joined(words)
    if joined in _PARTS:
        return frozenset()
    if found := spelt.get(joined):
        return found
    for length in (1, 2):
        kind = _KINDS.get(_joined(words[-length:])) if len(words) > length else None
        if kind and (found := _of_kind(_joined(words[:-length]), kind, spelt)):
            return found
    return frozenset()


def _before_kinds(words: list[str], spelt: Mapping[str, frozenset[str]]) -> Iterator[frozenset[str]]:
    """What the names before words for a kind mean, longest names first."""
    for end in range(1, len(words)):
        kind = _KINDS.get(_joined(words[end : end + 2])) or _KINDS.get(words[end])
        if not kind:
            continue
        for start in range(max(0, end - _MOST_WORDS), end):
            if found := _of_kind(_joined(words[start:end]), kind, spelt):
                yield found
                break


def _in_a_row(words: list[str], spelt: Mapping[str, frozenset[str]]) -> Iterator[frozenset[str]]:
    """What names mean that stand next to one with the word for its kind: Zhejiang Hangzhou Yuhang Qu."""
    kinds = [index for index, word in enumerate(words) if word in _KINDS]
    if not kinds:
        return
    start = 0
    while start < kinds[0]:
        length = next((n for n in (3, 2, 1) if _joined(words[start : start + n]) in spelt), 0)
        if not length or start + length >= kinds[0]:
            break
        yield spelt[_joined(words[start : start + length])]
        start += length
    end = len(words)
    while end > kinds[-1] + 1:
        length = next((n for n in (3, 2, 1) if end - n > kinds[-1] and _joined(words[end - n : end]) in spelt), 0)
        if not length:
            break
        yield spelt[_joined(words[end - length : end])]
        end -= length


def _of_kind(latin: str, kind: str, spelt: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset(name for name in spelt.get(latin, ()) if name[-1] in kind)


def _joined(words: Iterable[str]) -> str:
    return "".join(words).replace("'", "")
