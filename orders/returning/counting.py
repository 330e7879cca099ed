"""How many units of what was delivered can still come back. The order must be locked for all that changes it.

A unit is kept, in an open return, or given back: `SubOrderLine.returning_quantity` is the sum of what lines of returns
hold open, and a constraint keeps it and what was given back within what the line has.
"""

from collections.abc import Collection, Iterable, Mapping

from django.db import connection
from django.db.models import F, Sum
from django.utils.translation import gettext as _

from oms.common.copying import array
from oms.common.errors import OmsError
from orders.models import ReturnLine, SubOrderLine


class NotSoMany(OmsError):
    """More units than can still come back were named."""

    code = "not_so_many"


def left_of(line: SubOrderLine) -> int:
    """Units of the line that can still come back."""
    return line.quantity - line.returned_quantity - line.returning_quantity


def held_by_others(order_id: int, *, but: int | None = None) -> dict[int, int]:
    """Units in open returns of the order by sub-order line, without those of the return `but` (id)."""
    lines = ReturnLine.objects.filter(return_request__order=order_id, open_quantity__gt=0)
    sums = lines.exclude(return_request=but or 0).values_list("sub_order_line").annotate(units=Sum("open_quantity"))
    return dict(sums.order_by())


def take(lines: Iterable[ReturnLine]) -> None:
    """Let these lines, which hold nothing yet, hold all their units. Raises NotSoMany where fewer are left."""
    for line in sorted(lines, key=lambda one: one.sub_order_line_id):
        take_more(line, line.quantity - line.open_quantity)


def take_more(line: ReturnLine, units: int) -> None:
    """Let the line hold so many units more, and save it. Raises NotSoMany where fewer are left."""
    part = SubOrderLine.objects.select_related("order_line").get(pk=line.sub_order_line_id)
    left = left_of(part)
    if units > left:
        message = _("Only %(left)d units of line %(position)d can still come back.")
        values = {"left": max(left, 0), "position": part.order_line.position}
        raise NotSoMany(message % values, attr="lines")
    SubOrderLine.objects.filter(pk=part.pk).update(returning_quantity=F("returning_quantity") + units)
    line.open_quantity += units
    line.save()


def let_go(return_id: int, units: Mapping[int, int] | None = None) -> None:
    """The return holds so many units less, by sub-order line; all of them where none are named."""
    lines = ReturnLine.objects.filter(return_request=return_id, open_quantity__gt=0).order_by("sub_order_line_id")
    for line in lines:
        count = line.open_quantity if units is None else min(units.get(line.sub_order_line_id, 0), line.open_quantity)
        if count:
            ReturnLine.objects.filter(pk=line.pk).update(open_quantity=F("open_quantity") - count)
            part = SubOrderLine.objects.filter(pk=line.sub_order_line_id)
            part.update(returning_quantity=F("returning_quantity") - count)


def let_all_go(return_ids: Collection[int]) -> None:
    """These returns hold nothing any more. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH held AS (
                SELECT sub_order_line_id AS id, sum(open_quantity) AS units FROM orders_returnline
                WHERE return_request_id = ANY(%s::bigint[]) GROUP BY sub_order_line_id HAVING sum(open_quantity) > 0
            )
            UPDATE orders_suborderline l SET returning_quantity = l.returning_quantity - h.units
            FROM held h WHERE l.id = h.id
            """,
            [array(return_ids)],
        )
    ReturnLine.objects.filter(return_request__in=return_ids).update(open_quantity=0)
