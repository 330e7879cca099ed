"""Exchanges beside ships and cancellations within some milliseconds, on real rows: new goods go out or do not, and in
both cases stock and money say the same."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import sleep

import pytest
from django.db import transaction

from inventory.models import Stock
from logistics.carriers.defaults import install_default_carriers
from logistics.warehouses import events, stopping
from logistics.warehouses.adapters import Answer
from oms.common.errors import OmsError
from oms.common.models import Ticket
from oms.common.work import clock
from orders.changing import charging
from orders.changing.choosing import Selection, cancel
from orders.models import Exchange, Order, SubOrder
from orders.returning import deciding
from payments.exchanging import following
from tests import factories, fakes, steps
from tests.exchanging.world import exchange, new_order, of, run, send
from tests.pipeline.test_races import in_thread
from tests.returns.world import install

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(transactional_db):
    shop = factories.make_shop()
    install_default_carriers()
    install()
    shop.channel.exchange_leaves = "at_once"
    shop.channel.save()
    return shop


def at_once(dice: random.Random, *acts: Callable[[], object]) -> None:
    """Do these within 50 ms before or after each other; who is refused leaves it."""
    delays = [dice.uniform(0, 0.1) for _act in acts]

    def later(act: Callable[[], object], seconds: float) -> None:
        sleep(seconds)
        with suppress(OmsError):
            act()

    with ThreadPoolExecutor(len(acts)) as pool:
        pairs = zip(acts, delays, strict=True)
        for future in [in_thread(pool, lambda act=act, seconds=seconds: later(act, seconds)) for act, seconds in pairs]:
            future.result(30)


def everything_holds() -> None:
    with transaction.atomic(), clock.skipping_waits():
        assert steps.broken_invariants() == []


def units_there(shop: factories.Shop) -> int:
    return Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse).on_hand


def arrived(shop: factories.Shop) -> Order:
    """A paid order of two units, at the buyer's."""
    order = shop.place_order((shop.sku, 2, "10.00"), freight_amount="0.00")
    steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    order.sub_orders.update(delivered_at=factories.timezone.now())
    return order


def test_new_goods_that_leave_while_the_exchange_is_given_up_are_sent_or_stopped_and_never_both(shop):
    """The buyer keeps the old goods, staff cancel the new order, and its warehouse ships it, all at once."""
    dice = random.Random(11)  # noqa: S311 - delays
    ended = []
    for _round in range(10):
        row = exchange(arrived(shop), {1: 1})
        run()
        new = new_order(row)
        send(new)
        there, work = units_there(shop), steps.work_of(SubOrder.objects.get(order=new))
        gone: list[bool] = []

        def stop(_reference: str, gone: list[bool] = gone) -> Answer:
            return Answer(taken=not gone)

        def ship(work=work, gone: list[bool] = gone) -> None:
            gone.append(True)
            steps.tell(work, "packed", "shipped", carrier="SF", waybill=f"SF{work.pk}")
            steps.once(events.run)

        def keep(row=row) -> None:
            deciding.cancel(row.pk, reason="keeps it", actor=steps.STAFF)
            steps.once(following.run)

        def give_up(new=new) -> None:
            cancel(new.pk, Selection(), reason="x", actor=steps.STAFF)
            for stage in (stopping.pass_on, stopping.run, events.run):
                steps.once(stage)

        with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=stop)):
            everybody = [keep, give_up, ship] if dice.random() < 0.6 else [keep, give_up]
            at_once(dice, *everybody)
            for _again in range(2):
                factories.run(stopping.pass_on, stopping.run, events.run)
                run()

        row = of(row)
        state = SubOrder.objects.get(order=new).state
        assert state in ("cancelled", "shipped")
        if state == "shipped":
            assert gone
            assert (row.ended_at, units_there(shop)) == (None, there - 1)
            assert Ticket.objects.filter(kind="exchange_unpaid", subject_id=row.pk, state="open").exists()
        else:
            assert (row.end_reason, units_there(shop)) == ("return_ended", there - (1 if gone else 0))
            assert (new_order(row).state, charging.owed(new.pk)) == ("cancelled", 0)
        ended.append(state)
    assert set(ended) == {"cancelled", "shipped"}
    everything_holds()


def test_an_exchange_beside_the_shipping_and_the_cancelling_of_the_rest_is_begun_once(shop):
    """One unit is there and is exchanged, twice over; the rest of its order leaves, and is cancelled."""
    dice = random.Random(12)  # noqa: S311 - delays
    ended = []
    for _round in range(8):
        order = shop.place_order((shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"), freight_amount="0.00")
        steps.pay(order)
        work = steps.work_of(steps.released(order))
        lines = {line.order_line.position: line.pk for line in work.sub_order.lines.select_related("order_line")}
        parcel = {"waybill": f"SF{work.pk}", "carrier": "SF", "lines": [{"line": str(lines[1]), "quantity": 2}]}
        steps.tell(work, "shipped", parcels=[parcel])
        factories.run(events.run)
        there = SubOrder.objects.get(order=order, state="shipped")
        steps.scan(there.shipments.get(), "signed")
        SubOrder.objects.filter(pk=there.pk).update(delivered_at=factories.timezone.now(), refused_by=None)
        SubOrder.objects.filter(order=order).update(refused_by=None)
        send(order)
        rest = SubOrder.objects.exclude(pk=there.pk).get(order=order)
        gone: list[bool] = []

        def stop(_reference: str, gone: list[bool] = gone) -> Answer:
            return Answer(taken=not gone)

        def ship(rest=rest, gone: list[bool] = gone) -> None:
            gone.append(True)
            steps.tell(steps.work_of(rest), "packed", "shipped", carrier="SF", waybill=f"SR{rest.pk}")
            steps.once(events.run)

        def give_up(order=order) -> None:
            cancel(order.pk, Selection(is_rest=True), reason="x", actor=steps.STAFF)
            for stage in (stopping.pass_on, stopping.run, events.run):
                steps.once(stage)

        def begin(order=order) -> None:
            exchange(order, {1: 2})

        with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=stop)):
            at_once(dice, begin, begin, give_up, *([ship] if dice.random() < 0.6 else []))
            for _again in range(2):
                factories.run(stopping.pass_on, stopping.run, events.run)
                run()

        assert Exchange.objects.filter(return_request__order=order, begun_at__isnull=False).count() == 1
        state = SubOrder.objects.get(pk=rest.pk).state
        assert state in ("cancelled", "shipped")
        assert charging.owed(order.pk) == (20 if state == "cancelled" else pytest.approx(45.5))
        ended.append(state)
    assert set(ended) == {"cancelled", "shipped"}
    everything_holds()
