"""Development zones (高新区, 郑东新区) and quarters of Hong Kong and Macau (旺角): what people write in place of a
district, and which divisions are meant.

Some are divisions of their own in the region table, and only their everyday names are made here, by rule. The others
stand in `zones.csv`, compiled by hand from what is generally known: with one code where the zone and the division are
one administration (`same`), the zone lies in it (`within`) or became it (`renamed`); with `several`, the zone crosses
their borders and a person must say which. A zone that somebody might doubt has `several`, or is not in the list. Names
with an asterisk are written without the city, too.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# What a zone of each kind is called.
_KINDS = (
    (
        re.compile(r"(?:火炬)?高新?技术(?:产业)?(?:开发区|园区)$"),
        ("高新区", "高新技术产业开发区", "高新技术开发区", "高新技术产业园区"),
    ),
    (re.compile(r"经济(?:技术)?开发区$"), ("经开区", "经济技术开发区", "经济开发区")),
    (re.compile(r"工业园区$"), ("工业园区", "园区")),
)
# After the name of a county these make the name of a zone in it (昆山开发区, 萧山经济技术开发区).
OF_A_COUNTY = re.compile(r"(?:经济技术|经济|高新技术产业|高新技术)?开发区|高新区|经开区")


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone of a city: its names, those that are written without the city, and the codes of its divisions."""

    province: str
    city: str
    names: tuple[str, ...]
    wide_names: tuple[str, ...]
    codes: tuple[str, ...]


@lru_cache(maxsize=1)
def listed() -> tuple[Zone, ...]:
    """The zones of `zones.csv`."""
    with (Path(__file__).parent / "zones.csv").open(encoding="utf-8") as file:
        return tuple(map(_zone, csv.DictReader(file)))


def _zone(row: Mapping[str, str]) -> Zone:
    names = row["names"].split("|")
    short = row["city"].removesuffix("市")
    wide = [name[1:] for name in names if name.startswith("*")]
    # With the name of its city before it a name means nothing else in the province.
    wide += [name for name in names if name.startswith(short)]
    plain = [name.removeprefix("*") for name in names]
    return Zone(row["province"], row["city"], tuple(plain), tuple(wide), tuple(row["codes"].split("|")))


def is_zone(district: str) -> bool:
    """Whether the division is a zone by its name."""
    return any(kind.search(district) for kind, _names in _KINDS)


def everyday_names(province: str, city: str, districts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each district of the city that is a zone, with a name that people give it: 合肥高新技术产业开发区, 高新区."""
    prefix = re.compile(rf"(?:{re.escape(province[:2])})?(?:{re.escape(city.removesuffix('市'))}市?)?")
    for district in districts:
        for kind, names in _KINDS:
            if found := kind.search(district):
                own = prefix.sub("", district[: found.start()], count=1)
                yield from ((district, f"{own}{name}") for name in names)
