"""Several parcels of a warehouse order with one order at kdniao (子母件), against a peer that speaks as it does."""

import pytest
from django.test import Client

from logistics.carriers import cancelling, dispatching, freight, subscribing, switching, tracking, voiding
from logistics.models import (
    Carrier,
    CarrierAccount,
    CarrierDecision,
    Paper,
    ParcelFreight,
    Shipment,
    ShipmentLabel,
    WaybillErrand,
    WaybillShare,
    WaybillUse,
)
from logistics.printing import choosing, contents
from logistics.printing.contents import Arrangement
from oms.common.errors import OmsError
from oms.common.models import Connection
from oms.common.secrecy import unseal
from oms.simulators.mischief import Trick
from orders.models import SubOrder
from tests import factories, steps
from tests.kdniao import world
from tests.kdniao.world import HOUR, Platform

pytestmark = pytest.mark.django_db


@pytest.fixture
def link(shop: factories.Shop, link: Connection) -> Connection:
    """The connection says of YTO that it gives several waybills for an order; of ZTO it does not."""
    link.options = {"children": ["YTO"]}
    link.save()
    return link


def in_boxes(shop: factories.Shop, *boxes: int, is_cod: bool = True) -> SubOrder:
    """A sub-order that its warehouse packed in so many boxes, with these units in each."""
    order = shop.place_order((shop.sku, sum(boxes), "10.00"), **({"payment_method": "cod"} if is_cod else {}))
    if not is_cod:
        steps.pay(order)
    part = steps.released(order)
    line = str(part.lines.get().pk)
    steps.warehouse_says(part, "packed", parcels=[{"lines": [{"line": line, "quantity": units}]} for units in boxes])
    return part


def parcels() -> list[Shipment]:
    return list(Shipment.objects.exclude(state="cancelled").order_by("pk"))


def numbers_of(platform: Platform, mother: Shipment) -> list[str | None]:
    """The waybills of the platform's order for a parcel."""
    entry = platform.peer.book.of_order(mother.number)
    assert entry
    return [entry.waybill, *platform.peer.book.children(mother.number)]


