"""A second division in a text: the present one noted behind the former (余杭区（现临平区）), a correction, an "or", or
another whole address. Which of them counts is for a person to say."""

import re

from orders.intake.divisions import Divisions, Place
from orders.intake.scanning import forms, gap, locate

# What says that what follows may stand in place of what stood before.
_INSTEAD = re.compile(
    r"(?:现在?|今)(?:为|是|属|名)?|(?:已经?|现已?)?(?:改|划|并|归|更名|调整)(?:为|成|入|到|归|至|属)|或者?是?|还是|应该?(?:为|是)|错了?[\s,，。!！]*(?:应该?)?是|不是|→|->|=>"
)
_WIDE = re.compile(r"省|自治区|市|特别行政区")
_WITH_KIND = tuple("区县市旗")
_LONGEST_WIDE = 8


def other_places(place: Place, rest: str, known: Divisions) -> tuple[Place, ...]:
    """Other divisions that the text behind the place names as well, such that a person must ask; else nothing."""
    return _instead(place, rest, known) or _whole(place, rest, known)


def _instead(place: Place, rest: str, known: Divisions) -> tuple[Place, ...]:
    for found in _INSTEAD.finditer(rest):
        at = gap(rest, found.end())
        later = locate(rest, at, known)
        if later.place is not None and later.place != place:
            return (later.place,)
        if later.zone is not None:
            return tuple(one for one in later.candidates if one != place)
        for end, meanings in forms(rest, at, known.country.full, known.longest):
            others = [named.place for named in meanings if named.place]
            if rest[end - 1] in _WITH_KIND and others and place not in others:
                return (next((one for one in others if one.city == place.city), others[0]),)
    return ()


def _whole(place: Place, rest: str, known: Divisions) -> tuple[Place, ...]:
    """Another address with province, city and district."""
    for found in _WIDE.finditer(rest):
        for start in range(max(0, found.start() - _LONGEST_WIDE), found.start()):
            if rest[start : found.end()] in known.provinces:
                other = locate(rest, start, known).place
                if other is not None and other != place:
                    return (other,)
    return ()


def is_elsewhere(place: Place, text: str, start: int, known: Divisions) -> bool:
    """Whether the text begins there with the whole name of a city or district that the place is not in."""
    for end, cities in forms(text, start, known.country.cities, known.longest):
        if text[end - 1] in _WITH_KIND and not any(place in city.places for city in cities):
            return True
    for end, meanings in forms(text, start, known.country.full, known.longest):
        if text[end - 1] in _WITH_KIND and place not in [named.place for named in meanings]:
            return True
    return False
