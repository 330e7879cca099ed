"""Parcels that nobody knows: noted, suggested, matched with a return or an order, kept, disposed of."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from logistics.models import Shipment
from oms.common.errors import OmsError
from orders.models import ReturnRequest, StrayParcel
from orders.returning import deciding, locking, strays, suggesting, travelling
from orders.returning.strays import Unit
from tests import steps
from tests.admin.conftest import boss, client_of  # noqa: F401 - a fixture
from tests.returns.world import BUYER, arrived, ask, install, line_of, many, photo, stock_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _defaults(db: None, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    install()


def noted(shop, *units: Unit, **more) -> StrayParcel:  # type: ignore[no-untyped-def]
    """A parcel at the shop's warehouse with these units, one of its SKU unless told."""
    told = {"waybill": "", "actor": steps.STAFF, **more}
    return strays.note(shop.warehouse.pk, units or [Unit(shop.sku.code, "good", 1)], **told)


def fresh(row):  # type: ignore[no-untyped-def]
    return type(row).objects.get(pk=row.pk)


def test_a_parcel_is_matched_with_its_return_which_books_it_once(shop):
    order = many(shop, 3)
    row = deciding.approve(ask(order, {1: 2}).pk, actor=steps.STAFF)
    before = stock_of(line_of(order))["good"]
    parcel = noted(shop, Unit(shop.sku.code, "good", 1), waybill="sf 1", phone_tail="1111", files=[photo()])
    assert (parcel.waybill_number, parcel.photos.count()) == ("SF1", 1)
    assert stock_of(line_of(order))["good"] == before, "nothing is booked yet"
    assert steps.tickets() == [("stray_parcel", "")]
    assert [(one.request, one.by_waybill, one.by_phone, one.by_goods) for one in suggesting.suggest(parcel)] == [
        (row, False, True, True)
    ]

    done = strays.match(parcel.pk, row.pk, actor=steps.STAFF)
    assert (done.state, fresh(parcel).state) == ("received", "matched")
    assert stock_of(line_of(order))["good"] == before + 1
    assert steps.tickets() == []
    assert steps.broken_invariants() == []
    second = noted(shop, Unit(shop.sku.code, "damaged", 1))
    done = strays.match(second.pk, row.pk, actor=steps.STAFF)
    assert (done.state, done.money_state) == ("inspected", "to_grant")
    assert stock_of(line_of(order)) == {"good": before + 1, "damaged": 1}
    with pytest.raises(locking.NotNow):
        strays.match(parcel.pk, row.pk, actor=steps.STAFF)
    with pytest.raises(locking.NotNow):
        strays.keep(second.pk, reason="x", actor=steps.STAFF)
    assert steps.broken_invariants() == []


def test_a_parcel_of_an_order_that_nobody_asked_for_becomes_a_return(shop):
    order = many(shop, 2)
    parcel = noted(shop, Unit(shop.sku.code, "good", 2), waybill="X9")
    (found,) = suggesting.suggest(parcel)
    assert (found.part, found.request) == (order.sub_orders.get(), None)
    done = strays.match_order(parcel.pk, found.part.pk, reason="quality", actor=steps.STAFF)
    assert (done.state, done.money_state, done.outside_terms) == ("inspected", "to_grant", ["no_photo"])
    assert steps.broken_invariants() == []
    late = noted(shop, Unit(shop.sku.code, "good", 1))
    with pytest.raises(OmsError):
        strays.match_order(late.pk, found.part.pk, reason="quality", actor=steps.STAFF)
    assert (ReturnRequest.objects.count(), fresh(late).state) == (1, "unknown")


def test_what_is_found_by_its_outgoing_waybill_is_suggested_first(shop):
    many(shop, 1)
    order = arrived(shop, "50.00")
    outgoing = Shipment.objects.get(sub_order__order=order)
    parcel = noted(shop, waybill=outgoing.waybill_number)
    assert suggesting.suggest(parcel)[0].part == order.sub_orders.get()
    assert suggesting.suggest(parcel)[0].by_waybill


def test_what_does_not_fit_is_refused_and_nothing_changed(shop):
    order = many(shop, 1)
    row = deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF)
    for unit in (Unit("FOREIGN", "good", 1), Unit(shop.other_sku.code, "good", 1), Unit(shop.sku.code, "good", 2)):
        parcel = noted(shop, unit)
        with pytest.raises(OmsError):
            strays.match(parcel.pk, row.pk, actor=steps.STAFF)
        assert (fresh(parcel).state, fresh(row).state) == ("unknown", "awaiting_goods")
    assert steps.broken_invariants() == []


