"""Reading Chinese addresses: which county-level division a text, or its parts, is in, and what is left of the text.

Every door reads by it. Only what is certain is taken: names of divisions, in order, that fit exactly one county-level
division. A name that several provinces have (朝阳区), a city without a district, a university named like a district, or
nothing known is not guessed; the candidates are given for a person to choose from, and the text stays whole.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from orders.intake.contacts import name_before, split_contact
from orders.intake.divisions import Divisions, Named, Place, Scope, divisions, short_form
from orders.intake.zones import OF_A_COUNTY, is_zone

MOST_CANDIDATES = 12
_Meaning = TypeVar("_Meaning")

_GAP = re.compile(r"""[\s,，;；、:：|/\\\-_—–>→》·.。()（）\[\]【】"'“”‘’「」]*""")
_QUOTES = "\"'“”‘’「」"
_POSTCODE = re.compile(r"[(（\[]?(?<!\d)(\d{6})(?!\d)[)）\]]?", re.ASCII)
_LAST_POSTCODE = re.compile(r"(?:[\s,，;；、]+|(?=[(（]))[(（]?(\d{6})[)）]?$", re.ASCII)
# The first two digits of postcodes, by the first two of the region codes.
_POST_OFFICES = {
    "11": "10", "12": "30", "13": "05 06 07", "14": "03 04", "15": "01 02 16", "21": "11 12", "22": "13", "23": "15 16",
    "31": "20", "32": "21 22", "33": "31 32", "34": "23 24", "35": "35 36", "36": "33 34", "37": "25 26 27",
    "41": "45 46 47", "42": "43 44", "43": "41 42", "44": "51 52", "45": "53 54", "46": "57", "50": "40",
    "51": "61 62 63 64", "52": "55 56", "53": "65 66 67", "54": "85", "61": "71 72", "62": "73 74", "63": "81",
    "64": "75", "65": "83 84",
}  # fmt: skip
_COUNTRY = re.compile(
    r"(?:中华人民共和国|中国)(?!人民|科学|石油|石化|移动|联通|电信|银行|邮政|建设)|(?:P\.?\s?R\.?\s?)?China\b|CN\b",
    re.IGNORECASE,
)
# Between a province or city and a district the statistics bureau and map services write words without meaning.
_FILLER = re.compile(
    r"(?:市辖区|(?:省|自治区)?直辖(?:县级|县)?(?:行政区划|行政单位|行政区|市)?|郊县|城区(?=[^\d\s]{2,8}[区县市])"
    r"|县(?![城道政医级]))"
)
_FAR = ("81", "82")
_FAR_FILLER = re.compile(r"香港岛?|港岛|九龙(?!城)|新界|澳门半岛|氹仔|路环")
_NO_CITY = re.compile(
    r"(?:市?辖?[区县]|城区|郊县|市|省|(?:省|市|自治区)?直辖.*|[-—/\\_.、]+|无|null|none)?", re.IGNORECASE
)
_SUFFIXES = "区县市旗"
_CITY_ENDS = f"{_SUFFIXES}州盟"
# After a name without its 区 or 县 these make it a street's, a gate's or a hill's name (南山路, 朝阳门, 白云山).
_GLUED = re.compile(
    r"大?[道街桥]|[路巷弄门站里庄村镇乡寺港岛塔湾祠]|山(?![东西])|[湖河](?![南北])|城(?![东西南北中厢关区郊])"
    r"|江(?=[路边畔滨滩大])|口(?!岸)|[东西南北中][路街大门站]|[一二三四五六七八九十]+[路街道]"
)
# An institution named like a district lies anywhere (南开大学, 西湖文化广场), unless the word is a road's.
_INSTITUTION = re.compile(
    r"(?:大学|学院|学校|中学|小学|幼儿园|师范|医院|卫生|诊所|国际|机场|火车|高铁|车站|客运|航空|地铁|广场|公园|景区"
    r"|风景|动物园|植物园|博物|美术|图书|文化|体育|剧院|影城|酒店|饭店|宾馆|大厦|商场|百货|购物|超市|银行|集团|公司"
    r"|有限|股份|实业|研究|法院|检察|公安|政府|监狱|殡仪|水库|码头|口岸|电厂|钢铁|职业|技工|党校|报社|出版|教育|附属"
    r"|附中|人民医|中医|妇幼|工业大|理工|外国语|实验)"
    r"(?![东西南北中一二三四五]?(?:大?[街道]|[路巷]))"
)
_PLACE = re.compile(
    r"大道|大街|街道|胡同|新村|社区|小区|园区|工业区|开发区|花园|家园|苏木|[路街巷弄镇乡村]|道(?=\d|$)|条$"
)
_TAIL_END = re.compile(r"[\d\s,，;；、()（）\-]")
# After the name of a city without districts: what nobody takes for a part of another name.
_TOWN = re.compile(r"[\u4e00-\u9fff]{1,4}(?:镇|街道|乡)")
# After 县, 市 or 区 these make another word (县城, 市场, 区域).
_NO_SUFFIX = re.compile(r"县(?:政府|医院|城(?!.{0,2}[镇乡街]))|市(?:场|政|民|立|府|中心|委)|区(?:域|政府|委)")
_SAME_WITH_SUFFIX = re.compile(r"市[中南北]区")
# Sub-districts of cities without districts that are called like districts elsewhere.
_SUBDISTRICTS = {"441900": "东城区 南城区 莞城区 万江区", "442000": "东区 西区 南区 北区 石岐区"}
# Characters of Hong Kong, Macau and Taiwan as they are written there.
_SIMPLE = str.maketrans(
    "臺灣門區縣龍觀離黃東島雲蘭義樓號聖風順瑪濟鄉鎮園華廣馬從貢氹別"
    "國蓮連羅寶鹽崗蘇無錫陝瀋陽長貴寧廈紹興漢慶遼內鄭滬灘荊嶺萬開濱",
    "台湾门区县龙观离黄东岛云兰义楼号圣风顺玛济乡镇园华广马从贡凼别"
    "国莲连罗宝盐岗苏无锡陕沈阳长贵宁厦绍兴汉庆辽内郑沪滩荆岭万开滨",
)
_DIGIT_OR_LETTER = re.compile(r"[0-9A-Za-z]")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class ParsedAddress:
    """What was read: the division's code where it is certain, the rest of the address, candidates where it is not, and
    the name, the phone (in its normal form) and the postcode that stood beside it. `gone` is the name of a division
    that is no more: the candidates took its place. `in_zone`: a development zone stands in place of the district, and
    the candidates are those that it lies in."""

    region_code: str | None
    rest: str
    candidates: tuple[Place, ...] = ()
    name: str = ""
    phone: str = ""
    postcode: str = ""
    gone: str = ""
    in_zone: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """The names of a province, a city and a district as somebody wrote them, each of which may be empty."""

    province: str = ""
    city: str = ""
    district: str = ""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way in which a text begins with names of divisions: up to where, how many, and what the last one means; and
    where the name of a development zone begins, if there is one."""

    end: int
    levels: int
    named: Named
    zone: int | None = None


@dataclass(frozen=True, slots=True)
class _Located:
    """The division that a text begins with and where the text goes on; else what may be meant. `scope` is the province
    or city that was read, `zone` where a development zone's name begins: it stays in the address."""

    place: Place | None
    end: int
    candidates: tuple[Place, ...] = ()
    gone: str = ""
    scope: Scope | None = None
    zone: int | None = None


