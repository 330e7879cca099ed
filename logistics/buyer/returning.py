"""Returns on the buyer's page: units are chosen, the way back is told, and what became of it is seen."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from inventory.models import Warehouse
from logistics.buyer.asking import BUYER, NotNow
from logistics.returning import following, picking_up
from oms.common.errors import OmsError
from orders import kinds as order_kinds
from orders.models import Order, OrderEvent, OrderLine, ReturnReason, ReturnRequest, ReturnState, SubOrder, SubOrderLine
from orders.models.return_request import BY_REQUEST, ReturnKind
from orders.models.return_rule import REFUSED_AT_DOOR
from orders.models.sub_order import ARRIVED
from orders.returning import counting, deciding, requesting, travelling
from orders.returning.kinds import NOT_REPAIRED, REPAIRED
from orders.returning.tracks import Track

# What the forms of the page ask for.
ACTIONS = ("return", "return_sent", "return_pick_up", "return_call_off", "return_cancel", "return_escalate")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of which units can still come back."""

    key: int
    name: str
    left: int


@dataclass(frozen=True, slots=True)
class Told:
    """A return as its buyer reads it, with what the buyer may do about it. `address` is where the goods go, `news` what
    became of a repair."""

    row: ReturnRequest
    goods: Sequence[tuple[str, int]]
    address: str
    parcel: Track | None
    couriers: picking_up.Offer
    news: str = ""

    @property
    def may_send(self) -> bool:
        """Whether the buyer may tell the waybill, or put it right."""
        is_on_its_way = self.row.state in (ReturnState.AWAITING_GOODS, ReturnState.IN_TRANSIT)
        return is_on_its_way and self.row.kind != ReturnKind.REFUSED_AT_DOOR

    @property
    def may_cancel(self) -> bool:
        """Whether the buyer may keep the goods."""
        waits = self.row.state in (ReturnState.REQUESTED, ReturnState.APPROVED, ReturnState.AWAITING_GOODS)
        return waits and self.row.kind != ReturnKind.REFUSED_AT_DOOR

    @property
    def may_escalate(self) -> bool:
        """Whether the buyer may ask the platform to look at it."""
        return self.row.state == ReturnState.DECLINED and not self.row.is_escalated


def lines_of(part: SubOrder) -> list[Line]:
    """Of which lines of a part how many units can still come back; its lines are loaded."""
    if part.is_virtual or part.state not in ARRIVED:
        return []
    found = [Line(line.pk, line.order_line.name, counting.left_of(line)) for line in part.lines.all()]
    return [line for line in found if line.left > 0]


def told(order: Order) -> list[Told]:
    """The order's returns, the newest first. A fixed number of statements."""
    rows = (
        ReturnRequest.objects.filter(order=order)
        .select_related("reason", "warehouse__region", "exchange__new_order")
        .order_by("-pk")
    )
    parcels = following.current_of(order.pk)
    names = dict(OrderLine.objects.filter(order=order).values_list("pk", "name"))
    shown = []
    returns = list(rows.prefetch_related("lines__sub_order_line"))
    couriers = picking_up.offers(returns)
    repairs = OrderEvent.objects.filter(order=order, kind__in=[str(REPAIRED), str(NOT_REPAIRED)])
    news = {str((event.data or {}).get("number")): order_kinds.tell(event) for event in repairs.order_by("pk")}
    for row in returns:
        goods = [(names[line.sub_order_line.order_line_id], line.quantity) for line in row.lines.all()]
        house = row.warehouse
        address = _address(house) if house else ""
        shown.append(Told(row, goods, address, parcels.get(row.pk), couriers[row.pk], news.get(row.number, "")))
    return shown


def _address(house: Warehouse) -> str:
    """Where a parcel to the warehouse is addressed to, with who takes it."""
    told = [str(house.region or ""), house.address, house.name, house.contact_name, house.contact_phone]
    return " ".join(part for part in told if part)


def reasons() -> list[ReturnReason]:
    """Why something may come back."""
    return list(ReturnReason.objects.filter(is_active=True).exclude(code=REFUSED_AT_DOOR))


def kinds() -> list[tuple[str, Any]]:
    """What the buyer may ask for."""
    return [(kind.value, kind.label) for kind in BY_REQUEST]


def act(request: HttpRequest, order: Order, action: str) -> None:
    """What the buyer does by a form of the page. Raises OmsError where it cannot be done."""
    data = request.POST
    if action == "return":
        files = [file for file in request.FILES.getlist("photos") if file]
        wanted = requesting.Wanted(
            data.get("kind", ReturnKind.RETURN_AND_REFUND.value),
            _units(order, data),
            data.get("why", ""),
            data.get("reason", "")[: requesting.LONGEST_REMARK],
        )
        requesting.request(order.pk, wanted, actor=BUYER, files=files)  # type: ignore[arg-type]
        return
    row = _row(order, data.get("return", ""))
    reason = data.get("reason", "")
    if action == "return_sent":
        travelling.hand_over(row.pk, carrier=data.get("carrier", ""), waybill=data.get("waybill", ""), actor=BUYER)
    elif action == "return_pick_up":
        since, until = _window(data.get("window", ""))
        picking_up.book(row.pk, since=since, until=until, actor=BUYER)
    elif action == "return_call_off":
        picking_up.call_off(row.pk, actor=BUYER)
    elif action == "return_cancel":
        deciding.cancel(row.pk, reason=reason, actor=BUYER)
    elif action == "return_escalate":
        deciding.escalate(row.pk, reason=reason, actor=BUYER, version=_version(data.get("version", "")))


def _version(text: str) -> int:
    """The version of the return that the buyer looked at; none is that of no return."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _window(text: str) -> tuple[datetime, datetime]:
    try:
        since, until = (datetime.fromisoformat(part) for part in text.split("/"))
    except ValueError as error:
        raise OmsError(_("Choose one of the windows."), attr="window") from error
    if since.tzinfo is None or until.tzinfo is None:
        raise OmsError(_("Choose one of the windows."), attr="window")
    return since, until


def _units(order: Order, data: Any) -> dict[int, int]:
    units = {}
    for key in data:
        if re.fullmatch(r"units_\d{1,18}", key):
            typed = data[key].strip() or "0"
            if not (typed.isascii() and typed.isdigit() and len(typed) < 7):
                raise OmsError(_("Give numbers of units from 0 on."), attr="lines")
            units[int(key[6:])] = int(typed)
    units = {key: count for key, count in units.items() if count}
    if units and SubOrderLine.objects.filter(pk__in=units, sub_order__order=order).count() < len(units):
        raise NotNow(_("This part of the order is no longer there. Look at the page again."))
    return units


def _row(order: Order, key: str) -> ReturnRequest:
    is_number = key.isascii() and key.isdigit() and len(key) < 19
    row = ReturnRequest.objects.filter(order=order, pk=int(key)).first() if is_number else None
    if row is None:
        raise NotNow(_("This return is not of this order. Look at the page again."))
    return row
