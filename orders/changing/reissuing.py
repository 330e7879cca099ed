"""Sending goods again (补发): an order of its own beside the original one, free of charge, from our stock.

It goes through the pipeline like any other order, and no gift rule gives anything along with it. What it follows from,
why, and who bears the cost is kept (`OrderLink`) and told in both stories. Of a line no more units are sent again than
left a warehouse for the buyer.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from orders.actors import Actor
from orders.changing import followers, kinds
from orders.intake.bodies import LineBody
from orders.intake.placing import Outcome, Placed, Refused
from orders.locking import lock_order, mark_changed
from orders.models import Order, OrderLine, OrderLink, OrderState, SubOrderLine
from orders.models.order_link import BY_PEOPLE, CostBearer, LinkKind, ReissueReason
from orders.models.sub_order import LEFT_WAREHOUSE
from orders.telling import timeline


class CannotReissue(OmsError):
    """These units cannot be sent again."""

    code = "cannot_reissue"


def units_left(order_id: int) -> dict[int, int]:
    """Units of each line, by its position, that may be sent again: what left a warehouse, less what was sent again
    already. Two statements."""
    gone = SubOrderLine.objects.filter(sub_order__order=order_id, sub_order__state__in=LEFT_WAREHOUSE)
    counted = gone.order_by().values("order_line__position").annotate(units=Sum("quantity"))
    left = Counter(dict(counted.values_list("order_line__position", "units")))
    again = OrderLink.objects.filter(original=order_id, kind=LinkKind.REISSUE)
    for units in again.exclude(order__state=OrderState.CANCELLED).values_list("units", flat=True):
        left.subtract({int(position): count for position, count in units.items()})
    return {position: count for position, count in left.items() if count > 0}


@transaction.atomic
def reissue(
    order_id: int,
    units: Mapping[int, int],
    reason: str,
    bearer: str,
    *,
    note: str = "",
    actor: Actor,
    version: int | None = None,
) -> Order:
    """Send units of the order's lines (by position) again, to its recipient and for nothing; returns the new order.

    `reason` is one of BY_PEOPLE, `bearer` a CostBearer. Raises CannotReissue, ChangedMeanwhile, Order.DoesNotExist,
    OmsError for a reason or bearer that there is not.
    """
    if reason not in BY_PEOPLE:
        raise OmsError(_("Choose a reason."), attr="reason")
    if bearer not in CostBearer.values:
        raise OmsError(_("Choose who bears the cost."), attr="bearer")
    note = note.strip()[:200]
    if reason == ReissueReason.OTHER and not note:
        raise OmsError(_("Say in the note what the reason is."), attr="note")
    lock_order(order_id, version=version)
    order = Order.objects.select_related("channel__merchant").get(pk=order_id)
    wanted = _checked(order, units)
    outcome = followers.place(
        order,
        _lines(order, wanted),
        "B",
        actor=actor,
        kind=LinkKind.REISSUE,
        reason=reason,
        note=note,
        bearer=bearer,
        units={str(position): count for position, count in wanted.items()},
    )
    new = placed(outcome)
    told = Told(order, new, _by_sku(order, wanted), reason, bearer, note)
    timeline.record_all(entries([told], actor))
    mark_changed(order_id)
    return Order.objects.get(pk=new.id)


@dataclass(frozen=True, slots=True)
class Told:
    """What both stories tell of goods that are sent again: of which order, by which new one, the units by SKU code, and
    why, who bears it, and the note."""

    order: Order
    new: Placed
    units: Mapping[str, int]
    reason: str
    bearer: str
    note: str


def entries(sent: Iterable[Told], actor: Actor) -> Iterator[timeline.Entry]:
    """What the stories of the orders and of the new ones tell, two entries each."""
    for one in sent:
        why = {"reason": str(one.reason), "bearer": str(one.bearer), "note": one.note}
        told: dict[str, Any] = {"number": one.new.number, "units": dict(one.units), **why}
        yield timeline.Entry(one.order.pk, kinds.REISSUED, actor, told)
        yield timeline.Entry(one.new.id, kinds.FOLLOWS, actor, {"number": one.order.number, **why})


def placed(outcome: Outcome) -> Placed:
    """The order that sends goods again, as it was placed. Raises CannotReissue where it was not."""
    if isinstance(outcome, Refused):
        details = " ".join(str(error.detail) for error in outcome.errors)
        raise CannotReissue(_("These goods cannot be sent now: %(why)s") % {"why": details})
    if not isinstance(outcome, Placed):
        raise CannotReissue(_("Somebody sent something again just now. Look at the order again."))
    return outcome


def _checked(order: Order, units: Mapping[int, int]) -> dict[int, int]:
    wanted = {position: count for position, count in units.items() if count}
    if not wanted:
        raise CannotReissue(_("Say how many units of what are sent again."), attr="units")
    left = units_left(order.pk)
    for position, count in wanted.items():
        if not 1 <= count <= left.get(position, 0):
            message = _("Of line %(position)d at most %(most)d units can be sent again: no more left a warehouse.")
            raise CannotReissue(message % {"position": position, "most": left.get(position, 0)}, attr="units")
    return wanted


def _by_sku(order: Order, units: Mapping[int, int]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for line in OrderLine.objects.filter(order=order, position__in=units).select_related("sku"):
        found[line.sku_code] += units[line.position]
    return dict(found)


def _lines(order: Order, units: Mapping[int, int]) -> list[LineBody]:
    lines = OrderLine.objects.filter(order=order, position__in=units).select_related("sku__merchant")
    return [
        LineBody(
            sku=line.sku.code,
            quantity=units[line.position],
            unit_price=Decimal(0),
            merchant=line.sku.merchant.code,
            name=line.name,
        )
        for line in lines.order_by("position")
    ]
