"""What a warehouse's system says that came back of a return: it is received, and inspected as far as that says."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from inventory.models import Quality
from logistics.models import StockOrder
from logistics.warehouses.stock_notices import Moved
from orders.actors import Actor
from orders.models import Found, ReturnLine, ReturnRequest, ReturnState, SubOrderLine
from orders.models.return_request import RESTOCKED, ReturnKind
from orders.returning import inspecting, strays, travelling
from orders.returning.locking import lock_return
from orders.returning.strays import Unit

_FOUND = {quality: found for found, quality in RESTOCKED.items()}


def take(row: StockOrder, moved: Moved, *, actor: Actor) -> tuple[str, str]:
    """Take what came of the locked stock order of a return; returns what is wrong with it as a reason of the ticket
    (empty: nothing), and the goods that are meant.

    Units of which the warehouse says nothing in the end are missing. What cannot be of the return is kept as goods that
    nobody knows. Of a return that is over, or that another warehouse has, nothing is booked. Raises OmsError where the
    return cannot be received there.
    """
    assert row.return_request_id is not None  # noqa: S101 - the caller looked
    request = lock_return(row.return_request_id)
    goods = ", ".join(f"{one.sku} × {one.quantity}" for one in moved.lines if one.quantity)
    if request.state in (ReturnState.INSPECTED, ReturnState.CLOSED):
        return ("too_late", goods) if goods else ("", "")
    if request.state == ReturnState.RECEIVED and request.warehouse_id != row.warehouse_id:
        return ("elsewhere", goods) if goods else ("", "")
    if request.state != ReturnState.RECEIVED:
        if not goods and not moved.is_final:
            return "", ""
        request = travelling.receive(request.pk, actor=actor, warehouse_id=row.warehouse_id)
    findings, others = _sorted(request, moved)
    if moved.is_final:
        _say_what_is_missing(request, findings)
    if findings or moved.is_final:
        inspecting.inspect(request.pk, findings, actor=actor, is_final=moved.is_final)
    if not others:
        return "", ""
    strays.note(
        row.warehouse_id,
        [Unit(sku, _FOUND.get(quality, Found.GOOD), count) for (sku, quality), count in others.items()],
        waybill="",
        remark=row.number,
        actor=actor,
    )
    return "other_goods", ", ".join(f"{sku} × {count}" for (sku, _quality), count in others.items())


def _sorted(
    request: ReturnRequest, moved: Moved
) -> tuple[dict[int, dict[str, int]], Mapping[tuple[str, Quality], int]]:
    """The units that came by line of the sub-order and condition: the return's own lines are filled first, then what
    else of the sub-order can come back; and units by SKU and quality that are none of these."""
    said = inspecting.said_of(request.pk)
    announced = {line.sub_order_line_id: line for line in ReturnLine.objects.filter(return_request=request)}
    parts = SubOrderLine.objects.filter(sub_order=request.sub_order_id).select_related("order_line__sku").order_by("pk")
    room: dict[str, list[list[int]]] = defaultdict(list)
    for is_own in (True, False):
        for part in parts:
            line = announced.get(part.pk)
            if is_own and line is not None:
                room[part.order_line.sku.code].append([part.pk, line.quantity - said.get(part.pk, 0)])
            elif not is_own:
                room[part.order_line.sku.code].append([part.pk, _beyond(request, part, line)])
    findings: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    others: Counter[tuple[str, Quality]] = Counter()
    for one in moved.lines:
        left = one.quantity
        for place in room[one.sku]:
            some = min(left, max(place[1], 0))
            if some and one.quality in _FOUND:
                findings[place[0]][_FOUND[one.quality]] += some
                place[1] -= some
                left -= some
        if left:
            others[one.sku, one.quality] += left
    return {key: dict(found) for key, found in findings.items()}, others


def _beyond(request: ReturnRequest, part: SubOrderLine, line: ReturnLine | None) -> int:
    """How many units of the part can come back beyond those that the return is for."""
    if request.kind == ReturnKind.REFUSED_AT_DOOR:
        return part.quantity - part.returned_quantity - (line.quantity if line else 0)
    return part.quantity - part.returned_quantity - part.returning_quantity


def _say_what_is_missing(request: ReturnRequest, findings: dict[int, dict[str, int]]) -> None:
    said = inspecting.said_of(request.pk)
    for line in ReturnLine.objects.filter(return_request=request):
        key = line.sub_order_line_id
        missing = line.quantity - said.get(key, 0) - sum(findings.get(key, {}).values())
        if missing > 0:
            findings.setdefault(key, {})[Found.MISSING] = missing
