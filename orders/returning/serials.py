"""Serial numbers of what comes back: each of a unit that was sold with the order, and that did not come back before."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from inventory.models import Sku
from inventory.models.serials import MOST_OF_A_SERIAL
from inventory.serials import clean
from oms.common.errors import FieldError, WrongFields
from orders.models import Found, ReturnedSerial, ReturnKind, ReturnLine, ReturnRequest
from orders.models.return_request import RESTOCKED

# Serial numbers of units that are there, by sub-order line (id).
Serials = Mapping[int, Sequence[str]]
_Sold = Callable[[int], Mapping[int, set[str]]]
_Whose = Callable[[Collection[tuple[int, str]]], Collection[int]]
_answering: list[tuple[_Sold, _Whose]] = []


def register(sold: _Sold, whose: _Whose) -> None:
    """Let the app that ships answer which serial numbers were sold with an order (id), by SKU (id), and with which
    sub-orders (ids) units (SKU id, serial number) went that did not come back."""
    _answering[:] = [(sold, whose)]


def sold_with(order_id: int) -> Mapping[int, set[str]]:
    """The serial numbers of units that were sold with the order, by SKU (id); none where nobody ships."""
    return _answering[0][0](order_id) if _answering else {}


def whose(units: Collection[tuple[int, str]]) -> Collection[int]:
    """The sub-orders (ids) with which units (SKU id, serial number) went that did not come back; none where nobody
    ships."""
    return _answering[0][1](units) if _answering and units else ()


def came_back_of(order_id: int) -> Mapping[int, set[str]]:
    """Those of them that came back already, by SKU (id)."""
    found: dict[int, set[str]] = defaultdict(set)
    rows = ReturnedSerial.objects.filter(line__return_request__order=order_id)
    for sku_id, serial in rows.values_list("sku_id", "serial"):
        found[sku_id].add(serial)
    return found


@dataclass(frozen=True, slots=True)
class Sorted:
    """Serial numbers that somebody who cannot be asked told of units of a SKU: `own` were sold with the order and did
    not come back yet, `foreign` were not, or came back already. Of SKUs whose numbers nobody told when they left all
    are `unknown`."""

    own: Sequence[str] = ()
    foreign: Sequence[str] = ()
    unknown: Sequence[str] = ()


def sort(order_id: int, told: Mapping[int, Iterable[str]]) -> Mapping[int, Sorted]:
    """Serial numbers by SKU (id), each once; none of SKUs that have no numbers. At most three statements."""
    wanted = {key: unique for key, numbers in told.items() if (unique := clean(numbers))}
    with_numbers = set(Sku.objects.filter(pk__in=wanted, wants_serials=True).values_list("pk", flat=True))
    if not with_numbers:
        return {}
    sold, back = sold_with(order_id), came_back_of(order_id)
    found: dict[int, Sorted] = {}
    for key in with_numbers:
        mine = sold.get(key, set())
        is_own = {one: one in mine and one not in back.get(key, ()) for one in wanted[key]}
        others = [one for one in wanted[key] if not is_own[one]]
        found[key] = Sorted(
            [one for one in wanted[key] if is_own[one]], others if mine else (), others if not mine else ()
        )
    return found


def note(
    row: ReturnRequest,
    lines: Mapping[int, ReturnLine],
    findings: Mapping[int, Mapping[str, int]],
    serials: Serials,
    *,
    wants_all: bool = True,
) -> None:
    """Keep the serial numbers of units of which inspection says that they are there; `lines` by sub-order line, the
    order is locked.

    Raises WrongFields, by `serials.LINE`, for a number that was not sold with the order, came back already or is named
    twice, for more than there are units, and, if it `wants_all`, where not each unit that is there has one, of SKUs
    whose numbers were told when they left.
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
        for serial in dict.fromkeys(mine):
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
        lacks = wants_all and len(mine) < units and part.sku.wants_serials and sold.get(part.sku_id)
        if len(mine) > units or lacks:
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
