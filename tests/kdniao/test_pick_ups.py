"""Couriers who fetch returned goods, over a pretended 快递鸟: booked, called off, missed, refused, late and twice."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from logistics.buyer import links
from logistics.models import DoorPickUp, ReturnParcel, Shipment
from logistics.returning import following, picking_up
from oms.common.errors import OmsError
from oms.simulators.mischief import Trick
from orders.models import OrderEvent, ReturnRequest
from orders.returning import deciding, travelling
from tests import factories, steps
from tests.kdniao import world
from tests.kdniao.world import Platform
from tests.returns.world import BUYER, arrived, ask, install

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(shop: factories.Shop, settings, tmp_path) -> ReturnRequest:  # type: ignore[no-untyped-def]
    """A return that waits for goods; the warehouse has an address."""
    settings.MEDIA_ROOT = tmp_path
    install()
    order = arrived(shop, "50.00")
    house = type(shop.warehouse).objects.filter(pk=shop.warehouse.pk)
    house.update(address="物流园3号库", contact_name="王五", contact_phone="13900002222")
    return deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF)


@pytest.fixture
def kdniao(row):  # type: ignore[no-untyped-def]
    with world.serving() as platform:
        world.connect(platform, "YTO")
        yield platform


def fresh(row):  # type: ignore[no-untyped-def]
    return type(row).objects.get(pk=row.pk)


def intended(row: ReturnRequest, place: int = 0) -> DoorPickUp:
    """The buyer chose a window."""
    window = picking_up.windows(timezone.now())[place]
    return picking_up.book(row.pk, since=window.since, until=window.until, actor=BUYER)


def booked(row: ReturnRequest) -> DoorPickUp:
    """A courier is to come."""
    pick_up = intended(row)
    steps.once(picking_up.SEND_STAGE.run)
    return fresh(pick_up)


def missed(pick_up: DoorPickUp) -> None:
    """Its window is over."""
    at = timezone.now() - timedelta(hours=4)
    DoorPickUp.objects.filter(pk=pick_up.pk).update(since=at - timedelta(hours=5), until=at)
    steps.once(picking_up.run)
    steps.once(picking_up.SEND_STAGE.run)


def test_a_courier_is_booked_and_its_scan_brings_the_return_on(row, kdniao: Platform):
    pick_up = booked(row)
    entry = kdniao.peer.book.of_order(f"{row.number}-U1")
    assert entry
    assert (pick_up.state, pick_up.waybill_number) == ("booked", entry.waybill)
    assert (entry.content["Sender"]["Mobile"], entry.content["Receiver"]["Name"]) == ("13800001111", "王五")
    assert (fresh(row).state, fresh(row).waybill_number) == ("awaiting_goods", entry.waybill)
    shipment = ReturnParcel.objects.get(is_current=True).shipment
    assert (shipment.direction, shipment.pick_up_from) == ("return", pick_up.since)
    assert steps.broken_invariants() == []

    steps.scan(shipment, "collected")
    assert (fresh(row).state, fresh(pick_up).state) == ("in_transit", "collected")
    with pytest.raises(OmsError):
        picking_up.call_off(row.pk, actor=BUYER)
    assert OrderEvent.objects.filter(kind="return_pick_up_booked").count() == 1
    assert (steps.tickets(), steps.broken_invariants()) == ([], [])


def test_a_window_after_the_last_day_to_send_the_goods_is_waited_for(row, kdniao: Platform):
    type(row).objects.filter(pk=row.pk).update(ready_at=timezone.now() + timedelta(minutes=1))
    pick_up = intended(row, -1)
    assert fresh(row).ready_at > pick_up.until + timedelta(hours=3)
    steps.once(picking_up.SEND_STAGE.run)
    later = timezone.now() + timedelta(days=30)
    type(row).objects.filter(pk=row.pk).update(ready_at=later)
    picking_up.call_off(row.pk, actor=BUYER)
    steps.once(picking_up.SEND_STAGE.run)
    intended(row)
    assert fresh(row).ready_at == later


def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_number(row, kdniao: Platform):
    intended(row)
    kdniao.peer.mischief.plan(Trick.SYSTEM_ERROR_AFTER)
    steps.once(picking_up.SEND_STAGE.run)
    assert DoorPickUp.objects.get().state == "intended"
    with pytest.raises(OmsError):
        picking_up.call_off(row.pk, actor=BUYER)
    steps.once(picking_up.SEND_STAGE.run)
    assert DoorPickUp.objects.get().state == "booked"
    assert len(kdniao.peer.book.entries()) == 1


def test_one_is_called_off_and_another_one_booked(row, kdniao: Platform):
    with pytest.raises(OmsError):
        picking_up.book(row.pk, since=timezone.now(), until=timezone.now() + timedelta(hours=1), actor=BUYER)
    pick_up = booked(row)
    with pytest.raises(OmsError):
        intended(row)
    picking_up.call_off(row.pk, actor=BUYER)
    steps.once(picking_up.SEND_STAGE.run)
    assert (fresh(pick_up).state, fresh(row).waybill_number) == ("cancelled", "")
    assert kdniao.peer.book.of_order(pick_up.number).cancelled_at is not None
    assert Shipment.objects.get(number=pick_up.number).state == "cancelled"
    never = intended(row)
    picking_up.call_off(row.pk, actor=BUYER)
    assert fresh(never).state == "cancelled"
    assert booked(row).number == f"{row.number}-U3"
    assert (steps.tickets(), steps.broken_invariants()) == ([], [])


def test_who_was_not_met_is_asked_for_once_more_and_then_a_person_is_called(row, kdniao: Platform):
    first = booked(row)
    missed(first)
    second = DoorPickUp.objects.latest("pk")
    assert (fresh(first).state, second.number) == ("missed", f"{row.number}-U2")
    assert steps.tickets() == []
    steps.once(picking_up.SEND_STAGE.run)
    missed(fresh(second))
    assert (fresh(second).state, DoorPickUp.objects.count()) == ("missed", 2)
    assert steps.tickets() == [("pick_up_failed", "missed")]
    assert fresh(row).state == "awaiting_goods", "the buyer may still send it"
    assert steps.broken_invariants() == []


def test_a_carrier_that_refuses_is_told_to_the_buyer_and_a_person(row, kdniao: Platform):
    kdniao.peer.closed.add("YTO")
    assert booked(row).state == "refused"
    assert steps.tickets() == [("pick_up_failed", "refused")]
    assert OrderEvent.objects.filter(kind="return_pick_up_failed").count() == 1
    assert steps.broken_invariants() == []


def test_a_courier_nobody_waits_for_is_called_off(row, kdniao: Platform):
    pick_up = booked(row)
    travelling.hand_over(row.pk, carrier="顺丰", waybill="SF5", actor=BUYER)
    factories.run(following.run)
    steps.once(picking_up.run)
    steps.once(picking_up.SEND_STAGE.run)
    assert (fresh(pick_up).state, fresh(row).waybill_number) == ("cancelled", "SF5")
    assert steps.broken_invariants() == []


def test_a_courier_that_came_before_it_was_called_off_is_found_by_its_scans(row, kdniao: Platform):
    pick_up = booked(row)
    kdniao.peer.turn(4 * world.HOUR)
    picking_up.call_off(row.pk, actor=BUYER)
    steps.once(picking_up.SEND_STAGE.run)
    assert fresh(pick_up).state == "booked"
    assert steps.tickets() == [("pick_up_failed", "not_called_off")]
    steps.scan(Shipment.objects.get(number=pick_up.number), "collected")
    assert (fresh(row).state, fresh(pick_up).state) == ("in_transit", "collected")
    assert (steps.tickets(), steps.broken_invariants()) == ([], [])


def test_the_buyer_books_and_calls_off_on_the_page(row, kdniao: Platform):
    client, address = Client(headers={"accept-language": "zh-hans"}), links.path_of(row.order)
    client.post(address, {"digits": "1111"})
    assert "预约上门取件" in client.get(address).content.decode()
    assert (
        "请选择一个时段"
        in client.post(address, {"action": "return_pick_up", "return": row.pk, "window": "x"}).content.decode()
    )
    window = picking_up.windows(timezone.now())[0]
    chosen = f"{window.since.isoformat()}/{window.until.isoformat()}"
    client.post(address, {"action": "return_pick_up", "return": row.pk, "window": chosen})
    steps.once(picking_up.SEND_STAGE.run)
    assert "取消上门取件" in client.get(address).content.decode()
    client.post(address, {"action": "return_call_off", "return": row.pk})
    assert DoorPickUp.objects.get().state == "calling_off"
