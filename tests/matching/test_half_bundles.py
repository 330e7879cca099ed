"""What of a bundle is sent while another part of it is short, and who is told when that never comes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from oms.common.models import Ticket
from orders.changing import half_bundles, units
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, ending_waits, splitting
from orders.models import SubOrder
from tests import factories, steps
from tests.matching import shops

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    """A shop that sells BOX, of one unit of the one SKU and two of the other, of which there are too few."""
    shop = shops.make_shop()
    shops.match(shop, "BOX", (shop.sku, 1), (shop.other_sku, 2))
    return shop


def _short(shop, boxes):
    """An order of so many boxes, of which what is there goes first."""
    order = shops.place(shop, ("BOX", boxes, "30.00"))
    steps.pay(order)
    steps.approve_and_split()
    factories.run(splitting.run, allocating.run)
    return order


def _open():
    return list(Ticket.objects.filter(kind="half_bundle", state="open"))


def test_what_follows_later_is_nothing_to_tell_and_what_never_comes_is_told_once(shop):
    # 100 of each: 60 boxes want 60 and 120.
    order = _short(shop, 60)
    assert sorted(SubOrder.objects.values_list("state", flat=True)) == ["allocated", "backordered"]
    assert (half_bundles.run(), _open()) == (0, [])
    SubOrder.objects.filter(state="backordered").update(cancel_short_at=timezone.now() - timedelta(hours=1))
    assert ending_waits.run(100) == 1

    assert [half_bundles.run(), half_bundles.run()] == [1, 0]

    (ticket,) = _open()
    assert (ticket.subject_id, ticket.times) == (order.pk, 1)
    told = f"{shop.sku.code} × 60, {shop.other_sku.code} × 100"
    assert ticket.values == {"bundle": "BOX", "goods": told}
    # Ten of the first lack their counterpart: without them the boxes are whole.
    units.cancel_units(order.pk, {1: 10}, reason="x", actor=steps.STAFF)
    assert half_bundles.run() == 0
    assert _open() == []
    assert steps.broken_invariants() == []


def test_a_ticket_that_a_person_closed_stays_closed_until_more_is_cancelled(shop):
    order = _short(shop, 60)
    SubOrder.objects.filter(state="backordered").update(cancel_short_at=timezone.now() - timedelta(hours=1))
    ending_waits.run(100)
    half_bundles.run()
    now = timezone.now()
    Ticket.objects.filter(kind="half_bundle").update(state="closed", opened_at=now, closed_at=now, result="resolved")

    assert (half_bundles.run(), _open()) == (0, [])
    units.cancel_units(order.pk, {1: 5}, reason="x", actor=steps.STAFF)
    assert half_bundles.run() == 1
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    assert (half_bundles.run(), _open()) == (0, [])


def test_whole_boxes_that_are_cancelled_are_no_half_ones(shop):
    order = _short(shop, 10)
    units.cancel_units(order.pk, {1: 3, 2: 6}, reason="x", actor=steps.STAFF)

    assert half_bundles.run() == 0
