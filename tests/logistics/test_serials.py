"""Serial numbers: scanned at the desk, told by warehouses, shown and found again."""

import pytest
from django.db import connection, transaction

from inventory import purchase_arrivals
from inventory.models import Sku, Stock
from inventory.purchasing import Unloaded
from logistics.models import PickTaskLine, UnitSerial
from logistics.warehouses import events
from logistics.warehouses.adapters.qimen.deliveries import _lines
from oms.common.models import Ticket
from oms.common.work.xml import parse
from orders.actors import Actor
from orders.models import ActorKind, SubOrder
from orders.stock import stocktaking
from tests import factories, steps
from tests.logistics.test_floor import (  # noqa: F401 - fixtures
    _floor,
    begin,
    checked,
    clerk,
    gather,
    hand_over,
    on_the_floor,
    post,
    task_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def phones(shop):
    """The shop's first SKU has serial numbers."""
    Sku.objects.filter(pk=shop.sku.pk).update(wants_serials=True)
    return shop


def scan(client, work, code):
    answer = post(client, work, "scan", code=code)
    return answer.status_code, answer.context["error"]


def told():
    return list(UnitSerial.objects.values_list("serial", flat=True))


def test_each_units_number_is_scanned_after_it_and_stands_on_the_orders_page(phones, clerk, client):  # noqa: F811
    shop = phones
    work = on_the_floor(shop, (shop.sku, 2, "10.00"), (shop.other_sku, 1, "5.00"))
    gather()
    begin(clerk, work.number)
    name = shop.sku.name

    assert scan(clerk, work, shop.sku.code) == (200, "")
    first = (409, f"Scan the serial number of {name} first.")
    assert scan(clerk, work, shop.sku.code) == scan(clerk, work, shop.other_sku.code) == first
    assert task_of(work).lines.get(scanned=1).serials == []
    assert post(clerk, work, "finish", weight_g="1600").context["error"] == first[1]
    assert scan(clerk, work, "SN-1001") == (200, "")
    assert scan(clerk, work, shop.sku.code) == (200, "")
    assert scan(clerk, work, "SN-1001") == (409, "SN-1001 was scanned before.")
    page = post(clerk, work, "scan", code="SN-1002")
    assert not page.context["is_complete"]
    assert "SN-1001, SN-1002" in page.content.decode()
    post(clerk, work, "empty")
    assert PickTaskLine.objects.get(task=task_of(work), scanned=0, serials=[], quantity=2)

    codes = (shop.sku.code, "SN-1001", shop.sku.code, "SN-1003", shop.other_sku.code)
    work = checked(clerk, work, *codes, weight=1650)
    assert (work.state, told()) == ("packed", ["SN-1001", "SN-1003"])
    client.force_login(factories.UserFactory(is_superuser=True))
    order = work.sub_order.order
    assert "SN-1001, SN-1003" in client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    found = client.get("/admin/orders/order/", {"q": "SN-1003"})
    assert found.status_code == 302 or order.number in found.content.decode()
    assert steps.broken_invariants() == []


def test_the_desk_refuses_the_unit_of_another_parcel(phones, clerk):  # noqa: F811
    shop = phones
    first, second = (on_the_floor(shop, (shop.sku, 1, "10.00")) for _ in range(2))
    gather()
    for work in (first, second):
        begin(clerk, work.number)
        post(clerk, work, "scan", code=shop.sku.code)
    assert post(clerk, first, "scan", code="SN-1").context["error"] == ""
    wrong = f"SN-1 is the unit of another parcel, {first.number}."
    assert post(clerk, second, "scan", code="SN-1").context["error"] == wrong
    post(clerk, first, "finish", weight_g="550", weight_is_right="on")
    factories.run(events.run)
    assert steps.state_of(first) == "packed"
    assert post(clerk, second, "scan", code="SN-1").context["error"] == wrong
    assert post(clerk, second, "scan", code="SN-2").context["error"] == ""


def receive(shop, warehouse, *serials, reference):
    with transaction.atomic():
        unloaded = [Unloaded(shop.sku.code, len(serials), serials=serials)]
        purchase_arrivals.receive_goods(
            warehouse, unloaded, reference=reference, actor="lin", merchant=shop.sku.merchant
        )


def test_the_desk_refuses_a_unit_that_came_elsewhere_or_nowhere(phones, clerk):  # noqa: F811
    shop = phones
    staff = Actor(ActorKind.STAFF, "lin")
    stocktaking.count_stock(Stock.objects.get(warehouse=shop.warehouse, sku=shop.sku).pk, 0, actor=staff)
    other = factories.WarehouseFactory(merchant=shop.sku.merchant, name="Guangzhou")
    receive(shop, other, "GZ-1", "GZ-2", reference="G1")
    receive(shop, shop.warehouse, "SN-1", "SN-2", "SN-3", reference="G2")
    first, second = (on_the_floor(shop, (shop.sku, 1, "10.00")) for _ in range(2))
    gather()
    for work in (first, second):
        begin(clerk, work.number)
        post(clerk, work, "scan", code=shop.sku.code)

    again = "Scan the number on the unit again. If it is right, put the unit aside and take another."
    assert scan(clerk, first, "SN-9") == (409, f"SN-9 never came to this warehouse. {again}")
    assert scan(clerk, first, "GZ-1") == (409, f"GZ-1 came to Guangzhou, and not here since. {again}")
    assert task_of(first).lines.get().serials == []
    assert scan(clerk, first, "SN-1") == (200, "")
    post(clerk, first, "finish", weight_g="550", weight_is_right="on")
    factories.run(events.run)
    assert hand_over(clerk, first.number).status_code == 200
    assert scan(clerk, second, "SN-9")[0] == 409, "what left counts no more"

    # A unit that a count found has a number that nobody told.
    stock = Stock.objects.get(warehouse=shop.warehouse, sku=shop.sku)
    stocktaking.change_stock(stock.pk, 1, actor=staff, note="found")
    assert scan(clerk, second, "SN-9") == (200, "")
    assert steps.broken_invariants() == []


def test_the_desk_takes_any_number_where_units_went_or_came_without(phones, clerk):  # noqa: F811
    shop = phones
    stock = Stock.objects.get(warehouse=shop.warehouse, sku=shop.sku)
    staff = Actor(ActorKind.STAFF, "lin")
    stocktaking.count_stock(stock.pk, 1, actor=staff)  # its number nobody told
    receive(shop, shop.warehouse, "SN-1", "SN-2", reference="G2")
    stocktaking.change_stock(stock.pk, -1, actor=staff, note="broken")  # nobody says which
    work = on_the_floor(shop, (shop.sku, 1, "10.00"))
    gather()
    begin(clerk, work.number)
    post(clerk, work, "scan", code=shop.sku.code)
    assert scan(clerk, work, "SN-9") == (200, "")


def test_invariants_find_numbers_beyond_the_units_and_units_that_are_in_two_places(phones, clerk):  # noqa: F811
    shop = phones
    names = ("received_serial_numbers_are_of_units_that_came", "numbered_units_are_in_one_place")
    receive(shop, shop.warehouse, "SN-1", "SN-2", reference="G1")
    work = on_the_floor(shop, (shop.sku, 1, "10.00"))
    gather()
    checked(clerk, work, shop.sku.code, "SN-1", weight=550)
    hand_over(clerk, work.number)
    assert steps.broken_invariants() == []

    def broken(sql):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(sql)
                found = steps.broken_invariants()
                raise _Undone
        except _Undone:
            return [name for name in names if any(name in str(one) for one in found)]

    line = "(SELECT min(id) FROM inventory_receiptline)"
    sku = shop.sku.pk
    more = f"INSERT INTO inventory_receivedserial (line_id, sku_id, serial) VALUES ({line}, {sku}, 'SN-3')"
    assert broken(more) == [names[0]]
    assert broken("UPDATE inventory_receivedserial SET by_transfer = true") == [names[0]]
    assert broken(f"UPDATE inventory_receivedserial SET sku_id = {shop.other_sku.pk}") == [names[0]]
    late = "UPDATE inventory_receipt SET created_at = now() + interval '1 hour'"
    assert broken(late) == [names[1]]
    again = on_the_floor(shop, (shop.sku, 1, "10.00"))
    gather()
    checked(clerk, again, shop.sku.code, "SN-2", weight=550)
    assert steps.broken_invariants() == []
    assert broken("UPDATE logistics_unitserial SET serial = 'SN-1'") == [names[1]]


class _Undone(Exception):
    """Take back what broke something."""


def test_a_warehouse_tells_numbers_once_and_only_of_skus_that_have_them(phones):
    shop = phones
    order = shop.place_order((shop.sku, 2, "10.00"), (shop.other_sku, 1, "5.00"), payment_method="cod")
    part = steps.released(order)
    work = steps.work_of(part)
    lines = {line.order_line.sku_id: str(line.pk) for line in part.lines.select_related("order_line")}
    body = [
        {"line": lines[shop.sku.pk], "quantity": 1, "serials": ["A1", " A1 ", ""]},
        {"sku": shop.sku.code, "quantity": 1, "serials": ["A2"]},
        {"line": lines[shop.other_sku.pk], "quantity": 1, "serials": ["B1"]},
        {"line": "999999999", "quantity": 1, "serials": ["C1"]},
    ]

    steps.tell(work, "packed", "shipped", lines=body)
    factories.run(events.run)

    assert sorted(told()) == ["A1", "A2"]
    assert set(UnitSerial.objects.values_list("sub_order_line", flat=True)) == {int(lines[shop.sku.pk])}
    assert steps.state_of(part) == "shipped"


def test_a_number_that_left_before_is_shown_to_a_person(phones):
    shop = phones
    works = []
    for _ in range(2):
        part = steps.released(shop.place_order((shop.sku, 1, "10.00"), payment_method="cod"))
        works.append(steps.work_of(part))
        body = [{"sku": shop.sku.code, "quantity": 1, "serials": ["A1"]}]
        steps.tell(works[-1], "shipped", lines=body)
        factories.run(events.run)

    (ticket,) = Ticket.objects.filter(reason="serial_left_before")
    assert ticket.values["before"] == works[0].number
    assert (ticket.values["sku"], ticket.values["serial"]) == (shop.sku.code, "A1")
    assert SubOrder.objects.filter(state="shipped").count() == 2, "what left has left"


@pytest.mark.parametrize("serials", [["S" * 65], ["A"] * 1001, "A1", [1]])
def test_numbers_that_are_none_are_refused_with_the_message(phones, serials):
    shop = phones
    part = steps.released(shop.place_order((shop.sku, 1, "10.00"), payment_method="cod"))
    steps.tell(steps.work_of(part), "shipped", lines=[{"sku": shop.sku.code, "quantity": 1, "serials": serials}])
    factories.run(events.run)

    assert (told(), steps.state_of(part)) == ([], "released")


def test_a_warehouse_on_the_qimen_form_tells_them_in_either_place():
    order = parse(
        "<o><orderLines>"
        "<orderLine><orderLineNo>1</orderLineNo><itemCode>P1</itemCode><actualQty>2</actualQty>"
        "<snList><sn>A1</sn><sn> A2 </sn></snList><qrCode>X</qrCode></orderLine>"
        "<orderLine><orderLineNo>2</orderLineNo><itemCode>P2</itemCode><actualQty>2</actualQty>"
        "<qrCode>B1;B2;</qrCode></orderLine>"
        "<orderLine><orderLineNo>3</orderLineNo><itemCode>P3</itemCode><actualQty>1</actualQty></orderLine>"
        "</orderLines></o>"
    )

    assert [line["serials"] for line in _lines(order)] == [["A1", "A2"], ["B1", "B2"], []]
