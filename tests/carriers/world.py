"""Carriers of their own, pretended: real HTTP on a free port of this machine."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from django.test import Client

from inventory.models import Warehouse
from logistics.models import Carrier
from oms.common.models import Connection, SystemKind
from oms.simulators import wsgi
from oms.simulators.carrier_peer import CarrierPeer
from oms.simulators.notifying import Posted
from orders.models import SubOrder
from tests import factories, steps
from tests.kdniao.world import HOUR, booked, packed

P = TypeVar("P", bound=CarrierPeer)
__all__ = ["HOUR", "Served", "booked", "connect", "in_two_boxes", "packed", "post", "push_url", "serving"]


@dataclass
class Served(Generic[P]):
    """A peer and the address of its server."""

    address: str
    peer: P


@contextmanager
def serving(name: str, make_peer: Callable[[], P]) -> Iterator[Served[P]]:
    """Within it, the peer answers."""
    made: list[Served[P]] = []

    def make(address: str) -> dict[str, wsgi.Peer]:
        made.append(Served(address, make_peer()))
        return {name: made[0].peer}

    with wsgi.running(make):
        yield made[0]
        made[0].peer.book.shut()


def push_url(code: str) -> str:
    """Where a peer pushes to."""
    return f"https://oms.example/callbacks/{code}/"


def connect(protocol: str, base_url: str, secrets: Mapping[str, str], *carriers: str, **options: Any) -> Connection:
    """A connection to a peer, over which these carriers are asked, the first one first. Warehouses have an address."""
    Warehouse.objects.update(address="物流园3号库", contact_name="王五", contact_phone="13900002222")
    link = Connection(code=f"{protocol}-1", kind=SystemKind.CARRIER, protocol=protocol, base_url=base_url)
    link.options = options
    link.set_secrets(dict(secrets)).save()
    for priority, code in enumerate(carriers, 1):
        Carrier.objects.create(code=code, name=code, priority=priority, connection=link)
    # Who is asked after it refused.
    other = factories.ConnectionFactory(kind=SystemKind.CARRIER)
    Carrier.objects.create(code="LAST", name="LAST", priority=9, connection=other)
    return link


def in_two_boxes(shop: factories.Shop) -> SubOrder:
    """A sub-order of two units, paid on delivery, that its warehouse packed in two parcels, one unit in each."""
    part = steps.released(shop.place_order(payment_method="cod"))
    line = str(part.lines.get().pk)
    boxes = [{"lines": [{"line": line, "quantity": 1}]} for _box in range(2)]
    steps.warehouse_says(part, "packed", parcels=boxes)
    return part


def post(posted: Posted) -> tuple[int, str]:
    """A push comes to the site's public door."""
    parts = urlsplit(posted.url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    answer = Client().post(path, posted.body, content_type=posted.headers["content-type"])
    return answer.status_code, answer.content.decode()
