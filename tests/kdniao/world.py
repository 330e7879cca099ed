"""The pretended carrier platform of a test, and what a test does with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.test import Client

from logistics.carriers.adapters import Booked
from logistics.models import Carrier, Shipment
from logistics.warehouses import events, releasing, sending
from oms.common.models import Connection, SystemKind
from oms.simulators import wsgi
from oms.simulators.kdniao import KdniaoPeer
from oms.simulators.keys import KdniaoKeys
from oms.simulators.notifying import Posted
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from tests import factories, fakes, steps

KEYS = KdniaoKeys("1000001", "TEST-APP-KEY-0001")
CODE = "kdniao-1"
HOUR = 3600


@dataclass
class Platform:
    """The peer and the address of its server."""

    address: str
    peer: KdniaoPeer


@contextmanager
def serving() -> Iterator[Platform]:
    """Within it, the peer answers: at a path of its own, and at those that kdniao has."""
    made: list[Platform] = []

    def make(address: str) -> dict[str, wsgi.Peer]:
        peer = KdniaoPeer(KEYS, notify_url=f"https://oms.example/callbacks/{CODE}/")
        made.append(Platform(address, peer))
        return {"kdniao": peer, "api": peer, "Ebusiness": peer}

    with wsgi.running(make):
        yield made[0]
        made[0].peer.book.shut()


def connect(platform: Platform, *carriers: str) -> Connection:
    """A connection to the peer, over which these carriers are asked, the first one first."""
    link = Connection(code=CODE, kind=SystemKind.CARRIER, protocol="kdniao", base_url=f"{platform.address}/kdniao")
    link.set_secrets({"ebusiness_id": KEYS.business_id, "app_key": KEYS.app_key}).save()
    for priority, code in enumerate(carriers, 1):
        Carrier.objects.create(code=code, name=code, priority=priority, connection=link)
    return link


def post(posted: Posted) -> tuple[int, str]:
    """A push comes to the site's public door."""
    answer = Client().post(urlsplit(posted.url).path, posted.body, content_type=posted.headers["content-type"])
    return answer.status_code, answer.content.decode()


def packed(*orders: Order) -> list[SubOrder]:
    """The orders' sub-orders, each packed by its warehouse, so that a waybill is wanted."""
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
    parts = list(SubOrder.objects.filter(order__in=orders).order_by("pk"))
    for part in parts:
        steps.tell(steps.work_of(part), "packed")
    factories.run(events.run)
    return parts


def booked(shipment: Shipment) -> Booked:
    """A parcel as adapters are asked about it."""
    assert shipment.carrier
    return Booked(shipment.number, shipment.carrier.code, shipment.waybill_number or "", "1111")
