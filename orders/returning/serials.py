"""Serial numbers of what comes back: each of a unit that was sold with the order, and that did not come back before."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from django.utils.translation import gettext as _

from oms.common.errors import FieldError, WrongFields
from orders.models import Found, ReturnedSerial, ReturnKind, ReturnLine, ReturnRequest
from orders.models.return_request import RESTOCKED
from orders.models.returned_serial import MOST_OF_A_SERIAL

# Serial numbers of units that are there, by sub-order line (id).
Serials = Mapping[int, Sequence[str]]
_Sold = Callable[[int], Mapping[int, set[str]]]
_sold: list[_Sold] = []


def split(text: str) -> list[str]:
    """The serial numbers in a text that somebody typed, apart by blanks, lines, commas or semicolons."""
    return [one for one in re.split(r"[\s,;，；、]+", text) if one]


def register(sold: _Sold) -> None:
    """Let the app that ships answer which serial numbers were sold with an order (id), by SKU (id)."""
    _sold[:] = [sold]


def sold_with(order_id: int) -> Mapping[int, set[str]]:
    """The serial numbers of units that were sold with the order, by SKU (id); none where nobody ships."""
    return _sold[0](order_id) if _sold else {}


def came_back_of(order_id: int) -> Mapping[int, set[str]]:
    """Those of them that came back already, by SKU (id)."""
    found: dict[int, set[str]] = defaultdict(set)
    rows = ReturnedSerial.objects.filter(line__return_request__order=order_id)
    for sku_id, serial in rows.values_list("sku_id", "serial"):
        found[sku_id].add(serial)
    return found


def note(
    row: ReturnRequest, lines: Mapping[int, ReturnLine], findings: Mapping[int, Mapping[str, int]], serials: Serials
) -> None:
    """Keep the serial numbers of units of which inspection says that they are there; `lines` by sub-order line, the
    order is locked.

    Raises WrongFields, by `serials.LINE`, for a number that was not sold with the order, came back already or is named
    twice, and where not each unit that is there has one, of SKUs whose numbers were told when they left.
    """
    named = {key: [text.strip() for text in texts if text.strip()] for key, texts in serials.items()}
    there = {
        key: sum(count for code, count in found.items() if code in {*RESTOCKED}) for key, found in findings.items()
    }
    if not any(lines[key].sub_order_line.order_line.sku.wants_serials for key in there) and not any(named.values()):
        return
    sold, back = sold_with(row.order_id), came_back_of(row.order_id)
    wrong: list[FieldError] = []
    times = Counter(
        (lines[key].sub_order_line.order_line.sku_id, one) for key in named if key in lines for one in named[key]
    )
    for key in {*there, *named}:
        if key not in lines:
            wrong.append(FieldError(f"serials.{key}", "unknown_line", _("A line is not of this sub-order.")))
            continue
        part = lines[key].sub_order_line.order_line
        mine = named.get(key, [])
        for serial in mine:
            values = {"serial": serial[:MOST_OF_A_SERIAL], "name": part.name, "found": str(Found.WRONG.label)}
            if serial not in sold.get(part.sku_id, ()):
                text = _("%(serial)s was not sold with this order. A unit that is not of it counts as “%(found)s”.")
            elif serial in back.get(part.sku_id, ()):
                text = _("%(serial)s came back already.")
            elif times[part.sku_id, serial] > 1:
                text = _("%(serial)s is named twice.")
            else:
                continue
            wrong.append(FieldError(f"serials.{key}", "wrong_serial", text % values))
        units = there.get(key, 0)
        if len(mine) > units or (len(mine) < units and part.sku.wants_serials and sold.get(part.sku_id)):
            text = _("Line %(position)d: %(units)d units of %(name)s are there, %(named)d serial numbers are named.")
            figures = {"position": part.position, "units": units, "name": part.name, "named": len(mine)}
            wrong.append(FieldError(f"serials.{key}", "incomplete", text % figures))
    if wrong:
        raise WrongFields(wrong)
    if row.kind != ReturnKind.REPAIR:
        ReturnedSerial.objects.bulk_create(
            ReturnedSerial(line=lines[key], sku_id=lines[key].sub_order_line.order_line.sku_id, serial=serial)
            for key, texts in named.items()
            for serial in texts
        )
