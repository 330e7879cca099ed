"""Finding county-level divisions by the names in a sheet's columns."""

import re

from inventory.models import Region


class Regions:
    """Finds the county-level code of a province, city and district, also written without 省, 市, 区."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str, str], str] = {}
        self._in_province: dict[tuple[str, str], set[str]] = {}
        for code, *names in Region.objects.values_list("code", "province", "city", "district"):
            province, city, district = (_short(name) for name in names)
            self._codes.setdefault((province, city, district), code)
            self._in_province.setdefault((province, district), set()).add(code)

    def find(self, province: str, city: str, district: str) -> str:
        """The code, or "" where there is no such place, or where it could be one of several."""
        short = (_short(province), _short(city), _short(district))
        if known := self._codes.get(short):
            return known
        # 北京市 is province and city at once; files name it once or twice, or put a word without meaning for the city.
        if short[1] not in ("", short[0]) and city.strip() not in _NO_CITY and short[2]:
            return ""
        found = self._in_province.get((short[0], short[2] or short[1]), set())
        return next(iter(found)) if len(found) == 1 else ""


_NO_CITY = (
    "市辖区",
    "县",
    "省直辖县级行政区划",
    "省直辖县级行政单位",
    "自治区直辖县级行政区划",
    "省直辖",
    "直辖县",
    "-",
    "/",
    "无",
)
_SUFFIX = re.compile(r"(?:特别行政区|维吾尔自治区|壮族自治区|回族自治区|自治区|省|市|区|县)$")


def _short(name: str) -> str:
    name = name.strip()
    short = _SUFFIX.sub("", name)
    return short if len(short) > 1 else name
