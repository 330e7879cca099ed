"""What staged troubles are made with: orders through the intake, stages of the pipeline, and what warehouses, carriers
and providers tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from django.utils import timezone

from inventory.models import Warehouse
from logistics.carriers.adapters import sandbox as sandbox_carriers
from logistics.models import Shipment, ShipmentState, WarehouseOrder
from logistics.warehouses.adapters import sandbox as sandbox_warehouses
from logistics.warehouses.notices import Notice
from oms.common.models import Topic
from oms.common.work import clock, facts, sandbox
from oms.common.work.claiming import run_until_empty
from oms.merchants.models import Merchant
from oms.pipeline import STAGES
from orders.actors import Actor
from orders.intake.bodies import OrderBody, decode
from orders.intake.placing import Placed, place_orders
from orders.models import ActorKind, Order, SubOrder

ACTOR = Actor(ActorKind.JOB, "sample_plot")
CHANNEL = "plot"
# A warehouse and goods of the sample, which has them in quantity.
HOUSE = "GZ-DC1"
GOODS = ("P883404", "P938700", "P1013321", "P833715", "P826249")
# One of which no warehouse has many.
SCARCE = "P7131491"
# The warehouse of a merchant with few goods.
QUIET_HOUSE = "POP05-W1"
_BATCH = 200
# More steps than anything in the sandbox takes: what is stopped before them is stopped wherever it is.
_ALL_STEPS = 99
_TO_THE_WAREHOUSE = (
    *("book_collected", "review", "split", "allocate", "promise", "release", "choose_carrier", "dispatch"),
    *("send_release",),
)


class NotStaged(Exception):
    """The world is not as a trouble needs it; it is left out."""


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up buyer in Guangzhou."""

    id: str
    name: str
    phone: str
    address: str
    region_code: str = "440106"


class World:
    """A site with the sample's goods, and nothing in the pipeline but what is staged."""

    def __init__(self) -> None:
        self.now = timezone.now()
        self.seller = Merchant.objects.get(kind=Merchant.Kind.SELF_OPERATED)
        self.house = Warehouse.objects.get(code=HOUSE)

    def ago(self, **span: float) -> datetime:
        """The moment so long ago (days, hours …)."""
        return self.now - timedelta(**span)

    def place(
        self,
        number: str,
        buyer: Person,
        *,
        days_ago: float = 0,
        goods: Sequence[tuple[str, int, str]] = ((GOODS[0], 2, "12.90"),),
        is_paid: bool = True,
        **more: Any,
    ) -> Order:
        """An order of these goods (SKU, units, price in yuan), whose money the channel took, unless it is not paid yet
        or paid at the door. Raises NotStaged where the intake refuses it."""
        ordered_at = self.ago(days=days_ago, minutes=7)
        amount = str(sum((Decimal(price) * units for _sku, units, price in goods), Decimal(0)))
        body: dict[str, Any] = {
            "external_number": f"PLOT-{number}",
            "source": CHANNEL,
            "ordered_at": ordered_at.isoformat(),
            "buyer": {"id": buyer.id, "name": buyer.name, "phone": buyer.phone},
            "recipient": {
                "name": buyer.name,
                "phone": buyer.phone,
                "region_code": buyer.region_code,
                "address": buyer.address,
            },
            "lines": [{"sku": sku, "quantity": units, "unit_price": price} for sku, units, price in goods],
            "payable_amount": amount,
            **more,
        }
        if is_paid and body.get("payment_method") != "cod":
            paid_at = ordered_at + timedelta(minutes=2)
            body["collected"] = {"paid_at": paid_at.isoformat(), "amount": amount, "provider": CHANNEL}
        order = decode(msgspec.json.encode(body))
        outcome = place_orders([order], self.seller, actor=ACTOR)[0] if isinstance(order, OrderBody) else order
        if not isinstance(outcome, Placed):
            raise NotStaged(f"{number}: {outcome}")
        return Order.objects.get(pk=outcome.id)

    def run(self, *stages: str) -> None:
        """Run these stages, in turn, until nothing is ready; deliberate waits are over."""
        with clock.skipping_waits():
            for name in stages:
                run_until_empty(STAGES[name], _BATCH)

    def send(self, order: Order) -> tuple[SubOrder, WarehouseOrder]:
        """Bring the order to its warehouse, which keeps silent until it is spoken for. Raises NotStaged for one that
        does not get there in one piece."""
        self.run(*_TO_THE_WAREHOUSE)
        work = WarehouseOrder.objects.filter(sub_order__order=order).select_related("sub_order").first()
        if work is None or work.sub_order is None:
            raise NotStaged(f"{order.number} is not at a warehouse")
        sandbox.stop(sandbox_warehouses.SYSTEM, [work.number], before_step=_ALL_STEPS)
        return work.sub_order, work

    def warehouse_says(
        self, work: WarehouseOrder, notices: Sequence[str], *, at: datetime, body: Mapping[str, Any] | None = None
    ) -> None:
        """The warehouse reports these things, an hour after each other."""
        news = [
            facts.News(
                f"plot-{work.number}-{notice}", notice, work.number, at + timedelta(hours=place), dict(body or {})
            )
            for place, notice in enumerate(notices)
        ]
        facts.receive(work.connection_id or 0, Topic.WAREHOUSE, news)
        self.run("warehouse_facts", "choose_carrier", "dispatch")

    def ship(self, order: Order, *, at: datetime) -> Shipment:
        """Bring the order's parcel out of its warehouse at this time. Raises NotStaged."""
        part, work = self.send(order)
        self.warehouse_says(work, [Notice.ACCEPTED, Notice.PICKING, Notice.PACKED], at=at - timedelta(hours=4))
        self.warehouse_says(work, [Notice.SHIPPED], at=at)
        parcel = Shipment.objects.filter(sub_order=part).select_related("carrier").first()
        if parcel is None or not parcel.waybill_number or parcel.connection_id is None:
            raise NotStaged(f"{order.number} has no waybill")
        sandbox.stop(sandbox_carriers.SYSTEM, [parcel.number], before_step=_ALL_STEPS)
        return parcel

    def carrier_says(self, parcel: Shipment, *scans: tuple[str, str, str, datetime]) -> None:
        """The carrier tells these scans (state, text, place, time)."""
        news = [
            facts.News(
                f"plot-{parcel.waybill_number}-{place}",
                state,
                parcel.waybill_number or "",
                at,
                {"carrier": parcel.carrier.code if parcel.carrier else "", "text": text, "location": where},
            )
            for place, (state, text, where, at) in enumerate(scans)
        ]
        facts.receive(parcel.connection_id or 0, Topic.CARRIER, news)
        self.run("carrier_facts")

    def deliver(self, order: Order, *, days_ago: float) -> Shipment:
        """Let the order arrive so long ago. Raises NotStaged."""
        parcel = self.ship(order, at=self.ago(days=days_ago + 2))
        self.carrier_says(
            parcel,
            (ShipmentState.COLLECTED, "已揽收", "广州市", self.ago(days=days_ago + 1.9)),
            (ShipmentState.IN_TRANSIT, "已到达派件网点", "广州市", self.ago(days=days_ago + 1)),
            (ShipmentState.OUT_FOR_DELIVERY, "派件中", "广州市", self.ago(days=days_ago, hours=3)),
            (ShipmentState.SIGNED, "已签收", "广州市", self.ago(days=days_ago)),
        )
        return parcel