def test_one_order_gives_the_waybills_of_all_boxes_and_is_told_all_of_them(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = in_boxes(shop, 2, 1, 3)
    mother, second, third = parcels()
    assert [one.mother_id for one in (mother, second, third)] == [None, mother.pk, mother.pk]

    steps.once(dispatching.run)

    mother, *children = parcels()
    assert [one.waybill_number for one in (mother, *children)] == numbers_of(platform, mother)
    assert len({one.waybill_number for one in (mother, *children)}) == 3
    assert {one.state for one in (mother, *children)} == {"waybill_issued"}
    entry = platform.peer.book.of_order(mother.number)
    assert entry
    told = entry.content
    assert (told["Quantity"], told["Weight"]) == (3, sum(one.weight_g for one in parcels()) / 1000)
    assert sum(one["Goodsquantity"] for one in told["Commodity"]) == 6
    # All of the cash is collected with the one order.
    assert [one["Value"] for one in told["AddService"]] == [str(part.payable_amount)]
    assert (entry.asked, platform.peer.left("YTO")) == (1, 100_000 - 3)
    for one in parcels():
        template = unseal(ShipmentLabel.objects.get(shipment=one).template)
        assert template.startswith(f"<div>{one.waybill_number} ")
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("trick", [Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.GARBAGE, Trick.SYSTEM_ERROR_AFTER])
def test_a_lost_answer_is_asked_for_again_and_buys_nothing_twice(
    shop: factories.Shop, link: Connection, platform: Platform, trick: Trick
) -> None:
    in_boxes(shop, 1, 1)
    platform.peer.mischief.plan(trick)
    steps.once(dispatching.run)
    assert [one.waybill_number for one in parcels()] == [None, None]

    steps.once(dispatching.run)

    mother, child = parcels()
    assert [mother.waybill_number, child.waybill_number] == numbers_of(platform, mother)
    assert len(platform.peer.book.entries()) == 2
    assert platform.peer.left("YTO") == 100_000 - 2


def test_a_refusal_gives_all_of_them_to_another_carrier_which_may_want_an_order_each(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    in_boxes(shop, 1, 1, is_cod=False)
    platform.peer.closed.add("YTO")

    steps.once(dispatching.run)
    first, second = parcels()
    assert [(one.carrier and one.carrier.code, one.mother_id) for one in (first, second)] == [("ZTO", None)] * 2
    assert CarrierDecision.objects.filter(cause="refused", former__code="YTO").count() == 2
    steps.once(dispatching.run)

    codes = {entry.order_code: entry.waybill for entry in platform.peer.book.entries()}
    assert codes == {one.number: one.waybill_number for one in parcels()}
    assert {waybill[:3] for waybill in codes.values()} == {"ZTO"}
    assert steps.broken_invariants() == []


def test_a_refusal_that_leaves_nobody_calls_one_person_who_gives_all_of_them_to_a_carrier(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    Carrier.objects.filter(code="ZTO").update(is_active=False)
    in_boxes(shop, 1, 1)
    platform.peer.closed.add("YTO")
    steps.once(dispatching.run)
    mother, child = parcels()
    assert [kind for kind, _reason in steps.tickets()] == ["no_carrier_left"]
    assert (child.mother_id, mother.needs_person_since is None) == (mother.pk, False)

    platform.peer.closed.clear()
    told = switching.switch(child.pk, "YTO", actor=steps.STAFF)
    assert told.pk == mother.pk
    steps.once(dispatching.run)

    mother, child = parcels()
    assert [mother.waybill_number, child.waybill_number] == numbers_of(platform, mother)
    assert steps.tickets() == []


def test_a_carrier_that_gives_fewer_numbers_leaves_the_others_to_orders_of_their_own(
    shop: factories.Shop, link: Connection, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_boxes(shop, 1, 1, 1, is_cod=False)
    kept = platform.peer.book.children
    monkeypatch.setattr(platform.peer.book, "children", lambda code: kept(code)[:1])

    for _again in range(2):
        steps.once(dispatching.run)

    mother, second, third = parcels()
    assert (second.mother_id, third.mother_id) == (mother.pk, None)
    assert third.waybill_number == platform.peer.book.of_order(third.number).waybill  # type: ignore[union-attr]
    assert steps.broken_invariants() == []


def test_a_carrier_of_which_the_connection_says_nothing_gets_an_order_a_box(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    link.options = {}
    link.save()
    in_boxes(shop, 1, 1, is_cod=False)
    steps.once(dispatching.run)

    assert {entry.order_code: entry.content["Quantity"] for entry in platform.peer.book.entries()} == {
        one.number: 1 for one in parcels()
    }


@pytest.mark.parametrize("which", [0, 1, 2])
def test_voiding_any_of_them_cancels_the_order_and_buys_as_many_again(
    shop: factories.Shop, link: Connection, platform: Platform, which: int
) -> None:
    in_boxes(shop, 2, 1, 1)
    steps.once(dispatching.run)
    old = parcels()
    contents_before = [dict(one.lines.values_list("sub_order_line", "quantity")) for one in old]

    told = voiding.void(old[which].pk, "纸卡坏了", actor=steps.STAFF)
    assert told.pk == old[0].pk
    choice = choosing.choose(Paper.LABEL, [one.number for one in old])
    assert (choice.ids, len(choice.left_out)) == ([], 3)
    with pytest.raises(OmsError):
        voiding.void(old[(which + 1) % 3].pk, "again", actor=steps.STAFF)
    steps.once(cancelling.run)

    assert WaybillErrand.objects.filter(kind="cancel").values_list("shipment", "outcome").get() == (old[0].pk, "done")
    assert {entry.cancelled_at is None for entry in platform.peer.book.entries()} == {False}
    assert {steps.state_of(one) for one in old} == {"cancelled"}
    steps.once(dispatching.run)

    new = parcels()
    assert [one.waybill_number for one in new] == numbers_of(platform, new[0])
    assert [dict(one.lines.values_list("sub_order_line", "quantity")) for one in new] == contents_before
    assert not {one.waybill_number for one in new} & {one.waybill_number for one in old}
    assert steps.broken_invariants() == []


def test_a_box_that_turns_out_not_to_exist_leaves_the_order_until_none_is_left(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = in_boxes(shop, 1, 1)
    steps.once(dispatching.run)
    mother, child = parcels()
    line = str(part.lines.get().pk)

    # All of it was packed in the second box.
    told = {"carrier": "YTO", "waybill": child.waybill_number, "lines": [{"line": line, "quantity": 2}]}
    steps.warehouse_says(part, "packed", minutes=5, parcels=[told])

    assert [steps.state_of(one) for one in (mother, child)] == ["cancelled", "waybill_issued"]
    assert not WaybillErrand.objects.filter(kind="cancel").exists()
    assert steps.broken_invariants() == []


def test_children_that_wait_go_on_when_their_mother_will_not_be(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = in_boxes(shop, 1, 1, 1)
    second, third = parcels()[1:]
    line = str(part.lines.get().pk)
    # The warehouse put its own waybill on the first.
    own = {"carrier": "STO", "waybill": "STO1", "lines": [{"line": line, "quantity": 1}]}
    steps.warehouse_says(part, "packed", minutes=5, parcels=[own])

    second, third = steps.fresh(second), steps.fresh(third)
    assert (second.mother_id, third.mother_id) == (None, second.pk)


def test_scans_of_each_are_its_own_and_children_are_asked_to_be_told_of(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    platform.peer.turn(-24 * HOUR)
    in_boxes(shop, 1, 1)
    steps.once(dispatching.run)
    mother, child = parcels()
    assert list(WaybillErrand.objects.filter(kind="subscribe").values_list("shipment", flat=True)) == [child.pk]
    steps.once(subscribing.run)
    platform.peer.turn(4 * HOUR)
    # The mother stops where she is; her child goes on.
    platform.peer.book.stall(mother.number, 1)
    platform.peer.turn(9 * HOUR)
    platform.peer.step(world.post, pauses=(0, 0, 0))
    factories.run(tracking.run)

    assert [(one.state, one.scans.count()) for one in parcels()] == [("collected", 1), ("in_transit", 2)]


def test_labels_say_which_of_the_consignment_they_are(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    in_boxes(shop, 1, 1, 1)
    steps.once(dispatching.run)
    mother, *_children = rows = parcels()

    labels = contents.labels([one.pk for one in rows], dict.fromkeys([one.pk for one in rows], 1), Arrangement.EACH)

    assert [(one.piece, one.pieces, one.mother) for one in labels] == [
        (place, 3, mother.waybill_number) for place in (1, 2, 3)
    ]


def test_freight_is_reckoned_for_all_of_them_with_the_mother(
    shop: factories.Shop, link: Connection, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Judge:
        """Notes which weights are priced."""

        def __init__(self, *_args: object) -> None:
            pass

        def price(self, way, carrier):  # type: ignore[no-untyped-def]
            """Nothing is known."""
            asked.append(way.measures.weight_g)

    in_boxes(shop, 2, 1)
    monkeypatch.setattr(freight, "Judge", Judge)
    steps.once(dispatching.run)
    mother, child = parcels()
    assert asked == [mother.weight_g + child.weight_g]

    asked.clear()
    freight.reckon((), weighed={child.pk: 700})
    assert asked == [mother.weight_g + child.weight_g, mother.weight_g + 700]
    assert dict(ParcelFreight.objects.values_list("shipment", "weighed_g")) == {mother.pk: None, child.pk: 700}


def test_each_waybill_counts_for_its_user_and_all_come_back_with_the_order(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    Carrier.objects.filter(code="ZTO").update(is_active=False)
    account = CarrierAccount.objects.create(carrier=Carrier.objects.get(code="YTO"), connection=link, name="x")
    share = WaybillShare.objects.create(account=account, merchant=shop.merchant, most_in_total=2)
    in_boxes(shop, 1, 1, 1, is_cod=False)
    assert [one.mother_id is None for one in parcels()] == [True, False, True]
    assert [kind for kind, _reason in steps.tickets() if kind == "no_carrier_left"] == ["no_carrier_left"]
    share.refresh_from_db()
    assert share.used_in_total == 2

    steps.once(dispatching.run)
    voiding.void(parcels()[0].pk, "x", actor=steps.STAFF)
    assert WaybillUse.objects.filter(state="bought").count() == 2
    steps.once(cancelling.run)

    assert WaybillUse.objects.filter(state="given_back").count() == 2
    share.refresh_from_db()
    assert share.used_in_total == 2  # those that are asked for in place of the old ones
    assert steps.broken_invariants() == []


def test_the_page_of_a_parcel_shows_what_goes_with_it(
    shop: factories.Shop, link: Connection, platform: Platform, admin_client: Client
) -> None:
    in_boxes(shop, 1, 1)
    steps.once(dispatching.run)
    mother, child = parcels()

    for one, other in ((mother, child), (child, mother)):
        page = admin_client.get(f"/admin/logistics/shipment/{one.pk}/change/").content.decode()
        assert f"/admin/logistics/shipment/{other.pk}/change/" in page
        assert str(other.waybill_number) in page


@pytest.mark.parametrize(
    "broken", [{"mother_id": 2}, {"warehouse_order_id": None}, {"state": "created", "waybill_number": None}]
)
def test_the_invariant_of_consignments_sees_what_contradicts(
    shop: factories.Shop, link: Connection, platform: Platform, broken: dict[str, object]
) -> None:
    in_boxes(shop, 1, 1, 1)
    steps.once(dispatching.run)
    mother, second, third = parcels()
    assert "consignments_are_of_one_order" not in str(steps.broken_invariants())
    is_chain = "mother_id" in broken
    values = {**broken, "mother_id": second.pk} if is_chain else broken
    with steps.without_guards():
        Shipment.objects.filter(pk=third.pk if is_chain else mother.pk).update(**values)

    assert "consignments_are_of_one_order" in str(steps.broken_invariants())
