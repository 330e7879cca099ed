"""Serial numbers in parcels that nobody knows: they say whose it is, and what was not sold with an order is refused."""

import pytest
from django.db import IntegrityError
from django.urls import reverse

from inventory.models import Sku
from logistics.warehouses import serials
from oms.common.errors import OmsError, WrongFields
from oms.common.models import Ticket
from orders.models import Order, ReturnedSerial, ReturnRequest, StrayParcel, StrayUnit
from orders.returning import deciding, strays, suggesting
from orders.returning.strays import Unit
from tests import factories, steps
from tests.admin.conftest import boss  # noqa: F401 - a fixture
from tests.returns.world import ask, install, sold

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture(autouse=True)
def _defaults(db: None, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    install()


@pytest.fixture
def phones(shop: factories.Shop) -> factories.Shop:
    """The shop's first SKU has serial numbers."""
    Sku.objects.filter(pk=shop.sku.pk).update(wants_serials=True)
    return shop


def shipped(shop: factories.Shop, *numbers: str, units: int = 0) -> Order:
    """An order whose units left with these numbers, at the buyer's."""
    return sold(shop, units or len(numbers), *numbers)


def noted(shop: factories.Shop, *numbers: str, units: int = 0) -> StrayParcel:
    """A parcel with units of these numbers."""
    unit = Unit(shop.sku.code, "good", units or len(numbers), serials=numbers)
    return strays.note(shop.warehouse.pk, [unit], waybill="", actor=steps.STAFF)


def came_back() -> list[str]:
    return list(ReturnedSerial.objects.order_by("serial").values_list("serial", flat=True))


def test_the_order_with_which_a_number_was_sold_is_suggested_first_and_matched(phones):
    shop = phones
    order = shipped(shop, "A1", "A2")
    shipped(shop, "B1")
    parcel = noted(shop, " A2 ")
    first, second = suggesting.suggest(parcel)
    assert (first.part, first.by_serial, second.by_serial) == (order.sub_orders.get(), True, False)
    done = strays.match_order(parcel.pk, first.part.pk, reason="quality", actor=steps.STAFF)
    assert (done.state, came_back()) == ("inspected", ["A2"])
    assert steps.broken_invariants() == []
    # It is not its any more: it came back.
    assert not any(one.by_serial for one in suggesting.suggest(noted(shop, "A2")))


def test_numbers_that_were_not_sold_with_the_order_or_came_back_are_refused(phones):
    shop = phones
    order = shipped(shop, "A1", "A2", "A3", "A4")
    shipped(shop, "B1")
    row = deciding.approve(ask(order, {1: 3}).pk, actor=steps.STAFF)
    strays.match(noted(shop, "A1").pk, row.pk, actor=steps.STAFF)
    for number, why in (("B1", "B1 was not sold with this order"), ("A1", "A1 came back already")):
        parcel = noted(shop, number)
        with pytest.raises(WrongFields, match=why):
            strays.match(parcel.pk, row.pk, actor=steps.STAFF)
        with pytest.raises(WrongFields, match=why):
            strays.match_order(parcel.pk, order.sub_orders.get().pk, reason="quality", actor=steps.STAFF)
        assert (steps.state_of(parcel), came_back()) == ("unknown", ["A1"])
    assert ReturnRequest.objects.count() == 1
    # Of units without a number nothing is said: somebody who looks at them may.
    strays.match(noted(shop, "A3", units=2).pk, row.pk, actor=steps.STAFF)
    assert (steps.state_of(row), came_back()) == ("inspected", ["A1", "A3"])
    assert steps.broken_invariants() == []


def test_where_nobody_told_numbers_when_the_units_left_there_is_nothing_to_compare(phones):
    shop = phones
    order = shipped(shop, units=1)
    row = deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF)
    parcel = noted(shop, "X1")
    strays.match(parcel.pk, row.pk, actor=steps.STAFF)
    assert (steps.state_of(row), came_back()) == ("inspected", [])
    assert parcel.units.get().serials == ["X1"], "what was read stays with the parcel"
    assert steps.broken_invariants() == []


def test_a_unit_that_was_taken_into_stock_may_leave_again_once(phones):
    shop = phones
    shipped(shop, "A1")
    units = [(shop.sku.pk, "A1")]
    strays.dispose(noted(shop, "A1").pk, reason="broken", actor=steps.STAFF)
    parcel = noted(shop, "A1")
    assert [number for _sku, number in serials.taken(units, but=())] == ["A1"]
    strays.keep(parcel.pk, reason="60 days", actor=steps.STAFF)
    assert serials.taken(units, but=()) == {}
    shipped(shop, "A1")
    assert not Ticket.objects.filter(reason="serial_left_before").exists()
    assert [number for _sku, number in serials.taken(units, but=())] == ["A1"], "it left since"


@pytest.mark.parametrize(
    ("units", "why"),
    [
        ([("good", 1, ["A1", "A2"])], "More serial numbers"),
        ([("good", 2, ["A1", "A1"])], "A1 is named twice"),
        ([("good", 1, ["A1"]), ("damaged", 1, ["A1"])], "A1 is named twice"),
        ([("good", 1, ["A" * 65])], "at most 64"),
    ],
)
def test_numbers_that_cannot_be_are_refused(phones, units, why):
    told = [Unit(phones.sku.code, found, count, serials=numbers) for found, count, numbers in units]
    with pytest.raises(OmsError, match=why):
        strays.note(phones.warehouse.pk, told, waybill="", actor=steps.STAFF)
    assert not StrayParcel.objects.exists()


def test_the_database_keeps_no_more_numbers_than_units(phones):
    noted(phones, "A1")
    with pytest.raises(IntegrityError, match="stray_unit_serials_are_of_units"):
        StrayUnit.objects.update(serials=["A1", "A2"])


def test_the_pages_ask_for_numbers_show_find_and_refuse(phones, boss):  # noqa: F811
    shop = phones
    order = shipped(shop, "A1", "A2")
    add = reverse("admin:orders_strayparcel_add")
    told = {"warehouse": shop.warehouse.pk, "sku_0": shop.sku.code, "found_0": "good", "count_0": "1"}
    wrong = boss.post(add, {**told, "serials_0": "A1 Z9"}).content.decode()
    assert "More serial numbers" in wrong
    assert 'value="A1 Z9"' in wrong
    page = boss.post(add, {**told, "serials_0": "A1"}, follow=True).content.decode()
    assert "serial numbers: A1" in page
    assert order.sub_orders.get().number in page
    boss.post(add, {**told, "serials_0": "Z9"})
    mine, foreign = StrayParcel.objects.order_by("pk")
    listed = boss.get(reverse("admin:orders_strayparcel_changelist"), {"q": "Z9"})
    assert [row.pk for row in listed.context["cl"].result_list] == [foreign.pk]
    match = {"number": order.sub_orders.get().number, "reason": "quality"}
    address = reverse("admin:orders_strayparcel_match_order", args=[foreign.pk])
    answer = boss.post(address, {**match, "version": foreign.version}, follow=True)
    assert "Z9 was not sold with this order" in answer.content.decode()
    address = reverse("admin:orders_strayparcel_match_order", args=[mine.pk])
    boss.post(address, {**match, "version": mine.version})
    assert (steps.state_of(mine), steps.state_of(foreign), came_back()) == ("matched", "unknown", ["A1"])