def parse_address(text: str) -> ParsedAddress:
    """Read an address in free text, with or without name and phone. One or two statements; the divisions are kept in
    memory."""
    return read_text(text, divisions())


def read_text(text: str, known: Divisions) -> ParsedAddress:
    """`parse_address` by these divisions."""
    contact = split_contact(text, known.is_name)
    address, postcode = contact.address, contact.postcode
    folded = address.translate(_SIMPLE)
    start = _gap(folded, 0)
    if found := _POSTCODE.match(folded, start):
        after = _gap(folded, found.end())
        if _begins(folded, after, known):
            postcode, start = postcode or found[1], after
    if found := _COUNTRY.match(folded, start):
        start = _gap(folded, found.end())
    located = _locate(folded, start, known)
    if located.place is None and contact.phone and not contact.name:
        name = name_before(folded, lambda end: _begins(folded, end, known))
        after_name = _locate(folded, len(name), known)
        if name and after_name.place:
            contact, located = replace(contact, name=address[: len(name)]), after_name
    if located.place is None:
        whole = (address[start:] if postcode and start else address).strip()
        places = located.candidates[:MOST_CANDIDATES]
        in_zone = located.zone is not None
        return ParsedAddress(None, whole, places, contact.name, contact.phone, postcode, located.gone, in_zone)
    code = located.place.code
    rest_at = _gap(folded, located.end, keeps_brackets=True) if located.zone is None else located.zone
    rest = address[rest_at:].strip()
    if not postcode and (found := _LAST_POSTCODE.search(rest)) and found[1][:2] in _POST_OFFICES.get(code[:2], ""):
        postcode, rest = found[1], rest[: found.start()]
    for opening, closing in (("(（", ")）"), (_QUOTES, _QUOTES)):
        # What the region stood inside of with the rest.
        if rest.endswith(tuple(closing)) and not any(mark in rest[:-1] for mark in opening):
            rest = rest[:-1]
    return ParsedAddress(code, squeezed(rest) or squeezed(address), (), contact.name, contact.phone, postcode)


