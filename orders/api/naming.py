"""Lines of an order as callers name them: by position, or by their own id."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from orders.changing import followed_gifts
from orders.changing import units as cancelling_units


def units_by_position(order_id: int, lines: Sequence[Mapping[str, Any]], attr: str = "lines") -> dict[int, int]:
    """The units by the lines' positions. What is named by the caller's id is counted as the caller sold it: in whole
    pieces, of every part of a bundle. Raises InvalidInput for an id that no line has, and for a line named twice."""
    ids = [line["id"] for line in lines if "id" in line]
    parts = cancelling_units.parts_of(order_id, ids) if ids else {}
    unknown = [
        FieldError(f"{attr}.{i}.id", "unknown_line", _("The order has no line %(id)s.") % {"id": line["id"]})
        for i, line in enumerate(lines)
        if "id" in line and line["id"] not in parts
    ]
    if unknown:
        raise InvalidInput(unknown)
    units: dict[int, int] = {}
    for line in lines:
        for position, each in parts[line["id"]].items() if "id" in line else ((line["position"], 1),):
            if position in units:
                raise InvalidInput([FieldError(attr, "repeated", _("Name each line once."))])
            units[position] = each * line["quantity"]
    return units


def gifts_that_followed(rows: Sequence[Mapping[str, Any]]) -> list[followed_gifts.Named]:
    """Gifts that followed as callers name them."""
    return [followed_gifts.Named(row["order"], row["position"], row["quantity"]) for row in rows]
