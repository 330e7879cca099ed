"""Where a text begins with names of divisions, and which county-level division they mean."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from orders.intake.divisions import Divisions, Named, Place, Scope, short_form
from orders.intake.zones import OF_A_COUNTY, is_zone

_Meaning = TypeVar("_Meaning")

# Bars, dots and arrows of any width, and the ornaments and pictures that phones offer.
_GAP = re.compile(
    r"""[\s,，;；、:：|｜/／\\\-_—–~～>→》·•・∙.。()（）\[\]【】"'“”‘’「」\u25a0-\u27bf\ufe0f\U0001f300-\U0001faff]*"""
)
# Between a province or city and a district the statistics bureau and map services write words without meaning.
_FILLER = re.compile(
    r"(?:市辖区|(?:省|自治区)?直辖(?:县级|县)?(?:行政区划|行政单位|行政区|市)?|郊县|城区(?=[^\d\s]{2,8}[区县市])"
    r"|县(?![城道政医级])|第[一二三四五六七八九十]+师(?=.{2,6}市))"
)
FAR = ("81", "82")
_TAIWAN = "71"
FAR_FILLER = re.compile(r"香港岛?|港岛|九龙(?!城)|新界|澳门半岛|氹仔|路环")
_SUFFIXES = "区县市旗"
_CITY_ENDS = f"{_SUFFIXES}州盟"
# After a name without its 区 or 县 these make it a street's, a gate's or a hill's name (南山路, 朝阳门, 白云山).
_GLUED = re.compile(
    r"大?[道街桥]|[路巷弄门站里庄村镇乡寺港岛塔湾祠]|山(?![东西])|[湖河](?![南北滨畔])|城(?![东西南北中厢关区郊])"
    r"|江(?=[路边畔滨滩大])|口(?!岸)|[东西南北中][路街大门站]|[东西南北中]?[一二三四五六七八九十]+[马经纬支横]?[路街道]|根[东西南北][路街大]"
)
# An institution named like a district lies anywhere (南开大学, 西湖文化广场), unless the word is a road's.
_INSTITUTION = re.compile(
    r"(?:大学|学院|学校|中学|小学|幼儿园|师范|医院|卫生|诊所|国际|机场|火车|高铁|车站|客运|航空|地铁|广场|公园|景区"
    r"|风景|动物园|植物园|博物|美术|图书|文化|体育|剧院|影城|酒店|饭店|宾馆|大厦|商场|百货|购物|超市|银行|集团|公司"
    r"|有限|股份|实业|研究|法院|检察|公安|政府|监狱|殡仪|水库|码头|口岸|电厂|钢铁|职业|技工|党校|报社|出版|教育|附属"
    r"|附中|人民医|中医|妇幼|工业大|理工|外国语|实验)"
    r"(?![东西南北中一二三四五]?(?:大?[街道]|[路巷]))"
)
# Roads of what is often called like its district: 朝阳公园路 stays whole, whether that is the road's name or not.
_ROAD_OF = re.compile(
    r"(?:公园|广场|体育场|体育馆|动物园|植物园|博物馆|水库|码头|大桥|湿地|古城|老街)[东西南北中]?"
    r"[一二三四五]?(?:大?[街道]|[路巷])"
)
_PLACE = re.compile(
    r"大道|大街|街道|胡同|新村|社区|小区|园区|工业区|开发区|花园|家园|苏木|[路街巷弄镇乡村]|道(?=\d|$)|条$"
)
_TAIL_END = re.compile(r"[\d\s,，;；、()（）\-]")
# After the name of a city without districts: what nobody takes for a part of another name.
_TOWN = re.compile(r"[\u4e00-\u9fff]{1,4}(?:镇|街道|乡)")
# After 县, 市 or 区 these make another word (县城, 市场, 区域).
_NO_SUFFIX = re.compile(r"县(?:政府|医院|城(?!.{0,2}[镇乡街]))|市(?:场|政|民|立|府|中心|委)|区(?:域|政府|委)")
# Divisions somewhere, and what people call a part of any town.
_EVERYWHERE = re.compile(r"[市城江河湖关山][东南西北中内外]区|[新老旧]城区|城关区|开发区|工业区|新区")
# Sub-districts of cities without districts that are called like districts elsewhere.
SUBDISTRICTS = {"441900": "东城区 南城区 莞城区 万江区", "442000": "东区 西区 南区 北区 石岐区"}
_SAME_WITH_SUFFIX = re.compile(r"市[中南北]区")


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way in which a text begins with names of divisions: up to where, how many, and what the last one means; and
    where the name of a development zone begins, if there is one."""

    end: int
    levels: int
    named: Named
    zone: int | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """The division that a text begins with and where the text goes on; else what may be meant. `scope` is the province
    or city that was read, `zone` where the name of a development zone begins, or of a road: it stays in the address."""

    place: Place | None
    end: int
    candidates: tuple[Place, ...] = ()
    gone: str = ""
    scope: Scope | None = None
    zone: int | None = None


def locate(text: str, start: int, known: Divisions) -> Located:
    """The division that the text (in simplified characters) begins with at `start`, if that is certain."""
    located = _once(text, start, known)
    place, end = located.place, located.end
    if place is None:
        return located
    # Some platforms write the region, or its last name, twice; where another one follows, they contradict.
    while True:
        start = gap(text, end)
        again = _once(text, start, known, least_levels=2)
        if again.place is None:
            break
        if again.place != place:
            if text[again.end - 1] not in _SUFFIXES:
                break  # a road's name: 中山路
            return replace(again, place=None, candidates=(place, again.place))
        if _is_in_county_of_taiwan(text, again.end, place):
            break
        end = again.end
    if place.district[-1] in _SUFFIXES and text.startswith(place.district, start):
        return replace(located, end=start + len(place.district))
    others = _another(text, start, place, known)
    if others:
        return Located(None, start, (place, *others), scope=located.scope)
    return replace(located, end=end)


def _is_in_county_of_taiwan(text: str, end: int, place: Place) -> bool:
    """Whether the name that ends there is a town's in a county of Taiwan with the same name: 花莲县花莲市."""
    return place.code.startswith(_TAIWAN) and text[end : end + 1] in ("市", "镇", "乡")


