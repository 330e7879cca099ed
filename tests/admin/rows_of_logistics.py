"""Rows of every table of logistics, for tests that open every page."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from logistics.carriers import claiming
from logistics.models import (
    AccountSettings,
    AlertGroup,
    AlertReceiver,
    AlertTelling,
    CarrierAccount,
    CarrierCode,
    CarrierRule,
    CourierParcel,
    DeadlineRule,
    DeadlineStretch,
    DoorReport,
    LearnedDeadline,
    LogisticsAlert,
    PickTask,
    Polling,
    Printout,
    RoutePlan,
    ScanWord,
    Shipment,
    Stop,
    Tour,
    WarehouseOrder,
    Wave,
    WaveRule,
    WaybillBalance,
    WaybillErrand,
    WaybillShare,
    WaybillUse,
)
from logistics.watching import grouping
from oms.common.models import Connection
from oms.common.tickets import Trouble, open_tickets
from orders.actors import Actor
from orders.models import ActorKind, SubOrder
from tests.routing import helpers


def _routes(now: datetime) -> None:
    """A station with a courier, a parcel that was brought, and one that is in no tour."""
    station = helpers.open_station()
    courier = helpers.hire(station)
    shipments = list(Shipment.objects.order_by("pk").select_related("sub_order__order__region")[:2])
    parcels = [
        CourierParcel.objects.create(
            shipment=shipment,
            station=station,
            waybill=f"ZP{shipment.pk}",
            region=shipment.sub_order.order.region,
            longitude=116.4,
            latitude=39.9,
            weight_g=500,
            volume_cm3=900,
            skills=["cold"],
        )
        for shipment in shipments
    ]
    day = helpers.today()
    plan = RoutePlan.objects.create(
        station=station,
        day=day,
        number=1,
        planner="vroom",
        figures={"stops": 2, "served": 1, "metres": 900, "on_time": 1, "nearest_metres": 1000, "nearest_served": 1},
        made_by="plan_routes",
    )
    tour = Tour.objects.create(
        plan=plan, courier=courier, vehicle=courier.vehicle, starts_at=now, ends_at=now, metres=900
    )
    times = {"arrives_at": now, "begins_at": now, "leaves_at": now}
    Stop.objects.create(plan=plan, parcel=parcels[0], tour=tour, position=1, **times)
    for parcel in parcels[1:]:
        Stop.objects.create(plan=plan, parcel=parcel, why="no_capacity")
    DoorReport.objects.create(
        parcel=parcels[0], courier=courier, day=day, key="k", outcome="missed", reason="…", said_at=now
    )


def fill(sub_order: SubOrder, now: datetime) -> None:
    """Rows of what logistics watches, prints and picks; there are parcels and warehouse orders already."""
    work = WarehouseOrder.objects.earliest("pk")
    for paper, subject in (
        ("label", {"shipment": Shipment.objects.earliest("pk")}),
        ("pick_list", {"warehouse_order": work}),
    ):
        Printout.objects.create(paper=paper, copy=1, run=uuid4(), printed_by="li", **subject)
    WaveRule.objects.create(name="Waves of one SKU", kind="single")
    wave = Wave.objects.create(number="W261126-1", warehouse=work.warehouse, rule="Waves of one SKU", kind="single")
    PickTask.objects.create(warehouse_order=work, wave=wave, slot=1, checking_since=now, checked_at=now, weight_g=500)
    _routes(now)
    group = AlertGroup.objects.create(kind="stalled", since=now, open_count=1)
    LogisticsAlert.objects.create(kind="stalled", sub_order=sub_order, due_at=now, group=group)
    late = Trouble(group.pk, "stalled", {"count": 1, "carrier": "", "place": "", "since": now.isoformat()})
    open_tickets(grouping.LATE, [late])
    robot = Connection.objects.create(code="dingding", kind="robot", protocol="dingtalk")
    AlertReceiver.objects.create(connection=robot)
    AlertTelling.objects.create(connection=robot, group=group, level=1, sent_at=now, ready_at=None)
    DeadlineRule.objects.create(kind="stalled", warning_hours=24)
    DeadlineStretch.objects.create(area="54", factor=2)
    way = {"carrier": "SF", "origin": "11", "destination": "44"}
    LearnedDeadline.objects.create(kind="stalled", hours=30, parcels=50, learned_at=now, **way)
    parcel = Shipment.objects.select_related("connection", "carrier").exclude(connection=None).earliest("pk")
    asked = {"connection": parcel.connection}
    AccountSettings.objects.create(**asked)
    later = now + timedelta(days=1)
    Polling.objects.create(shipment=parcel, ask_at=later, asked_at=now, asked=2, **asked)
    of_carrier = {**asked, "carrier": parcel.carrier}
    of_waybill = {**of_carrier, "shipment": parcel, "waybill": "X1", "reference": parcel.number}
    WaybillErrand.objects.create(
        kind="cancel", outcome="refused", answer="?", answered_at=now, ready_at=None, **of_waybill
    )
    WaybillBalance.objects.create(left=5, ask_at=later, **of_carrier)
    ScanWord.objects.create(protocol="kdniao", code="X9", told="?", is_new=True)
    CarrierCode.objects.create(carrier=parcel.carrier, protocol="kdniao", code="X")
    CarrierRule.objects.create(name="by hand", carriers=["SF"], is_active=False)
    account = CarrierAccount.objects.create(
        carrier=parcel.carrier, connection=parcel.connection, name="Account of the month"
    )
    share = WaybillShare.objects.create(account=account, merchant_id=sub_order.merchant_id, most_a_day=5)
    WaybillUse.objects.create(share=share, shipment=parcel, state="bought", day=now.date())
    staff = Actor(ActorKind.STAFF, "li")
    claiming.open_claim(
        parcel.pk, "lost", Decimal(5), due_on=later.date(), text="x", actor=staff, although_on_time=True
    )