def test_what_nobody_came_for_is_kept_or_disposed_of(shop):
    before = shop.sku.stock.get(warehouse=shop.warehouse).on_hand
    kept = noted(shop, Unit(shop.sku.code, "good", 2), Unit(shop.sku.code, "defective", 1))
    strays.keep(kept.pk, reason="60 days", actor=steps.STAFF)
    assert shop.sku.stock.get(warehouse=shop.warehouse).on_hand == before + 2
    foreign = noted(shop, Unit("", "good", 1, "a lamp"))
    with override("en"), pytest.raises(OmsError, match="SKU"):
        strays.keep(foreign.pk, reason="x", actor=steps.STAFF)
    strays.dispose(foreign.pk, reason="broken", actor=steps.STAFF)
    assert list(StrayParcel.objects.order_by("pk").values_list("state", flat=True)) == ["kept", "disposed"]
    assert (steps.tickets(), steps.broken_invariants()) == ([], [])


@pytest.mark.parametrize(
    ("units", "more", "attr"),
    [
        ([], {}, "units"),
        ([Unit("A", "missing", 1)], {}, "units"),
        ([Unit("A", "good", 0)], {}, "units"),
        ([Unit("", "good", 1)], {}, "units"),
        ([Unit("A", "good", 1)], {"phone_tail": "12"}, "phone_tail"),
        ([Unit("A", "good", 1)], {"waybill": "??"}, "waybill"),
        ([Unit("A", "good", 1)], {"files": [photo()] * 10}, "photos"),
    ],
)
def test_bad_input_names_its_field(shop, units, more, attr):
    with pytest.raises(OmsError) as refusal:
        strays.note(shop.warehouse.pk, units, **{"waybill": "", "actor": steps.STAFF, **more})
    assert refusal.value.attr == attr
    assert not StrayParcel.objects.exists()


def test_one_waybill_is_noted_once_while_nobody_knows_it(shop):
    parcel = noted(shop, waybill="SF1")
    with pytest.raises(OmsError) as refusal:
        noted(shop, waybill="SF1")
    assert refusal.value.attr == "waybill"
    strays.dispose(parcel.pk, reason="x", actor=steps.STAFF)
    noted(shop, waybill="SF1")


def test_the_pages_note_suggest_and_match(shop, boss):  # noqa: F811
    order = many(shop, 1)
    row = deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF)
    travelling.hand_over(row.pk, carrier="", waybill="SF77", actor=BUYER)
    add = reverse("admin:orders_strayparcel_add")
    wrong = boss.post(add, {"warehouse": shop.warehouse.pk, "sku_0": "A", "count_0": "x"})
    assert wrong.status_code == 200
    assert 'value="A"' in wrong.content.decode()
    told = {"warehouse": shop.warehouse.pk, "waybill": "SF77", "sku_0": shop.sku.code, "found_0": "good"}
    made = boss.post(add, {**told, "count_0": "1", "photos": photo()}, follow=True)
    parcel = StrayParcel.objects.get()
    page = made.content.decode()
    assert row.number in page
    assert shop.sku.code in page
    assert boss.get(reverse("admin:orders_strayparcel_photo", args=[parcel.photos.get().pk])).status_code == 200
    listed = boss.get(reverse("admin:orders_strayparcel_changelist"))
    assert "SF77" in listed.content.decode()
    match = reverse("admin:orders_strayparcel_match", args=[parcel.pk])
    boss.post(match, {"version": parcel.version, "number": "nothing"})
    assert fresh(parcel).state == "unknown"
    boss.post(match, {"version": parcel.version, "number": row.number})
    assert (fresh(parcel).state, fresh(row).state) == ("matched", "inspected")
    assert client_of("view_strayparcel").get(add).status_code == 403


def test_the_list_takes_as_many_statements_however_many_rows(shop, boss):  # noqa: F811
    address = reverse("admin:orders_strayparcel_changelist")
    noted(shop)
    boss.get(address)
    with CaptureQueriesContext(connection) as one:
        boss.get(address)
    for _more in range(3):
        noted(shop)
    with CaptureQueriesContext(connection) as four:
        boss.get(address)
    assert len(four) == len(one)
