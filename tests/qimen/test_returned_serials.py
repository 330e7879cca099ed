"""Serial numbers that a warehouse on the 奇门 form names of goods that came back, over HTTP."""

import pytest

from inventory.models import Sku
from logistics.models import StockOrder
from logistics.warehouses import announcing, stock_facts
from logistics.warehouses.adapters.qimen.goods import _parts
from oms.common.models import Ticket
from oms.common.work.xml import parse
from orders.models import Order, ReturnedSerial, ReturnRequest, StrayParcel
from orders.returning import deciding
from tests import factories, steps
from tests.qimen import world
from tests.qimen.world import Place
from tests.returns.world import ask, install, sold

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _defaults(db: None, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    install()


@pytest.fixture
def phones(shop: factories.Shop) -> factories.Shop:
    """The shop's first SKU has serial numbers."""
    Sku.objects.filter(pk=shop.sku.pk).update(wants_serials=True)
    return shop


def expected(order: Order, units: int) -> tuple[ReturnRequest, str]:
    """A return that waits for goods, and its number at the warehouse."""
    row = deciding.approve(ask(order, {1: units}).pk, actor=steps.STAFF)
    announcing.write()
    steps.once(announcing.run)
    return row, StockOrder.objects.filter(return_request=row).latest("pk").number


def heard(place: Place) -> None:
    place.peer.step(world.post, works=False)
    steps.once(stock_facts.run)


def kept(row: ReturnRequest) -> list[str]:
    """The serial numbers that came back of it."""
    numbers = ReturnedSerial.objects.filter(line__return_request=row).order_by("serial")
    return list(numbers.values_list("serial", flat=True))


def test_those_that_were_sold_with_the_order_come_back_in_parts(phones, place):
    shop = phones
    order = sold(shop, 3, "A1", "A2", "A3")
    world.connect(place, shop.warehouse)
    row, number = expected(order, 3)
    good, damaged = (shop.sku.code, "ZP"), (shop.sku.code, "JS")
    place.peer.take_back(number, {good: 1}, is_final=False, serials={good: ["A1"]})
    heard(place)
    assert (steps.state_of(row), kept(row)) == ("received", ["A1"])
    # Of the third unit the warehouse names no number: it came all the same.
    place.peer.take_back(number, {good: 1, damaged: 1}, serials={damaged: [" A2 "]})
    heard(place)
    assert (steps.state_of(row), kept(row)) == ("inspected", ["A1", "A2"])
    assert dict(row.lines.get().findings.values_list("found", "quantity")) == {"good": 2, "damaged": 1}
    assert (steps.tickets(), steps.broken_invariants()) == ([], [])


def test_a_unit_of_another_order_is_not_taken_for_the_buyers(phones, place):
    shop = phones
    sold(shop, 1, "B1")
    order = sold(shop, 2, "A1", "A2")
    world.connect(place, shop.warehouse)
    row, number = expected(order, 2)
    key = (shop.sku.code, "ZP")
    place.peer.take_back(number, {key: 2}, serials={key: ["B1", "A1"]})
    heard(place)
    assert (steps.state_of(row), kept(row)) == ("inspected", ["A1"])
    assert dict(row.lines.get().findings.values_list("found", "quantity")) == {"good": 1, "missing": 1}
    unit = StrayParcel.objects.get().units.get()
    assert (unit.sku_id, unit.quantity, unit.serials) == (shop.sku.pk, 1, ["B1"])
    ticket = Ticket.objects.get(kind="stock_order_trouble")
    assert (ticket.reason, ticket.values["goods"]) == ("foreign_serials", f"{shop.sku.code} × 1 (B1)")
    assert steps.broken_invariants() == []


def test_a_number_that_came_back_before_is_not_booked_a_second_time(phones, place):
    shop = phones
    order = sold(shop, 2, "A1", "A2")
    world.connect(place, shop.warehouse)
    row, number = expected(order, 2)
    key = (shop.sku.code, "ZP")
    for _time in range(2):
        place.peer.take_back(number, {key: 1}, is_final=False, serials={key: ["A1"]})
        heard(place)
    assert (kept(row), row.lines.get().findings.get().quantity) == (["A1"], 1)
    assert ("stock_order_trouble", "foreign_serials") in steps.tickets()
    assert StrayParcel.objects.get().units.get().serials == ["A1"]
    assert steps.broken_invariants() == []


def test_numbers_that_nobody_told_when_they_left_or_too_many_are_for_a_person(phones, place):
    shop = phones
    order, other = sold(shop, 1), sold(shop, 2, "A1", "A2")
    world.connect(place, shop.warehouse)
    row, number = expected(order, 1)
    key = (shop.sku.code, "ZP")
    place.peer.take_back(number, {key: 1}, serials={key: ["X1"]})
    heard(place)
    assert (steps.state_of(row), kept(row)) == ("inspected", [])
    second, number = expected(other, 1)
    place.peer.take_back(number, {key: 1}, serials={key: ["A2", "A1", "A2"]})
    heard(place)
    assert (steps.state_of(second), kept(second)) == ("inspected", ["A2"])
    tickets = Ticket.objects.filter(kind="stock_order_trouble").order_by("pk")
    assert [(one.reason, one.values["goods"]) for one in tickets] == [
        ("serials_not_kept", f"{shop.sku.code} X1"),
        ("serials_not_kept", f"{shop.sku.code} A1"),
    ]
    assert not StrayParcel.objects.exists()
    assert steps.broken_invariants() == []


def test_numbers_of_goods_without_numbers_are_not_looked_at(shop, place):
    order = sold(shop, 1)
    world.connect(place, shop.warehouse)
    row, number = expected(order, 1)
    key = (shop.sku.code, "ZP")
    place.peer.take_back(number, {key: 1}, serials={key: ["X1"]})
    heard(place)
    assert (steps.state_of(row), kept(row), steps.tickets()) == ("inspected", [], [])


def test_of_a_line_in_batches_each_batch_has_as_many_as_it_has_units():
    line = parse(
        "<l><itemCode>P1</itemCode><actualQty>3</actualQty><inventoryType>ZP</inventoryType>"
        "<batchs><batch><batchCode>B1</batchCode><actualQty>1</actualQty></batch>"
        "<batch><batchCode>B0</batchCode><actualQty>0</actualQty></batch>"
        "<batch><batchCode>B2</batchCode><actualQty>2</actualQty></batch></batchs>"
        "<qrCode>S1;S2;S3;S4</qrCode></l>"
    )
    assert [(one["lot"], one["serials"]) for one in _parts(line)] == [("B1", ["S1"]), ("B2", ["S2", "S3", "S4"])]
