"""What rows of orders count and refuse beside their states: where a move came from, what it needs, versions."""

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from inventory.models import StockMovement
from orders.models import Order, SubOrder
from tests import factories, steps

pytestmark = pytest.mark.django_db


def test_a_row_notes_where_its_last_move_came_from_whatever_a_statement_says(shop):
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    assert sub_order.moved_from == "allocated"

    SubOrder.objects.filter(pk=sub_order.pk).update(weight_g=7)
    assert SubOrder.objects.get().moved_from == "allocated"
    SubOrder.objects.filter(pk=sub_order.pk).update(state="picking", moved_from="shipped")
    assert SubOrder.objects.get().moved_from == "released"


@pytest.mark.parametrize(
    ("state", "lacks", "broken"),
    [
        ("released", {"released_at": None}, "sub_order_released_at_set_once_released"),
        ("shipped", {"shipped_at": None}, "sub_order_ships_before_it_arrives_unless_virtual"),
        ("shipped", {"shipping_proof": ""}, "sub_order_shipped_with_a_proof"),
        ("delivered", {"shipped_at": None}, "sub_order_ships_before_it_arrives_unless_virtual"),
        ("delivered", {"released_at": None}, "sub_order_ships_before_it_arrives_unless_virtual"),
        ("delivered", {"delivered_at": None}, "sub_order_delivered_at_set_once_delivered"),
        ("completed", {"completed_at": None}, "sub_order_completed_at_set_once_completed"),
        ("allocated", {"allocated_at": None}, "sub_order_allocated_at_set_once_allocated"),
        ("cancelled", {"delivered_at": steps.NOON}, "sub_order_cancelled_before_it_arrives_unless_virtual"),
    ],
)
def test_a_sub_order_is_nowhere_without_what_the_move_needs(shop, state, lacks, broken):
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    rows = SubOrder.objects.filter(pk=sub_order.pk)
    with steps.without_guards():
        rows.update(**steps.times_of(state), state=state)
        with pytest.raises(IntegrityError, match=broken), transaction.atomic():
            rows.update(**lacks)
        if {"shipped_at", "shipping_proof"} & lacks.keys():
            rows.update(**lacks, storage_class="virtual")


def test_an_order_is_split_only_with_the_time_of_it_unless_it_is_historical(shop):
    order = factories.split_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    rows = Order.objects.filter(pk=order.pk)

    with pytest.raises(IntegrityError, match="order_split_at_set_once_split"), transaction.atomic():
        rows.update(split_at=None)
    with steps.without_guards():
        rows.update(split_at=None, state="closed", is_historical=True, owed_changed_since=None)


def test_version_counts_business_changes(shop):
    order = shop.place_order()

    Order.objects.filter(pk=order.pk).update(remark="ring twice")
    Order.objects.filter(pk=order.pk).update(state="in_review")

    assert Order.objects.get().version == order.version + 2


def test_version_does_not_count_what_the_queue_writes(shop):
    sub_order = steps.released(shop.place_order(payment_method="cod"))

    SubOrder.objects.filter(pk=sub_order.pk).update(
        lease_until=steps.NOON, lease_token=F("lease_token") + 1, attempts=3, last_error="x", ready_at=None
    )
    SubOrder.objects.filter(pk=sub_order.pk).update(needs_person_since=steps.NOON)

    assert SubOrder.objects.get().version == sub_order.version


def test_nobody_sets_a_version_back(shop):
    order = shop.place_order()

    Order.objects.filter(pk=order.pk).update(version=0, remark="x")

    assert Order.objects.get().version == order.version + 1


def test_stock_cannot_be_promised_beyond_what_is_on_hand(shop):
    stock = shop.sku.stock.get()

    for reserved in (101, -1):
        with pytest.raises(IntegrityError, match="stock_reserved_within_on_hand"), transaction.atomic():
            StockMovement.objects.create(stock=stock, kind="reserve", reserved_change=reserved)