def read_parts(parts: Parts, known: Divisions) -> ParsedAddress:
    """Read the names of province, city and district; `rest` is a town that stood in place of a district.

    Names that contradict each other, or fit several districts, have no code.
    """
    names = [name for name in (parts.province, parts.city, parts.district) if not is_empty_city(name)]
    text = " ".join(map(squeezed, names))
    folded = text.translate(_SIMPLE)
    located = _locate(folded, _gap(folded, 0), known)
    in_zone = located.zone is not None
    rest_at = _gap(folded, located.end) if located.zone is None else located.zone
    rest = text[rest_at:].strip() if located.place or in_zone else ""
    if located.place is None or not _is_town(rest, located.place, known):
        candidates = located.candidates[:MOST_CANDIDATES]
        return ParsedAddress(None, rest if in_zone else "", candidates, gone=located.gone, in_zone=in_zone)
    return ParsedAddress(located.place.code, rest)


def is_empty_city(name: str) -> bool:
    """Whether the name of a city, or of a district, says nothing: it is blank, or 市辖区, 省直辖 and the like."""
    return _NO_CITY.fullmatch(name.strip()) is not None


def misfit(place: Place, parts: Parts, known: Divisions) -> str:
    """Which of the parts (province, city, district) does not belong to the division; "" if all do."""
    province, city, district = (
        squeezed(name).translate(_SIMPLE) for name in (parts.province, parts.city, parts.district)
    )
    scope = known.provinces.get(place.province)
    if province and not is_empty_city(province) and known.provinces.get(province) is not scope:
        return "province"
    cities = scope.cities.get(city, ()) if scope else ()
    if city and not is_empty_city(city) and city not in (place.district, *(scope.forms if scope else ())):
        # Some doors name the city that a county-level city belongs to, or the county-level city itself.
        belongs = any(place in one.places for one in cities)
        if (
            not belongs
            and not _is_part_of_far(city, place)
            and read_parts(Parts(place.province, "", city), known).region_code != place.code
        ):
            return "city"
    if district and not is_empty_city(district) and district != place.district:
        read = read_parts(Parts(place.province, place.city, district), known)
        if read.region_code != place.code and not (read.in_zone and place in read.candidates):
            return "district"
    return ""


def _is_part_of_far(name: str, place: Place) -> bool:
    """Whether it is a part of Hong Kong or Macau that people name before the district."""
    return place.code[:2] in _FAR and _FAR_FILLER.fullmatch(name) is not None


