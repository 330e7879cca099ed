"""Serial numbers: scanned at the desk, told by warehouses, shown and found again."""

import pytest

from inventory.models import Sku
from logistics.models import PickTaskLine, UnitSerial
from logistics.warehouses import events
from logistics.warehouses.adapters.qimen.deliveries import _lines
from oms.common.models import Ticket
from oms.common.work.xml import parse
from orders.models import SubOrder
from tests import factories, steps
from tests.logistics.test_floor import (  # noqa: F401 - fixtures
    _floor,
    begin,
    checked,
    clerk,
    gather,
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
