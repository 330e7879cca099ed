"""Troubles of parcels and of what comes back: stalled, refused, lost, contradicted, late, strayed."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from logistics.carriers.trouble import PARCEL_LOST
from logistics.models import LogisticsAlert, ShipmentState
from logistics.warehouses.notices import Notice
from logistics.warehouses.trouble import CONTRADICTION
from logistics.watching.promises import AT_RISK
from oms.common.models import Ticket, TicketState
from oms.common.tickets import TicketKind
from oms.plot.registry import (
    ALERT_IS_OPEN,
    ORDER,
    RETURN,
    RETURN_IS_NOT_INSPECTED,
    RETURN_IS_UNDECIDED,
    STRAY,
    STRAY_IS_UNKNOWN,
    TICKET,
    TICKET_IS_OPEN,
    Staged,
    Trouble,
    register,
)
from oms.plot.world import ACTOR, GOODS, NotStaged, Person, World
from orders.changing.cancelling import cancel_order
from orders.models import Order, ReturnRequest, SubOrderLine
from orders.models.return_request import Found, ReturnKind, ReturnState
from orders.returning import deciding, requesting, strays, travelling

_S = ShipmentState
_STALLED = Person("plot-stalled", "盼盼", "13800138111", "科韵路16号广州信息港B座908")
_REFUSES = Person("plot-refuses", "牛再想", "13800138112", "天府路1号6栋1102室")
_LOST = Person("plot-lost", "石小失", "13800138113", "东圃大马路33号4栋502室")
_CONTRADICTED = Person("plot-contradicted", "莫发", "13800138114", "车陂路120号2栋303室")
_LATE = Person("plot-late", "季着", "13800138115", "员村二横路6号8栋701室")
_REGRETS = Person("plot-return", "佟意", "13800138116", "棠下涌西路55号1栋1606室")
_SENDS_BACK = Person("plot-inspect", "郝换", "13800138117", "华景路37号华景新城12栋1203室")


def ticket_of(kind: TicketKind, order: Order) -> Ticket:
    """The open ticket of this kind on the order. Raises NotStaged where there is none."""
    found = Ticket.objects.filter(kind=kind.code, about_id=order.pk, state=TicketState.OPEN).first()
    if found is None:
        raise NotStaged(f"{order.number} has no ticket {kind.code}")
    return found


def _stalled(world: World) -> Staged:
    order = world.place("stalled", _STALLED, days_ago=7)
    parcel = world.ship(order, at=world.ago(days=6))
    world.carrier_says(
        parcel,
        (_S.COLLECTED, "已揽收", "广州市", world.ago(days=5, hours=20)),
        (_S.IN_TRANSIT, "已到达转运中心", "广州市", world.ago(days=5)),
    )
    world.run("watch")
    if not LogisticsAlert.objects.filter(shipment=parcel, closed_at=None).exists():
        raise NotStaged(f"{order.number}: nobody misses the parcel")
    return Staged(parcel.pk, order.pk, {"number": order.number, "waybill": parcel.waybill_number})


def _refused_cod(world: World) -> Staged:
    order = world.place("refused-cod", _REFUSES, days_ago=5, payment_method="cod")
    parcel = world.ship(order, at=world.ago(days=4))
    world.carrier_says(
        parcel,
        (_S.COLLECTED, "已揽收", "广州市", world.ago(days=3.8)),
        (_S.OUT_FOR_DELIVERY, "派件中", "广州市", world.ago(days=2)),
        (_S.REJECTED, "收件人拒收", "广州市", world.ago(days=1.9)),
        (_S.RETURNING, "退回途中", "广州市", world.ago(days=1.5)),
        (_S.RETURNED, "已退回仓库", "广州市", world.ago(hours=5)),
    )
    row = ReturnRequest.objects.filter(order=order, kind=ReturnKind.REFUSED_AT_DOOR).first()
    if row is None:
        raise NotStaged(f"{order.number}: no goods are expected back")
    return Staged(row.pk, values={"number": order.number, "return": row.number})


def _lost(world: World) -> Staged:
    order = world.place("lost", _LOST, days_ago=9)
    parcel = world.ship(order, at=world.ago(days=8))
    world.carrier_says(
        parcel,
        (_S.COLLECTED, "已揽收", "广州市", world.ago(days=7.8)),
        (_S.LOST, "快件遗失，请联系客服", "佛山市", world.ago(days=1)),
    )
    return Staged(ticket_of(PARCEL_LOST, order).pk, values={"number": order.number, "waybill": parcel.waybill_number})


def _contradiction(world: World) -> Staged:
    """The warehouse gives the order up, and sends it all the same."""
    order = world.place("contradiction", _CONTRADICTED, days_ago=2)
    _part, work = world.send(order)
    world.warehouse_says(work, [Notice.ACCEPTED], at=world.ago(days=1.5))
    cancel_order(order.pk, reason="买家不要了", actor=ACTOR)
    world.run("cancel_at_warehouse", "send_stop", "warehouse_facts")
    world.warehouse_says(work, [Notice.STOPPED], at=world.ago(days=1.2))
    body = {"carrier": "SF", "waybill": "SF1900000000017"}
    world.warehouse_says(work, [Notice.SHIPPED], at=world.ago(hours=20), body=body)
    return Staged(ticket_of(CONTRADICTION, order).pk, values={"number": order.number, "warehouse": world.house.name})


def _late(world: World) -> Staged:
    """The platform promised it for tonight, and the warehouse has not even begun."""
    order = world.place("late", _LATE, days_ago=1, sign_by=(world.now + timedelta(hours=12)).isoformat())
    world.send(order)
    world.run("promise", "watch_promises")
    return Staged(ticket_of(AT_RISK, order).pk, values={"number": order.number})


def _units(order: Order) -> dict[int, int]:
    return dict(SubOrderLine.objects.filter(sub_order__order=order).values_list("pk", "quantity"))


def _return_asked(world: World) -> Staged:
    """Without the photo that its reason wants, so that nobody but a person approves it."""
    order = world.place("return-asked", _REGRETS, days_ago=6, goods=[(GOODS[2], 2, "29.90")])
    world.deliver(order, days_ago=2)
    wanted = requesting.Wanted(ReturnKind.RETURN_AND_REFUND, _units(order), "quality", remark="盒子打开有异味")
    row = requesting.request(order.pk, wanted, actor=ACTOR)
    if not row.outside_terms:
        raise NotStaged(f"{row.number} is approved by itself")
    return Staged(row.pk, values={"number": order.number, "return": row.number})


def _to_inspect(world: World) -> Staged:
    order = world.place("to-inspect", _SENDS_BACK, days_ago=9, goods=[(GOODS[1], 3, "19.90")])
    world.deliver(order, days_ago=5)
    row = requesting.request(
        order.pk,
        requesting.Wanted(ReturnKind.RETURN_AND_REFUND, _units(order), "no_reason", remark="包装已拆，未使用"),
        actor=ACTOR,
    )
    if row.state == ReturnState.REQUESTED:
        row = deciding.approve(row.pk, actor=ACTOR)
    row = travelling.hand_over(row.pk, carrier="顺丰速运", waybill="SF1900000000026", actor=ACTOR)
    row = travelling.receive(row.pk, actor=ACTOR)
    return Staged(row.pk, values={"number": order.number, "return": row.number})


def _stray(world: World) -> Staged:
    parcel = strays.note(
        world.house.pk,
        [strays.Unit(GOODS[0], Found.GOOD, 2), strays.Unit("", Found.DAMAGED, 1, "一只没有标签的杯子")],
        waybill="YT1900000000035",
        phone_tail=_SENDS_BACK.phone[-4:],
        remark="包裹里没有退货单",
        actor=ACTOR,
    )
    return Staged(parcel.pk, values={"waybill": parcel.waybill_number, "warehouse": world.house.name})


for _trouble in (
    Trouble(
        "stalled",
        _("Parcel %(waybill)s of order %(number)s has not moved for five days."),
        _("Urge the carrier, or close the alert's ticket with what came of it."),
        ORDER,
        ("logistics.urge_alertgroup",),
        ALERT_IS_OPEN,
        _stalled,
    ),
    Trouble(
        "refused_cod",
        _("Order %(number)s, to be paid at the door, was refused; the goods are on their way back (%(return)s)."),
        _("Receive the goods, and inspect them."),
        RETURN,
        ("orders.inspect_return",),
        RETURN_IS_NOT_INSPECTED,
        _refused_cod,
    ),
    Trouble(
        "lost",
        _("The carrier lost parcel %(waybill)s of order %(number)s."),
        _("Claim it, send the goods again or give the money back, and close the ticket."),
        TICKET,
        ("logistics.work_parcelclaim", "orders.reissue_order", "payments.grant_refund"),
        TICKET_IS_OPEN,
        _lost,
    ),
    Trouble(
        "contradiction",
        _("%(warehouse)s had stopped order %(number)s, and sent it all the same."),
        _("Have the carrier stop it, or tell the buyer; then close the ticket."),
        TICKET,
        ("logistics.ask_recall",),
        TICKET_IS_OPEN,
        _contradiction,
    ),
    Trouble(
        "late",
        _("Order %(number)s is promised for today, and its warehouse has not begun."),
        _("Ring the warehouse, or send it from another one; note it on the ticket."),
        TICKET,
        ("orders.move_suborder", "orders.note_order"),
        TICKET_IS_OPEN,
        _late,
    ),
    Trouble(
        "return_asked",
        _("The buyer of order %(number)s finds the goods bad and asks for a return, without a photo (%(return)s)."),
        _("Approve it, or decline it with the reason."),
        RETURN,
        ("orders.work_return",),
        RETURN_IS_UNDECIDED,
        _return_asked,
    ),
    Trouble(
        "to_inspect",
        _("The goods of return %(return)s are at the warehouse."),
        _("Inspect them unit by unit."),
        RETURN,
        ("orders.inspect_return",),
        RETURN_IS_NOT_INSPECTED,
        _to_inspect,
    ),
    Trouble(
        "stray",
        _("Parcel %(waybill)s came to %(warehouse)s, and nobody knows of which order it is."),
        _("Match it with a return, or take it into stock."),
        STRAY,
        ("orders.work_return", "orders.inspect_return"),
        STRAY_IS_UNKNOWN,
        _stray,
    ),
):
    register(_trouble)