def squeezed(text: str) -> str:
    """The text without blanks, but for those that keep numbers apart (88号 3 1502)."""

    def blank(found: re.Match[str]) -> str:
        before, after = text[: found.start()][-1:], text[found.end() :][:1]
        keeps_apart = _DIGIT_OR_LETTER.match(after) and (
            _DIGIT_OR_LETTER.match(before) or before in "号栋幢座楼层室元弄"
        )
        return " " if before and keeps_apart else ""

    return _BLANKS.sub(blank, text.strip())


def _is_town(rest: str, place: Place, known: Divisions) -> bool:
    """Whether what stands behind the district can be a town in it: it is called like no district."""
    # Of Taiwan's cities and counties no districts are known.
    if place.code.startswith("71") or rest in _SUBDISTRICTS.get(place.code, "").split():
        return True
    return rest not in known.country.full and not (rest and _NO_TOWN.fullmatch(rest))


_NO_TOWN = re.compile(r".*[省市]")


def _locate(text: str, start: int, known: Divisions) -> _Located:
    located = _once(text, start, known)
    place, end = located.place, located.end
    if place is None:
        return located
    # Some platforms write the region, or its last name, twice; where another one follows, they contradict.
    while True:
        start = _gap(text, end)
        again = _once(text, start, known, least_levels=2)
        if again.place is None:
            break
        if again.place != place:
            if text[again.end - 1] not in _SUFFIXES:
                break  # a road's name: 中山路
            return replace(again, place=None, candidates=(place, again.place))
        end = again.end
    if place.district[-1] in _SUFFIXES and text.startswith(place.district, start):
        return replace(located, end=start + len(place.district))
    for city in known.provinces[place.province].cities.get(place.city, ()):
        for after, meanings in _forms(text, start, city.full, known.longest):
            others = tuple(named.place for named in meanings if named.place not in (None, place))
            if others and text[after - 1] in "区县" and not _PLACE.match(text, after):
                return _Located(None, start, (place, *(other for other in others if other)), scope=city)
    return replace(located, end=end)


def _once(text: str, start: int, known: Divisions, *, least_levels: int = 1) -> _Located:
    """The division that the text begins with, if that is certain."""
    readings: list[_Reading] = []
    scope, scope_end = None, start
    for end, levels, within in _scopes(text, start, known):
        if levels and end > scope_end:
            scope, scope_end = within, end
        readings += _districts(text, end, levels, within, known)
    readings = [reading for reading in readings if reading.levels >= least_levels]
    if not readings:
        return _Located(None, start, _nearest(text, scope), scope=scope)
    furthest = max(reading.end for reading in readings)
    last = [reading for reading in readings if reading.end == furthest]
    top = max(reading.levels for reading in last)
    meant = list(dict.fromkeys(reading.named for reading in last if reading.levels == top))
    zone = next((reading.zone for reading in last if reading.levels == top), None)
    if len(meant) == 1 and meant[0].place:
        return _Located(meant[0].place, furthest, scope=scope, zone=zone)
    places = [place for named in meant for place in ((named.place,) if named.place else named.successors)]
    gone = meant[0].gone if len(meant) == 1 else ""
    return _Located(None, start, tuple(dict.fromkeys(places)), gone, scope, zone)


def _scopes(text: str, start: int, known: Divisions) -> Iterator[tuple[int, int, Scope]]:
    """Every way in which the text begins with a province, a city, or both: where it goes on, how many were read."""
    yield start, 0, known.country
    for end, province in _forms(text, start, known.provinces, known.longest):
        if not _goes_on(text, start, end, known.provinces):
            for after in _fillers(text, end, province):
                yield after, 1, province
                yield from _twice(text, start, _cities(text, after, 1, province, known))
                for again, other in _forms(text, after, known.provinces, known.longest):
                    if other is province and not _goes_on(text, after, again, known.provinces):
                        for later in _fillers(text, again, province):
                            yield later, 1, province
                            yield from _cities(text, later, 1, province, known)
    yield from _cities(text, start, 0, known.country, known)


def _twice(text: str, start: int, scopes: Iterator[tuple[int, int, Scope]]) -> Iterator[tuple[int, int, Scope]]:
    """The ways in which the text begins, also where all of it stands there once more (广东省深圳市广东省深圳市)."""
    for end, levels, scope in scopes:
        yield end, levels, scope
        head = text[start:end].rstrip(" ,，/-")
        if text.startswith(head, end):
            yield _gap(text, end + len(head)), levels, scope


