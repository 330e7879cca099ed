"""Two hundred parcels through a platform at its worst: none is bought twice, none is lost, and all end where its own
book says."""

import random

import pytest

from logistics.carriers import adapters, dispatching, tracking
from logistics.models import Shipment, ShipmentState
from oms.common.models import Connection, RefusedMessage, Topic
from oms.common.work import facts
from oms.simulators.mischief import PushTrick, Trick
from tests import factories, steps
from tests.kdniao import world
from tests.kdniao.world import HOUR, Platform

pytestmark = pytest.mark.django_db
PARCELS = 200
ENDS = {"301": ShipmentState.SIGNED, "406": ShipmentState.RETURNED}
BROKEN = [Trick.ERROR_BEFORE, Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.GARBAGE, Trick.SYSTEM_ERROR_AFTER]


def test_two_hundred_parcels_reach_the_ends_of_the_platforms_own_book(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    peer, chance = platform.peer, random.Random(7)  # noqa: S311 - no secret depends on it
    # Slow answers end the call; the time-out is short, so that the test is.
    Connection.objects.filter(pk=link.pk).update(timeout_seconds=1)
    peer.mischief.slow_seconds = 1.2
    peer.turn(-5 * 24 * HOUR)
    goods = [(shop.sku, 1, "10.00"), (shop.other_sku, 1, "25.50")]
    orders = [shop.place_order(goods[place % 2], payment_method="cod") for place in range(PARCELS)]
    assert len(world.packed(*orders)) == PARCELS

    peer.mischief.plan(*chance.choices(BROKEN, k=80), Trick.SLOW)
    for _round in range(5):
        steps.once(dispatching.run)

    bought = {entry.order_code: entry for entry in peer.book.entries()}
    known = dict(Shipment.objects.values_list("number", "waybill_number"))
    assert len(bought) == len(known) == PARCELS
    assert known == {number: entry.waybill for number, entry in bought.items()}
    assert sum(entry.asked > 1 for entry in bought.values()) > 20
    assert peer.left("YTO") + peer.left("ZTO") == 200_000 - PARCELS

    tricks = list(PushTrick)
    for _quarter in range(20):
        peer.turn(6 * HOUR)
        peer.push_mischief.plan(*chance.choices(tricks, k=60))
        peer.step(world.post, pauses=(0, 0, 0))
        peer.push_mischief.forget()
        if chance.random() < 0.7:
            factories.run(tracking.run)
    factories.run(tracking.run)

    # A push that is lost is repaired by the next one, but for the last: that is asked for.
    silent = list(Shipment.objects.exclude(state__in=ENDS.values()))
    assert 0 < len(silent) < PARCELS / 2
    asks = adapters.querying(link)
    assert asks
    found = asks.query(link, [world.booked(one) for one in silent])
    facts.receive(link.pk, Topic.CARRIER, [news for of_one in found.values() for news in of_one])
    factories.run(tracking.run)

    ends = {code: ENDS[entry.traces(peer.now(), 1)[-1].code] for code, entry in bought.items()}
    assert dict(Shipment.objects.values_list("number", "state")) == ends
    assert set(ends.values()) == set(ENDS.values())
    assert RefusedMessage.objects.exists()
    assert [kind for kind, _reason in steps.tickets() if kind != "refund_waits"] == []
    assert steps.broken_invariants() == []
