"""A code that nobody looked at goes back into the stock, once; for one that was seen a person decides. Beside parcels,
virtual goods go their own way."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connections

from logistics.buyer.asking import BUYER
from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.models import CodeSale, Shipment, VirtualDelivery
from logistics.virtual import confirming, delivering, revealing, settling, taking_back
from logistics.warehouses import releasing, sending
from oms.common.errors import OmsError
from oms.common.models import Ticket
from oms.common.work import clock
from orders import isolating
from orders.changing import cancelling
from orders.fulfilling import completing
from orders.models import Order, SubOrder
from payments.granting import deciding, limits
from payments.granting.previewing import Wanted
from payments.models import GrantKind
from payments.owing import balancing
from tests import factories, fakes, steps
from tests.payments.grants import actor, member
from tests.virtual import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def sku(shop):
    """An article with three codes."""
    found = world.code_sku(shop)
    world.bring(shop, found, ["one", "two", "three"])
    return found


def cancel(order: Order) -> Order:
    return cancelling.cancel_order(order.pk, reason="changed my mind", actor=steps.STAFF)


def owes(order: Order) -> Decimal:
    """What the buyer still owes of the order, in yuan."""
    return sum(steps.fresh(order).charges.values_list("amount", flat=True), Decimal(0))


def test_an_order_whose_code_nobody_saw_is_cancelled_and_the_code_is_for_sale_again(shop, sku):
    part = world.delivered(shop, sku, 2)
    assert (world.units(sku), world.states(sku)) == ((1, 0), {"sold": 2, "on_shelf": 1})

    assert cancel(part.order).state == "cancelled"
    world.deliver()
    world.deliver()

    assert (steps.state_of(part), steps.fresh(part.order).fulfilment_state) == ("cancelled", "cancelled")
    assert (world.units(sku), world.states(sku)) == ((3, 0), {"on_shelf": 3})
    assert CodeSale.objects.filter(taken_back_at=None).count() == 0
    assert world.delivery_of(part).taken_back_at is not None
    assert owes(part.order) == 0
    factories.run(balancing.run)
    assert steps.broken_invariants() == []
    # They are sold again, to others.
    assert world.delivered(shop, sku, 3).state == "delivered"
    assert (world.units(sku), CodeSale.objects.count()) == ((0, 0), 5)
    assert steps.broken_invariants() == []


def test_an_order_whose_code_was_seen_is_not_cancelled(shop, sku):
    part = world.delivered(shop, sku)
    revealing.reveal(part.pk, actor=BUYER)

    with pytest.raises(cancelling.CannotCancel, match="cannot be stopped any more"):
        cancel(part.order)
    with pytest.raises(taking_back.CannotTakeBack, match="was looked at"):
        taking_back.take_back(part.pk, reason="x", actor=steps.STAFF)

    assert (steps.state_of(part), world.states(sku)) == ("delivered", {"revealed": 1, "on_shelf": 2})


def test_a_completed_one_that_nobody_saw_is_taken_back_once(shop, sku):
    part = world.delivered(shop, sku)
    completing.confirm_receipt(part.pk, actor=steps.STAFF)
    factories.run(balancing.run)
    with pytest.raises(OmsError, match="Say why"):
        taking_back.take_back(part.pk, reason=" ", actor=steps.STAFF)

    taking_back.take_back(part.pk, reason="sold too dear", actor=steps.STAFF)
    with pytest.raises(taking_back.CannotTakeBack, match="nothing to take back"):
        taking_back.take_back(part.pk, reason="again", actor=steps.STAFF)
    world.deliver()

    assert (steps.state_of(part), steps.state_of(part.order)) == ("returned", "closed")
    assert (world.units(sku), world.states(sku)) == ((3, 0), {"on_shelf": 3})
    assert owes(part.order) == 0
    factories.run(balancing.run)
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("is_seen", [False, True])
def test_units_of_which_finance_gave_the_money_back_give_their_codes_back_unless_they_were_seen(shop, sku, is_seen):
    limits.install_defaults()
    part = world.delivered(shop, sku, 2)
    completing.confirm_receipt(part.pk, actor=steps.STAFF)
    if is_seen:
        revealing.reveal(part.pk, actor=BUYER)
    wanted, user = Wanted(GrantKind.RETURN, units={1: 1}), member("finance")

    deciding.propose(part.order_id, wanted, reason="no_reason", note="x", actor=actor(user), user=user)
    world.deliver()
    world.deliver()

    told = [(kind, Ticket.objects.open().get(kind=kind).times) for kind, _reason in steps.tickets()]
    if is_seen:
        assert (world.units(sku), world.states(sku)) == ((1, 0), {"revealed": 2, "on_shelf": 1})
        assert told == [("seen_code_returned", 1)]
    else:
        assert (world.units(sku), world.states(sku)) == ((2, 0), {"sold": 1, "on_shelf": 2})
        assert told == []
    factories.run(balancing.run)
    assert steps.broken_invariants() == []


def test_a_made_up_code_that_nobody_saw_gives_its_unit_back(shop):
    plain = world.code_sku(shop)
    factories.StockFactory(sku=plain, warehouse=world.place(shop), on_hand=5)
    part = world.delivered(shop, plain, 2)
    assert world.units(plain) == (3, 0)
    cancel(part.order)
    world.deliver()
    world.deliver()
    assert (steps.state_of(part), world.units(plain)) == ("cancelled", (5, 0))
    assert steps.broken_invariants() == []


def mixed(shop, sku) -> tuple[SubOrder, SubOrder]:
    """The virtual and the other part of one order on delivery, both reserved."""
    order = world.bought(shop, (sku, 1, "15.00"), (shop.sku, 2, "10.00"))
    parts = SubOrder.objects.filter(order=order)
    return parts.get(storage_class="virtual"), parts.exclude(storage_class="virtual").get()


def sign(parcel: SubOrder) -> None:
    """The parcel goes its way through warehouse and carrier until the buyer signs, and confirms."""
    install_default_carriers()
    with fakes.warehouse(fakes.FakeWarehouse()), fakes.carrier(fakes.FakeCarrier()):
        factories.run(releasing.run, sending.run)
        steps.warehouse_says(parcel, "packed")
        factories.run(dispatching.run)
    steps.warehouse_says(parcel, "shipped")
    steps.scan(Shipment.objects.get(sub_order=parcel), "collected", "signed")
    completing.confirm_receipt(parcel.pk, actor=steps.STAFF)


@pytest.mark.parametrize("virtual_first", [True, False])
def test_each_part_of_a_mixed_order_goes_its_own_way(shop, sku, virtual_first):
    good, parcel = mixed(shop, sku)
    if virtual_first:
        world.deliver()
        revealing.reveal(good.pk, actor=BUYER)
        confirming.confirm(good.pk, actor=BUYER)
        assert (steps.state_of(good), steps.state_of(parcel)) == ("completed", "allocated")
        assert steps.fresh(good.order).fulfilment_state == "partly_delivered"
        sign(parcel)
    else:
        sign(parcel)
        assert (steps.state_of(parcel), steps.state_of(good)) == ("completed", "allocated")
        assert steps.state_of(good.order) == "split"
        world.deliver()
        revealing.reveal(good.pk, actor=BUYER)
        confirming.confirm(good.pk, actor=BUYER)

    assert (steps.state_of(good), steps.state_of(parcel)) == ("completed", "completed")
    order = steps.fresh(good.order)
    assert (order.state, order.fulfilment_state) == ("completed", "delivered")
    assert VirtualDelivery.objects.count() == 1
    assert steps.broken_invariants() == []


def test_a_mixed_order_is_cancelled_with_its_unseen_code_while_the_parcel_is_there(shop, sku):
    good, parcel = mixed(shop, sku)
    world.deliver()

    assert cancel(good.order).state == "cancelled"
    world.deliver()

    assert (steps.state_of(good), steps.state_of(parcel)) == ("cancelled", "cancelled")
    assert world.states(sku) == {"on_shelf": 3}
    assert owes(good.order) == 0
    assert steps.broken_invariants() == []


def test_of_a_mixed_order_the_virtual_part_alone_is_taken_back(shop, sku):
    good, parcel = mixed(shop, sku)
    world.deliver()
    taking_back.take_back(good.pk, reason="wrong article", actor=steps.STAFF)
    world.deliver()
    assert (steps.state_of(good), steps.state_of(parcel), steps.state_of(good.order)) == (
        "cancelled",
        "allocated",
        "split",
    )
    assert world.states(sku) == {"on_shelf": 3}
    factories.run(balancing.run)
    assert steps.broken_invariants() == []


@pytest.mark.django_db(transaction=True)
def test_of_a_look_and_a_cancellation_at_once_only_one_comes_true(shop, sku):
    parts = [world.delivered(shop, sku) for _ in range(3)]

    def attempt(job: tuple[str, SubOrder]) -> str:
        what, part = job
        try:
            if what == "look":
                revealing.reveal(part.pk, actor=BUYER)
            else:
                cancel(part.order)
        except OmsError as refusal:
            return refusal.code
        finally:
            connections.close_all()
        return what

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(attempt, [(what, part) for part in parts for what in ("look", "cancel")]))

    pairs = [tuple(answers[i : i + 2]) for i in range(0, 6, 2)]
    assert {*pairs} <= {("look", "cannot_cancel"), ("not_there", "cancel")}
    settling.run(10)
    cancelled = sum(pair[1] == "cancel" for pair in pairs)
    found = {key: count for key, count in (("on_shelf", cancelled), ("revealed", 3 - cancelled)) if count}
    assert (world.states(sku), world.units(sku)) == (found, (cancelled, 0))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("buyers", "units", "at_once"),
    [(60, 1, 8), pytest.param(200, 500, 200, marks=pytest.mark.soak)],
    ids=["few", "hundred_thousand_codes"],
)
def test_many_buyers_at_once_get_each_code_once(shop, buyers, units, at_once):
    """Each order is delivered by itself, many at once; the stage itself would take them together."""
    sku, codes = world.code_sku(shop), [f"CODE-{i:06}" for i in range(buyers * units)]
    for first in range(0, len(codes), 5000):
        world.bring(shop, sku, codes[first : first + 5000])
    for _ in range(buyers):
        shop.place_order((sku, units, "15.00"), payment_method="cod")
    steps.approve_and_split()
    factories.run(world.allocating.run)
    start = threading.Barrier(at_once)

    def work(rows: list[tuple[int, int]]) -> None:
        try:
            start.wait()
            for row in rows:
                with clock.skipping_waits():
                    isolating.work_on("deliver_virtual", [row], delivering._deliver)
        finally:
            connections.close_all()

    parts = list(SubOrder.objects.order_by("id").values_list("id", "order_id"))
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(work, [parts[i::at_once] for i in range(at_once)]))

    sold = list(CodeSale.objects.values_list("code_id", "delivery_id"))
    counted = (len(sold), len({code for code, _ in sold}), len({part for _, part in sold}))
    assert counted == (len(codes), len(codes), buyers)
    assert (world.units(sku), world.states(sku)) == ((0, 0), {"sold": len(codes)})
    assert SubOrder.objects.filter(state="delivered").count() == buyers
