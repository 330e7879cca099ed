"""Lines of an order as callers name them: by position, or by their own id."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from orders.changing import units as cancelling_units


def units_by_position(order_id: int, lines: Sequence[Mapping[str, Any]], attr: str = "lines") -> dict[int, int]:
    """The units by the lines' positions. Raises InvalidInput for an id that no line has, and for a line named twice."""
    ids = [line["id"] for line in lines if "id" in line]
    known = cancelling_units.positions_of(order_id, ids) if ids else {}
    unknown = [
        FieldError(f"{attr}.{i}.id", "unknown_line", _("The order has no line %(id)s.") % {"id": line["id"]})
        for i, line in enumerate(lines)
        if "id" in line and line["id"] not in known
    ]
    if unknown:
        raise InvalidInput(unknown)
    units = {line.get("position") or known[line["id"]]: line["quantity"] for line in lines}
    if len(units) < len(lines):
        raise InvalidInput([FieldError(attr, "repeated", _("Name each line once."))])
    return units
