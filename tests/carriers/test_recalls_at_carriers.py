"""Parcels asked back over carriers' own protocols, against their peers: caught, refused, and lied about."""

from collections.abc import Iterator

import pytest

from logistics.carriers import dispatching, tracking
from logistics.carriers.recalling import asking, calling
from logistics.models import Recall, Shipment
from oms.common.models import Connection
from oms.simulators.carrier_peer import CarrierPeer
from oms.simulators.jdl import JdlPeer
from oms.simulators.mischief import Trick
from oms.simulators.sf import SfPeer
from orders.changing.readdressing import Recipient
from tests import factories, steps
from tests.carriers import test_jdl, test_sf, world
from tests.carriers.world import HOUR, Served

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["sf", "jdl"])
def served(request: pytest.FixtureRequest) -> Iterator[Served[CarrierPeer]]:
    """Each of the carriers in turn."""
    name = request.param
    keys, peer = (test_sf.KEYS, SfPeer) if name == "sf" else (test_jdl.KEYS, JdlPeer)
    with world.serving(name, lambda: peer(keys, notify_url=world.push_url(f"{name}-1"))) as one:
        yield one


@pytest.fixture
def shipment(shop: factories.Shop, served: Served[CarrierPeer]) -> Shipment:
    """A parcel that the carrier carries since twelve hours, by its own clock."""
    if isinstance(served.peer, SfPeer):
        secrets = {**test_sf.SECRETS, "push_token": test_sf.KEYS.push_token}
        world.connect("sf", f"{served.address}/sf/std/service", secrets, "SF")
    else:
        secrets = {**test_jdl.SECRETS, "push_token": test_jdl.KEYS.push_token}
        world.connect("jdl", f"{served.address}/jdl", secrets, "JD", **test_jdl.OPTIONS)
    served.peer.turn(-96 * HOUR)
    (part,) = world.packed(shop.place_order(payment_method="cod"))
    factories.run(dispatching.run)
    steps.warehouse_says(part, "shipped")
    go_on(served, 12)
    return Shipment.objects.get()


def go_on(served: Served[CarrierPeer], hours: float) -> None:
    """Time passes, and the carrier tells what happens."""
    served.peer.turn(hours * HOUR)
    served.peer.step(world.post)
    factories.run(tracking.run)


@pytest.mark.parametrize("trick", [None, Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.SYSTEM_ERROR_AFTER, Trick.GARBAGE])
def test_a_parcel_that_is_caught_comes_back_though_the_answer_was_lost(
    shipment: Shipment, served: Served[CarrierPeer], trick: Trick | None
) -> None:
    recall = asking.ask_back(shipment.pk, reason="x", actor=steps.STAFF)
    if trick is not None:
        served.peer.mischief.plan(trick)
        steps.once(calling.run)
        assert steps.fresh(recall).state == "asked"
    steps.once(calling.run)
    assert (steps.fresh(recall).state, steps.fresh(recall).answer) == ("accepted", "taken")

    go_on(served, 2)
    go_on(served, 40)

    assert (steps.fresh(recall).state, steps.fresh(shipment).state) == ("succeeded", "returned")
    assert steps.state_of(shipment.sub_order) == "returned"
    assert [kind for kind, _reason in steps.tickets()] == []
    assert steps.broken_invariants() == []


def test_a_parcel_that_a_courier_has_is_refused_and_one_that_is_lied_about_goes_on(
    shipment: Shipment, served: Served[CarrierPeer]
) -> None:
    served.peer.lies = True
    first = asking.ask_back(shipment.pk, reason="x", actor=steps.STAFF)
    factories.run(calling.run)
    assert steps.fresh(first).state == "accepted"
    Recall.objects.filter(pk=first.pk).update(state="failed", ended_at=steps.NOON)  # given up
    go_on(served, 19.5)
    assert steps.fresh(shipment).state == "out_for_delivery"

    second = asking.ask_back(shipment.pk, reason="x", actor=steps.STAFF)
    factories.run(calling.run)

    assert (steps.fresh(second).state, steps.fresh(second).answer) == ("failed", "refused")
    assert "不" in steps.fresh(second).answer_text
    assert ("recall_failed", "refused") in steps.tickets()


def test_a_parcel_goes_where_it_is_wanted_instead(shipment: Shipment, served: Served[CarrierPeer]) -> None:
    recall = asking.ask_elsewhere(shipment.pk, Recipient(address="建国路88号"), reason="x", actor=steps.STAFF)
    factories.run(calling.run)

    (entry,) = served.peer.book.entries()
    assert "建国路88号" in str(entry.content.get("newDestAddress") or entry.content["receiverContact"])
    assert steps.fresh(recall).state == "accepted"
    go_on(served, 80)
    assert steps.fresh(recall).state in ("succeeded", "failed")
    assert (steps.fresh(recall).state == "succeeded") == (steps.fresh(shipment).state == "signed")
    assert Connection.objects.get(code__endswith="-1", protocol__in=("sf", "jdl")).failures == 0
