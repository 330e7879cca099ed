"""Many parcels through both pretended platforms at their worst, with worker processes that are killed: no waybill is
bought twice, none is lost, all end where the platforms' own books say, and alerts are just on those that stopped.

A worker is killed where it hurts most: the platform did what was asked, and nothing was written here.
"""

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from inventory import receiving
from inventory.models import Warehouse
from logistics.carriers import dispatching, polling, subscribing, tracking, words
from logistics.models import AccountSettings, Carrier, CarrierCode, LogisticsAlert, Polling, Shipment, WaybillErrand
from logistics.warehouses import events, releasing, sending
from logistics.watching import alerts, grouping
from oms.common.models import Connection
from oms.common.work.calling import OutsideStage
from oms.simulators import kuaidi100, wsgi
from oms.simulators.kdniao import KdniaoPeer
from oms.simulators.keys import Kuaidi100Keys
from oms.simulators.kuaidi100 import Kuaidi100Peer
from oms.simulators.mischief import PushTrick, Trick
from oms.simulators.notifying import Posted
from oms.simulators.waybills import Entry
from oms.simulators.wsgi import Peer, Request, Response
from orders.fulfilling import allocating, splitting
from orders.models import SubOrder
from orders.reviewing import deciding
from tests import factories, fakes, steps
from tests.end_to_end.conftest import Start
from tests.kdniao import world

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = 3600
MANY = int(os.environ.get("OMS_WORST_PARCELS", "5000"))
BROKEN = [Trick.ERROR_BEFORE, Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.GARBAGE, Trick.SYSTEM_ERROR_AFTER]
KEYS = Kuaidi100Keys("CUST0001", "KEY0001", "SALT0001")


# A worker of one stage, which goes on until nothing is ready.
WORKER = """
import django
django.setup()
from logistics.carriers import {stage}
while {stage}.run(200):
    pass
"""


@dataclass
class Killing:
    """Kills a worker as soon as the platform did what it was asked the so many-th time; the answer is never sent."""

    peer: Peer
    victim: subprocess.Popen[bytes] | None = None
    calls_left: int = 0
    killed: list[int] = field(default_factory=list)

    def __call__(self, request: Request) -> Response:
        """What the platform answers, while there is nobody to kill."""
        response = self.peer(request)
        if self.victim is None:
            return response
        self.calls_left -= 1
        if self.calls_left > 0:
            return response
        if self.calls_left == 0:
            os.killpg(self.victim.pid, signal.SIGKILL)
            self.killed.append(self.victim.pid)
        return Response(is_dropped=True)

    def one(self, victim: subprocess.Popen[bytes], calls: int) -> None:
        """Kill the worker at its so many-th call, and wait until it is dead."""
        self.victim, self.calls_left = victim, calls
        assert victim.wait(120) == -signal.SIGKILL, "the worker ended before it could be killed"
        self.victim = None


@dataclass
class Platforms:
    """One that sells waybills, and one that follows the parcels of a carrier whose waybills warehouses bring."""

    kdniao: KdniaoPeer
    kuaidi100: Kuaidi100Peer
    sells: Connection
    follows: Connection
    killing: Killing

    @property
    def peers(self) -> tuple[KdniaoPeer, Kuaidi100Peer]:
        """Both."""
        return self.kdniao, self.kuaidi100


@pytest.fixture
def platforms(shop: factories.Shop, settings: Any) -> Iterator[Platforms]:
    """Both, five days ago by their clocks."""
    settings.PUBLIC_URL = "https://oms.example"
    settings.MAX_ATTEMPTS = 100
    Warehouse.objects.update(address="物流园3号库", contact_name="王五", contact_phone="13900002222")
    sells, follows = (
        KdniaoPeer(world.KEYS, notify_url=f"https://oms.example/callbacks/{world.CODE}/"),
        Kuaidi100Peer(KEYS),
    )
    killing = Killing(sells)
    with wsgi.running(lambda _address: {"kdniao": killing, "kuaidi100": follows}) as address:
        link = world.connect(world.Platform(address, sells), "YTO", "ZTO")
        other = Connection(code="kuaidi100-1", kind="carrier", protocol="kuaidi100", base_url=f"{address}/kuaidi100")
        other.set_secrets({"customer": KEYS.customer, "key": KEYS.key, "salt": KEYS.salt}).save()
        carrier = Carrier.objects.create(code="STO", name="申通", is_active=False, tracking_connection=other)
        CarrierCode.objects.create(carrier=carrier, protocol="kuaidi100", code="shentong")
        for peer in (sells, follows):
            peer.turn(-5 * 24 * HOUR)
        yield Platforms(sells, follows, link, other, killing)
        sells.book.shut()
        follows.book.shut()


def post(posted: Posted) -> tuple[int, str]:
    """A push comes to the site's public door."""
    answer = Client().post(urlsplit(posted.url).path, posted.body, content_type=posted.headers["content-type"])
    return answer.status_code, answer.content.decode()


def kill_a_worker(start: Start, platforms: Platforms, stage: str, queue: OutsideStage, calls: int) -> None:
    """A worker of the stage is killed by SIGKILL at its so many-th call; its leases run out."""
    worker = start("-c", WORKER.format(stage=stage), OMS_PUBLIC_URL="https://oms.example")
    platforms.killing.one(worker, calls)
    assert queue.call is not None
    held = queue.call.queue.model._default_manager.filter(lease_until__gt=timezone.now())
    assert held.update(lease_until=timezone.now() - timedelta(hours=1)) > 0, "it had nothing in hand"