def _cities(text: str, start: int, levels: int, within: Scope, known: Divisions) -> Iterator[tuple[int, int, Scope]]:
    for end, cities in _forms(text, start, within.cities, known.longest):
        if _goes_on(text, start, end, within.cities):
            continue
        for city in cities:
            # A municipality is a province and a city: its name counts once.
            is_again = levels and city.province is not None and city.name == city.province.name
            for after in _fillers(text, end, city):
                yield after, levels + (not is_again), city
                for again, others in _forms(text, after, within.cities, known.longest):
                    if city in others and not _goes_on(text, after, again, within.cities):
                        yield _gap(text, again), levels + (not is_again), city


def _forms(text: str, start: int, names: Mapping[str, _Meaning], longest: int) -> Iterator[tuple[int, _Meaning]]:
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
    yield (end := _gap(text, end))
    is_far = (scope.province or scope).places[0].code[:2] in _FAR
    while (found := _FILLER.match(text, end)) or (is_far and (found := _FAR_FILLER.match(text, end))):
        yield (end := _gap(text, found.end()))


def _districts(text: str, start: int, levels: int, within: Scope, known: Divisions) -> Iterator[_Reading]:
    if levels and within.whole is not None and _is_whole(text, start):
        yield _Reading(start, levels + 1, Named(within.whole))
    for end, meanings in _forms(text, start, within.full, known.longest):
        # Alone, a name must be one that nothing else can have.
        if levels or (text[end - 1] in _SUFFIXES and not _INSTITUTION.match(text, end)):
            yield from (_Reading(end, levels + 1, named) for named in meanings)
    if not levels:
        return
    yield from _zones(text, start, levels, within, known)
    for end, meanings in _forms(text, start, within.short, known.longest):
        name, suffix = text[start:end], text[end : end + 1]
        # 大理 without 市 may be the whole 大理州.
        if name in within.forms or any(city.whole is None for city in within.cities.get(name, ())):
            continue
        if suffix and suffix in _SUFFIXES:
            # An old suffix (崇明县, 即墨市), unless a division has just that name.
            if name + suffix not in within.full and not _NO_SUFFIX.match(text, end):
                yield from (_Reading(end + 1, levels + 1, named) for named in meanings)
        elif name[-1] in _SUFFIXES or _stands_alone(text, end):
            yield from (_Reading(end, levels + 1, named) for named in meanings)
        elif found := OF_A_COUNTY.match(text, end):
            yield from (_Reading(found.end(), levels + 1, named, end) for named in meanings)


def _is_whole(text: str, end: int) -> bool:
    """Whether the name of a city without districts, which ends there, is just that."""
    if text[end - 1] in _CITY_ENDS or _stands_alone(text, end):
        return True
    return not (_GLUED.match(text, end) or _INSTITUTION.match(text, end)) and _TOWN.match(text, end) is not None


def _zones(text: str, start: int, levels: int, within: Scope, known: Divisions) -> Iterator[_Reading]:
    """Development zones in place of a district, or before one of those that they lie in."""
    for end, places in _forms(text, start, within.zones, known.longest):
        if _GLUED.match(text, end) or _INSTITUTION.match(text, end):
            continue
        if len(places) == 1:
            # The name of a zone that is a division says no more than the division's own.
            yield _Reading(end, levels + 1, Named(places[0]), None if is_zone(places[0].district) else start)
        else:
            yield _Reading(end, levels + 1, Named(None, "", places), start)
        for after, meanings in _forms(text, _gap(text, end), within.full, known.longest):
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


def _begins(text: str, start: int, known: Divisions) -> bool:
    """Whether the text goes on with the name of a division."""
    names: tuple[Mapping[str, object], ...] = (known.provinces, known.country.cities, known.country.full)
    return any(True for one in names for _found in _forms(text, start, one, known.longest))


def _gap(text: str, start: int, *, keeps_brackets: bool = False) -> int:
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
