"""A unit with a serial number leaves once: desk and merchants are refused another's; what came back may leave."""

import pytest
from django.db import connection

from inventory.models import Sku
from logistics.by_merchant import shipping
from logistics.by_merchant.reported import Leaving
from logistics.models import Shipment, UnitSerial
from logistics.serializers import ShipmentSerializer
from logistics.warehouses import events
from oms.common.errors import WrongFields
from oms.common.models import Ticket
from oms.management.commands.check_invariants import ALL
from orders.actors import Actor
from orders.models import ActorKind, OrderLine, ReturnedSerial, ReturnRequest
from orders.returning import deciding, inspecting
from tests import factories, steps
from tests.invariants import check
from tests.portal import world as sellers
from tests.returns import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]
LI = Actor(ActorKind.MERCHANT, "li")


@pytest.fixture
def seller(db: None) -> sellers.Seller:
    """A merchant that ships by itself; its first SKU has serial numbers."""
    made = sellers.make_seller()
    Sku.objects.filter(pk=made.sku.pk).update(wants_serials=True)
    return made


def report(*leaving: Leaving, seller: sellers.Seller, **how: bool) -> list[list[tuple[str, str]]]:
    """Report it; what is wrong with each."""
    outcomes = shipping.ship(seller.merchant, leaving, actor=LI, **how)
    assert not check(ALL)
    return [[(error.attr or "", error.code) for error in one.errors] for one in outcomes]


def told() -> list[tuple[str, str | None]]:
    return list(UnitSerial.objects.order_by("pk").values_list("serial", "shipment__waybill_number"))


def test_a_merchant_names_each_unit_that_has_a_number(seller):
    (work,) = seller.orders(1, (seller.sku, 2, "10.00"), (seller.other_sku, 1, "5.00"))
    sku = seller.sku.code

    def leaving(**serials: list[str]) -> Leaving:
        return Leaving(
            work.number, "SF", "SF100000001", serials={key.replace("_", ""): x for key, x in serials.items()}
        )

    missing = [[("serials", "serials_missing")]]
    assert report(leaving(), seller=seller) == report(leaving(**{sku: ["A1"]}), seller=seller) == missing
    assert report(leaving(**{sku: ["A1", "A2", "A3"]}), seller=seller) == missing
    assert report(leaving(**{sku: ["A1", "A1"]}), seller=seller) == [[("serials", "serial_twice")]]
    assert report(leaving(**{sku: ["A1", "A" * 65]}), seller=seller) == [[("serials", "invalid")]]
    strange = {seller.other_sku.code: ["B1"], sku: ["A1", "A2"]}
    assert report(leaving(**strange), seller=seller) == [[("serials", "unknown_sku")]]
    assert (told(), steps.state_of(work)) == ([], "sent")

    # Of the only SKU that has numbers they may be told without its code.
    assert report(leaving(_=["A1", " A2 "]), seller=seller) == [[]]
    assert told() == [("A1", "SF100000001"), ("A2", "SF100000001")]
    assert steps.state_of(work) == "shipped"
    (parcel,) = ShipmentSerializer.prepare(Shipment.objects.filter(waybill_number="SF100000001"))
    shown = [dict(one) for one in ShipmentSerializer(parcel).data["serials"]]
    assert shown == [{"sku": sku, "serial": "A1"}, {"sku": sku, "serial": "A2"}]


def test_units_of_several_parcels_stand_on_their_own(seller):
    (work,) = seller.orders(1, (seller.sku, 3, "10.00"))
    sku = seller.sku.code
    first = Leaving(work.number, "SF", "SF100000001", {sku: 1}, serials={sku: ["A1"]})
    again = Leaving(work.number, "SF", "SF100000002", {sku: 2}, serials={sku: ["A1", "A2"]})
    assert report(first, seller=seller) == [[]]
    assert report(again, seller=seller) == [[("serials", "serial_taken")]]
    second = Leaving(work.number, "SF", "SF100000002", {sku: 2}, serials={sku: ["A2", "A3"]})
    assert report(second, seller=seller) == [[]]
    assert told() == [("A1", "SF100000001"), ("A2", "SF100000002"), ("A3", "SF100000002")]


def test_a_number_that_left_is_refused_in_words_unless_it_left_all_the_same(seller):
    sku = seller.sku.code
    works = seller.orders(3, (seller.sku, 1, "10.00"))
    rows = [Leaving(work.number, "SF", f"SF10000000{i}", serials={sku: ["A1"]}) for i, work in enumerate(works)]
    assert report(*rows[:2], seller=seller) == [[("serials", "serial_twice")]] * 2
    assert report(rows[0], seller=seller) == [[]]
    (outcome,) = shipping.ship(seller.merchant, [rows[1]], actor=LI)
    assert [str(error.detail) for error in outcome.errors] == [f"A1 is the unit of another parcel, {works[0].number}."]
    assert not Ticket.objects.filter(reason="serial_left_before").exists()

    assert report(rows[1], seller=seller, all_the_same=True) == [[]]
    assert Ticket.objects.get(reason="serial_left_before").values["before"] == works[0].number
    assert report(Leaving(works[2].number, "SF", "SF100000009"), seller=seller, all_the_same=True) == [[]]
    assert [one for one, _waybill in told()] == ["A1", "A1"]


@pytest.fixture
def phones(shop):
    """The shop's first SKU has serial numbers."""
    Sku.objects.filter(pk=shop.sku.pk).update(wants_serials=True)
    return shop


# --- What comes back


