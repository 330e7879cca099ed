"""Cancelling, packing, shipping and asking back within some milliseconds of each other, on real rows: either all of it
is cancelled, with stock and money back, or it left, whoever cancelled was told so, and its carrier is asked to bring it
back."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from time import sleep

import pytest
from django.db import transaction

from inventory import receiving
from inventory.models import Stock
from logistics.carriers.defaults import install_default_carriers
from logistics.carriers.recalling import asking, calling
from logistics.carriers.recalling.asking import CannotRecall
from logistics.models import Recall, Shipment, WarehouseOrder
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
        steps.tell(work, "shipped", minutes=minutes, carrier="SF", waybill=f"SF{work.pk}")


def race(shop: factories.Shop, dice: random.Random, moment: float) -> str:
    """One order that its warehouse works on, and four who act on it within 50 ms before or after each other: the truck
    leaves so many seconds after the others began that it goes either way.

    Returns how it ended: all of it cancelled, with stock and money back, or gone, and its carrier asked to bring it
    back."""
    order = shop.place_order((shop.sku, 2, "10.00"), freight_amount="0.00")
    steps.pay(order)
    part = steps.released(order)
    work = steps.work_of(part)
    floor = Floor()
    told: list[str] = []

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
        """The warehouse is asked to stop it; the carrier, as soon as it left."""
        for _round in range(4):
            steps.once(stopping.pass_on)
            steps.once(stopping.run)
            steps.once(events.run)
            recall()
            sleep(0.02)

    def recall() -> None:
        for parcel in Shipment.objects.filter(sub_order=part.pk):
            with suppress(CannotRecall):
                asking.ask_back(parcel.pk, reason="x", actor=steps.STAFF)

    delays = {act: dice.uniform(0, 0.1) for act in (give_up, pack, intercept)}
    delays[ship] = max(moment + dice.uniform(-0.05, 0.05), 0)

    def later(act: Callable[[], None]) -> None:
        sleep(delays[act])
        act()

    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=floor.stop)), fakes.carrier(fakes.FakeCarrier()):
        with ThreadPoolExecutor(4) as pool:
            for future in [in_thread(pool, lambda act=act: later(act)) for act in delays]:
                future.result(30)
        for _round in range(2):
            factories.run(stopping.pass_on, stopping.run, events.run)
        recall()
        factories.run(calling.run)
    factories.run(balancing.run)

    state = SubOrder.objects.get(pk=part.pk).state
    stock = Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse)
    refunds = [str(refund.amount) for refund in Refund.objects.filter(order=order)]
    recalls = list(Recall.objects.filter(shipment__sub_order=part.pk).values_list("state", flat=True))
    assert stock.reserved == 0
    assert (state == "shipped") == floor.has_shipped
    if state == "cancelled":
        assert (Order.objects.get(pk=order.pk).state, charging.owed(order.pk), refunds) == ("cancelled", 0, ["20.00"])
        assert (told, recalls) == (["asked"], [])
        assert not Shipment.objects.filter(sub_order=part.pk).exclude(state="cancelled").exists()
    else:
        assert state == "shipped"
        assert (charging.owed(order.pk), refunds, recalls) == (20, [], ["accepted"])
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
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 2 * times, actor="test")  # all of them may leave
    install_default_carriers()
    dice = random.Random(seed)  # noqa: S311 - delays
    ended: list[str] = []
    # How long a question takes to reach the floor depends on the machine: the truck comes sooner where it was stopped,
    # later where it was gone.
    moment = 0.1
    for _time in range(times):
        _on_hand[shop.sku.pk] = Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse).on_hand
        ended.append(race(shop, dice, moment))
        moment += 0.01 if ended[-1] == "shipped" else -0.01
    # Neither ends so by chance alone.
    assert min(ended.count("cancelled"), ended.count("shipped")) >= times // 10, ended
    with transaction.atomic(), clock.skipping_waits():
        assert steps.broken_invariants() == []


def test_cancelling_and_shipping_at_once_end_in_one_of_both():
    run(30, seed=20)


@pytest.mark.soak
def test_so_they_do_three_hundred_times():
    run(300, seed=300)
