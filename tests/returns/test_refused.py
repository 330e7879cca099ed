"""What never reached the buyer comes back by itself as a return."""

import pytest

from logistics.carriers import tracking
from logistics.models import Carrier, Shipment
from orders.models import ReturnRequest
from orders.returning import deciding, locking, travelling
from payments.models import Refund
from payments.owing import balancing
from tests import factories, steps
from tests.returns.world import ask, found, install, line_of, many, stock_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _defaults(db: None) -> None:
    install()


def refused(shop: factories.Shop) -> tuple[ReturnRequest, Shipment]:
    order = shop.place_order((shop.sku, 2, "10.00"))
    steps.pay(order)
    parcel = steps.shipped(order)
    steps.scan(parcel, "collected", "rejected")
    return ReturnRequest.objects.get(), parcel


def test_what_is_refused_at_the_door_is_expected_received_and_restocked(shop):
    row, parcel = refused(shop)
    assert (row.kind, row.state, row.money_state) == ("refused_at_door", "in_transit", "nothing")
    assert row.lines.get().quantity == 2
    assert steps.broken_invariants() == []
    with pytest.raises(locking.NotNow):
        deciding.cancel(row.pk, reason="x", actor=steps.STAFF)

    steps.scan(parcel, "returned")
    assert ReturnRequest.objects.count() == 1
    factories.run(balancing.run)
    assert [str(one.amount) for one in Refund.objects.all()] == ["26.00"]
    line = line_of(row.order)
    before = stock_of(line)["good"]
    row = found(travelling.receive(row.pk, actor=steps.STAFF), good=1, box_damaged=1)
    assert (row.state, stock_of(line)) == ("closed", {"good": before + 1, "box_damaged": 1})
    assert steps.broken_invariants() == []


def test_goods_may_be_there_before_the_carrier_says_so(shop):
    row, parcel = refused(shop)
    found(travelling.receive(row.pk, actor=steps.STAFF), good=2)
    steps.scan(parcel, "returned")
    assert ReturnRequest.objects.get().state == "closed"
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("speaks", ["the carrier", "only the warehouse"])
def test_goods_that_were_inspected_are_back_though_no_carrier_ever_says_so(shop, speaks):
    row, parcel = refused(shop)
    if speaks == "only the warehouse":
        Carrier.objects.update(connection=None, tracking_connection=None)
        Shipment.objects.update(connection=None)

    found(travelling.receive(row.pk, actor=steps.STAFF), good=1, missing=1)
    factories.run(tracking.run)
    factories.run(balancing.run)

    assert (steps.state_of(parcel), row.order.sub_orders.get().state) == ("returned", "returned")
    assert [str(one.amount) for one in Refund.objects.all()] == ["26.00"]
    assert steps.broken_invariants() == []
    # The carrier's own word may follow; nothing is paid twice.
    steps.scan(parcel, "returned")
    factories.run(balancing.run)
    assert Refund.objects.count() == 1
    assert steps.broken_invariants() == []


def test_goods_of_which_nothing_is_there_are_not_back(shop):
    row, parcel = refused(shop)
    found(travelling.receive(row.pk, actor=steps.STAFF), missing=2)
    factories.run(tracking.run)
    assert steps.state_of(parcel) == "rejected"
    assert not Refund.objects.exists()


def test_what_the_buyer_takes_after_all_comes_back_no_longer(shop):
    row, parcel = refused(shop)
    steps.scan(parcel, "signed")
    row = ReturnRequest.objects.get()
    assert row.state == "cancelled"
    assert steps.broken_invariants() == []
    # And may be asked for as any other; the parcel may even come back then.
    again = ask(row.order, {1: 1})
    steps.scan(parcel, "returned")
    assert steps.state_of(parcel) == "returned"
    assert ReturnRequest.objects.get(pk=again.pk).state == "cancelled"
    last = ReturnRequest.objects.latest("pk")
    assert (last.kind, last.lines.get().quantity) == ("refused_at_door", 2)
    assert steps.broken_invariants() == []


def test_what_is_on_its_way_already_is_no_part_of_what_comes_back_whole(shop):
    order = many(shop, 3)
    row = deciding.approve(ask(order, {1: 1}).pk, actor=steps.STAFF)
    travelling.hand_over(row.pk, carrier="", waybill="A1", actor=steps.STAFF)
    parcel = order.sub_orders.get().shipments.get()
    steps.scan(parcel, "returned")
    row, rest = ReturnRequest.objects.order_by("pk")
    assert (row.state, row.money_state, row.lines.get().open_quantity) == ("in_transit", "nothing", 0)
    assert (rest.kind, rest.lines.get().quantity) == ("refused_at_door", 2)
    assert steps.broken_invariants() == []
    found(travelling.receive(row.pk, actor=steps.STAFF), good=1)
    found(travelling.receive(rest.pk, actor=steps.STAFF), good=2)
    assert {one.state for one in ReturnRequest.objects.all()} == {"closed"}
    assert steps.broken_invariants() == []