def _another(text: str, start: int, place: Place, known: Divisions) -> tuple[Place, ...]:
    """Other divisions, one of whose names stands right behind that of the place: then nobody knows which is meant."""
    if place.code.startswith(_TAIWAN):
        return ()  # the table has no districts of its cities, which are called like others
    for after, meanings in forms(text, start, known.country.full, known.longest):
        name = text[start:after]
        if name[-1] not in _SUFFIXES or _PLACE.match(text, after) or name in SUBDISTRICTS.get(place.code, ""):
            continue
        others = tuple(other for named in meanings if (other := named.place) and other != place)
        if name[-1] in "区县" and (near := tuple(other for other in others if other.city == place.city)):
            return near
        goes_on = _INSTITUTION.match(text, after) or _NO_SUFFIX.match(text, after - 1)
        if others and len(name) > 2 and not goes_on and not _EVERYWHERE.fullmatch(name):
            return others
    return ()


def _once(text: str, start: int, known: Divisions, *, least_levels: int = 1) -> Located:
    """The division that the text begins with, if that is certain."""
    readings: list[_Reading] = []
    scope, scope_end = None, start
    for end, levels, within in _scopes(text, start, known):
        if levels and end > scope_end:
            scope, scope_end = within, end
        readings += _districts(text, end, levels, within, known)
    readings = [reading for reading in readings if reading.levels >= least_levels]
    if not readings:
        return Located(None, start, _nearest(text, scope), scope=scope)
    furthest = max(reading.end for reading in readings)
    last = [reading for reading in readings if reading.end == furthest]
    top = max(reading.levels for reading in last)
    meant = list(dict.fromkeys(reading.named for reading in last if reading.levels == top))
    zone = next((reading.zone for reading in last if reading.levels == top), None)
    if len(meant) == 1 and meant[0].place:
        return Located(meant[0].place, furthest, scope=scope, zone=zone)
    places = [place for named in meant for place in ((named.place,) if named.place else named.successors)]
    gone = meant[0].gone if len(meant) == 1 else ""
    return Located(None, start, tuple(dict.fromkeys(places)), gone, scope, zone)


