"""Finding county-level divisions by the names in a sheet's columns."""

import re
from collections import defaultdict

from inventory.models import Region

# Words that stand for the city where there is none.
_NO_CITY = re.compile(r"(?:市辖区|县|(?:省|自治区)?直辖(?:县级)?(?:行政)?(?:区划|单位)?)?")
_SUFFIX = re.compile(r"(?:特别行政区|维吾尔自治区|壮族自治区|回族自治区|自治区|省|市|区|县)$")
_CITY_SUFFIX = re.compile(r"(?:自治州|地区|林区|市|州|盟)$")


class Regions:
    """Finds the county-level code of a province, city and district, also written without 省, 市, 区."""

    def __init__(self) -> None:
        # The city and code of each district of that name in the province.
        self._in_province: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for code, province, city, district in Region.objects.values_list("code", "province", "city", "district"):
            self._in_province[_short(province), _short(district)].append((city, code))

    def find(self, province: str, city: str, district: str) -> str:
        """The code, or "" where there is no such place, or where it could be one of several."""
        # 北京市 is province and city at once; files name it once or twice.
        is_named = not _NO_CITY.fullmatch(city.strip()) and _short(city) != _short(province)
        if not district.strip():
            district, is_named = city, False
        fitting = self._in_province.get((_short(province), _short(district)), [])
        found = [code for known, code in fitting if not is_named or _is_city(city, known)]
        return found[0] if len(found) == 1 else ""


def _is_city(name: str, known: str) -> bool:
    """Whether the name means the city: by its whole name, or as people say it, such as 大理州 for 大理白族自治州."""
    short = _CITY_SUFFIX.sub("", name.strip())
    return name.strip() == known or bool(short and _CITY_SUFFIX.sub("", known).startswith(short))


def _short(name: str) -> str:
    name = name.strip()
    short = _SUFFIX.sub("", name)
    return short if len(short) > 1 else name
