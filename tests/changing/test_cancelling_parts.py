"""Cancelling a part of an order: units, sub-orders, what has not left yet; and what a preview says of it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from inventory.models import Stock, StockMovement
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.messages import writing
from oms.common.models import BuyerMessage, Ticket
from orders.changing import charging, chasing, previewing, reasons
from orders.changing.cancelling import CannotCancel, cancel_parts
from orders.changing.choosing import Selection, cancel
from orders.changing.keeping import Tenders
from orders.fulfilling import allocating, completing, splitting
from orders.models import CancelReason, Hold, Order, OrderEvent, SubOrder
from orders.reviewing import deciding
from payments.models import Refund
from payments.owing import balancing
from tests import factories, fakes, steps
from tests.payments.test_promotions_lost import bought, promotion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


def two_parts(shop: factories.Shop, **changes: Any) -> tuple[Order, SubOrder, SubOrder]:
    """An order whose first part its warehouse has, while the other one waits for stock."""
    short = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=short, warehouse=shop.warehouse, on_hand=0)
    order = shop.place_order((shop.sku, 2, "10.00"), (short, 3, "20.00"), **{"payment_method": "cod", **changes})
    if order.payment_method != "cod":
        steps.pay(order)
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
    sent = SubOrder.objects.get(order=order, state="released")
    waits = SubOrder.objects.get(order=order, state="backordered")
    return order, sent, waits


def warehouses_answer(taken: bool) -> None:
    answer = Answer(taken=taken, reason="" if taken else "too late")
    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda _ref: answer)):
        factories.run(stopping.pass_on, stopping.run, events.run)


def kinds_of(order: Order) -> list[str]:
    return list(OrderEvent.objects.filter(order=order).order_by("id").values_list("kind", flat=True))


def do(order: Order, selection: Selection, **more: Any) -> Order:
    return cancel(order.pk, selection, reason="no longer wanted", actor=steps.STAFF, **more)


# --- The rest ---------------------------------------------------------------------------------------------------------


def test_the_backordered_rest_of_a_half_delivered_order_is_cancelled_and_the_order_ends(shop):
    order, sent, waits = two_parts(shop, payment_method="prepaid")
    steps.warehouse_says(sent, "packed", "shipped")
    SubOrder.objects.filter(pk=sent.pk).update(state="delivered", delivered_at=steps.NOON)
    seen = previewing.preview(order.pk, Selection(is_rest=True))
    assert (seen.refunded, seen.units, seen.parcels, seen.asked, seen.is_whole) == (65_00, 3, 1, (), False)

    do(order, Selection(is_rest=True))

    assert SubOrder.objects.get(pk=waits.pk).state == "cancelled"
    factories.run(balancing.run)
    assert [str(refund.amount) for refund in Refund.objects.all()] == ["65.00"]
    factories.run(completing.run)
    SubOrder.objects.filter(pk=sent.pk).update(delivered_at=steps.NOON - timedelta(days=30))
    factories.run(completing.run)
    assert Order.objects.get(pk=order.pk).state == "completed"
    assert "units_cancelled" in kinds_of(order)
    with pytest.raises(CannotCancel):
        do(order, Selection(is_rest=True))


def test_of_the_rest_what_a_warehouse_has_is_asked_and_the_other_part_goes_at_once(shop):
    order, _sent, waits = two_parts(shop)
    other = shop.place_order(payment_method="cod")
    do(order, Selection(is_rest=True))
    # All of it: as a whole.
    assert Order.objects.get(pk=order.pk).cancel_requested_at is not None
    assert SubOrder.objects.get(pk=waits.pk).state == "cancelled"
    warehouses_answer(taken=True)
    assert Order.objects.get(pk=order.pk).state == "cancelled"
    assert Order.objects.get(pk=other.pk).state == "in_review"
    assert steps.broken_invariants() == []


# --- Sub-orders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", [True, False])
def test_a_sub_order_is_asked_for_by_itself_while_the_other_goes_on(shop, taken):
    order, sent, waits = two_parts(shop)
    owed = charging.owed(order.pk)

    do(order, Selection(parts=[sent.pk]))

    now = Order.objects.get(pk=order.pk)
    assert (now.cancel_requested_at, now.open_holds) == (None, 0)
    assert OrderEvent.objects.get(kind="cancel_requested").data["numbers"] == [sent.number]
    with pytest.raises(CannotCancel, match="has not answered yet"):
        do(order, Selection(parts=[sent.pk]))
    warehouses_answer(taken=taken)

    part = SubOrder.objects.get(pk=sent.pk)
    ends = [kind for kind in kinds_of(order) if kind in ("cancel_granted", "cancel_not_granted")]
    if taken:
        assert (part.state, ends) == ("cancelled", ["cancel_granted"])
        assert charging.owed(order.pk) == owed - part.payable_amount
        assert Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse).reserved == 0
    else:
        assert (part.state, part.cancel_requested_at, ends) == ("released", None, ["cancel_not_granted"])
        assert charging.owed(order.pk) == owed
    assert SubOrder.objects.get(pk=waits.pk).state == "backordered"
    assert Order.objects.get(pk=order.pk).state == "split"
    assert steps.broken_invariants() == []


def test_when_the_other_part_goes_meanwhile_the_answer_ends_the_order(shop):
    order, sent, waits = two_parts(shop)
    do(order, Selection(parts=[sent.pk]), tells_buyer=True)
    do(order, Selection(parts=[waits.pk]))
    assert Order.objects.get(pk=order.pk).state == "split"
    hold = Hold.objects.create(order=order, kind="manual", reason="x")
    Order.objects.filter(pk=order.pk).update(open_holds=1)
    warehouses_answer(taken=True)
    ended = Order.objects.get(pk=order.pk)
    assert (ended.state, ended.open_holds) == ("cancelled", 0)
    assert ended.cancel_reason == "no longer wanted"
    assert Hold.objects.get(pk=hold.pk).released_at is not None
    assert kinds_of(order)[-2:] == ["cancelled", "cancel_granted"]
    assert steps.broken_invariants() == []


def test_a_second_question_names_the_first_that_is_still_open(shop):
    other = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region)
    far = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=far, warehouse=other)
    short = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=short, warehouse=shop.warehouse, on_hand=0)
    order = shop.place_order((shop.sku, 1, "10.00"), (far, 1, "20.00"), (short, 1, "5.00"), payment_method="cod")
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
    first, second = SubOrder.objects.filter(order=order, state="released").order_by("id")
    do(order, Selection(parts=[first.pk]))
    do(order, Selection(parts=[second.pk]))
    asked = OrderEvent.objects.filter(kind="cancel_requested").latest("id")
    assert asked.data["numbers"] == [first.number, second.number]
    warehouses_answer(taken=True)
    assert kinds_of(order).count("cancel_granted") == 1
    assert steps.broken_invariants() == []


def test_staff_are_called_when_a_part_is_not_answered(shop):
    order, sent, _waits = two_parts(shop)
    do(order, Selection(parts=[sent.pk]))
    assert chasing.run(100) == 0
    asked_at = SubOrder.objects.get(pk=sent.pk).cancel_requested_at
    SubOrder.objects.filter(pk=sent.pk).update(cancel_requested_at=asked_at - timedelta(hours=4, seconds=1))
    assert [chasing.run(100), chasing.run(100)] == [1, 0]
    assert Ticket.objects.get(kind="cancellation_unanswered").values["numbers"] == sent.number
    warehouses_answer(taken=True)
    assert Ticket.objects.get(kind="cancellation_unanswered").state == "closed"


@pytest.mark.parametrize(
    ("state", "words"), [("packed", "It is packed"), ("shipped", "ask the carrier"), ("delivered", "cannot be stopped")]
)
def test_what_cannot_be_stopped_says_what_is_left_to_do(shop, state, words):
    order, sent, _waits = two_parts(shop)
    steps.warehouse_says(sent, "packed", *(["shipped"] if state != "packed" else []))
    if state == "delivered":
        SubOrder.objects.filter(pk=sent.pk).update(state="delivered", delivered_at=steps.NOON)
    with pytest.raises(CannotCancel, match=words):
        cancel_parts(order.pk, [sent.pk], reason="x", actor=steps.STAFF)


def test_units_that_a_warehouse_has_name_the_sub_order_to_cancel_instead(shop):
    order, sent, _waits = two_parts(shop)
    with pytest.raises(CannotCancel, match=f"only as a whole: cancel {sent.number}"):
        do(order, Selection({1: 1}))
    assert steps.broken_invariants() == []


# --- Reasons, stock, the buyer ----------------------------------------------------------------------------------------


def test_a_reason_of_the_list_is_kept_by_its_code_and_said_in_words(shop):
    reasons.install_defaults()
    order = shop.place_order()
    why = reasons.chosen("changed_mind", "rang twice", reasons.Audience.STAFF)
    cancel(order.pk, Selection(), reason=why, actor=steps.STAFF)
    ended = Order.objects.get(pk=order.pk)
    assert (ended.cancel_reason, ended.cancel_reason_code) == ("rang twice", "changed_mind")
    data = OrderEvent.objects.get(kind="cancelled").data
    assert data == {"reason": "rang twice", "cause": "changed_mind"}
    with pytest.raises(OmsError, match="There are: changed_mind"):
        reasons.chosen("suspicious", "", reasons.Audience.MERCHANTS)
    CancelReason.objects.filter(code="other").update(is_active=False)
    with pytest.raises(OmsError, match="no such reason"):
        reasons.chosen("other", "x", reasons.Audience.STAFF)
    with pytest.raises(OmsError, match="Give a reason"):
        reasons.chosen("", "  ", reasons.Audience.STAFF)


def test_what_is_not_to_be_sold_again_is_frozen(shop):
    order = shop.place_order((shop.sku, 5, "10.00"), payment_method="cod")
    factories.run(deciding.run, splitting.run, allocating.run)
    do(order, Selection({1: 2}), restocks=False)
    stock = Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse)
    assert (stock.reserved, stock.frozen, stock.on_hand) == (3, 2, 100)
    assert StockMovement.objects.get(stock=stock, frozen_change=2).note == "cancelled"
    do(order, Selection({1: 1}))
    stock = Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse)
    assert (stock.reserved, stock.frozen) == (2, 2)
    assert steps.broken_invariants() == []


def test_the_buyer_is_told_once_where_that_is_wanted(shop):
    writing.install_defaults()
    order = shop.place_order((shop.sku, 5, "10.00"), payment_method="cod")
    do(order, Selection({1: 1}))
    assert not BuyerMessage.objects.exists()
    do(order, Selection({1: 1}), tells_buyer=True)
    do(order, Selection({1: 1}), tells_buyer=True)
    assert list(BuyerMessage.objects.filter(way="site").values_list("kind", flat=True)) == ["units_cancelled"] * 2
    do(order, Selection(), tells_buyer=True)
    assert BuyerMessage.objects.filter(kind="order_cancelled", way="site").count() == 1


@pytest.mark.parametrize(("language", "between"), [("en", ", "), ("zh-hans", "、")])
def test_goods_in_a_message_stand_beside_each_other_as_its_reader_writes(shop, language, between):
    writing.install_defaults()
    other = factories.SkuFactory(merchant=shop.merchant)
    order = shop.place_order((shop.sku, 2, "10.00"), (other, 3, "20.00"), payment_method="cod")
    names = [line.name for line in order.lines.order_by("position")]

    do(order, Selection({1: 1, 2: 2}), tells_buyer=True)

    with translation.override(language):
        (told,) = writing.shown(order.pk)
    assert f"{names[0]} × 1{between}{names[1]} × 2" in told


# --- The preview ------------------------------------------------------------------------------------------------------


def everything(order: Order) -> list[Any]:
    """Rows that a preview must leave as they are."""
    return [
        list(Order.objects.filter(pk=order.pk).values()),
        list(SubOrder.objects.filter(order=order).order_by("id").values()),
        list(OrderEvent.objects.filter(order=order).order_by("id").values_list("id", "kind")),
        list(Stock.objects.order_by("id").values()),
        str(charging.owed(order.pk)),
    ]


def test_a_preview_says_what_is_then_done_and_changes_nothing(shop):
    order = bought(shop, ["100.00", "60.00", "40.00"], promotions=[promotion("30.00", "200.00")])
    factories.run(allocating.run)
    before = everything(order)

    seen = previewing.preview(order.pk, Selection({1: 1}))

    assert everything(order) == before
    assert (seen.refunded, seen.back, seen.kept_back) == (70_00, Tenders(70_00), 15_00)
    (looked,) = seen.promotions
    assert (looked.share, looked.now, looked.is_lost) == (15_00, 0, True)
    assert [(line.position, line.units, line.amount) for line in seen.lines if line.units] == [(1, 1, 85_00)]
    assert [(one.warehouse, one.units) for one in seen.stock] == [(shop.warehouse.code, 1)]

    do(order, Selection({1: 1}), stamp=seen.stamp)

    assert charging.owed(order.pk) == Decimal(100)
    factories.run(balancing.run)
    assert [str(refund.amount) for refund in Refund.objects.all()] == ["70.00"]
    assert steps.broken_invariants() == []


def test_a_preview_of_what_a_warehouse_has_says_what_goes_back_if_it_agrees(shop):
    order, sent, _waits = two_parts(shop, payment_method="prepaid")
    seen = previewing.preview(order.pk, Selection(parts=[sent.pk]))
    assert (seen.refunded, seen.units, seen.back_if_given_up.total) == (0, 0, int(sent.payable_amount * 100))
    (asked,) = seen.asked
    assert (asked.number, asked.warehouse, asked.is_likely) == (sent.number, shop.warehouse.code, True)
    steps.warehouse_says(sent, "picking")
    assert not previewing.preview(order.pk, Selection(parts=[sent.pk])).asked[0].is_likely


def test_what_nobody_paid_yet_need_not_be_paid(shop):
    order = shop.place_order((shop.sku, 2, "10.00"), payment_method="cod", freight_amount="0.00")
    seen = previewing.preview(order.pk, Selection({1: 1}))
    assert (seen.refunded, seen.not_to_be_paid, seen.is_whole) == (0, 10_00, False)
    assert previewing.preview(order.pk, Selection()).is_whole


def test_a_preview_that_is_stale_is_refused(shop):
    order, sent, waits = two_parts(shop)
    seen = previewing.preview(order.pk, Selection(parts=[waits.pk]))
    # Only a sub-order moved: the order itself has the same version.
    steps.warehouse_says(sent, "accepted")
    assert Order.objects.get(pk=order.pk).version == seen.version
    with pytest.raises(ChangedMeanwhile):
        do(order, Selection(parts=[waits.pk]), stamp=seen.stamp)
    assert SubOrder.objects.get(pk=waits.pk).state == "backordered"
    again = previewing.preview(order.pk, Selection(parts=[waits.pk]))
    do(order, Selection(parts=[waits.pk]), stamp=again.stamp)


def test_statements_of_preview_and_confirmation_do_not_grow_with_lines(shop):
    counts = []
    for size in (2, 40):
        skus = [factories.SkuFactory(merchant=shop.merchant) for _ in range(size)]
        for sku in skus:
            factories.StockFactory(sku=sku, warehouse=shop.warehouse)
        order = shop.place_order(*((sku, 2, "10.00") for sku in skus), payment_method="cod")
        factories.run(deciding.run, splitting.run, allocating.run)
        some = Selection(dict.fromkeys(range(1, size + 1), 1))
        with CaptureQueriesContext(connection) as looked:
            previewing.preview(order.pk, some)
        with CaptureQueriesContext(connection) as done:
            do(order, some)
        counts.append((len(looked), len(done)))
    assert counts[0] == counts[1]
