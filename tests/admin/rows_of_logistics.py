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
    DeadlineRule,
    DeadlineStretch,
    LearnedDeadline,
    LogisticsAlert,
    PickTask,
    Polling,
    Printout,
    ScanWord,
    Shipment,
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
    claiming.open_claim(parcel.pk, "lost", Decimal(5), due_on=later.date(), text="x", actor=staff)
