"""Cancelling, packing, shipping and asking back within some milliseconds of each other, on real rows: either all of it
is cancelled, with stock and money back, or it left, and whoever cancelled was told so."""

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import sleep

import pytest
from django.db import transaction

from inventory.models import Stock
from logistics.models import WarehouseOrder
from logistics.warehouses import events, stopping
from logistics.warehouses.adapters import Answer
from oms.common.work import clock
from orders.changing import charging
from orders.changing.cancelling import CannotCancel
from orders.changing.choosing import Selection, cancel
from orders.models import Order, OrderEvent, SubOrder
from payments.models import Refund
from payments.owing import balancing
from tests import factories, fakes, steps
from tests.pipeline.test_races import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


class Floor:
    """A warehouse that stops what it has not shipped, and ships what it was not told to stop."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.has_shipped = self.has_stopped = False

    def stop(self, _reference: str) -> Answer:
        """Its answer to a cancellation."""
        with self.lock:
            if self.has_shipped:
                return Answer(taken=False, reason="gone")
            self.has_stopped = True
            return Answer(taken=True)

    def ship(self, work: WarehouseOrder, minutes: int) -> None:
        """The parcel leaves, unless it was stopped."""
        with self.lock:
            if self.has_stopped:
                return
            self.has_shipped = True
        steps.tell(work, "shipped", minutes=minutes)


def race(shop: factories.Shop, dice: random.Random) -> str:
    """One order, and four who act on it at once; returns how it ended."""
    order = shop.place_order((shop.sku, 2, "10.00"), freight_amount="0.00")
    steps.pay(order)
    part = steps.released(order)
    work = steps.work_of(part)
    floor = Floor()
    told: list[str] = []

    def later(act: object) -> object:
        sleep(dice_of[act] / 1000)
        return act()  # type: ignore[operator]

    def give_up() -> None:
        try:
            cancel(order.pk, Selection(), reason="x", actor=steps.STAFF)
            told.append("asked")
        except CannotCancel as refusal:
            told.append(str(refusal))

    def pack() -> None:
        steps.tell(work, "accepted", "packed")
        steps.once(events.run)

    def ship() -> None:
        floor.ship(work, 5)
        steps.once(events.run)

    def intercept() -> None:
        for _round in range(6):
            steps.once(stopping.pass_on)
            steps.once(stopping.run)
            steps.once(events.run)
            sleep(0.02)

    everybody = [give_up, pack, ship, intercept]
    # Around the moment at which the answer would be there, so that it goes either way.
    dice_of = {give_up: dice.uniform(0, 100), pack: dice.uniform(50, 150), intercept: dice.uniform(0, 100)}
    dice_of[ship] = dice.uniform(100, 300)
    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=floor.stop)):
        with ThreadPoolExecutor(4) as pool:
            for future in [in_thread(pool, lambda act=act: later(act)) for act in everybody]:
                future.result(30)
        for _round in range(2):
            factories.run(stopping.pass_on, stopping.run, events.run)
    factories.run(balancing.run)

    state = SubOrder.objects.get(pk=part.pk).state
    stock = Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse)
    refunds = [str(refund.amount) for refund in Refund.objects.filter(order=order)]
    assert stock.reserved == 0 or state == "packed"
    if state == "cancelled":
        assert (Order.objects.get(pk=order.pk).state, charging.owed(order.pk), refunds) == ("cancelled", 0, ["20.00"])
        assert not floor.has_shipped
        assert told == ["asked"]
    else:
        assert state in ("packed", "shipped")
        assert floor.has_shipped == (state == "shipped")
        assert (charging.owed(order.pk), refunds) == (20, [])
        assert Order.objects.get(pk=order.pk).cancel_requested_at is None
        # Whoever cancelled knows: refused at once, or answered later.
        is_answered = OrderEvent.objects.filter(order=order, kind="cancel_not_granted").exists()
        assert is_answered == (told == ["asked"])
    assert stock.on_hand == before_of(shop) - (2 if state == "shipped" else 0)
    return state


_on_hand: dict[int, int] = {}


def before_of(shop: factories.Shop) -> int:
    return _on_hand[shop.sku.pk]


def run(times: int, seed: int) -> None:
    shop = factories.make_shop()
    dice = random.Random(seed)  # noqa: S311 - delays
    ended = []
    for _time in range(times):
        _on_hand[shop.sku.pk] = Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse).on_hand
        ended.append(race(shop, dice))
    assert {"cancelled", "shipped"} <= set(ended), ended
    with transaction.atomic(), clock.skipping_waits():
        assert steps.broken_invariants() == []


def test_cancelling_and_shipping_at_once_end_in_one_of_both():
    run(30, seed=20)


@pytest.mark.soak
def test_so_they_do_three_hundred_times():
    run(300, seed=300)
