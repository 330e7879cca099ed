"""Reading a Chinese address out of free text: which county-level division it is in, and what is left of it.

Only what is certain is taken: the text begins with names of divisions, in order, that fit exactly one county-level
division. A name that several provinces have (朝阳区), a city without a district, or nothing known is not guessed; the
candidates are given for a person to choose from.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.db.models import Count, Max

from inventory.models import Region

MOST_CANDIDATES = 12

_PHONE = re.compile(r"(?<!\d)(?:\+?86[- ]?)?(1[3-9]\d{9})(?!\d)", re.ASCII)
_NAME = re.compile(r"[\u4e00-\u9fff·]{2,5}")
_SEPARATORS = re.compile(r"[\s,，;；、:：|/]+")
_PLACE_WORD = re.compile(r"[省市区县镇乡村路街道巷弄号室楼栋座园院里]")
_PREFIXES = ("收货地址", "收件地址", "地址", "中国", "中华人民共和国")
_PROVINCE_TAIL = re.compile(r"(?:壮族|回族|维吾尔)?(?:自治区|特别行政区)$|[省市]$")
_CITY_TAIL = re.compile(r"(?:(?:[\u4e00-\u9fff]{1,2}族)+|蒙古|柯尔克孜|哈萨克)?(?:自治州)$|地区$|林区$|[市盟]$")
_DISTRICT_TAIL = re.compile(r"(?:(?:[\u4e00-\u9fff]{1,3}族)+自治[县旗])$|新区$|矿区$|林区$|自治[县旗]$|[区县市旗]$")
# Between a city and its district some write what the statistics bureau does.
_FILLERS = ("市辖区", "县")
# After a district's name without its 区 or 县, these make it a street's name instead (南山路, 朝阳门).
_STREET = re.compile(r"[路街巷弄门桥站道里庄村镇乡]|大[道街桥]|[东西南北中][路街大]|[一二三四五六七八九十]+[路街]")


@dataclass(frozen=True, slots=True)
class Place:
    """A county-level division that the text may mean."""

    code: str
    province: str
    city: str
    district: str

    def __str__(self) -> str:
        city = "" if self.city in (self.province, self.district) else self.city
        return f"{self.code} {self.province}{city}{'' if self.district == self.province else self.district}"


@dataclass(frozen=True, slots=True)
class ParsedAddress:
    """What was read: the division's code where it is certain, the rest of the address, candidates where it is not,
    and a name and phone that stood beside the address."""

    region_code: str | None
    rest: str
    candidates: tuple[Place, ...] = ()
    name: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class _Names:
    place: Place
    provinces: tuple[str, ...]
    cities: tuple[str, ...]
    district: str
    short_district: str


def parse_address(text: str) -> ParsedAddress:
    """Read the address. Takes one or two statements; the divisions are kept in memory."""
    address, name, phone = _without_contact(text)
    names = _divisions()
    squeezed = _SEPARATORS.sub("", address)
    for prefix in _PREFIXES:
        squeezed = squeezed.removeprefix(prefix)
    found: dict[Place, tuple[int, int]] = {}
    for division in names:
        if division.short_district not in squeezed and not any(city in squeezed for city in division.cities):
            continue
        best = max(_readings(squeezed, division), default=None)
        if best is not None:
            found[division.place] = best
    if not found:
        return ParsedAddress(None, address, _in_the_city(squeezed, names), name, phone)
    top = max(found.values())
    # As many names as the best reading: one of them is as good as the other.
    rivals = [place for place, (levels, _read) in found.items() if levels == top[0]]
    best_places = [place for place in rivals if found[place] == top]
    if len(best_places) == 1 and (len(rivals) == 1 or top[0] > 1):
        return ParsedAddress(best_places[0].code, _rest(squeezed, top[1]), (), name, phone)
    return ParsedAddress(None, address, tuple(rivals[:MOST_CANDIDATES]), name, phone)


def _rest(text: str, read: int) -> str:
    return text[read:].lstrip("-—,，.。") or text


def _without_contact(text: str) -> tuple[str, str, str]:
    """The text without a phone number and, beside it, a person's name."""
    phone = _PHONE.search(text)
    if phone is None:
        return text.strip(), "", ""
    left = f"{text[: phone.start()]} {text[phone.end() :]}"
    tokens = [token for token in _SEPARATORS.split(left) if token]
    name = next((t for t in tokens if _NAME.fullmatch(t) and not _PLACE_WORD.search(t)), "")
    if name and len(tokens) > 1:
        tokens.remove(name)
    else:
        name = ""
    return " ".join(tokens), name, phone[1]


def _readings(text: str, names: _Names) -> Iterator[tuple[int, int]]:
    """Every way in which the text begins with the division's names, as (names read, characters read)."""
    is_municipality = names.place.province == names.place.city
    is_whole_city = names.place.city == names.place.district
    for after_province, with_province in _after(text, 0, names.provinces):
        for after_city, with_city in _after(text, after_province, names.cities):
            if is_municipality and with_city and not with_province:
                continue  # the same name twice over: count it as the province's
            levels = with_province + with_city
            if is_whole_city and with_city:
                yield levels + 1, after_city
            starts = [after_city]
            starts += [after_city + len(f) for f in _FILLERS if levels and text.startswith(f, after_city)]
            for start in starts:
                if text.startswith(names.district, start):
                    yield levels + 1, start + len(names.district)
                elif levels and text.startswith(names.short_district, start):
                    end = start + len(names.short_district)
                    if not _STREET.match(text, end):
                        yield levels + 1, end


def _after(text: str, start: int, names: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where the text goes on after one of the names, and whether one was read; also without any."""
    yield start, 0
    for name in names:
        if text.startswith(name, start):
            yield start + len(name), 1


def _in_the_city(text: str, names: tuple[_Names, ...]) -> tuple[Place, ...]:
    """The divisions of the city or, failing that, none: what a person may choose from."""
    found = []
    for division in names:
        for after_province, _with in _after(text, 0, division.provinces):
            if any(with_city for _end, with_city in _after(text, after_province, division.cities)):
                found.append(division.place)
                break
    return tuple(found[:MOST_CANDIDATES])


def _divisions() -> tuple[_Names, ...]:
    """All divisions with the forms in which people write their names; read again once they change."""
    state = Region.objects.aggregate(count=Count("code"), last=Max("code"))
    return _read(state["count"], state["last"])


@lru_cache(maxsize=2)
def _read(_count: int, _last: str | None) -> tuple[_Names, ...]:
    rows = Region.objects.order_by("code").values_list("code", "province", "city", "district")
    return tuple(_names(Place(*row)) for row in rows)


def _names(place: Place) -> _Names:
    return _Names(
        place=place,
        provinces=(place.province, _short(place.province, _PROVINCE_TAIL)),
        cities=(place.city, _short(place.city, _CITY_TAIL)),
        district=place.district,
        short_district=_short(place.district, _DISTRICT_TAIL),
    )


def _short(name: str, tail: re.Pattern[str]) -> str:
    """The name as people say it: 广西 for 广西壮族自治区. Names of one character keep their tail (和县)."""
    short = tail.sub("", name)
    return short if len(short) >= 2 else name
