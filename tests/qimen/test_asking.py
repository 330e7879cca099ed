"""Warehouses are asked for orders whose news are late: what was lost on its way comes to light, and is counted once."""

import pytest

from inventory.models import Stock
from logistics.models import Shipment, WarehouseOrder
from logistics.warehouses import events, inquiring
from logistics.watching import alerts
from oms.common import outbound
from oms.common.models import Connection, FactState, InboundFact
from oms.simulators.mischief import Trick
from orders.changing import cancelling
from orders.models import SubOrder
from tests import factories, steps
from tests.qimen import world
from tests.qimen.world import Place

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _speed(settings) -> None:
    settings.TIME_SPEED = 1


def lose_what_is_told(place: Place) -> list:
    """The messages that the warehouse wanted to send, which are lost; they can be brought later."""
    lost = place.peer.book.pushes(world.FAR * 10)
    for push in lost:
        place.peer.book.told(push, is_heard=True, pauses=(), now=0)
    return lost


def bring(place: Place, lost: list) -> None:
    """What was lost comes after all."""
    for push in lost:
        place.peer._push(push, world.post, ())
    factories.run(events.run)


def asked_when_late() -> int:
    """The deadline passes, an alert opens, and the warehouse is asked; what it said is worked on."""
    world.hours_pass(120)
    alerts.run(100)
    answered = inquiring.ask()
    factories.run(events.run)
    return answered


def part_of(shop: factories.Shop, units: int = 3) -> SubOrder:
    (part,) = world.released(shop.place_order((shop.sku, units, "10.00"), payment_method="cod"))
    return part


def on_hand(shop: factories.Shop) -> int:
    return Stock.objects.get(sku=shop.sku).on_hand


def test_a_lost_confirmation_is_asked_for_and_one_that_comes_late_changes_nothing(shop, place: Place, link: Connection):
    before = on_hand(shop)
    part = part_of(shop)
    place.peer.ship(world.number(part))
    lost = lose_what_is_told(place)
    assert steps.state_of(part) == "released"

    assert asked_when_late() == 1

    assert steps.state_of(part) == "shipped"
    parcel = Shipment.objects.get(sub_order=part)
    assert parcel.waybill_number == place.peer.book.find(world.number(part)).waybills[0]
    assert on_hand(shop) == before - 3
    assert WarehouseOrder.objects.get().asked_at is not None
    bring(place, lost)
    assert on_hand(shop) == before - 3
    assert Shipment.objects.count() == 1
    assert steps.broken_invariants() == []


def test_parcels_of_a_part_that_was_heard_of_are_not_counted_twice(shop, place: Place, link: Connection):
    before = on_hand(shop)
    part = part_of(shop)
    code = world.number(part)
    place.peer.ship(code, {shop.sku.code: 1}, is_final=False)
    world.told(place)
    place.peer.ship(code)
    lost = lose_what_is_told(place)
    assert steps.state_of(WarehouseOrder.objects.get(number=code)) == "partly_shipped"

    asked_when_late()

    work = WarehouseOrder.objects.get(number=code)
    assert (steps.state_of(work), sorted(line.left_quantity for line in work.lines.all())) == ("shipped", [3])
    assert on_hand(shop) == before - 3
    assert Shipment.objects.filter(warehouse_order=work).count() == 2
    bring(place, lost)
    assert (on_hand(shop), Shipment.objects.count()) == (before - 3, 2)
    assert steps.broken_invariants() == []


def lost_part_then_last(shop: factories.Shop, place: Place) -> tuple[SubOrder, list]:
    """Of three units one left, which nobody heard of, and then the others, as the warehouse's last word."""
    part = part_of(shop)
    place.peer.ship(world.number(part), {shop.sku.code: 1}, is_final=False)
    lost = lose_what_is_told(place)
    place.peer.ship(world.number(part))
    world.told(place)
    return part, lost


def left_of(part: SubOrder) -> list[int]:
    return sorted(WarehouseOrder.objects.get(number=world.number(part)).lines.values_list("left_quantity", flat=True))


def test_a_part_that_was_lost_before_the_last_word_is_asked_for_and_goes_out_once(shop, place: Place, link: Connection):
    before = on_hand(shop)
    part, lost = lost_part_then_last(shop, place)
    work = WarehouseOrder.objects.get()
    assert (work.state, left_of(part), SubOrder.objects.count()) == ("partly_shipped", [2], 1)

    assert inquiring.ask() == 1
    factories.run(events.run)

    assert (steps.state_of(work), left_of(part), steps.state_of(part)) == ("shipped", [3], "shipped")
    assert (on_hand(shop), Shipment.objects.count(), SubOrder.objects.count()) == (before - 3, 2, 1)
    assert steps.tickets() == []
    bring(place, lost)
    assert (on_hand(shop), Shipment.objects.count(), SubOrder.objects.count()) == (before - 3, 2, 1)
    assert inquiring.ask() == 0
    assert steps.broken_invariants() == []


def test_a_lost_part_that_comes_before_the_answer_ends_the_question(shop, place: Place, link: Connection):
    part, lost = lost_part_then_last(shop, place)
    bring(place, lost)
    assert (steps.state_of(part), left_of(part), SubOrder.objects.count()) == ("shipped", [3], 1)
    assert inquiring.ask() == 0
    assert steps.broken_invariants() == []


