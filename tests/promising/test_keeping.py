"""What orders are promised when their warehouse is chosen, and whether it is kept."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import receiving
from inventory.models import AppointmentSlot, CapacityBucket, CarrierService, Region, Warehouse
from logistics.warehouses import moving_away
from logistics.watching import promises
from logistics.watching.promises import Watched, judge
from oms.common.models import Ticket
from oms.common.money import to_fen
from oms.common.zones import CHINA
from orders.actors import Actor
from orders.changing import cancelling, readdressing
from orders.fulfilling import allocating, decisions, moving, rehearsing, waking
from orders.models import ActorKind, DeliveryPromise, GoodsPromise, Order, OrderTerms, PromiseToMake, SubOrder
from orders.promising import keeping
from tests import factories, steps

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
STAFF = Actor(ActorKind.STAFF, "wang")
LAST = {"on_partial": "allocate", "on_none": "backorder"}


def hours(count: float) -> datetime:
    """So many hours after noon."""
    return NOON + timedelta(hours=count)


def watched(**values) -> Watched:
    """A promise for 48 hours after noon, planned for the same, that leaves with the cut-off three hours after noon."""
    given = {
        "promise_id": 1,
        "order_id": 1,
        "sub_order_id": 1,
        "number": "1",
        "warehouse": "WH",
        "promised_by": hours(48),
        "planned_by": hours(48),
        "cutoff_at": hours(3),
        "state": "allocated",
        "left_at": None,
        "delivered_at": None,
        "is_out": False,
        "carrier": "SF",
        "is_current": True,
    }
    return Watched(**given | values)


@pytest.mark.parametrize(
    ("at", "values", "verdict"),
    [
        (0, {}, ("open", "", 5)),
        (5, {}, ("open", "missed_wave", 44)),
        (5, {"state": "shipped", "left_at": hours(4)}, ("open", "", 44)),
        (6, {"state": "shipped", "left_at": hours(6)}, ("open", "left_late", 44)),
        (6, {"state": "shipped", "left_at": hours(6), "promised_by": hours(80)}, ("open", "", 76)),
        (44, {"state": "shipped", "left_at": hours(4)}, ("open", "not_out", 48)),
        (44, {"state": "shipped", "left_at": hours(4), "is_out": True}, ("open", "", 48)),
        (0, {"planned_by": hours(60)}, ("open", "plan_later", 5)),
        (49, {"state": "delivered", "delivered_at": hours(48)}, ("kept", "", None)),
        (60, {"state": "delivered", "delivered_at": hours(49), "left_at": hours(4)}, ("broken", "carrier_late", None)),
        (60, {"state": "delivered", "delivered_at": hours(49), "left_at": hours(9)}, ("broken", "left_late", None)),
        (49, {}, ("broken", "missed_wave", None)),
        (49, {"planned_by": hours(60)}, ("broken", "plan_later", None)),
        (49, {"state": "shipped", "left_at": hours(4)}, ("broken", "carrier_late", None)),
        (10, {"state": "cancelled"}, ("void", "", None)),
        (10, {"state": "rejected"}, ("void", "", None)),
        (49, {"state": "rejected", "left_at": hours(4)}, ("broken", "carrier_late", None)),
    ],
)
def test_what_a_look_finds(at, values, verdict):
    found = judge(watched(**values), hours(at))

    looks = (found.look_at - NOON).total_seconds() // 3600 if found.look_at else None
    assert (found.outcome, found.risk, looks) == verdict


@pytest.fixture
def promised(sample, shop) -> DeliveryPromise:
    """The promise of an allocated order."""
    factories.allocated_order(shop.sku, merchant=shop.merchant)
    return DeliveryPromise.objects.get()


@pytest.mark.django_db
def test_a_promise_is_kept_with_its_inputs_when_the_warehouse_is_chosen(promised, shop):
    part = SubOrder.objects.get()

    assert (promised.sub_order_id, promised.order_id, promised.number) == (part.pk, part.order_id, 1)
    assert promised.warehouse == promised.expected_warehouse == shop.warehouse
    assert (promised.level, promised.source, promised.region_id) == ("STANDARD", "ours", "110101")
    assert promised.promised_by == promised.planned_by
    assert (promised.lane_days, promised.outcome, promised.risk) == (2, "open", "")
    assert promised.ready_at == promised.cutoff_at + timedelta(hours=2)
    assert [reason["code"] for reason in promised.reasons["of"]][-1] == "lane_days"
    assert promised.tables_version > 0
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_what_was_cancelled_meanwhile_is_promised_to_nobody(sample, shop):
    cancelled, left = (shop.place_order(payment_method="cod") for _order in range(2))
    steps.approve_and_split()
    factories.run(allocating.run)
    assert not DeliveryPromise.objects.exists()

    cancelling.cancel_order(cancelled.pk, reason="x", actor=STAFF)
    factories.run(keeping.run)
    assert [promise.order_id for promise in DeliveryPromise.objects.all()] == [left.pk]
    assert CapacityBucket.objects.get().taken == 1
    assert not PromiseToMake.objects.exists()
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_without_levels_nothing_is_promised(shop):
    factories.allocated_order(shop.sku, merchant=shop.merchant)

    assert not DeliveryPromise.objects.exists()


@pytest.mark.django_db
def test_from_a_farther_warehouse_than_expected_the_promise_is_at_risk_at_once(sample, shop):
    tibet = Region.objects.get(code="540121")
    far = factories.WarehouseFactory(merchant=shop.merchant, region=tibet, longitude=91.0, latitude=29.6)
    rare = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=rare, warehouse=far)
    factories.allocated_order(rare, merchant=shop.merchant)
    promise = DeliveryPromise.objects.get()

    assert (promise.warehouse, promise.expected_warehouse) == (far, shop.warehouse)
    assert promise.planned_by > promise.promised_by
    factories.run(promises.run)
    promise.refresh_from_db()
    assert (promise.outcome, promise.risk) == ("open", "plan_later")
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.reason, ticket.about_id) == ("promise_at_risk", "plan_later", promise.order_id)
    assert ticket.values["warehouse"] == far.code


@pytest.mark.django_db
def test_a_platforms_deadline_counts_before_ours(sample, shop):
    body = factories.order_body(shop.sku, payment_method="cod", sign_by="2026-11-27T20:00:00+08:00")
    factories.place(body, shop.merchant)
    steps.approve_and_split()
    factories.run(allocating.run, keeping.run)
    promise = DeliveryPromise.objects.get()

    assert OrderTerms.objects.get().sign_by == promise.promised_by
    assert (promise.source, promise.planned_by > promise.promised_by) == ("platform", True)


@pytest.mark.django_db
def test_a_late_parcel_is_a_ticket_before_it_is_late_and_none_once_it_came(promised, shop):
    now = timezone.now()
    DeliveryPromise.objects.update(
        ready_at=now, cutoff_at=now - timedelta(hours=3), promised_by=now + timedelta(days=2)
    )
    factories.run(promises.run)
    assert Ticket.objects.get().reason == "missed_wave"
    promise = DeliveryPromise.objects.get()
    assert promise.risk_since is not None

    part = SubOrder.objects.get()
    steps.put(part, "delivered", shipped_at=now, delivered_at=now + timedelta(hours=1))
    # Days before somebody would look by the clock.
    promise.refresh_from_db()
    assert promise.ready_at > now + timedelta(days=1)
    factories.run(promises.run)
    promise.refresh_from_db()
    assert (promise.outcome, promise.risk, promise.risk_since) == ("kept", "", None)
    assert promise.decided_at is not None
    assert Ticket.objects.get().state == "closed"


@pytest.mark.django_db
def test_what_nobody_sent_is_broken_and_explained_once_it_is_due(promised):
    now = timezone.now()
    hour_ago = now - timedelta(hours=1)
    DeliveryPromise.objects.update(
        ready_at=now, cutoff_at=now - timedelta(days=2), promised_by=hour_ago, planned_by=hour_ago
    )
    factories.run(promises.run)
    promise = DeliveryPromise.objects.get()

    assert (promise.outcome, promise.risk, promise.ready_at) == ("broken", "missed_wave", None)


@pytest.mark.django_db
def test_another_address_makes_another_promise_and_nobody_waits_for_the_first(promised, shop):
    order_id = promised.order_id
    version = promised.order.version
    new = readdressing.Recipient(region_code="540121", address="某路1号")
    readdressing.change_recipient(order_id, new, actor=STAFF, version=version)
    factories.run(allocating.run, keeping.run)

    first, second = DeliveryPromise.objects.order_by("number")
    assert (first.outcome, second.outcome) == ("void", "open")
    assert first.superseded_at is not None
    assert (second.number, second.region_id) == (2, "540121")
    assert second.promised_by > first.promised_by
    assert Warehouse.objects.get() == second.warehouse


@pytest.mark.django_db
def test_what_is_sourced_anew_leaves_with_a_cut_off_that_comes_and_the_promise_stays(promised, shop):
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=117.0)
    factories.StockFactory(sku=shop.sku, warehouse=far)
    CarrierService.objects.filter(works_on_holiday=False).delete()  # whatever day it is
    now = timezone.now()
    Order.objects.filter(pk=promised.order_id).update(reviewed_at=now - timedelta(days=1))

    moving_away.move(promised.sub_order_id, to=far.pk, actor=STAFF)
    factories.run(allocating.run, keeping.run)

    second = DeliveryPromise.objects.get(number=2)
    assert (second.warehouse, second.expected_warehouse) == (far, shop.warehouse)
    assert second.cutoff_at > now - keeping.MISSED_AFTER
    assert second.planned_by > second.cutoff_at
    # Counted from the payment, as the buyer was told.
    assert second.promised_by > now
    assert second.starts_at == now - timedelta(days=1)
    # Later than promised, which is said at once.
    assert second.planned_by > second.promised_by
    factories.run(promises.run)
    assert DeliveryPromise.objects.get(number=2).risk == "plan_later"
    assert not CapacityBucket.objects.filter(day__lt=now.astimezone(CHINA).date(), taken__gt=0).exists()
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_another_address_days_later_is_promised_from_then_on(promised, shop):
    order, now = promised.order, timezone.now()
    Order.objects.filter(pk=order.pk).update(reviewed_at=now - timedelta(days=30))

    new = readdressing.Recipient(region_code="540121", address="某路1号")
    readdressing.change_recipient(order.pk, new, actor=STAFF, version=steps.fresh(order).version)
    factories.run(allocating.run, keeping.run)

    second = DeliveryPromise.objects.get(number=2)
    assert (second.outcome, second.promised_by == second.planned_by) == ("open", True)
    assert second.promised_by > now
    assert second.starts_at >= now


@pytest.mark.django_db
def test_who_waited_for_goods_is_promised_no_day_that_is_over(sample, shop):
    rare = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=rare, warehouse=shop.warehouse, on_hand=0)
    order = factories.allocated_order((rare, 1, "10.00"), merchant=shop.merchant)
    part, now = SubOrder.objects.get(order=order), timezone.now()
    assert (part.state, DeliveryPromise.objects.exists()) == ("backordered", False)
    Order.objects.filter(pk=order.pk).update(reviewed_at=now - timedelta(days=20))

    receiving.receive(shop.warehouse.pk, rare.pk, 5, actor="gate")
    factories.run(waking.run, allocating.run, keeping.run)

    promise = DeliveryPromise.objects.get()
    assert (promise.outcome, promise.promised_by == promise.planned_by) == ("open", True)
    assert promise.promised_by > now


@pytest.mark.django_db
def test_who_was_told_a_day_while_waiting_is_promised_that_one(sample, shop):
    rare = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=rare, warehouse=shop.warehouse, on_hand=0)
    order = factories.allocated_order((rare, 1, "10.00"), merchant=shop.merchant)
    told = timezone.now() + timedelta(days=9)
    said = {"number": 1, "expected_on": told.date(), "warehouse": shop.warehouse, "deliver_by": told}
    GoodsPromise.objects.create(sub_order=order.sub_orders.get(), **said)

    receiving.receive(shop.warehouse.pk, rare.pk, 5, actor="gate")
    factories.run(waking.run, allocating.run, keeping.run)

    promise = DeliveryPromise.objects.get()
    assert (promise.source, promise.promised_by) == ("ours", told)
    assert promise.planned_by < told


@pytest.mark.django_db
def test_a_full_day_lets_the_next_order_leave_a_day_later_until_one_is_cancelled(sample, shop):
    CarrierService.objects.filter(works_on_holiday=False).delete()  # whatever day it is
    Warehouse.objects.update(daily_capacity=1)
    first = factories.allocated_order(shop.sku, merchant=shop.merchant)
    second = factories.allocated_order(shop.sku, merchant=shop.merchant)
    left, waits = (DeliveryPromise.objects.get(order=order) for order in (first, second))

    assert waits.cutoff_at - left.cutoff_at == timedelta(days=1)
    # Late in the evening today's cut-off is over besides.
    assert "day_full" in [reason["code"] for reason in waits.reasons["of"]]
    assert sorted(CapacityBucket.objects.values_list("taken", flat=True)) == [1, 1]
    cancelling.cancel_order(first.pk, reason="x", actor=STAFF)
    third = factories.allocated_order(shop.sku, merchant=shop.merchant)
    assert DeliveryPromise.objects.get(order=third).cutoff_at == left.cutoff_at
    assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_of_one_batch_as_many_leave_a_day_as_there_is_room_for(sample, shop):
    CarrierService.objects.filter(works_on_holiday=False).delete()  # whatever day it is
    Warehouse.objects.update(daily_capacity=2)
    for _number in range(5):
        shop.place_order(payment_method="cod")
    steps.approve_and_split()
    factories.run(allocating.run, keeping.run)

    days = sorted(DeliveryPromise.objects.values_list("cutoff_at", flat=True))
    assert [(day - days[0]).days for day in days] == [0, 0, 1, 1, 2]
    assert sorted(CapacityBucket.objects.values_list("taken", flat=True)) == [1, 2, 2]


@pytest.mark.django_db
def test_the_hours_that_are_wished_for_are_an_appointment_as_long_as_there_is_room(sample, shop):
    AppointmentSlot.objects.update(capacity=1)
    day = timezone.localdate() + timedelta(days=5)
    wish = {"delivery_from": f"{day}T09:00:00+08:00", "delivery_until": f"{day}T15:00:00+08:00"}
    for _number in range(2):
        factories.allocated_order(shop.sku, merchant=shop.merchant, **wish)

    first, second = DeliveryPromise.objects.order_by("pk")
    assert (first.source, first.promised_by.isoformat()) == ("appointment", f"{day}T07:00:00+00:00")
    assert "slot_full" not in [reason["code"] for reason in first.reasons["of"]]
    assert second.reasons["of"][-1] == {"code": "slot_full"}
    assert CapacityBucket.objects.get(slot__isnull=False).taken == 1
    # A person is called, until there is a place after all or nobody wants it any more.
    ticket = Ticket.objects.get(kind="appointment_full")
    assert (ticket.subject_id, ticket.state) == (second.sub_order_id, "open")
    assert ticket.values["begins"] == f"{day} 09:00"
    cancelling.cancel_order(first.order_id, reason="x", actor=STAFF)
    keeping.ask([keeping.Allocated(second.sub_order_id, second.order_id, second.warehouse_id)])
    factories.run(keeping.run)
    assert Ticket.objects.get(kind="appointment_full").state == "closed"
    assert CapacityBucket.objects.get(slot__isnull=False).taken == 1
    assert steps.broken_invariants() == []


def test_a_move_and_a_rehearsal_reckon_with_the_same_freight_as_the_promise(sample, shop):
    CarrierService.objects.update(volumetric_divisor=6000)
    # 120 litres are 20 kg to the carrier.
    sizes = {"length_mm": 500, "width_mm": 400, "height_mm": 300}
    large, of_no_known_size = (factories.SkuFactory(merchant=shop.merchant, weight_g=300, **one) for one in (sizes, {}))
    for sku in (large, of_no_known_size):
        factories.StockFactory(sku=sku, warehouse=shop.warehouse)
    rules = factories.activate_rules(LAST)
    found = []
    for sku in (large, of_no_known_size):
        order = factories.allocated_order((sku, 2, "10.00"), merchant=shop.merchant)
        promised = to_fen(DeliveryPromise.objects.get(order=order).freight)
        (here,) = moving.options(SubOrder.objects.get(order=order))
        rehearsed = rehearsing.rehearse(rules, [order.pk])
        assert (here.freight_fen, rehearsed.in_force.freight_fen, rehearsed.rehearsed.freight_fen) == (promised,) * 3
        found.append(promised)
    assert found[0] > found[1]


def test_a_decision_keeps_freight_and_date_of_every_warehouse_where_rules_looked_at_them(sample, shop, client):
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=117.0)
    nowhere = Region.objects.get(code="540121")
    factories.WarehouseFactory(merchant=shop.merchant, code="LHASA", region=nowhere, longitude=91.0, latitude=29.9)
    for warehouse in Warehouse.objects.exclude(pk=shop.warehouse.pk):
        factories.StockFactory(sku=shop.sku, warehouse=warehouse)
    plain = factories.allocated_order(shop.sku, merchant=shop.merchant)
    unasked = SubOrder.objects.get(order=plain)
    assert "ways" not in unasked.sourcing, "choosing did not pay for it"
    promise = DeliveryPromise.objects.get(order=plain)
    (decision,) = decisions.of([unasked]).values()
    said = {one.code: one.way for one in decision.candidates}
    assert f"¥{promise.freight}" in said[unasked.warehouse.code]
    assert f"{promise.promised_by.astimezone(CHINA):%m-%d %H:%M}" in said[unasked.warehouse.code]
    assert {"FAR", "LHASA"} <= {code for code, way in said.items() if way}
    assert decision.sentences[-1] == "规则没有考虑运费和时效，此处按今天的表计算。"
    factories.activate_rules({"sorts": ["promise", "freight"], "warehouses": [shop.warehouse.code, "FAR"], **LAST})

    order = factories.allocated_order(shop.sku, merchant=shop.merchant)

    part = SubOrder.objects.get(order=order)
    ways = part.sourcing["ways"]
    assert set(ways) == {shop.warehouse.code, "FAR"}, "LHASA is none that the rule asks"
    promise = DeliveryPromise.objects.get(order=order)
    freight, latest_at, keeps, _meets = ways[part.warehouse.code]
    assert (freight, datetime.fromisoformat(latest_at), keeps) == (to_fen(promise.freight), promise.promised_by, 1)
    (decision,) = decisions.of([part]).values()
    said = {one.code: one.way for one in decision.candidates}
    assert f"¥{promise.freight}" in said[part.warehouse.code]
    assert set(said) == {shop.warehouse.code, far.code}
    client.force_login(factories.UserFactory(is_superuser=True))
    assert said["FAR"] in client.get(f"/admin/orders/order/{order.pk}/change/").content.decode()


def test_a_batch_of_promises_asks_once_whether_rules_or_tables_changed(sample, shop):
    factories.activate_rules(LAST)
    factories.split_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    factories.run(allocating.run)

    with CaptureQueriesContext(connection) as seen:
        assert keeping.run(100) == 1

    assert sum("inventory_promisetables" in one["sql"] for one in seen) == 1
