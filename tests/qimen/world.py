"""The pretended warehouse of a test, and what a test does with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db.models import F
from django.test import Client

from inventory.models import Warehouse
from logistics.models import WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from oms.common.models import Connection, SystemKind
from oms.simulators import wsgi
from oms.simulators.keys import QimenKeys
from oms.simulators.notifying import Posted
from oms.simulators.qimen import QimenPeer
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from tests import factories, steps

KEYS = QimenKeys("ak", "SECRET", "C001")
CODE = "wms-1"
HOUR = 3600
FAR = 10**9


@dataclass
class Place:
    """The peer and the address of its server."""

    address: str
    peer: QimenPeer


@contextmanager
def serving() -> Iterator[Place]:
    """Within it, the peer answers; it does nothing by itself before its clock is turned."""
    made: list[Place] = []

    def make(address: str) -> dict[str, wsgi.Peer]:
        made.append(Place(address, QimenPeer(KEYS, notify_url=f"https://oms.example/callbacks/{CODE}/")))
        return {"qimen": made[0].peer}

    with wsgi.running(make):
        yield made[0]
        made[0].peer.book.shut()


def connect(place: Place, warehouse: Warehouse, code: str = CODE, **options: Any) -> Connection:
    """A connection to the peer for the warehouse, which brings its own waybills."""
    link = Connection(code=code, kind=SystemKind.WAREHOUSE, protocol="qimen", base_url=f"{place.address}/qimen/api")
    link.options = {"customer_id": KEYS.customer_id, **options}
    link.clock_skew_seconds = 600
    link.set_secrets({"app_key": KEYS.app_key, "app_secret": KEYS.app_secret}).save()
    Warehouse.objects.filter(pk=warehouse.pk).update(
        connection=link,
        waybill_when=Warehouse.WaybillWhen.OWN,
        address="物流园3号库",
        contact_name="王五",
        contact_phone="13900002222",
    )
    return link


def post(posted: Posted) -> tuple[int, str]:
    """A message comes to the site's public door."""
    where = urlsplit(posted.url)
    answer = Client().post(
        f"{where.path}?{where.query}", posted.body.encode(), content_type=posted.headers["content-type"]
    )
    return answer.status_code, answer.content.decode()


def released(*orders: Order) -> list[SubOrder]:
    """The orders' sub-orders, asked of their warehouses."""
    factories.run(deciding.run, splitting.run, allocating.run, releasing.run)
    steps.once(sending.run)
    return list(SubOrder.objects.filter(order__in=orders).order_by("pk"))


def told(place: Place) -> None:
    """All that the warehouse did comes to the site, and is worked on."""
    place.peer.step(post, works=False)
    factories.run(events.run)


def asked_to_stop() -> None:
    """Wishes to cancel reach the warehouse, and its answers are worked on."""
    factories.run(stopping.pass_on)
    steps.once(stopping.run)
    factories.run(events.run)


def hours_pass(hours: float) -> None:
    """All that is known of warehouse orders happened so many hours earlier."""
    columns = ("created_at", "state_since", "packed_at", "next_event_due", "stop_requested_at", "asked_at")
    ago = timedelta(hours=hours)
    WarehouseOrder.objects.update(**{name: F(name) - ago for name in columns})


def number(part: SubOrder) -> str:
    """By which number the warehouse knows the sub-order's newest warehouse order."""
    return WarehouseOrder.objects.filter(sub_order=part).latest("id").number
