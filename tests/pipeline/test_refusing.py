"""A warehouse that refused a sub-order is not asked for it again."""

import pytest
from django.utils.translation import override

from inventory import receiving
from inventory.models import Warehouse
from oms.common.models import Ticket
from orders.admin.order_page import load, page_context
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, waking
from orders.fulfilling.trouble import NOBODY_ELSE
from orders.models import Order, StockWait, SubOrder
from tests import factories, steps

pytestmark = pytest.mark.django_db


def refused(order: Order, *warehouses: Warehouse) -> SubOrder:
    """The order's one sub-order, which these warehouses refused, as it waits to be sourced again."""
    SubOrder.objects.filter(order=order).update(refused_by=[warehouse.pk for warehouse in warehouses])
    return SubOrder.objects.get(order=order)


def open_tickets() -> list[tuple[int, int | None, str, dict]]:  # type: ignore[type-arg]
    """Subject, order, reason and values of each open ticket about it."""
    rows = Ticket.objects.filter(kind=NOBODY_ELSE.code, subject_kind="sub_order", state="open")
    return list(rows.values_list("subject_id", "about_id", "reason", "values"))


def test_the_next_one_is_asked_and_the_page_says_why(shop):
    far = factories.WarehouseFactory(merchant=shop.merchant, longitude=100.0)
    factories.StockFactory(sku=shop.sku, warehouse=far, on_hand=5)
    order = factories.split_order(shop.sku, merchant=shop.merchant)
    sub_order = refused(order, shop.warehouse)

    factories.run(allocating.run)

    sub_order = steps.fresh(sub_order)
    assert (sub_order.state, sub_order.warehouse) == ("allocated", far)
    assert [(code, verdict) for code, _km, verdict, *_figures in sub_order.sourcing["of"]] == [
        (far.code, "chosen"),
        (shop.warehouse.code, "refused"),
    ]
    with override("en"):
        page = page_context(load(order.pk), factories.UserFactory(is_superuser=True))
    other = page["sub_orders"][0]["candidates"][1]
    assert (other.code, other.verdict, other.tone) == (
        shop.warehouse.code,
        "refused it before, so it is not asked again",
        "danger",
    )
    assert open_tickets() == []
    assert steps.broken_invariants() == []


def test_where_nobody_else_may_send_it_it_waits_for_a_person(shop):
    order = factories.split_order(shop.sku, merchant=shop.merchant)
    sub_order = refused(order, shop.warehouse)

    factories.run(allocating.run)

    assert steps.state_of(sub_order) == "backordered"
    values = {"number": sub_order.number, "warehouses": shop.warehouse.code, "short": f"{shop.sku.code} × 1"}
    assert open_tickets() == [(sub_order.pk, order.pk, "none_left", values)]
    assert str(NOBODY_ELSE.reasons["none_left"] % values)
    assert not StockWait.objects.exists()
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 5, actor="test")
    factories.run(waking.run, allocating.run)
    waking.wake_all()
    factories.run(allocating.run)
    assert steps.state_of(sub_order) == "backordered"
    assert shop.sku.stock.get().reserved == 0
    assert steps.broken_invariants() == []

    cancel_order(order.pk, reason="nobody has it", actor=steps.STAFF)
    assert open_tickets() == []


def test_where_the_others_are_short_it_waits_for_them_and_the_ticket_ends_with_their_goods(shop):
    far = factories.WarehouseFactory(merchant=shop.merchant, longitude=100.0)
    order = factories.split_order((shop.sku, 2, "1.00"), merchant=shop.merchant)
    sub_order = refused(order, shop.warehouse)
    factories.run(allocating.run)
    assert [reason for _subject, _order, reason, _values in open_tickets()] == ["others_short"]
    assert list(StockWait.objects.values_list("warehouse_id", "units")) == [(far.pk, 2)]

    receiving.receive(far.pk, shop.sku.pk, 1, actor="test")
    factories.run(waking.run, allocating.run)

    assert steps.state_of(sub_order) == "allocated"
    rest = SubOrder.objects.get(state="backordered")
    assert rest.refused_by == [shop.warehouse.pk]
    assert [(subject, values["number"]) for subject, _order, _reason, values in open_tickets()] == [
        (rest.pk, rest.number)
    ]
    receiving.receive(far.pk, shop.sku.pk, 1, actor="test")
    factories.run(waking.run, allocating.run)
    assert open_tickets() == []
    assert set(SubOrder.objects.values_list("state", "warehouse_id")) == {("allocated", far.pk)}
    assert steps.broken_invariants() == []
