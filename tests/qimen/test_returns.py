"""Returns over a warehouse on the 奇门 form: told what to expect, and heard what came, over HTTP in both directions."""

import pytest

from inventory.models import StockLot
from logistics import retrying
from logistics.models import Shipment, StockOrder
from logistics.warehouses import announcing, stock_facts
from oms.common.models import Connection, FactState, InboundFact
from oms.simulators.mischief import Trick
from orders.models import ReturnRequest, StrayParcel
from orders.returning import deciding, travelling
from tests import factories, steps
from tests.qimen import world
from tests.qimen.test_callbacks import flag
from tests.qimen.world import Place
from tests.returns.world import BUYER, ask, found, install, line_of, many, stock_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _defaults(db: None, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    install()


def expected(order, units: int = 1, **more) -> ReturnRequest:  # type: ignore[no-untyped-def]
    """A return of the order's first line that waits for goods."""
    return deciding.approve(ask(order, {1: units}, **more).pk, actor=steps.STAFF)


def announced() -> None:
    """What is awaited is told to the warehouses."""
    announcing.write()
    steps.once(announcing.run)


def heard(place: Place) -> None:
    """All that the warehouse did comes to the site, and is worked on."""
    place.peer.step(world.post, works=False)
    steps.once(stock_facts.run)


def fresh(row: ReturnRequest) -> ReturnRequest:
    return ReturnRequest.objects.get(pk=row.pk)


def number(row: ReturnRequest) -> str:
    """By which number the warehouse knows the return now."""
    return StockOrder.objects.filter(return_request=row).latest("pk").number


@pytest.fixture
def order(shop: factories.Shop):  # type: ignore[no-untyped-def]
    return many(shop, 6)


@pytest.fixture
def link(order, place: Place, shop: factories.Shop) -> Connection:  # type: ignore[no-untyped-def]
    """The warehouse speaks the form since the goods went out."""
    return world.connect(place, shop.warehouse)


def test_a_return_is_told_and_told_anew_with_its_waybill(shop, order, link, place) -> None:  # type: ignore[no-untyped-def]
    row = expected(order, 2)
    announced()
    announced()
    first = place.peer.book.find(f"{row.number}-N1")
    assert first
    assert (first.order_type, first.owner, first.waybill, first.asked) == ("THRK", shop.merchant.code, "", 1)
    assert [(line.sku, line.planned) for line in first.lines] == [(shop.sku.code, 2)]

    travelling.hand_over(row.pk, carrier="顺丰", waybill="SF7001", actor=BUYER)
    announced()
    announced()
    second = place.peer.book.find(f"{row.number}-N2")
    assert second
    assert (place.peer.book.find(f"{row.number}-N1").state, second.waybill) == ("CANCELED", "SF7001")
    assert list(StockOrder.objects.order_by("pk").values_list("state", flat=True)) == ["cancelled", "sent"]
    assert (steps.tickets(), steps.broken_invariants()) == ([], [])


def test_what_is_to_be_exchanged_is_told_as_such(shop, order, link, place) -> None:  # type: ignore[no-untyped-def]
    row = expected(order, 1)
    ReturnRequest.objects.filter(pk=row.pk).update(kind="exchange")
    announced()
    assert place.peer.book.find(f"{row.number}-N1").order_type == "HHRK"


def test_what_came_is_received_and_inspected_in_parts_as_the_warehouse_says(shop, order, link, place) -> None:  # type: ignore[no-untyped-def]
    row = expected(order, 4)
    announced()
    before = stock_of(line_of(order))["good"]
    place.peer.take_back(number(row), {(shop.sku.code, "ZP"): 1}, is_final=False)
    heard(place)
    assert (fresh(row).state, stock_of(line_of(order))["good"]) == ("received", before + 1)
    assert steps.broken_invariants() == []
    place.peer.take_back(number(row), {(shop.sku.code, "CC"): 1, (shop.sku.code, "JS"): 1}, is_final=False)
    place.peer.take_back(number(row), {(shop.sku.code, "ZP"): 0})
    heard(place)
    heard(place)

    row = fresh(row)
    assert (row.state, row.money_state) == ("inspected", "to_grant")
    assert dict(row.lines.get().findings.values_list("found", "quantity")) == {
        "good": 1,
        "defective": 1,
        "damaged": 1,
        "missing": 1,
    }
    assert {lot.quality: lot.on_hand for lot in StockLot.objects.exclude(quality="good")} == {
        "defective": 1,
        "damaged": 1,
    }
    assert StockOrder.objects.get().state == "done"
    assert (steps.tickets(), steps.broken_invariants()) == ([("return_differs", "")], [])


def test_other_goods_and_more_than_can_come_back_are_kept_as_nobodys(shop, order, link, place) -> None:  # type: ignore[no-untyped-def]
    row = expected(order, 1)
    announced()
    place.peer.take_back(number(row), {(shop.sku.code, "ZP"): 9, ("FOREIGN", "ZP"): 2, (shop.other_sku.code, "XS"): 1})
    heard(place)
    row = fresh(row)
    assert (row.state, row.lines.get().quantity) == ("inspected", 6), "what the buyer had came back, and no more"
    stray = StrayParcel.objects.get()
    assert sorted((unit.sku.code if unit.sku else unit.description, unit.quantity) for unit in stray.units.all()) == (
        sorted([(shop.sku.code, 3), ("FOREIGN", 2), (shop.other_sku.code, 1)])
    )
    assert ("stock_order_trouble", "other_goods") in steps.tickets()
    assert ("stray_parcel", "") in steps.tickets()
    assert steps.broken_invariants() == []


def test_said_twice_late_and_by_another_number_nothing_is_booked_again(shop, order, link, place) -> None:  # type: ignore[no-untyped-def]
    row = expected(order, 1)
    announced()
    content = {
        "returnOrder": {"returnOrderCode": number(row), "outBizCode": "1"},
        "orderLines": {"orderLine": [{"itemCode": shop.sku.code, "actualQty": 1, "inventoryType": "ZP"}]},
    }
    for _time in range(2):
        assert flag(world.post(place.peer.write("returnorder.confirm", content))) == (200, "success", "0")
    steps.once(stock_facts.run)
    good = stock_of(line_of(order))["good"]
    content["returnOrder"] = {"returnOrderCode": number(row), "outBizCode": "2"}
    world.post(place.peer.write("returnorder.confirm", content))
    steps.once(stock_facts.run)
    assert stock_of(line_of(order))["good"] == good
    assert ("stock_order_trouble", "too_late") in steps.tickets()
    states = list(InboundFact.objects.filter(topic="stock").order_by("pk").values_list("state", flat=True))
    assert states == [FactState.APPLIED, FactState.CONTRADICTED]
    assert steps.broken_invariants() == []


def test_one_that_ended_comes_all_the_same_and_is_stopped_while_it_does_not(shop, order, link, place) -> None:  # type: ignore[no-untyped-def]
    row, other = expected(order, 1), expected(order, 1)
    announced()
    deciding.cancel(row.pk, reason="keeps it", actor=steps.STAFF)
    deciding.cancel(other.pk, reason="keeps it", actor=steps.STAFF)
    announced()
    assert place.peer.book.find(number(row)).state == "CANCELED"
    assert {one.state for one in StockOrder.objects.all()} == {"cancelled"}
    place.peer.take_back(number(row), {(shop.sku.code, "ZP"): 1})
    heard(place)
    assert (fresh(row).state, fresh(other).state) == ("inspected", "cancelled")
    assert steps.broken_invariants() == []


def test_it_goes_elsewhere_and_the_first_warehouse_says_it_came(shop, order, link, place) -> None:  # type: ignore[no-untyped-def]
    row = expected(order, 1)
    announced()
    first = number(row)
    elsewhere = factories.WarehouseFactory(merchant=shop.merchant)
    deciding.send_elsewhere(row.pk, elsewhere.pk, actor=steps.STAFF)
    announced()
    assert place.peer.book.find(first).state == "CANCELED"
    place.peer.take_back(first, {(shop.sku.code, "ZP"): 1})
    heard(place)
    assert (fresh(row).state, fresh(row).warehouse_id) == ("inspected", shop.warehouse.pk), "goods are where they are"
    second = expected(order, 1)
    announced()
    travelling.receive(second.pk, warehouse_id=elsewhere.pk, actor=steps.STAFF)
    place.peer.take_back(number(second), {(shop.sku.code, "ZP"): 1})
    heard(place)
    assert fresh(second).state == "received"
    assert ("stock_order_trouble", "elsewhere") in steps.tickets()
    found(fresh(second), good=1)
    assert steps.broken_invariants() == []


def test_what_is_not_answered_is_asked_again_under_its_number_and_a_refusal_is_tried_again(  # type: ignore[no-untyped-def]
    shop, order, link, place
) -> None:
    row = expected(order, 1)
    announced()  # and so the goods are known
    row = expected(order, 1)
    place.peer.mischief.plan(Trick.SYSTEM_ERROR_AFTER)
    announced()
    steps.once(announcing.run)
    told = StockOrder.objects.get(return_request=row)
    assert (told.state, place.peer.book.find(told.number).asked) == ("sent", 2)

    second = expected(order, 1)
    place.peer._methods = {**place.peer._methods, "returnorder.create": place.peer._process}
    announced()
    assert StockOrder.objects.get(return_request=second).state == "refused"
    assert ("stock_order_trouble", "refused") in steps.tickets()
    place.peer._methods = {**place.peer._methods, "returnorder.create": place.peer._expect_back}
    retrying.retry_stock_order(StockOrder.objects.get(return_request=second).pk, "li")
    steps.once(announcing.run)
    assert StockOrder.objects.get(return_request=second).state == "sent"
    assert steps.broken_invariants() == []


def test_what_was_refused_at_the_door_is_told_too(shop, order, link, place) -> None:  # type: ignore[no-untyped-def]
    steps.scan(Shipment.objects.get(sub_order__order=order), "returned")
    row = ReturnRequest.objects.get(kind="refused_at_door")
    announced()
    place.peer.take_back(number(row))
    heard(place)
    assert fresh(row).state == "closed"
    assert steps.broken_invariants() == []
