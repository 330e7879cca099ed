"""Goods beside orders, over a warehouse on the 奇门 form: what is to come and to go, counts, changes, what is there."""

import pytest
from django.utils import timezone

from inventory import hosting, purchasing, transferring
from inventory.models import PurchaseOrder, ReceivedSerial, Sku, StockComparison, StockCount, StockLot, Transfer
from inventory.purchasing import Bought
from inventory.transferring import Moved
from logistics.models import StockOrder
from logistics.warehouses import announcing, comparing, stock_facts
from oms.common.models import Connection, FactState, InboundFact, Ticket
from oms.simulators.mischief import Trick
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.qimen import world
from tests.qimen.world import Place

pytestmark = pytest.mark.django_db


def announced() -> None:
    """What documents ask for is told to the warehouses."""
    announcing.write()
    steps.once(announcing.run)


def heard(place: Place) -> None:
    """All that the warehouse did comes to the site, and is worked on."""
    place.peer.step(world.post, works=False)
    steps.once(stock_facts.run)


def bought(shop: factories.Shop, number: str = "PO-1", units: int = 10) -> PurchaseOrder:
    """A purchase order of two SKUs for the shop's warehouse."""
    lines = [Bought(shop.sku.code, units), Bought(shop.other_sku.code, 5)]
    return purchasing.order(shop.merchant, number, shop.warehouse, lines, supplier="厂家", actor="li")


def on_hand(shop: factories.Shop) -> tuple[int, int]:
    """Good units of both SKUs."""
    return shop.sku.stock.get(warehouse=shop.warehouse).on_hand, shop.other_sku.stock.get().on_hand