def test_what_really_stays_is_sourced_anew_once_the_warehouse_said_so(shop, place: Place, link: Connection):
    part = part_of(shop)
    place.peer.ship(world.number(part), {shop.sku.code: 2}, is_final=True)
    world.told(place)
    assert (steps.state_of(WarehouseOrder.objects.get()), SubOrder.objects.count()) == ("partly_shipped", 1)

    inquiring.ask()
    factories.run(events.run)

    assert (steps.state_of(WarehouseOrder.objects.get()), left_of(part)) == ("shipped", [2])
    assert SubOrder.objects.count() == 2
    assert steps.tickets() == [("shipped_short", "")]
    assert steps.broken_invariants() == []


def test_a_warehouse_that_told_what_lacks_is_believed_at_once(shop, place: Place, link: Connection):
    part = part_of(shop)
    place.peer.lack(world.number(part), shop.sku.code, 1, is_physical=False)
    place.peer.ship(world.number(part), {shop.sku.code: 2}, is_final=True)
    world.told(place)
    assert (steps.state_of(WarehouseOrder.objects.get()), SubOrder.objects.count()) == ("shipped", 2)
    assert ("shipped_short", "") in steps.tickets()


def test_a_question_that_is_never_answered_ends_with_a_ticket(shop, place: Place, link: Connection):
    part, _lost = lost_part_then_last(shop, place)
    for attempt in range(1, inquiring.MOST_ABOUT_REST + 1):
        place.peer.mischief.plan(Trick.GARBAGE)
        assert inquiring.ask() == 0
        place.peer.mischief.forget()
        assert WarehouseOrder.objects.get().rest_asked == attempt
        assert inquiring.ask() == 0
        world.hours_pass(1)
        Connection.objects.update(paused_until=None)
    assert steps.tickets() == []

    assert inquiring.ask() == 0
    factories.run(events.run)

    assert (steps.state_of(WarehouseOrder.objects.get()), left_of(part)) == ("shipped", [2])
    assert steps.tickets() == [("shipped_short", "unanswered")]
    assert SubOrder.objects.count() == 2
    assert steps.broken_invariants() == []


def test_who_cannot_be_asked_any_more_is_taken_at_its_word(shop, place: Place, link: Connection):
    lost_part_then_last(shop, place)
    Connection.objects.filter(pk=link.pk).update(is_active=False)
    inquiring.ask()
    factories.run(events.run)
    assert steps.tickets() == [("shipped_short", "unanswered")]


def test_what_is_still_being_done_there_says_how_far_it_is(shop, place: Place, link: Connection):
    part = part_of(shop)
    place.peer.report(world.number(part), "PICK")
    lose_what_is_told(place)

    asked_when_late()

    assert steps.state_of(part) == "picking"


def test_a_cancellation_whose_answer_was_lost_ends(shop, place: Place, link: Connection):
    place.peer.cancels_later = True
    link.options = {**link.options, "cancels_later": True}
    link.save(update_fields=["options"])
    part = part_of(shop)
    cancelling.cancel_order(part.order_id, reason="x", actor=steps.STAFF)
    world.asked_to_stop()
    lose_what_is_told(place)
    assert steps.state_of(part) == "released"

    asked_when_late()

    assert steps.state_of(part) == "cancelled"
    assert steps.broken_invariants() == []


def test_that_all_left_in_parcels_that_nobody_names_is_for_a_person(shop, place: Place, link: Connection):
    part = part_of(shop)
    place.peer.ship(world.number(part))
    document = place.peer.book.find(world.number(part))
    document.packages = []
    place.peer.book.keep(document)
    lose_what_is_told(place)

    asked_when_late()

    assert steps.state_of(part) == "released"
    assert "warehouse_contradicts" in {kind for kind, _reason in steps.tickets()}


def test_who_is_in_time_was_asked_lately_or_does_not_know_the_order_is_left_alone(shop, place, link):
    part_of(shop)
    assert inquiring.ask() == 0
    assert asked_when_late() == 1
    assert InboundFact.objects.count() == 0
    world.hours_pass(5)
    assert inquiring.ask() == 0
    world.hours_pass(2)
    assert inquiring.ask() == 1


def test_a_warehouse_that_does_not_answer_counts_as_failing_and_loses_nothing(shop, place, link):
    part = part_of(shop)
    place.peer.ship(world.number(part))
    lose_what_is_told(place)
    place.peer.mischief.plan(Trick.GARBAGE)

    assert asked_when_late() == 0
    link.refresh_from_db()
    assert link.failures == 1
    world.hours_pass(7)
    assert inquiring.ask() == 1
    factories.run(events.run)
    assert steps.state_of(part) == "shipped"
    assert not InboundFact.objects.exclude(state=FactState.APPLIED).exists()


def test_nothing_is_asked_while_what_goes_out_is_stopped(shop, place, link):
    part_of(shop)
    outbound.stop(by="li", note="x")
    assert asked_when_late() == 0
    assert WarehouseOrder.objects.get().asked_at is None
