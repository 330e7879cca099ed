"""Room of days and slots: never more is given than there is, and what is given back can be taken again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from inventory.models import AppointmentSlot, CapacityBucket, CapacityDemand, CapacityTake, Warehouse
from inventory.promising import capacity
from inventory.promising.capacity import Place, Room
from oms.common.zones import CHINA
from tests import factories, steps

DAY = date(2026, 11, 27)
SUB_ORDER = CapacityDemand.SUB_ORDER


def _day(warehouse: Warehouse, room: int, day: date = DAY) -> Room:
    return Room(warehouse.pk, day, room)


def _slot(warehouse: Warehouse, room: int, starts_at: int = 540) -> Room:
    slot, _is_new = AppointmentSlot.objects.get_or_create(
        city="*", starts_at=starts_at, ends_at=starts_at + 60, defaults={"name": "上午", "capacity": room}
    )
    return Room(warehouse.pk, DAY, room, slot.pk)


def _take(room: Room, *demands: int) -> set[int]:
    return capacity.take([Place(demand, room) for demand in demands], kind=SUB_ORDER)


@pytest.mark.django_db
def test_as_many_as_there_is_room_for_get_a_place_in_their_order():
    room = _day(factories.WarehouseFactory(), 3)

    assert _take(room, 5, 4, 3, 2, 1) == {5, 4, 3}
    assert _take(room, 1) == set()
    bucket = CapacityBucket.objects.get()
    assert (bucket.capacity, bucket.taken) == (3, 3)
    assert capacity.left([room, _day(Warehouse.objects.get(), 7, date(2026, 11, 28))]) == {
        (room.warehouse_id, DAY, None): 0,
        (room.warehouse_id, date(2026, 11, 28), None): 7,
    }
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_taking_again_takes_nothing_and_another_day_needs_the_first_given_back():
    warehouse = factories.WarehouseFactory()
    first, second = _day(warehouse, 2), _day(warehouse, 2, date(2026, 11, 28))

    assert _take(first, 1) == _take(first, 1) == {1}
    assert _take(second, 1) == set()
    assert CapacityTake.objects.count() == 1
    assert capacity.give_back([1], kind=SUB_ORDER) == 1
    assert capacity.give_back([1], kind=SUB_ORDER) == 0
    assert _take(second, 1) == {1}
    assert sorted(CapacityBucket.objects.values_list("day", "taken")) == [(DAY, 0), (date(2026, 11, 28), 1)]
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_days_follow_the_room_that_warehouse_and_slot_have_but_for_what_staff_said_of_one():
    warehouse = factories.WarehouseFactory(daily_capacity=5)
    today = timezone.localdate(timezone=CHINA)
    days = [today + timedelta(days=number) for number in (-1, 0, 1, 2)]
    for number, day in enumerate(days):
        assert _take(_day(warehouse, 5, day), *range(10 * number, 10 * number + 3)) == set(
            range(10 * number, 10 * number + 3)
        )
    CapacityBucket.objects.filter(day=days[3]).update(capacity=4)
    slot = AppointmentSlot.objects.create(name="x", starts_at=0, ends_at=60, capacity=5)
    _take(Room(warehouse.pk, today, 5, slot.pk), 99)

    Warehouse.objects.update(daily_capacity=9)
    AppointmentSlot.objects.update(capacity=1)
    rooms = dict(CapacityBucket.objects.filter(slot=None).values_list("day", "capacity"))
    assert [rooms[day] for day in days] == [5, 9, 9, 4]
    assert CapacityBucket.objects.get(slot=slot).capacity == 1
    # Never less than what is taken, and from there more again.
    Warehouse.objects.update(daily_capacity=2)
    assert CapacityBucket.objects.get(day=days[1], slot=None).left == 0
    assert today in capacity.full_days([warehouse.pk], today)[warehouse.pk]
    Warehouse.objects.update(daily_capacity=4)
    assert CapacityBucket.objects.get(day=days[1], slot=None).left == 1
    # Without a limit no day is full, but where staff said that nothing goes.
    Warehouse.objects.update(daily_capacity=3)
    Warehouse.objects.update(daily_capacity=0)
    assert capacity.full_days([warehouse.pk], today) == {}
    CapacityBucket.objects.create(warehouse=warehouse, day=today + timedelta(days=7), capacity=0)
    assert capacity.full_days([warehouse.pk], today) == {warehouse.pk: {today + timedelta(days=7)}}
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_an_appointment_and_a_day_are_taken_apart_and_without_a_limit_everybody_has_room():
    warehouse = factories.WarehouseFactory()

    assert _take(_day(warehouse, 1), 1) == _take(_slot(warehouse, 1), 1) == {1}
    assert _take(_day(warehouse, 0, date(2026, 11, 29)), 1, 2, 3) == {1, 2, 3}
    assert CapacityBucket.objects.count() == 2
    assert capacity.give_back([1], kind=SUB_ORDER, appointments_only=True) == 1
    assert CapacityTake.objects.get(given_back_at=None).is_appointment is False


@pytest.mark.django_db
def test_an_appointment_is_changed_only_to_one_that_has_room():
    warehouse = factories.WarehouseFactory()
    morning, evening = _slot(warehouse, 1), _slot(warehouse, 1, 1140)
    _take(morning, 1)
    _take(evening, 2)

    assert capacity.change(Place(1, evening), kind=SUB_ORDER) is False
    assert _take(morning, 1) == {1}, "it keeps the one that it had"
    capacity.give_back([2], kind=SUB_ORDER)
    assert capacity.change(Place(1, evening), kind=SUB_ORDER) is True
    assert _take(morning, 3) == {3}
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_the_database_refuses_more_than_there_is_room_for_and_two_places_for_a_demand():
    _take(_day(factories.WarehouseFactory(), 1), 1)
    bucket = CapacityBucket.objects.get()

    with pytest.raises(IntegrityError, match="capacity_taken_within_capacity"), transaction.atomic():
        CapacityBucket.objects.update(taken=2)
    with pytest.raises(IntegrityError, match="capacity_is_taken_once_for_a_demand"), transaction.atomic():
        CapacityTake.objects.create(bucket=bucket, is_appointment=False, demand_kind=SUB_ORDER, demand_id=1)
    CapacityTake.objects.all().delete()
    assert [text.split(":")[0] for text in steps.broken_invariants()] == ["capacity_taken_is_the_number_of_takes"]


def _race(buyers: int, rounds: int) -> None:
    warehouse = factories.WarehouseFactory()
    demands = iter(range(1, buyers * rounds + 1))

    def run(work: Callable[[], set[int]]) -> set[int]:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        for number in range(rounds):
            room = Room(warehouse.pk, DAY, 1, _slot(warehouse, 1, number).slot_id)
            tries = [pool.submit(run, partial(_take, room, next(demands))) for _buyer in range(buyers)]
            winners = [winner for one in tries for winner in one.result(60)]
            assert len(winners) == 1
    assert CapacityTake.objects.count() == rounds
    assert set(CapacityBucket.objects.values_list("taken", flat=True)) == {1}
    assert steps.broken_invariants() == []


@pytest.mark.django_db(transaction=True)
def test_the_last_slot_is_taken_by_exactly_one_of_many_buyers_at_once():
    _race(buyers=12, rounds=5)


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
def test_the_last_slot_for_fifty_buyers_a_hundred_times():
    _race(buyers=50, rounds=100)


@pytest.mark.django_db(transaction=True)
def test_two_hundred_orders_at_once_get_the_last_fifty_places_of_a_day():
    room = _day(factories.WarehouseFactory(), 50)

    def work(first: int) -> set[int]:
        try:
            return {winner for demand in range(first, first + 25) for winner in _take(room, demand)}
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        winners = [winner for part in pool.map(work, range(1, 201, 25)) for winner in part]
    assert len(winners) == len(set(winners)) == 50
    assert CapacityBucket.objects.get().taken == 50
    assert steps.broken_invariants() == []