def _scopes(text: str, start: int, known: Divisions) -> Iterator[tuple[int, int, Scope]]:
    """Every way in which the text begins with a province, a city, or both: where it goes on, how many were read."""
    yield start, 0, known.country
    for end, province in forms(text, start, known.provinces, known.longest):
        if not _goes_on(text, start, end, known.provinces):
            for after in _fillers(text, end, province):
                yield after, 1, province
                yield from _twice(text, start, _cities(text, after, 1, province, known))
                for again, other in forms(text, after, known.provinces, known.longest):
                    if other is province and not _goes_on(text, after, again, known.provinces):
                        for later in _fillers(text, again, province):
                            yield later, 1, province
                            yield from _cities(text, later, 1, province, known)
    yield from _cities(text, start, 0, known.country, known)
    # In 黑龙江 stands no 龙江县.
    is_whole = any(True for _found in forms(text, start, known.provinces, known.longest))
    if not is_whole and (abbreviated := known.abbreviated(text[start : start + 1])):
        yield start + 1, 1, abbreviated
        yield from _cities(text, start + 1, 1, abbreviated, known)


def _twice(text: str, start: int, scopes: Iterator[tuple[int, int, Scope]]) -> Iterator[tuple[int, int, Scope]]:
    """The ways in which the text begins, also where all of it stands there once more (广东省深圳市广东省深圳市)."""
    for end, levels, scope in scopes:
        yield end, levels, scope
        head = text[start:end].rstrip(" ,，/-")
        if text.startswith(head, end):
            yield gap(text, end + len(head)), levels, scope


def _cities(text: str, start: int, levels: int, within: Scope, known: Divisions) -> Iterator[tuple[int, int, Scope]]:
    for end, cities in forms(text, start, within.cities, known.longest):
        if _goes_on(text, start, end, within.cities):
            continue
        for city in cities:
            # A municipality is a province and a city: its name counts once.
            is_province = levels and city.province is not None and city.name == city.province.name
            for after in _fillers(text, end, city):
                yield after, levels + (not is_province), city
                if city.cities:
                    yield from _cities(text, after, levels + 1, city, known)
                for again, others in forms(text, after, within.cities, known.longest):
                    is_again = city in others and not _goes_on(text, after, again, within.cities)
                    if is_again and not _is_in_county_of_taiwan(text, again, city.places[0]):
                        yield gap(text, again), levels + (not is_province), city


def forms(text: str, start: int, names: Mapping[str, _Meaning], longest: int) -> Iterator[tuple[int, _Meaning]]:
    """Where the text goes on after each of the names that stand at `start`, longest first, and what the name means."""
    for length in range(min(longest, len(text) - start), 1, -1):
        meaning = names.get(text[start : start + length])
        if meaning is not None:
            yield start + length, meaning


def _goes_on(text: str, start: int, end: int, names: Mapping[str, object]) -> bool:
    """Whether the name is longer than that: 青岛 in 青岛市南京路; but 济南 in 济南市中区 is whole."""
    return text[start : end + 1] in names and end < len(text) and not _SAME_WITH_SUFFIX.match(text, end)


def _fillers(text: str, end: int, scope: Scope) -> Iterator[int]:
    """Where the text goes on after a gap; and after words without meaning."""
    yield (end := gap(text, end))
    is_far = (scope.province or scope).places[0].code[:2] in FAR
    while (found := _FILLER.match(text, end)) or (is_far and (found := FAR_FILLER.match(text, end))):
        yield (end := gap(text, found.end()))


