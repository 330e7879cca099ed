"""A new address of what a warehouse has already: it is asked to give it up, and its answer decides."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from logistics.warehouses import events, readdressing, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.models import Ticket
from orders.changing import askers
from orders.changing.cancelling import cancel_order
from orders.changing.readdressing import CannotReaddress, Recipient
from orders.changing.sets import drafting
from orders.changing.sets.drafting import CannotChange
from orders.fulfilling import allocating
from orders.models import ChangeSet, Order, OrderEvent, SubOrder
from orders.telling.timeline import changes_of
from tests import factories, fakes, steps
from tests.admin.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]
NEW = Recipient(name="李娜", address="长安街2号")


def answer(taken: bool) -> None:
    """The warehouse answers what it was asked, and the stage that waits for that runs."""
    told = Answer(taken=taken, reason="" if taken else "too late")
    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda _ref: told)):
        factories.run(stopping.pass_on, stopping.run, events.run)
    steps.once(readdressing.run)


def asked(shop) -> tuple[Order, SubOrder]:
    order = shop.place_order()
    steps.pay(order)
    part = steps.released(order)
    askers.ask(order.pk, NEW, "the buyer moved", steps.STAFF)
    return order, part


def test_it_is_given_up_and_goes_to_the_new_address(shop):
    order, part = asked(shop)
    told = OrderEvent.objects.get(order=order, kind="change_asked")
    assert changes_of(told)["name"] == ("张华", "李娜")
    assert "李娜" not in str(told.data) + str(ChangeSet.objects.values().get())
    steps.once(readdressing.run)
    assert ChangeSet.objects.get().state == "awaiting_warehouse"
    assert steps.broken_invariants() == []

    answer(taken=True)

    now = Order.objects.get(pk=order.pk)
    assert (ChangeSet.objects.get().state, now.recipient_name, now.open_holds) == ("confirmed", "李娜", 0)
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(allocating.run, releasing.run, sending.run)
    assert SubOrder.objects.get(pk=part.pk).state == "released"
    assert steps.work_of(part).number.endswith("W2")
    assert steps.broken_invariants() == []


def test_where_it_is_refused_it_goes_to_the_old_one_and_a_person_is_called(shop):
    order, part = asked(shop)
    answer(taken=False)
    now = Order.objects.get(pk=order.pk)
    assert (ChangeSet.objects.get().state, now.recipient_name, now.open_holds) == ("failed", "张华", 0)
    assert SubOrder.objects.get(pk=part.pk).state == "released"
    assert Ticket.objects.get(kind="new_address_refused").reason == ""
    assert steps.broken_invariants() == []


def test_an_answer_that_does_not_come_calls_a_person_once(shop):
    asked(shop)
    ChangeSet.objects.update(pay_by=timezone.now() - timedelta(hours=1))
    steps.once(readdressing.run)
    steps.once(readdressing.run)
    assert [one.reason for one in Ticket.objects.filter(kind="new_address_refused")] == ["late"]
    assert ChangeSet.objects.get().state == "awaiting_warehouse"
    assert steps.broken_invariants() == []


def test_it_may_ship_all_the_same(shop):
    order, part = asked(shop)
    steps.warehouse_says(part, "packed", "shipped")
    answer(taken=False)
    assert ChangeSet.objects.get().state == "failed"
    assert Order.objects.get(pk=order.pk).recipient_name == "张华"
    assert steps.broken_invariants() == []


def test_nothing_is_asked_twice_nor_of_what_left_and_it_can_be_given_up(shop):
    order, _part = asked(shop)
    with pytest.raises(CannotReaddress, match="has not answered"):
        askers.ask(order.pk, NEW, "x", steps.STAFF)
    with pytest.raises(CannotChange, match="waits for the warehouse"):
        drafting.change(order.pk, [{"do": "freight", "amount": "-1"}], reason="x", actor=steps.STAFF)
    drafting.discard(order.pk, actor=steps.STAFF)
    assert Order.objects.get(pk=order.pk).open_holds == 0
    answer(taken=True)
    assert Order.objects.get(pk=order.pk).recipient_name == "张华"
    other = shop.place_order()
    steps.pay(other)
    with pytest.raises(CannotReaddress, match="at once"):
        askers.ask(other.pk, NEW, "x", steps.STAFF)
    assert steps.broken_invariants() == []


def test_a_cancellation_ends_it(shop):
    order, _part = asked(shop)
    cancel_order(order.pk, reason="x", actor=steps.STAFF)
    answer(taken=True)
    assert Order.objects.get(pk=order.pk).state == "cancelled"
    assert ChangeSet.objects.get().state == "failed"
    assert steps.broken_invariants() == []


def test_the_page_says_who_is_asked_and_asks(shop):
    order = shop.place_order()
    steps.pay(order)
    part = steps.released(order)
    clerk = client_of("view_order", "readdress_order", "view_personal_data")
    page = reverse("admin:orders_order_recipient", args=[order.pk])
    seen = clerk.get(page).content.decode()
    assert "Who is asked for a new address" in seen
    assert f"warehouse {shop.warehouse.code} {shop.warehouse.name}" in seen
    form = {"name": "李娜", "phone": order.recipient_phone, "region_code": "110101", "address": "长安街2号"}
    assert "Say why the order is changed" in clerk.post(page, {**form, "ask": "1"}).content.decode()
    done = clerk.post(page, {**form, "ask": "1", "reason": "moved"}, follow=True).content.decode()
    assert "The warehouse is asked to give it up for the new address." in done
    assert SubOrder.objects.get(pk=part.pk).moving_since is not None
