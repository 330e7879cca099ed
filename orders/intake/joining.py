"""Two files of one export, of which one lists orders and the other their goods, made one table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from oms.common.files.tables import Table, UnreadableFile


@dataclass(frozen=True, slots=True)
class JoinedBy:
    """What holds the two files of an import together: the field `key`, which both have, and of `wanted` a field that
    only the file of goods has."""

    label: object
    key: str
    wanted: str


def joined(by: JoinedBy, files: Sequence[Table], suggest: Callable[[list[str]], list[str]]) -> Table:
    """The table with a row for each row of goods, as the order's cells and the goods' cells; whichever file has the
    goods. `suggest` tells what columns mean by their headers.

    Orders without goods and goods without an order stay, so that the import tells of them. Rows have the numbers that
    they have in the file of orders, and those of goods without an order numbers beyond. Raises UnreadableFile where a
    file has no column of keys.
    """
    fields = [suggest(table.headers) for table in files]
    orders, goods = (0, 1) if by.wanted in fields[1] else (1, 0)
    if any(by.key not in names for names in fields):
        raise UnreadableFile(_("Both files need a column with the number of the order: one of them has none."))
    if by.wanted not in fields[goods]:
        raise UnreadableFile(_("Neither file names the goods."))
    own, other = fields[orders].index(by.key), fields[goods].index(by.key)
    table, beside = files[orders], files[goods]
    kept = [index for index in range(len(beside.headers)) if index != other]
    found: dict[str, list[list[str]]] = {}
    key = ""
    for _number, cells in beside.rows:
        # Merged cells hold their number in the first row only.
        key = cells[other] or key
        found.setdefault(key, []).append(cells)
    rows = []
    for number, cells in table.rows:
        for more in found.pop(cells[own], [[""] * len(beside.headers)]):
            rows.append((number, [*cells, *(more[index] for index in kept)]))
    last = table.rows[-1][0] if table.rows else 1
    for key, left in found.items():
        for more in left:
            last += 1
            blank = [""] * len(table.headers)
            blank[own] = key
            rows.append((last, [*blank, *(more[index] for index in kept)]))
    headers = [*table.headers, *(_apart(beside.headers[index], table.headers) for index in kept)]
    return Table(headers, rows, table.other_sheets + beside.other_sheets)


def _apart(header: str, taken: Sequence[str]) -> str:
    """The header, told apart from one of the same name in the first file."""
    return f"{header} (2)" if header in taken else header
