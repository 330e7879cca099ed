"""Warehouses without a phone: their parcels are not asked for where the carrier wants one, and a person is told."""

import pytest

from inventory.models import Warehouse
from logistics.carriers import choosing, dispatching, senders
from logistics.models import Carrier, CarrierDecision, Shipment
from oms.common.models import Connection, Ticket
from tests import factories, steps
from tests.kdniao import world
from tests.kdniao.world import Platform

pytestmark = pytest.mark.django_db


@pytest.fixture
def mute(shop: factories.Shop, link: Connection) -> Warehouse:
    """The shop's warehouse, without a phone."""
    Warehouse.objects.update(contact_phone="", waybill_when=Warehouse.WaybillWhen.WHEN_PACKED)
    return Warehouse.objects.get()


def told() -> list[str]:
    return sorted(kind for kind, _reason in steps.tickets())


def test_a_person_is_told_before_anything_is_asked_for_and_until_there_is_a_phone(
    mute: Warehouse, platform: Platform
) -> None:
    assert (senders.watch(), told()) == (1, ["sender_without_phone"])
    values = Ticket.objects.get().values
    assert values == {"warehouse": f"{mute.code} {mute.name}", "carriers": "YTO, ZTO"}
    senders.watch()
    assert told() == ["sender_without_phone"]

    Warehouse.objects.update(contact_phone="010-88880001")
    assert (senders.watch(), told()) == (0, [])


@pytest.mark.parametrize(
    "harmless",
    [
        {"waybill_when": Warehouse.WaybillWhen.OWN},
        {"is_active": False},
        {"kind": Warehouse.Kind.VIRTUAL},
    ],
)
def test_warehouses_whose_waybills_are_not_bought_need_no_phone(mute: Warehouse, harmless: dict[str, object]) -> None:
    Warehouse.objects.update(**harmless)
    assert (senders.watch(), told()) == (0, [])


def test_where_no_carrier_wants_a_phone_nobody_is_told(mute: Warehouse, link: Connection) -> None:
    link.protocol = "json"
    link.save()
    assert (senders.watch(), told()) == (0, [])


def test_no_carrier_that_wants_a_phone_is_asked_and_what_waited_goes_on_once_there_is_one(
    shop: factories.Shop, mute: Warehouse, platform: Platform
) -> None:
    world.packed(shop.place_order(payment_method="cod"))
    for _carrier in range(2):
        steps.once(dispatching.run)

    parcel = Shipment.objects.get()
    assert platform.peer.book.entries() == []
    assert parcel.needs_person_since is not None
    assert set(CarrierDecision.objects.filter(cause="refused").values_list("text", flat=True)) == {"no_sender_phone"}
    assert steps.tickets() == [("no_carrier_left", "no_sender_phone")]
    senders.watch()
    assert steps.fresh(parcel).needs_person_since is not None

    Warehouse.objects.update(contact_phone="010-88880001")
    senders.watch()
    factories.run(choosing.run, dispatching.run)

    (entry,) = platform.peer.book.entries()
    assert steps.fresh(parcel).waybill_number == entry.waybill
    assert told() == []
    assert steps.broken_invariants() == []


def test_another_carrier_that_wants_none_takes_the_parcel(
    shop: factories.Shop, mute: Warehouse, platform: Platform
) -> None:
    own = Connection.objects.create(code="own", name="x", kind="carrier", protocol="sandbox", base_url="http://x")
    Carrier.objects.create(code="OWN", name="OWN", priority=9, connection=own)
    world.packed(shop.place_order(payment_method="cod"))
    for _carrier in range(2):
        steps.once(dispatching.run)

    carrier = Shipment.objects.get().carrier
    assert carrier is not None
    assert (carrier.code, platform.peer.book.entries(), told()) == ("OWN", [], [])