def pauses_pass() -> None:
    """The pauses that connections make after so many failures in a row are over."""
    Connection.objects.filter(kind="carrier").update(paused_until=None, failures=0)


def sent(shop: factories.Shop, number: int) -> None:
    """So many parcels: of every third one the warehouse brings the waybill."""
    for sku in (shop.sku, shop.other_sku):
        receiving.receive(shop.warehouse.pk, sku.pk, number, actor="li")
    goods = [(shop.sku, 1, "10.00"), (shop.other_sku, 1, "25.50")]
    for place in range(number):
        shop.place_order(goods[place % 2], payment_method="cod")
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
    for place, part in enumerate(SubOrder.objects.order_by("pk")):
        if place % 3:
            steps.tell(steps.work_of(part), "packed")
        else:
            steps.tell(steps.work_of(part), "shipped", parcels=[{"carrier": "STO", "waybill": f"7730{place:09d}"}])
    factories.run(events.run)


def ends(platforms: Platforms) -> dict[str, str]:
    """Where each platform's own book says that its parcels are, by waybill, in our words."""
    tables = words.tables()

    def state(protocol: str, code: str) -> str:
        return tables.of(protocol).known[code].state

    def newest(entry: Entry, peer: KdniaoPeer | Kuaidi100Peer) -> str:
        return entry.traces(peer.now(), 1)[-1].code

    sold, followed = platforms.kdniao, platforms.kuaidi100
    return {
        **{one.waybill: state("kdniao", newest(one, sold)) for one in sold.book.entries()},
        **{
            one.waybill: state("kuaidi100", kuaidi100.WORDS[newest(one, followed)][1])
            for one in followed.book.entries()
        },
    }


@pytest.mark.parametrize("number", [150, pytest.param(MANY, marks=pytest.mark.soak)])
def test_all_parcels_end_where_the_books_say_and_alerts_are_on_those_that_stopped(
    start: Start, shop: factories.Shop, platforms: Platforms, number: int
) -> None:
    chance = random.Random(11)  # noqa: S311 - no secret depends on it
    sells, follows = platforms.peers
    sent(shop, number)
    bought, brought = number - -(-number // 3), -(-number // 3)
    assert Shipment.objects.count() == number

    kill_a_worker(start, platforms, "dispatching", dispatching.STAGE, number // 10)
    assert len(sells.book.entries()) == number // 10
    assert Shipment.objects.filter(connection=platforms.sells).exclude(waybill_number=None).count() < number // 10
    sells.mischief.plan(*chance.choices(BROKEN, k=number // 3))
    follows.mischief.plan(*chance.choices(BROKEN, k=number // 6))
    for _round in range(8 + number // 20):
        steps.once(dispatching.run)
        steps.once(subscribing.run)
        pauses_pass()
        if all(peer.mischief.is_harmless for peer in platforms.peers):
            break
    for peer in platforms.peers:
        peer.mischief.forget()
    factories.run(dispatching.run, subscribing.run)

    entries = {entry.order_code: entry for entry in sells.book.entries()}
    known = dict(Shipment.objects.filter(connection=platforms.sells).values_list("number", "waybill_number"))
    assert known == {code: entry.waybill for code, entry in entries.items()}
    assert (len(known), sells.left("YTO") + sells.left("ZTO")) == (bought, 200_000 - bought)
    assert len(follows.book.entries()) == brought
    assert set(WaybillErrand.objects.values_list("outcome", "kind")) == {("done", "subscribe")}
    stopped = {chance.choice(list(entries.values())).waybill for _one in range(number // 30)}
    for entry in (one for one in entries.values() if one.waybill in stopped):
        sells.book.stall(entry.order_code, 2)
    for entry in follows.book.entries()[:2]:
        follows.book.stall(entry.order_code, 3)
        stopped.add(entry.waybill)

    tricks = list(PushTrick)
    for _quarter in range(20):
        for peer in platforms.peers:
            peer.turn(6 * HOUR)
            peer.push_mischief.plan(*chance.choices(tricks, k=number // 3))
            peer.step(post, pauses=(0, 0, 0))
            peer.push_mischief.forget()
        if chance.random() < 0.7:
            factories.run(tracking.run)
    factories.run(tracking.run)
    found = dict(Shipment.objects.values_list("waybill_number", "state"))
    silent = {waybill for waybill, state in ends(platforms).items() if found[waybill] != state}
    assert 0 < len(silent) < number / 2

    AccountSettings.objects.update(calls_a_minute=100_000, calls_a_day=100_000)
    past = timezone.now() - timedelta(hours=1)
    Polling.objects.filter(is_over=False).update(ask_at=past, ready_at=past)
    kill_a_worker(start, platforms, "polling", polling.STAGE, number // 50)
    assert len(platforms.killing.killed) == 2
    sells.mischief.plan(*chance.choices(BROKEN, k=5))
    for _round in range(4 + number // 200):
        steps.once(polling.run)
        pauses_pass()
    factories.run(tracking.run)

    assert dict(Shipment.objects.values_list("waybill_number", "state")) == ends(platforms)
    while alerts.run(1000):
        pass
    late = LogisticsAlert.objects.filter(closed_at=None)
    assert {alert.shipment.waybill_number for alert in late.select_related("shipment") if alert.shipment} == stopped
    assert not late.filter(shipment=None).exists()
    assert {kind for kind, _reason in steps.tickets()} <= {"refund_waits", grouping.LATE.code}
    assert steps.broken_invariants() == []
