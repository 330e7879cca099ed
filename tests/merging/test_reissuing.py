"""Sending goods again: an order of its own, free of charge, and never more than left a warehouse."""

import pytest

from oms.common.errors import ChangedMeanwhile
from orders.changing import cancelling, reissuing
from orders.changing.reissuing import CannotReissue
from orders.fulfilling import allocating, splitting
from orders.models import GiftGrant, GiftRule, Order, OrderEvent, OrderLink
from orders.reviewing import deciding
from tests import factories, steps

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def order(shop):
    """Three units that left."""
    order = shop.place_order((shop.sku, 3, "10.00"), payment_method="cod")
    steps.shipped(order)
    return order


def again(order, units=1, **values):
    told = {"reason": "missing", "bearer": "warehouse", "actor": steps.STAFF, **values}
    return reissuing.reissue(order.pk, {1: units}, told.pop("reason"), told.pop("bearer"), **told)


def test_a_missing_unit_is_sent_again_for_nothing_and_both_stories_tell(shop, order):
    new = again(order, 2, note="box was open")

    assert (new.state, new.payment_state, new.payable_amount) == ("in_review", "nothing_due", 0)
    assert (new.recipient_phone, new.address_key, new.region_id) == (
        order.recipient_phone,
        order.address_key,
        order.region_id,
    )
    assert list(new.lines.values_list("sku", "quantity", "unit_price")) == [(shop.sku.pk, 2, 0)]
    link = OrderLink.objects.get(order=new)
    assert (link.original, link.kind, link.reason, link.bearer, link.units) == (
        order,
        "reissue",
        "missing",
        "warehouse",
        {"1": 2},
    )
    told = OrderEvent.objects.get(order=order, kind="reissued")
    assert told.data["number"] == new.number
    assert OrderEvent.objects.get(order=new, kind="follows").data["number"] == order.number
    factories.run(deciding.run, splitting.run, allocating.run)
    assert new.sub_orders.get().state == "allocated"
    assert steps.broken_invariants() == []


def test_no_more_is_sent_again_than_left_and_a_cancelled_one_does_not_count(order):
    first = again(order, 2)
    with pytest.raises(CannotReissue, match="at most 1"):
        again(order, 2)
    cancelling.cancel_order(first.pk, reason="x", actor=steps.STAFF)

    assert again(order, 3).number != first.number


def test_what_never_left_is_not_sent_again(shop):
    order = shop.place_order(payment_method="cod")
    with pytest.raises(CannotReissue, match="at most 0"):
        again(order)
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reason": "nonsense"}, "reason"),
        ({"bearer": "me"}, "cost"),
        ({"reason": "other"}, "note"),
        ({"units": 0}, "how many"),
    ],
)
def test_bad_input_is_refused_in_words(order, values, words):
    with pytest.raises(reissuing.OmsError, match=words):
        again(order, **values)
    assert OrderLink.objects.count() == 0


def test_no_gift_comes_along(shop, order):
    GiftRule.objects.create(name="all", is_active=True, gift=shop.other_sku)
    again(order)
    factories.run(deciding.run, splitting.run)
    assert not GiftGrant.objects.exists()


def test_the_same_button_pressed_twice_sends_again_once(order):
    seen = Order.objects.get(pk=order.pk).version
    again(order, 1, version=seen)

    with pytest.raises(ChangedMeanwhile):
        again(order, 1, version=seen)
    assert OrderLink.objects.count() == 1
