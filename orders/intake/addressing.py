"""Reading Chinese addresses: which county-level division a text, or its parts, is in, and what is left of the text.

Every door reads by it. Only what is certain is taken: names of divisions, in order, that fit exactly one county-level
division. A name that several provinces have (朝阳区), a city without a district, a university named like a district, or
nothing known is not guessed; the candidates are given for a person to choose from, and the text stays whole.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from orders.intake import latin
from orders.intake.beside import contradicted, read_beside
from orders.intake.contacts import name_before, split_contact
from orders.intake.divisions import Divisions, Place, divisions
from orders.intake.scanning import FAR, FAR_FILLER, SUBDISTRICTS, Located, begins, forms, gap, locate
from orders.intake.second_places import is_elsewhere, other_places
from orders.intake.senders import of_recipient
from orders.intake.slips import read_past
from orders.intake.traditional import simplified

MOST_CANDIDATES = 12

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
_NO_CITY = re.compile(
    r"(?:市?辖?[区县]|城区|郊县|市|省|(?:省|市|自治区)?直辖.*|[-—/\\_.、]+|无|null|none)?", re.IGNORECASE
)
_APART = re.compile(r"[\s,，;；]+")
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


def parse_address(text: str) -> ParsedAddress:
    """Read an address in free text, with or without name and phone. One or two statements; the divisions are kept in
    memory."""
    return read_text(text, divisions())


def read_text(text: str, known: Divisions) -> ParsedAddress:
    """`parse_address` by these divisions. What is said of a sender is left out, unless nothing is certain then."""
    ours = of_recipient(text)
    read = _read(ours, known)
    return read if ours == text or read.region_code else replace(read, rest=text.strip())


def _read(text: str, known: Divisions) -> ParsedAddress:
    contact = split_contact(text, lambda word: known.is_name(word) or latin.is_wide(word))
    address, postcode = contact.address, contact.postcode
    if latin.is_latin(address):
        return replace(_read_latin(address, known), name=contact.name, phone=contact.phone, postcode=postcode)
    folded = simplified(address)
    start = gap(folded, 0)
    if found := _POSTCODE.match(folded, start):
        after = gap(folded, found.end())
        if begins(folded, after, known):
            postcode, start = postcode or found[1], after
    if found := _COUNTRY.match(folded, start):
        start = gap(folded, found.end())
    located = locate(folded, start, known)
    if located.place is None and contact.phone and not contact.name:
        name = name_before(folded, lambda end: begins(folded, end, known))
        after_name = locate(folded, len(name), known)
        if name and after_name.place:
            contact, located = replace(contact, name=address[: len(name)]), after_name
    if located.place is None:
        located, address, folded = _behind_a_place(located, address, folded, start, known)
    if located.place is None and (beside := read_beside(located, address[start:], known)):
        located, address, start = beside.located, beside.text, 0
    if located.place is None and not located.gone and (past := read_past(address, start, known)):
        located, address = past
    if located.place and contradicted(located.place, address[start:]):
        located, address = Located(None, start, (located.place,)), contact.address
    behind = simplified(address[located.end :]) if located.end else ""
    if located.place and (others := other_places(located.place, behind, known)):
        located, address = Located(None, start, (located.place, *others)), contact.address
    if located.place is None:
        whole = (address[start:] if postcode and start else address).strip()
        places = located.candidates[:MOST_CANDIDATES]
        in_zone = located.zone is not None
        return ParsedAddress(None, whole, places, contact.name, contact.phone, postcode, located.gone, in_zone)
    code = located.place.code
    rest_at = gap(address, located.end, keeps_brackets=True) if located.zone is None else located.zone
    rest = address[rest_at:].strip()
    if not postcode and (found := _LAST_POSTCODE.search(rest)) and found[1][:2] in _POST_OFFICES.get(code[:2], ""):
        postcode, rest = found[1], rest[: found.start()]
    for opening, closing in (("(（", ")）"), (_QUOTES, _QUOTES)):
        # What the region stood inside of with the rest.
        if rest.endswith(tuple(closing)) and not any(mark in rest[:-1] for mark in opening):
            rest = rest[:-1]
    return ParsedAddress(code, squeezed(rest) or squeezed(address), (), contact.name, contact.phone, postcode)


def _behind_a_place(
    located: Located, address: str, folded: str, start: int, known: Divisions
) -> tuple[Located, str, str]:
    """An address that begins with the name of a university, a firm or a person and goes on with all of the region: what
    was read there, and the text with that name at its end. Else as it was."""
    for blank in _APART.finditer(folded, start):
        at = blank.end()
        if not any(end - at > 2 for end, _province in forms(folded, at, known.provinces, known.longest)):
            continue
        later = locate(folded, at, known)
        if later.place and is_elsewhere(later.place, folded, start, known):
            break
        if later.place and (located.scope is None or later.place in located.scope.places):
            turned = f"{address[at:]} {address[start : blank.start()]}"
            after = replace(later, end=later.end - at, zone=None if later.zone is None else later.zone - at)
            return after, turned, simplified(turned)
    return located, address, folded


def read_parts(parts: Parts, known: Divisions) -> ParsedAddress:
    """Read the names of province, city and district; `rest` is a town that stood in place of a district.

    Names that contradict each other, or fit several districts, have no code.
    """
    parts = _in_chinese(parts, known)
    names = [name for name in (parts.province, parts.city, parts.district) if not is_empty_city(name)]
    text = " ".join(map(squeezed, names))
    folded = simplified(text)
    located = locate(folded, gap(folded, 0), known)
    in_zone = located.zone is not None
    rest_at = gap(folded, located.end) if located.zone is None else located.zone
    rest = text[rest_at:].strip() if located.place or in_zone else ""
    if located.place is None or not _is_town(rest, located.place, known):
        candidates = located.candidates[:MOST_CANDIDATES]
        return ParsedAddress(None, rest if in_zone else "", candidates, gone=located.gone, in_zone=in_zone)
    return ParsedAddress(located.place.code, rest)


def _in_chinese(parts: Parts, known: Divisions) -> Parts:
    """The parts, with Chinese names for those in Latin letters that can mean only one."""
    if not any(map(latin.is_latin, (parts.province, parts.city, parts.district))):
        return parts
    province = latin.in_chinese(parts.province, known.provinces)
    within = known.provinces.get(province.strip(), known.country)
    city = "" if latin.is_part_of_hong_kong(parts.city) else latin.in_chinese(parts.city, within.cities)
    districts = within.cities.get(city.strip(), [within])[0].full
    return Parts(province, city, latin.in_chinese(parts.district, districts))


def read_latin_within(parts: Parts, text: str, known: Divisions) -> ParsedAddress:
    """Read an address in Latin letters, of which the province or city stands apart from it."""
    parts = _in_chinese(parts, known)
    province = known.provinces.get(parts.province.strip())
    cities = (province or known.country).cities.get(parts.city.strip(), [])
    scopes = [*filter(None, [province]), *(cities if len(cities) == 1 else ())]
    return _read_latin(text, known, [scope.name for scope in scopes])


def _read_latin(text: str, known: Divisions, within: Iterable[str] = ()) -> ParsedAddress:
    found = latin.find(text, known, within)
    return ParsedAddress(found.place.code if found.place else None, text, found.candidates[:MOST_CANDIDATES])


def is_empty_city(name: str) -> bool:
    """Whether the name of a city, or of a district, says nothing: it is blank, or 市辖区, 省直辖 and the like."""
    return _NO_CITY.fullmatch(name.strip()) is not None


def misfit(place: Place, parts: Parts, known: Divisions) -> str:
    """Which of the parts (province, city, district) does not belong to the division; "" if all do."""
    parts = _in_chinese(parts, known)
    province, city, district = (simplified(squeezed(name)) for name in (parts.province, parts.city, parts.district))
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
    return place.code[:2] in FAR and FAR_FILLER.fullmatch(name) is not None


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
    if place.code.startswith("71") or rest in SUBDISTRICTS.get(place.code, "").split():
        return True
    return rest not in known.country.full and not (rest and _NO_TOWN.fullmatch(rest))


_NO_TOWN = re.compile(r".*[省市]")
