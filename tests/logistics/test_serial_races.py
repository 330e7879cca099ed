"""A unit with a serial number that several name at once, in real threads: it leaves once, or a person is told."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event
from unittest import mock

import pytest
from django.db import connection, transaction

from inventory.models import Sku
from logistics.by_merchant import shipping
from logistics.by_merchant.reported import Leaving
from logistics.carriers.defaults import install_default_carriers
from logistics.floor import checking
from logistics.floor.checking import WrongSerial
from logistics.models import PickTask, PickTaskLine, UnitSerial
from logistics.warehouses import events, leaving
from oms.common.models import Connection, SystemKind, Ticket
from tests import factories, steps
from tests.logistics.test_floor import gather, on_the_floor
from tests.pipeline.test_races import in_thread, wait_for_a_lock
from tests.portal import world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("in_english")]


def with_numbers(sku: Sku) -> Sku:
    Sku.objects.filter(pk=sku.pk).update(wants_serials=True)
    return sku


def told() -> list[str]:
    return list(UnitSerial.objects.order_by("serial").values_list("serial", flat=True))


def test_two_desks_that_scan_the_same_number_at_once_have_one_unit() -> None:
    shop = factories.make_shop()
    with_numbers(shop.sku)
    install_default_carriers()
    link = Connection.objects.create(code="floor", name="floor", kind=SystemKind.WAREHOUSE, protocol="floor")
    shop.warehouse.connection = link
    shop.warehouse.save(update_fields=["connection"])
    works = [on_the_floor(shop, (shop.sku, 1, "10.00")) for _ in range(2)]
    gather()
    first, second = (PickTask.objects.get(warehouse_order=work).pk for work in works)
    for work in works:
        checking.scan(checking.begin(work.number, by="zhao"), shop.sku.code)
    scanned, go_on = Event(), Event()

    def scan_and_wait() -> None:
        with transaction.atomic():
            checking.scan(first, "SN-1")
            scanned.set()
            go_on.wait(20)

    with ThreadPoolExecutor(2) as pool:
        one = in_thread(pool, scan_and_wait)
        assert scanned.wait(20)
        other = in_thread(pool, lambda: checking.scan(second, "SN-1"))
        try:
            wait_for_a_lock()
        finally:
            go_on.set()
        one.result(20)
        with pytest.raises(WrongSerial, match=f"SN-1 .*{works[0].number}"):
            other.result(20)
    assert dict(PickTaskLine.objects.values_list("task", "serials")) == {first: ["SN-1"], second: []}
    checking.scan(second, "SN-2")


def test_of_two_reports_of_a_merchant_that_name_a_number_at_once_one_is_refused() -> None:
    seller = world.make_seller()
    sku = with_numbers(seller.sku)
    rounds = 5
    works = seller.orders(2 * rounds, (sku, 1, "10.00"))
    for turn in range(rounds):
        start = Barrier(2, timeout=20)

        def report(side: int, turn: int = turn, start: Barrier = start) -> list[str]:
            number = works[2 * turn + side].number
            parcel = Leaving(number, "SF", f"SF00000{turn}{side}", serials={sku.code: [f"SN-{turn}"]})
            try:
                start.wait()
                (outcome,) = shipping.ship(seller.merchant, [parcel], actor=steps.STAFF)
                return [error.code for error in outcome.errors]
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(report, range(2))) == [[], ["serial_taken"]]
    assert told() == [f"SN-{turn}" for turn in range(rounds)]
    assert sorted(map(steps.state_of, works)) == ["sent"] * rounds + ["shipped"] * rounds
    assert steps.broken_invariants() == []


def test_two_warehouses_that_say_at_once_that_a_number_left_are_shown_to_a_person() -> None:
    """The second waits for the first, and then sees what it wrote."""
    shop = factories.make_shop()
    phone = with_numbers(factories.SkuFactory(merchant=shop.merchant))
    # A unit at each of two warehouses: the same stock would be locked anyway.
    for place in (shop.warehouse, factories.WarehouseFactory(merchant=shop.merchant)):
        factories.StockFactory(sku=phone, warehouse=place, on_hand=1)
    works = []
    for _order in range(2):
        part = steps.released(shop.place_order((phone, 1, "10.00"), payment_method="cod"))
        works.append(steps.work_of(part))
        steps.tell(works[-1], "shipped", lines=[{"sku": phone.code, "quantity": 1, "serials": ["SN-1"]}])
    assert len({work.warehouse_id for work in works}) == 2
    inside, go_on, leave = Event(), Event(), leaving.leave

    def leave_slowly(*args: object, **options: object) -> object:
        if not inside.is_set():
            inside.set()
            go_on.wait(20)
        return leave(*args, **options)  # type: ignore[arg-type]

    with mock.patch("logistics.warehouses.leaving.leave", leave_slowly), ThreadPoolExecutor(2) as pool:
        one = in_thread(pool, partial(events.run, 1))
        assert inside.wait(20)
        other = in_thread(pool, partial(events.run, 2))
        try:
            wait_for_a_lock()
        finally:
            go_on.set()
        one.result(20)
        other.result(20)
    assert sorted(map(steps.state_of, works)) == ["shipped", "shipped"], "what left has left"
    assert told() == ["SN-1", "SN-1"]
    assert Ticket.objects.filter(reason="serial_left_before").count() == 1
    assert steps.broken_invariants() == []
