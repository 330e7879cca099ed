"""What a merchant reports of its own warehouse: each order for itself; late, twice, at once, and what contradicts."""

from datetime import timedelta

import pytest
from django.utils import timezone

from logistics.by_merchant import answering, shipping
from logistics.by_merchant.reported import Leaving
from logistics.carriers import dispatching, tracking
from logistics.carriers.adapters import sandbox as carrier
from logistics.carriers.defaults import install_carrier_codes
from logistics.models import Carrier, Shipment, WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from oms.common.models import InboundFact, SandboxJob
from oms.common.work import sandbox
from oms.management.commands.check_invariants import ALL
from orders.actors import Actor
from orders.changing import cancelling
from orders.models import ActorKind, OrderEvent, SubOrder
from tests import factories, fakes, steps
from tests.invariants import check
from tests.portal import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]
LI = Actor(ActorKind.MERCHANT, "li")


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself."""
    return world.make_seller()


def ship(seller: world.Seller, *leaving: Leaving, **how: bool) -> list[list[str]]:
    """Report it; the codes of what is wrong with each."""
    outcomes = shipping.ship(seller.merchant, leaving, actor=LI, **how)
    assert not check(ALL)
    return [[error.code for error in one.errors] for one in outcomes]


def state_of(work: WarehouseOrder) -> tuple[str, str]:
    """The states of a warehouse order and of its sub-order."""
    return steps.state_of(work), steps.state_of(SubOrder.objects.get(pk=work.sub_order_id))


def test_a_hundred_orders_leave_but_for_the_five_that_are_named(seller):
    works = seller.orders(100)
    shipping.ship(seller.merchant, [Leaving(works[4].number, "SF", "SF0000000004")], actor=LI)
    stranger = world.make_seller()
    (foreign,) = stranger.orders(1)
    rows = [Leaving(work.number, "顺丰速运" if i % 2 else "SF", f"SF9{i:09}") for i, work in enumerate(works)]
    rows[0] = Leaving(foreign.number, "SF", "SF9000000000")
    rows[1] = Leaving(works[1].number, "NOBODY", "SF9000000001")
    rows[2] = Leaving(works[2].number, "SF", "SF0000000004")
    rows[3] = Leaving(works[3].number, "SF", "")

    told = ship(seller, *rows)

    assert told[:5] == [["not_found"], ["unknown_carrier"], ["waybill_taken"], ["required"], ["shipped_already"]]
    assert told[5:] == [[]] * 95
    assert [state_of(work) for work in works[5:]] == [("shipped", "shipped")] * 95
    assert [state_of(work)[1] for work in works[1:4]] == ["released"] * 3
    assert state_of(foreign) == ("sent", "released")
    # Once more, word for word: nothing happens twice.
    events_before = OrderEvent.objects.count()
    outcomes = shipping.ship(seller.merchant, rows[5:], actor=LI)
    assert all(one.is_done and one.is_known for one in outcomes)
    assert OrderEvent.objects.count() == events_before
    assert Shipment.objects.filter(left_at__isnull=False).count() == 96


def test_pretended_carriers_tell_of_parcels_with_waybills_of_the_merchant(seller):
    first, second = seller.orders(2)
    Carrier.objects.create(code="EMS", name="EMS")
    told = ship(seller, Leaving(first.number, "顺丰", "SF0000000101"), Leaving(second.number, "EMS", "EM0000000102"))
    assert told == [[], []]
    # Nobody was asked to carry the second one.
    assert list(SandboxJob.objects.filter(system="carrier").values_list("reference", flat=True)) == ["SF0000000101"]

    for hours in range(5, 0, -1):
        SandboxJob.objects.filter(system="carrier").update(due_at=timezone.now() - timedelta(hours=hours))
        sandbox.answer({"carrier": carrier.report}, 10)
    factories.run(tracking.run)
    assert steps.state_of(Shipment.objects.get(waybill_number="SF0000000101")) == "signed"
    assert steps.state_of(Shipment.objects.get(waybill_number="EM0000000102")) == "waybill_issued"


def test_two_rows_with_one_waybill_are_both_refused(seller):
    first, second = seller.orders(2)
    told = ship(seller, Leaving(first.number, "SF", "SF100000001"), Leaving(second.number, "SF", "SF100000001"))
    assert told == [["waybill_twice"]] * 2
    assert state_of(first) == state_of(second) == ("sent", "released")


def test_parcels_leave_one_after_the_other_and_the_last_one_ends_it(seller):
    (work,) = seller.orders(1, (seller.sku, 3, "10.00"), (seller.other_sku, 1, "10.00"))
    part = SubOrder.objects.get(pk=work.sub_order_id)

    assert ship(seller, Leaving(part.number, "SF", "SF100000001", {seller.sku.code: 2})) == [[]]
    assert state_of(work) == ("partly_shipped", "packed")
    assert ship(seller, Leaving(work.number, "SF", "SF100000002", {seller.sku.code: 2})) == [["too_many"]]
    assert ship(seller, Leaving(work.number, "SF", "SF100000002", {"X": 1})) == [["unknown_sku"]]
    assert ship(seller, Leaving(work.number, "SF", "SF100000002")) == [[]]

    assert state_of(work) == ("shipped", "shipped")
    lines = Shipment.objects.filter(waybill_number="SF100000002").values_list(
        "lines__sub_order_line__order_line__sku__code", "lines__quantity"
    )
    assert set(lines) == {(seller.sku.code, 1), (seller.other_sku.code, 1)}


def test_several_parcels_at_once_say_what_is_in_them_or_none_is_taken(seller):
    (work,) = seller.orders(1, (seller.sku, 3, "10.00"))
    silent = [Leaving(work.number, "SF", "SF100000001"), Leaving(work.number, "SF", "SF100000002")]
    assert ship(seller, *silent) == [["required"], ["required"]]
    half = [silent[0], Leaving(work.number, "SF", "SF100000002", {seller.sku.code: 1})]
    assert ship(seller, *half) == [["required"], ["another_is_wrong"]]
    said = [Leaving(work.number, "SF", f"SF10000000{i}", {seller.sku.code: units}) for i, units in ((1, 2), (2, 1))]
    assert ship(seller, *said) == [[], []]
    assert state_of(work) == ("shipped", "shipped")
    assert sorted(Shipment.objects.filter(left_at__isnull=False).values_list("waybill_number", flat=True)) == [
        "SF100000001",
        "SF100000002",
    ]


def test_what_will_not_come_any_more_is_looked_for_elsewhere(seller):
    (work,) = seller.orders(1, (seller.sku, 3, "10.00"))
    assert ship(seller, Leaving(work.number, "SF", "SF100000001", {seller.sku.code: 1}, is_last=True)) == [[]]
    assert steps.state_of(work) == "shipped"
    parts = SubOrder.objects.filter(order=work.sub_order.order).order_by("id")
    assert [(part.state, sum(line.quantity for line in part.lines.all())) for part in parts] == [
        ("shipped", 1),
        ("awaiting_allocation", 2),
    ]


def test_a_carrier_is_known_by_what_people_call_it(seller):
    install_carrier_codes()
    Carrier.objects.create(code="ZTOKY", name="中通快运")
    called = {"顺丰": "SF", "圆通快递": "YTO", " 韵达 ": "YUNDA", "ems": "EMS", "邮政": "YZPY", "中通快运": "ZTOKY"}
    works = seller.orders(len(called) + 3)
    rows = [
        Leaving(work.number, name, f"X9{i:09}")
        for i, (work, name) in enumerate(zip(works, [*called, "快递", "顺丰快运", "顺"], strict=True))
    ]

    assert ship(seller, *rows) == [[]] * len(called) + [["unknown_carrier"]] * 3
    left = [Shipment.objects.get(warehouse_order=work).carrier for work in works[: len(called)]]
    assert [carrier.code for carrier in left if carrier] == list(called.values())
    # Of two that people call the same, nobody can tell which is meant.
    Carrier.objects.create(code="SFWL", name="顺丰物流")
    assert ship(seller, Leaving(works[-1].number, "顺丰", "X8000000000")) == [["unknown_carrier"]]


def test_an_order_in_one_piece_is_named_by_its_number_or_its_shops(seller):
    ours, shops = seller.orders(2)
    foreign = world.make_seller().orders(1, external_number=shops.sub_order.order.external_number)[0]
    orders = [work.sub_order.order for work in (ours, shops)]

    told = ship(
        seller,
        Leaving(orders[0].number, "SF", "SF7000000001"),
        Leaving(orders[1].external_number, "SF", "SF7000000002"),
        Leaving(foreign.sub_order.order.number, "SF", "SF7000000003"),
    )

    assert told == [[], [], ["not_found"]]
    assert [steps.state_of(work) for work in (ours, shops, foreign)] == ["shipped", "shipped", "sent"]
    assert ship(seller, Leaving(orders[0].number, "SF", "SF7000000009")) == [["shipped_already"]]
    # The same number in two shops: nobody can tell which order is meant.
    second = factories.ChannelFactory(merchant=seller.merchant)
    both = [*seller.orders(1, external_number="A-1"), *seller.orders(1, external_number="A-1", source=second.code)]
    assert ship(seller, Leaving("A-1", "SF", "SF7000000004")) == [["not_found"]]
    assert [steps.state_of(work) for work in both] == ["sent", "sent"]


def test_a_rehearsal_changes_nothing(seller):
    first, second = seller.orders(2)
    rows = [Leaving(first.number, "SF", "SF100000001"), Leaving(second.number, "X", "SF100000002")]
    assert ship(seller, *rows, is_rehearsal=True) == [[], ["unknown_carrier"]]
    assert state_of(first) == ("sent", "released")
    assert not InboundFact.objects.exists()


def cancelled(work: WarehouseOrder) -> None:
    """Its buyer cancels, and the merchant is asked."""
    order = work.sub_order.order
    cancelling.cancel_order(order.pk, reason="x", actor=steps.STAFF)
    factories.run(stopping.pass_on)
    steps.once(stopping.run)


def test_a_cancel_request_is_granted_and_the_goods_stay(seller):
    (work,) = seller.orders(1)
    cancelled(work)
    assert state_of(work) == ("sent", "released")
    assert ship(seller, Leaving(work.number, "SF", "SF100000001")) == [["asked_to_stop"]]

    answering.answer_stop(seller.merchant, work.number, is_stopped=True, actor=LI)

    assert state_of(work) == ("cancelled", "cancelled")
    with pytest.raises(answering.NotAsked):
        answering.answer_stop(seller.merchant, work.number, is_stopped=False, actor=LI)
    assert ship(seller, Leaving(work.number, "SF", "SF100000001")) == [["not_wanted"]]


def test_a_cancel_request_that_came_too_late_lets_it_go_on(seller):
    (work,) = seller.orders(1)
    cancelled(work)
    answering.answer_stop(seller.merchant, work.number, is_stopped=False, text="packed", actor=LI)
    assert state_of(work) == ("sent", "released")
    assert ship(seller, Leaving(work.number, "SF", "SF100000001")) == [[]]
    assert state_of(work) == ("shipped", "shipped")


def test_what_left_all_the_same_is_kept_as_it_really_is(seller):
    asked, gone = seller.orders(2)
    cancelled(asked)
    assert ship(seller, Leaving(asked.number, "SF", "SF100000001"), all_the_same=True) == [[]]
    assert state_of(asked) == ("shipped", "shipped")
    cancelled(gone)
    answering.answer_stop(seller.merchant, gone.number, is_stopped=True, actor=LI)
    assert ship(seller, Leaving(gone.number, "SF", "SF100000002"), all_the_same=True) == [[]]
    assert ("warehouse_contradicts", "left_after_cancelled") in steps.tickets()


def test_what_cannot_be_sent_is_given_back(seller):
    (work,) = seller.orders(1)
    answering.give_back(seller.merchant, work.number, text="broken", actor=LI)
    assert state_of(work)[0] == "refused"
    assert ("warehouse_refused", "refused") in steps.tickets()
    with pytest.raises(answering.NotAsked):
        answering.give_back(seller.merchant, work.number, text="", actor=LI)
    stranger = world.make_seller()
    with pytest.raises(answering.UnknownWork):
        answering.give_back(stranger.merchant, work.number, text="", actor=LI)


def test_parcels_with_our_waybills_go_as_they_are_labelled(seller):
    seller.warehouse.waybill_when = "at_release"
    seller.warehouse.save()
    order = seller.orders
    with fakes.carrier(fakes.FakeCarrier()):
        works = order(1)
        factories.run(dispatching.run, releasing.run, sending.run)
    work = steps.fresh(works[0])
    assert steps.state_of(work) == "sent"
    assert ship(seller, Leaving(work.number)) == [[]]
    assert state_of(work) == ("shipped", "shipped")
    assert Shipment.objects.get().waybill_number.startswith("W")


def test_a_pretended_courier_comes_for_what_the_merchant_packs_once_it_says_that_it_left(seller):
    seller.warehouse.waybill_when = "at_release"
    seller.warehouse.save()
    (work,) = seller.orders(1)
    factories.run(dispatching.run, releasing.run, sending.run)
    parcel = Shipment.objects.get(warehouse_order=work)
    waits = SandboxJob.objects.get(system="carrier", reference=parcel.number)
    assert (steps.state_of(work), bool(parcel.waybill_number), waits.due_at) == ("sent", True, None)

    assert ship(seller, Leaving(work.number)) == [[]]

    waits.refresh_from_db()
    assert waits.due_at is not None


def test_reports_that_cannot_be_applied_are_left_to_the_stage(seller, monkeypatch):
    (work,) = seller.orders(1)

    def broken(*_args):
        raise ValueError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(events.fulfilment, "refresh", broken)
        outcomes = shipping.ship(seller.merchant, [Leaving(work.number, "SF", "SF100000001")], actor=LI)
    assert outcomes[0].is_done
    assert state_of(work) == ("sent", "released")
    factories.run(events.run)
    assert state_of(work) == ("shipped", "shipped")