def _districts(text: str, start: int, levels: int, within: Scope, known: Divisions) -> Iterator[_Reading]:
    if levels and within.whole is not None and _is_whole(text, start):
        yield _Reading(start, levels + 1, Named(within.whole))
    for end, meanings in forms(text, start, within.full, known.longest):
        # Alone, a name must be one that nothing else can have.
        if levels or (text[end - 1] in _SUFFIXES and not _INSTITUTION.match(text, end)):
            yield from (_Reading(end, levels + 1, named) for named in meanings)
    if not levels:
        return
    yield from _zones(text, start, levels, within, known)
    longest = 0
    for end, meanings in forms(text, start, within.short, known.longest):
        name, suffix = text[start:end], text[end : end + 1]
        # 大理 without 市 may be the whole 大理州.
        if name in within.forms or any(city.whole is None for city in within.cities.get(name, ())):
            continue
        # 黔西南 is no south of 黔西, 武陵源 no 源 in 武陵.
        longest = max(longest, end, *(longer for longer, _meant in forms(text, start, within.cities, known.longest)))
        if end < longest:
            continue
        if suffix and suffix in _SUFFIXES:
            # An old suffix (崇明县, 即墨市), unless a division has just that name.
            if name + suffix not in within.full and not _NO_SUFFIX.match(text, end):
                yield from (_Reading(end + 1, levels + 1, named) for named in meanings)
        elif name in within.full or _stands_alone(text, end):
            keeps = start if len(meanings) == 1 and _ROAD_OF.match(text, end) else None
            yield from (_Reading(end, levels + 1, named, keeps) for named in meanings)
        elif found := OF_A_COUNTY.match(text, end):
            yield from (_Reading(found.end(), levels + 1, named, end) for named in meanings)


def _is_whole(text: str, end: int) -> bool:
    """Whether the name of a city without districts, which ends there, is just that."""
    if text[end - 1] in _CITY_ENDS or _stands_alone(text, end):
        return True
    return not (_GLUED.match(text, end) or _INSTITUTION.match(text, end)) and _TOWN.match(text, end) is not None


def _zones(text: str, start: int, levels: int, within: Scope, known: Divisions) -> Iterator[_Reading]:
    """Development zones in place of a district, or before one of those that they lie in."""
    for end, places in forms(text, start, within.zones, known.longest):
        if _GLUED.match(text, end) or _INSTITUTION.match(text, end):
            continue
        if len(places) == 1:
            # The name of a zone that is a division says no more than the division's own.
            yield _Reading(end, levels + 1, Named(places[0]), None if is_zone(places[0].district) else start)
        else:
            yield _Reading(end, levels + 1, Named(None, "", places), start)
        for after, meanings in forms(text, gap(text, end), within.full, known.longest):
            yield from (_Reading(after, levels + 1, named, start) for named in meanings if named.place in places)


def _stands_alone(text: str, end: int) -> bool:
    """Whether a name without suffix is a district's: before the end, a gap, a number, a road or a town."""
    tail = _TAIL_END.split(text[end:], maxsplit=1)[0]
    if not tail:
        return True
    if _GLUED.match(tail) or _INSTITUTION.match(tail):
        return False
    # One character before it makes the road or town the name's own (河西务镇, 市南京路).
    found = _PLACE.search(tail)
    return found is not None and found.start() > 1


def begins(text: str, start: int, known: Divisions) -> bool:
    """Whether the text goes on with the name of a division."""
    names: tuple[Mapping[str, object], ...] = (known.provinces, known.country.cities, known.country.full)
    return any(True for one in names for _found in forms(text, start, one, known.longest))


def gap(text: str, start: int, *, keeps_brackets: bool = False) -> int:
    """Where the text goes on after separators; an opening bracket may begin what follows."""
    found = _GAP.match(text, start)
    end = found.end() if found else start
    while keeps_brackets and end > start and text[end - 1] in "(（[【":
        end -= 1
    return end


def _nearest(text: str, scope: Scope | None) -> tuple[Place, ...]:
    """What a person may choose from in the city that was read, first those that the text names; in a province only
    those."""
    if scope is None:
        return ()
    named = [place for place in scope.places if short_form(place.district) in text]
    is_city = scope.province is not None or all(place.city == place.province for place in scope.places)
    return tuple(dict.fromkeys([*named, *(scope.places if is_city else ())]))
