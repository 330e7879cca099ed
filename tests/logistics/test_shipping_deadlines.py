"""Warned of before it is late: by when an order has to leave, by its platform or its channel."""

from datetime import timedelta

import pytest
from django.utils import timezone

from logistics.models import (
    LogisticsAlert,
    ShipRule,
    WarehouseOrder,
)
from oms.common.models import Ticket, TicketState
from orders.fulfilling import splitting
from orders.models import Order
from orders.reviewing import deciding
from tests import factories, steps
from tests.logistics.test_watching import watch

pytestmark = pytest.mark.django_db


def test_a_shipping_deadline_is_warned_of_before_it_is_missed_once(shop):
    by_then = timezone.now() + timedelta(hours=3)
    near = shop.place_order(payment_method="cod", ship_by=by_then.isoformat())
    far = shop.place_order(payment_method="cod", ship_by=(by_then + timedelta(hours=3)).isoformat())
    sub_order = steps.released(near)
    steps.released(far)

    assert watch() == [("ship_soon", 1)]
    assert LogisticsAlert.objects.get().sub_order == sub_order

    near.terms.ship_by = timezone.now() - timedelta(minutes=1)
    near.terms.save(update_fields=["ship_by"])
    assert watch() == [("ship_late", 2)]
    steps.warehouse_says(sub_order, "packed", "shipped")
    assert watch() == []


def test_an_order_that_is_held_before_its_shipping_deadline_is_told_to_service(shop):
    order = shop.place_order(payment_method="cod", ship_by=(timezone.now() + timedelta(hours=3)).isoformat())
    watch()
    assert steps.tickets() == [("ship_deadline", "")]

    steps.released(order)
    assert watch() == [("ship_soon", 1)]
    assert not Ticket.objects.filter(kind="ship_deadline", state=TicketState.OPEN).exists()


def paid_ago(order: Order, hours: float) -> None:
    """The order was received, and paid, so many hours ago."""
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(hours=hours))


def test_without_a_platforms_deadline_an_order_leaves_within_48_hours_of_its_payment(shop):
    order, other = shop.place_order(payment_method="cod"), shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    steps.released(other)
    LogisticsAlert.objects.all().delete()
    WarehouseOrder.objects.update(next_event_due=None)
    paid_ago(order, 43.9)
    assert watch() == []
    paid_ago(order, 44.1)
    assert watch() == [("ship_soon", 1)]
    assert LogisticsAlert.objects.get().sub_order == sub_order
    assert watch() == [("ship_soon", 1)]

    paid_ago(order, 48.1)
    assert watch() == [("ship_late", 2)]
    assert steps.fresh(order).version == order_version(order)
    steps.warehouse_says(sub_order, "packed", "shipped")
    assert watch() == []


def order_version(order: Order) -> int:
    """The version that the order has after it was split and released: looks of the watch make no new one."""
    Order.objects.filter(pk=order.pk).update(ship_looks=0)
    return steps.fresh(order).version


def test_the_hours_of_a_channel_are_rows_of_staff(shop):
    order = shop.place_order(payment_method="cod")
    steps.released(order)
    WarehouseOrder.objects.update(next_event_due=None)
    paid_ago(order, 30)
    ShipRule.objects.create(hours=None)
    assert watch() == []
    ShipRule.objects.create(channel=order.channel, hours=24)
    assert watch() == [("ship_late", 2)]


def test_presale_leaves_within_its_hours_from_when_it_may_leave(shop):
    soon = timezone.now() + timedelta(hours=1)
    order = shop.place_order(payment_method="cod", ship_not_before=soon.isoformat())
    factories.run(deciding.run, splitting.run)
    paid_ago(order, 100)
    assert watch() == []
    order.terms.ship_not_before = timezone.now() - timedelta(hours=45)
    order.terms.save(update_fields=["ship_not_before"])
    assert watch() == [("ship_soon", 1)]


def test_an_order_that_is_held_before_its_channels_deadline_is_told_to_service(shop):
    order = shop.place_order(payment_method="cod")
    paid_ago(order, 45)
    watch()
    assert steps.tickets() == [("ship_deadline", "ours")]

    steps.released(order)
    WarehouseOrder.objects.update(next_event_due=None)
    assert watch() == [("ship_soon", 1)]
    assert not Ticket.objects.filter(kind="ship_deadline", state=TicketState.OPEN).exists()
