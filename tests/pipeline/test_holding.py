"""A hold is accepted where it stops something, and says what it does not stop."""

from unittest import mock

import pytest
from django.utils.translation import override

from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Shipment
from logistics.warehouses import releasing
from orders.admin.order_page import load, page_context
from orders.fulfilling import allocating, splitting
from orders.models import Hold, SubOrder
from orders.reviewing import deciding, holds
from orders.reviewing.holds import CannotHold, hold_order, release_hold
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


def test_a_hold_that_would_stop_nothing_is_refused_with_what_can_be_done_instead(shop):
    install_default_carriers()
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    hold = hold_order(order.pk, reason="no waybill yet", actor=steps.STAFF)
    release_hold(hold.pk, note="", actor=steps.STAFF)
    steps.warehouse_says(sub_order, "packed")
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)

    with override("en"), pytest.raises(CannotHold, match=f"{sub_order.number} cannot be kept back.*interception"):
        hold_order(order.pk, reason="look", actor=steps.STAFF)

    steps.warehouse_says(sub_order, "shipped")
    with pytest.raises(CannotHold):
        hold_order(order.pk, reason="look", actor=steps.STAFF)
    steps.scan(Shipment.objects.get(), "signed")
    with override("en"), pytest.raises(CannotHold, match="all of the order was delivered"):
        hold_order(order.pk, reason="look", actor=steps.STAFF)
    assert (Hold.objects.count(), steps.fresh(order).open_holds) == (1, 0)
    assert steps.broken_invariants() == []


def test_a_hold_of_what_a_warehouse_works_on_under_a_waybill_points_to_the_cancellation(shop):
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    no_brake = mock.patch.object(holds, "_brakes", [lambda ids: []])
    refused = pytest.raises(CannotHold, match=f"a warehouse works on {sub_order.number}. Cancel the order")
    with override("en"), no_brake, refused:
        hold_order(order.pk, reason="look", actor=steps.STAFF)

    assert not Hold.objects.exists()


def test_a_hold_of_an_order_of_which_some_is_still_here_says_what_it_does_not_stop(shop):
    install_default_carriers()
    cold = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    order = shop.place_order((shop.sku, 1, "10.00"), (cold, 1, "30.00"), payment_method="cod")
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run)
    gone, waits = SubOrder.objects.order_by("id")
    assert (gone.state, waits.state) == ("released", "backordered")

    hold_order(order.pk, reason="look", actor=steps.STAFF)

    now = holds.reach(SubOrder.objects.order_by("id"))
    assert (now.stopped, now.slowed, now.beyond) == ([waits], [gone], [])
    steps.warehouse_says(gone, "shipped")
    now = holds.reach(SubOrder.objects.order_by("id"))
    assert (now.stopped, now.slowed, now.beyond) == ([waits], [], [gone])


def test_the_page_shows_beside_the_button_why_nothing_can_be_held_and_beside_a_hold_what_it_does_not_stop(shop):
    order = steps.shipped(shop.place_order(payment_method="cod")).sub_order.order
    boss = factories.UserFactory(is_superuser=True)

    with override("en"):
        page = page_context(load(order.pk), boss)
        (action,) = [action for action in page["actions"]["impossible"] if action.name == "hold"]
        assert "A hold stops nothing any more" in (action.obstacle or "")
        assert page["hold_limits"] == []

        holds.open_hold(order.pk, Hold.Kind.STAFF, reason="older", by=steps.STAFF)
        page = page_context(load(order.pk), boss)
        assert page["hold_limits"] == [f"The hold does not stop {order.number}-1."]
