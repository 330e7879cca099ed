"""What a warehouse's system says that came back of a return: it is received, and inspected as far as that says."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from inventory.models import Quality
from inventory.serials import clean
from logistics.models import StockOrder
from logistics.warehouses.stock_notices import Moved, MovedLine
from orders.actors import Actor
from orders.models import Found, ReturnLine, ReturnRequest, ReturnState, SubOrderLine
from orders.models.return_request import RESTOCKED, ReturnKind
from orders.returning import inspecting, serials, strays, travelling
from orders.returning.locking import lock_return
from orders.returning.serials import Sorted
from orders.returning.strays import Unit

_FOUND = {quality: found for found, quality in RESTOCKED.items()}


def take(row: StockOrder, moved: Moved, *, actor: Actor) -> tuple[str, str]:
    """Take what came of the locked stock order of a return; returns what is wrong with it as a reason of the ticket
    (empty: nothing), and the goods that are meant.

    Units of which the warehouse says nothing in the end are missing. What cannot be of the return, by its SKU, its
    number or its serial numbers, is kept as goods that nobody knows. Of a return that is over, or that another
    warehouse has, nothing is booked. Raises OmsError where the return cannot be received there.
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
    came = _sorted(request, moved)
    if moved.is_final:
        _say_what_is_missing(request, came.findings)
    if came.findings or moved.is_final:
        inspecting.inspect(
            request.pk,
            came.findings,
            actor=actor,
            is_final=moved.is_final,
            named=came.named,
            wants_all_serials=False,
        )
    if not came.others:
        return ("serials_not_kept", ", ".join(came.not_kept)) if came.not_kept else ("", "")
    strays.note(
        row.warehouse_id,
        [Unit(one.sku, _FOUND.get(one.quality, Found.GOOD), one.quantity, serials=one.serials) for one in came.others],
        waybill="",
        remark=row.number,
        actor=actor,
    )
    others = ", ".join(_named(one) for one in came.others)
    return ("foreign_serials" if came.has_foreign else "other_goods"), ", ".join([others, *came.not_kept])


def _named(one: MovedLine) -> str:
    numbers = f" ({', '.join(one.serials)})" if one.serials else ""
    return f"{one.sku} × {one.quantity}{numbers}"


@dataclass(slots=True)
class _Came:
    """What came: units by line of the sub-order and condition, with their serial numbers; units that are none of these,
    some because of their serial numbers (`has_foreign`); and numbers (with their SKUs) that are kept nowhere."""

    findings: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    named: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    others: list[MovedLine] = field(default_factory=list)
    has_foreign: bool = False
    not_kept: list[str] = field(default_factory=list)


def _sorted(request: ReturnRequest, moved: Moved) -> _Came:
    """The return's own lines are filled first, then what else of the sub-order can come back. A unit whose serial
    number was not sold with the order, or came back already, is none of it."""
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
    skus = {part.order_line.sku.code: part.order_line.sku_id for part in parts}
    numbers, used = _numbers(request, moved, skus), set[tuple[str, str]]()
    came = _Came()
    others: dict[tuple[str, Quality], tuple[int, list[str]]] = {}
    for one in moved.lines:
        told = [number for number in clean(one.serials) if (one.sku, number) not in used]
        used |= {(one.sku, number) for number in told}
        mine = numbers.get(one.sku, Sorted()) if one.sku in skus else Sorted(told)
        own = [number for number in mine.own if number in told]
        foreign = [number for number in mine.foreign if number in told]
        lost = [*own[one.quantity :], *(number for number in mine.unknown if number in told)]
        own = own[: one.quantity]
        strange = foreign[: one.quantity - len(own)]
        lost += foreign[len(strange) :]
        left = one.quantity - len(strange)
        for place in room[one.sku]:
            some = min(left, max(place[1], 0))
            if some and one.quality in _FOUND:
                came.findings[place[0]][_FOUND[one.quality]] += some
                came.named[place[0]] += own[:some]
                own = own[some:]
                place[1] -= some
                left -= some
        came.has_foreign |= bool(strange)
        came.not_kept += [f"{one.sku} {number}" for number in lost]
        if left + len(strange):
            units, known = others.get((one.sku, one.quality), (0, []))
            others[one.sku, one.quality] = (units + left + len(strange), [*known, *strange, *own])
    came.others = [MovedLine(sku, units, quality, serials=told) for (sku, quality), (units, told) in others.items()]
    return came


def _numbers(request: ReturnRequest, moved: Moved, skus: Mapping[str, int]) -> Mapping[str, Sorted]:
    """The serial numbers that were told of SKUs (codes) of the sub-order."""
    told: dict[int, list[str]] = defaultdict(list)
    for one in moved.lines:
        if one.serials and one.sku in skus:
            told[skus[one.sku]] += one.serials
    found = serials.sort(request.order_id, told)
    return {code: found[key] for code, key in skus.items() if key in found}


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