def test_a_purchase_order_is_announced_and_received_in_parts_as_the_warehouse_says(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    order = bought(shop)
    announced()
    announced()
    row = StockOrder.objects.get()
    document = place.peer.book.find(f"P{order.pk}")
    assert document
    assert (document.order_type, document.owner, document.asked) == ("CGRK", shop.merchant.code, 1)
    assert (row.state, row.their_number) == ("sent", document.own_id)

    place.peer.receive(row.number, {shop.sku.code: 4}, is_final=False)
    heard(place)
    place.peer.receive(row.number, {shop.sku.code: 1}, is_final=False, quality="CC")
    place.peer.receive(row.number, {shop.sku.code: 5, shop.other_sku.code: 5})
    heard(place)
    heard(place)

    assert on_hand(shop) == (109, 105)
    assert StockLot.objects.get(quality="defective").on_hand == 1
    order.refresh_from_db()
    assert (order.state, StockOrder.objects.get().state) == ("closed", "done")
    assert (steps.tickets(), steps.broken_invariants()) == ([], [])


def test_numbers_of_units_that_came_are_kept_and_of_those_that_fit_no_unit_a_person_is_told(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    Sku.objects.filter(pk=shop.sku.pk).update(wants_serials=True)
    order = bought(shop)
    announced()

    place.peer.receive(f"P{order.pk}", {shop.sku.code: 2}, is_final=False, serials={shop.sku.code: ["A1", " A2 "]})
    heard(place)
    assert steps.tickets() == []
    told = ["A2", "A3", "A3", "A4", "A5"]
    place.peer.receive(f"P{order.pk}", {shop.sku.code: 2}, is_final=False, serials={shop.sku.code: told})
    heard(place)
    place.peer.receive(f"P{order.pk}", serials={shop.other_sku.code: ["B1"]})
    heard(place)

    kept = ReceivedSerial.objects.order_by("serial").values_list("serial", flat=True)
    assert list(kept) == ["A1", "A2", "A3", "A4"]
    assert on_hand(shop) == (110, 105), "what came is booked whatever its numbers are"
    (ticket,) = Ticket.objects.all()
    assert (ticket.reason, ticket.values["goods"]) == (
        "numbers_not_kept",
        ", ".join(f"{shop.sku.code} ({number})" for number in ("A2", "A3", "A5")),
    )
    assert steps.broken_invariants() == []


def test_what_does_not_come_is_told_and_what_was_not_expected_waits_for_a_person(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    first, second = bought(shop), bought(shop, "PO-2")
    announced()
    place.peer.receive(f"P{first.pk}", {shop.sku.code: 10})
    place.peer.receive(f"P{second.pk}", {"FOREIGN": 1})
    heard(place)

    assert on_hand(shop) == (110, 100)
    assert steps.tickets() == [("stock_order_trouble", "short")]
    fact = InboundFact.objects.get(subject=f"P{second.pk}")
    assert (fact.state, "FOREIGN" in fact.last_error) == ("pending", True)
    assert PurchaseOrder.objects.filter(state="open").count() == 2


def test_a_purchase_order_that_is_called_off_is_stopped_and_one_that_never_went_is_forgotten(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    sent, unsent = bought(shop), bought(shop, "PO-2")
    announced()
    purchasing.end(sent.pk, is_cancelled=True, actor="li")
    StockOrder.objects.filter(purchase_order=unsent).delete()
    announcing.write()
    purchasing.end(unsent.pk, is_cancelled=True, actor="li")
    announced()

    assert list(StockOrder.objects.values_list("state", flat=True).order_by("number")) == ["cancelled", "cancelled"]
    document = place.peer.book.find(f"P{sent.pk}")
    assert document
    assert document.state == "CANCELED"


def test_a_warehouse_that_does_not_stop_is_asked_once_and_a_person_is_told(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    order = bought(shop)
    announced()
    place.peer.refuses_cancelling = True
    purchasing.end(order.pk, is_cancelled=True, actor="li")
    announced()
    announced()

    row = StockOrder.objects.get()
    assert (row.state, row.reason, row.stop_requested_at) == ("sent", "X01 当前状态不允许取消", None)
    assert steps.tickets() == [("stock_order_trouble", "not_stopped")]


@pytest.mark.parametrize("trick", [Trick.ERROR_BEFORE, Trick.DROP_AFTER, Trick.GARBAGE])
def test_an_announcement_that_is_not_answered_is_made_once(
    shop: factories.Shop, link: Connection, place: Place, trick: Trick
) -> None:
    order = bought(shop)
    place.peer.mischief.plan(trick, trick, trick)
    for _time in range(3):
        announced()

    assert StockOrder.objects.get().state == "sent"
    assert [one.code for one in place.peer.book.documents()] == [f"P{order.pk}"]


def test_a_refused_announcement_is_sent_again_by_a_person(shop: factories.Shop, link: Connection, place: Place) -> None:
    bought(shop)
    Connection.objects.update(options={**link.options, "customer_id": "C002"})
    announced()
    row = StockOrder.objects.get()
    assert (row.state, "customerId不存在" in row.last_error) == ("intended", True)
    Connection.objects.update(options=link.options)
    place.peer.needs_no_items = True
    StockOrder.objects.update(state="refused", reason="x", ready_at=None)

    page = f"/admin/logistics/stockorder/{row.pk}/"
    assert client_of("view_stockorder").post(f"{page}retry/").status_code == 403
    boss = client_of("view_stockorder", "retry_warehouseorder")
    StockOrder.objects.update(told={"A1": 3})
    shown = boss.get(f"{page}change/").content.decode()
    assert f"{page}retry/" in shown
    assert "A1 × 3" in shown
    boss.post(f"{page}retry/")
    assert f"{page}retry/" not in boss.get(f"{page}change/").content.decode()
    announced()

    row = StockOrder.objects.get()
    assert (row.state, row.reason) == ("sent", "")


def moved(shop: factories.Shop) -> tuple[Transfer, object]:
    """A transfer of five units of one SKU out of the shop's warehouse, approved."""
    target = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region)
    transfer = transferring.draft(shop.warehouse, target, [Moved(shop.sku, 5)], actor="li", reference="DB-1")
    return transferring.approve(transfer.pk, actor="li"), target


def test_a_transfer_leaves_and_arrives_as_two_warehouses_say(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    transfer, target = moved(shop)
    world_of_target = Connection.objects.get(pk=link.pk)
    type(target).objects.filter(pk=target.pk).update(connection=world_of_target)  # type: ignore[attr-defined]
    announced()
    out = f"T{transfer.pk}-OUT"
    document = place.peer.book.find(out)
    assert document
    assert document.order_type == "DBCK"

    place.peer.ship(out, {shop.sku.code: 2}, is_final=False)
    heard(place)
    assert Transfer.objects.get().state == "approved"
    place.peer.ship(out)
    heard(place)
    assert (Transfer.objects.get().state, on_hand(shop)[0]) == ("shipped", 95)
    announced()
    place.peer.receive(f"T{transfer.pk}-IN")
    heard(place)

    assert Transfer.objects.get().state == "closed"
    assert shop.sku.stock.get(warehouse=target).on_hand == 5
    assert set(StockOrder.objects.values_list("state", flat=True)) == {"done"}
    assert (steps.tickets(), steps.broken_invariants()) == ([], [])


def test_a_transfer_of_which_other_units_left_is_left_to_a_person(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    transfer, _target = moved(shop)
    announced()
    place.peer.ship(f"T{transfer.pk}-OUT", {shop.sku.code: 4})
    heard(place)

    assert (Transfer.objects.get().state, on_hand(shop)[0]) == ("approved", 100)
    assert steps.tickets() == [("stock_order_trouble", "sent_other")]


def test_a_word_on_a_stock_order_that_is_trouble_is_told(shop: factories.Shop, link: Connection, place: Place) -> None:
    order = bought(shop)
    announced()
    for word in ("ACCEPT", "EXCEPTION"):
        place.peer.report(f"P{order.pk}", word)
    heard(place)

    assert steps.tickets() == [("stock_order_trouble", "told")]
    assert sorted(InboundFact.objects.values_list("state", flat=True)) == ["applied", "no_effect"]


@pytest.mark.parametrize("order_of_pages", [(0, 1, 2), (2, 0, 1)])
def test_a_count_in_pages_is_booked_once_all_are_there_and_once_alone(
    shop: factories.Shop, link: Connection, place: Place, order_of_pages: tuple[int, ...]
) -> None:
    third = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=third, warehouse=shop.warehouse, on_hand=7)
    world.released(shop.place_order((third, 6, "10.00"), payment_method="cod"))
    found = {shop.sku.code: 3, shop.other_sku.code: -2, third.code: -4}
    number = place.peer.count(shop.warehouse.code, shop.merchant.code, found, pages=3)
    pages = place.peer.book.pushes(world.FAR * 10)
    for place_of_page in order_of_pages[:2]:
        world.post(place.peer.write("inventory.report", pages[place_of_page].content))
    steps.once(stock_facts.run)
    assert (on_hand(shop), StockCount.objects.count()) == ((100, 100), 0)

    for _time in range(2):
        world.post(place.peer.write("inventory.report", pages[order_of_pages[2]].content))
        steps.once(stock_facts.run)

    assert on_hand(shop) == (103, 98)
    stock = third.stock.get()
    assert (stock.on_hand, stock.reserved, stock.frozen) == (6, 6, 3)
    count = StockCount.objects.get()
    assert (count.reference, count.state, count.lines.count()) == (number, "approved", 3)
    assert set(InboundFact.objects.values_list("state", flat=True)) == {FactState.APPLIED, FactState.NO_EFFECT}
    assert [kind for kind, _reason in steps.tickets()] == ["units_missing"]
    assert steps.broken_invariants() == []


def test_goods_of_one_code_are_told_apart_by_their_owner(shop: factories.Shop, link: Connection, place: Place) -> None:
    guest = factories.MerchantFactory()
    hosting.begin(shop.warehouse, guest, actor="li")
    theirs = factories.SkuFactory(merchant=guest, code=shop.sku.code)
    factories.StockFactory(sku=theirs, warehouse=shop.warehouse, on_hand=20)
    Connection.objects.update(options={**link.options, "owners": {guest.code: "GUEST-1"}, "books_changes": True})

    place.peer.count(shop.warehouse.code, "GUEST-1", {theirs.code: -3})
    place.peer.change(shop.warehouse.code, shop.merchant.code, shop.sku.code, 2)
    place.peer.change(shop.warehouse.code, "GUEST-1", shop.sku.code, 1, quality="JS")
    place.peer.count(shop.warehouse.code, "NOBODY", {theirs.code: -3})
    heard(place)

    assert (shop.sku.stock.get().on_hand, theirs.stock.get().on_hand) == (102, 17)
    assert StockLot.objects.get(quality="damaged").stock.sku == theirs
    (unknown,) = InboundFact.objects.filter(state="pending")
    assert "NOBODY" in unknown.last_error
    assert steps.broken_invariants() == []


def test_changes_are_only_noted_unless_the_connection_says_that_they_move_stock(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    place.peer.change(shop.warehouse.code, shop.merchant.code, shop.sku.code, -5)
    heard(place)
    assert (on_hand(shop), InboundFact.objects.get().outcome) == ((100, 100), "only_noted")

    (part,) = world.released(shop.place_order(payment_method="cod"))
    Connection.objects.update(options={**link.options, "books_changes": True})
    item = {
        "warehouseCode": shop.warehouse.code,
        "itemCode": shop.sku.code,
        "orderCode": world.number(part),
        "quantity": -2,
        "inventoryType": "ZP",
    }
    world.post(place.peer.write("stockchange.report", {"items": {"item": item}}))
    steps.once(stock_facts.run)

    assert on_hand(shop) == (100, 100)
    assert InboundFact.objects.latest("pk").outcome == "is_confirmed_apart"


def test_what_lies_there_is_asked_for_owner_by_owner_and_compared(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    guest = factories.MerchantFactory()
    hosting.begin(shop.warehouse, guest, actor="li")
    theirs = factories.SkuFactory(merchant=guest, code=shop.sku.code)
    factories.StockFactory(sku=theirs, warehouse=shop.warehouse, on_hand=20)
    world.released(
        shop.place_order((shop.sku, 1, "10.00"), (shop.other_sku, 1, "25.50"), payment_method="cod"),
    )
    purchasing.order(guest, "G-1", shop.warehouse, [Bought(theirs.code, 1)], actor="li")
    announced()
    for owner, code, units in (
        (shop.merchant.code, shop.sku.code, 100),
        (shop.merchant.code, shop.other_sku.code, 99),
        (guest.code, theirs.code, 20),
    ):
        place.peer.book.put(owner, code, units)

    assert comparing.ask(timezone.now()) == 1
    steps.once(stock_facts.run)

    comparison = StockComparison.objects.get()
    assert (comparison.compared, comparison.differing) == (3, 1)
    assert list(comparison.differences.values_list("code", "ours", "theirs")) == [(shop.other_sku.code, 100, 99)]