def sold(shop: factories.Shop, *serials: str) -> ReturnRequest:
    """A return of an order whose units left with these numbers, received."""
    order = shop.place_order((shop.sku, len(serials), "10.00"))
    steps.pay(order)
    parcel = steps.dispatched(order)
    steps.tell(parcel.warehouse_order, "shipped", lines=[line_of(shop, *serials)])
    factories.run(events.run)
    steps.scan(parcel, "collected", "signed")
    order.sub_orders.update(delivered_at=factories.timezone.now())
    row = world.ask(order, {1: len(serials)})
    deciding.approve(row.pk, actor=steps.STAFF)
    return world.came(row)


def line_of(shop: factories.Shop, *serials: str) -> dict[str, object]:
    return {"sku": shop.sku.code, "quantity": len(serials), "serials": list(serials)}


def refused(row: ReturnRequest, found: dict[str, int], serials: list[str]) -> list[str]:
    """What is wrong with these numbers."""
    key = row.lines.get().sub_order_line_id
    with pytest.raises(WrongFields) as refusal:
        inspecting.inspect(row.pk, {key: found}, actor=steps.STAFF, named={key: serials})
    assert {error.attr for error in refusal.value.errors} == {f"serials.{key}"}
    assert not ReturnedSerial.objects.filter(line__return_request=row).exists()
    return [str(error.detail) for error in refusal.value.errors]


def test_a_returned_number_is_one_of_the_order_and_may_leave_again(phones):
    shop = phones
    world.install()
    sold(shop, "B1")
    row = sold(shop, "A1", "A2")
    key = row.lines.get().sub_order_line_id
    foreign = "B1 was not sold with this order. A unit that is not of it counts as “Other goods”."
    assert refused(row, {"good": 2}, ["A1", "B1"]) == [foreign]
    assert refused(row, {"good": 2}, ["A1", "A1"]) == ["A1 is named twice."]
    name = OrderLine.objects.get(order=row.order).name
    few = f"Line 1: 2 units of {name} are there, 1 serial numbers are named."
    assert refused(row, {"good": 1, "damaged": 1}, ["A1"]) == [few]

    inspecting.inspect(row.pk, {key: {"good": 1}}, actor=steps.STAFF, is_final=False, named={key: ["A1"]})
    with pytest.raises(WrongFields, match="A1 came back already"):
        inspecting.inspect(row.pk, {key: {"good": 1}}, actor=steps.STAFF, named={key: ["A1"]})
    # What is missing has no number.
    inspecting.inspect(row.pk, {key: {"missing": 1}}, actor=steps.STAFF, named={key: []})
    assert list(ReturnedSerial.objects.values_list("serial", flat=True)) == ["A1"]
    assert steps.broken_invariants() == []

    sells_again = steps.released(shop.place_order((shop.sku, 2, "10.00"), payment_method="cod"))
    steps.tell(steps.work_of(sells_again), "shipped", lines=[line_of(shop, "A1", "A2")])
    factories.run(events.run)
    (ticket,) = Ticket.objects.filter(reason="serial_left_before")
    assert ticket.values["serial"] == "A2", "A1 came back, A2 did not"


def test_units_that_came_back_without_their_numbers_are_not_held_against_anybody(phones):
    shop = phones
    world.install()
    row = sold(shop, "A1")
    world.found(row, good=1)
    part = steps.released(shop.place_order((shop.sku, 1, "10.00"), payment_method="cod"))
    steps.tell(steps.work_of(part), "shipped", lines=[line_of(shop, "A1")])
    factories.run(events.run)
    assert not Ticket.objects.filter(reason="serial_left_before").exists()


def test_the_page_of_a_return_asks_for_the_numbers_and_shows_them(phones, client):
    shop = phones
    world.install()
    row = sold(shop, "A1", "A2")
    key = row.lines.get().sub_order_line_id
    client.force_login(factories.UserFactory(is_superuser=True))
    client.cookies["django_language"] = "en"
    page = f"/admin/orders/returnrequest/{row.pk}/change/"
    assert "sold with this order: A1, A2" in client.get(page).content.decode()
    typed = {"version": row.version, f"found_{key}_good": "2", f"serials_{key}": "A1"}
    answer = client.post(f"/admin/orders/returnrequest/{row.pk}/inspect/", typed, follow=True).content.decode()
    assert "2 units of" in answer
    assert steps.state_of(row) == "received"
    typed[f"serials_{key}"] = "A1，A2"
    answer = client.post(f"/admin/orders/returnrequest/{row.pk}/inspect/", typed, follow=True).content.decode()
    assert "serial numbers: A1, A2" in answer
    assert steps.state_of(row) == "inspected"


@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE orders_returnedserial SET serial = 'X'",
        "INSERT INTO orders_returnedserial (line_id, sku_id, serial)"
        " SELECT max(l.id), min(b.sku_id), min(b.serial) FROM orders_returnedserial b"
        " JOIN orders_returnline l ON l.id <> b.line_id",
    ],
)
def test_the_check_finds_what_was_never_sold_or_came_back_twice(phones, broken):
    shop = phones
    world.install()
    row = sold(shop, "A1", "A2")
    key = row.lines.get().sub_order_line_id
    inspecting.inspect(row.pk, {key: {"good": 1, "missing": 1}}, actor=steps.STAFF, named={key: ["A1"]})
    if "INSERT" in broken:
        world.ask(row.order, {1: 1})
    assert steps.broken_invariants() == []
    with connection.cursor() as cursor:
        cursor.execute(broken)
    broken_ones = {text.partition(":")[0] for text in steps.broken_invariants()}
    assert broken_ones == {"returned_serials_were_sold_and_came_back_once"}
