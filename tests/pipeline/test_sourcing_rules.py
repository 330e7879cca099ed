"""Rules on the way of real orders: by scope, by the day, splits before sourcing, and what becomes of what is short."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from inventory import receiving
from inventory.models import CapacityBucket, SourcingRule, SourcingRuleSet
from inventory.sourcing import checking
from inventory.sourcing.versions import VERSIONS
from oms.common.errors import OmsError
from oms.common.models import Ticket
from oms.common.rule_sets import RulesAreWrong
from oms.common.zones import CHINA
from orders.fulfilling import allocating, ending_waits, splitting, waking
from orders.models import SubOrder
from orders.reviewing import deciding
from tests import factories, steps

pytestmark = pytest.mark.django_db
LAST = {"on_partial": "allocate", "on_none": "backorder"}


@pytest.fixture
def far(shop):
    """A second warehouse with 50 of each of the shop's goods, a thousand kilometres away."""
    found = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=104.0, daily_capacity=50)
    for sku in (shop.sku, shop.other_sku):
        factories.StockFactory(sku=sku, warehouse=found, on_hand=50)
    return found


def sender(order):
    return SubOrder.objects.get(order=order).warehouse.code


def test_rules_of_merchant_and_channel_count_before_those_of_the_merchant_and_of_all(shop, far):
    near, other = shop.warehouse.code, factories.ChannelFactory(merchant=shop.merchant)
    factories.activate_rules({"warehouses": [near], **LAST})
    factories.activate_rules({"warehouses": ["FAR"], **LAST}, merchant=shop.merchant)
    factories.activate_rules({"warehouses": [near], **LAST}, merchant=shop.merchant, channel=shop.channel)

    mine = factories.allocated_order(shop.sku, merchant=shop.merchant, source=shop.channel.code)
    others = factories.allocated_order(shop.sku, merchant=shop.merchant, source=other.code)

    assert (sender(mine), sender(others)) == (near, "FAR")


def test_a_decision_names_the_version_and_the_rule(shop, far):
    rules = factories.activate_rules({"warehouses": ["FAR"], **LAST})

    order = factories.allocated_order(shop.sku, merchant=shop.merchant)

    told = SubOrder.objects.get(order=order).sourcing
    assert (told["set"], told["rules"], told["out"]) == (rules.pk, [1], {"not_named": 1})


def test_a_full_day_sends_to_the_next_one_and_takes_its_place(shop, far):
    factories.activate_rules({"needs": ["room_today"], **LAST})
    today = timezone.now().astimezone(CHINA).date()
    CapacityBucket.objects.create(warehouse=shop.warehouse, day=today, capacity=0)

    order = factories.allocated_order(shop.sku, merchant=shop.merchant)

    part = SubOrder.objects.get(order=order)
    assert part.warehouse == far
    assert [shop.warehouse.code, "full"] in [[row[0], row[2]] for row in part.sourcing["of"]]
    assert CapacityBucket.objects.get(warehouse=far, day=today).taken == 1
    assert steps.broken_invariants() == []


def test_what_a_batch_takes_of_a_day_is_no_more_than_there_is(shop, far):
    factories.activate_rules({"needs": ["room_today"], "warehouses": ["FAR"], "on_none": "next"}, LAST)
    today = timezone.now().astimezone(CHINA).date()
    CapacityBucket.objects.create(warehouse=far, day=today, capacity=2)
    for _ in range(5):
        shop.place_order((shop.sku, 1, "1.00"), payment_method="cod")
    factories.run(deciding.run, splitting.run, allocating.run)

    assert SubOrder.objects.filter(warehouse=far).count() == 2
    assert SubOrder.objects.filter(warehouse=shop.warehouse, state="allocated").count() == 3
    assert CapacityBucket.objects.get(warehouse=far, day=today).taken == 2
    assert shop.sku.stock.get(warehouse=far).reserved == 2
    assert steps.broken_invariants() == []


def test_what_a_rule_holds_waits_for_a_person_with_a_ticket(shop):
    factories.activate_rules({"on_partial": "hold", "on_none": "hold"})

    order = factories.allocated_order((shop.sku, 101, "1.00"), merchant=shop.merchant)

    part = SubOrder.objects.get(order=order)
    assert (part.state, part.shortage, part.needs_person_since is None) == ("backordered", {shop.sku.code: 1}, False)
    assert "sourcing_rule_holds" in set(Ticket.objects.filter(state="open").values_list("kind", flat=True))
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 1, actor="test")
    SubOrder.objects.filter(pk=part.pk).update(needs_person_since=None, ready_at=timezone.now())
    factories.run(waking.run, allocating.run)
    assert steps.state_of(part) == "allocated"
    assert not Ticket.objects.filter(state="open", kind="sourcing_rule_holds").exists()
    assert steps.broken_invariants() == []


def test_what_does_not_come_in_time_is_cancelled_and_what_does_is_sent(shop):
    factories.activate_rules({"on_partial": "cancel", "on_none": "cancel", "cancel_after_hours": 48})
    late = factories.allocated_order((shop.sku, 101, "1.00"), merchant=shop.merchant)
    timely = factories.allocated_order((shop.other_sku, 101, "1.00"), merchant=shop.merchant)
    first = SubOrder.objects.get(order=late)
    assert first.cancel_short_at - timezone.now() > timedelta(hours=47)
    assert ending_waits.run(100) == 0
    receiving.receive(shop.warehouse.pk, shop.other_sku.pk, 1, actor="test")
    factories.run(waking.run, allocating.run)
    SubOrder.objects.filter(state="backordered").update(cancel_short_at=timezone.now() - timedelta(hours=1))

    assert ending_waits.run(100) == 1

    assert (steps.state_of(first), steps.state_of(late)) == ("cancelled", "cancelled")
    assert SubOrder.objects.get(order=timely).state == "allocated"
    assert steps.broken_invariants() == []


def test_waiting_again_does_not_begin_the_time_anew(shop):
    factories.activate_rules({"on_partial": "cancel", "on_none": "cancel", "cancel_after_hours": 48})
    order = factories.allocated_order((shop.sku, 101, "1.00"), merchant=shop.merchant)
    due = timezone.now() + timedelta(hours=1)
    SubOrder.objects.filter(order=order).update(cancel_short_at=due, ready_at=timezone.now())

    factories.run(allocating.run)

    assert SubOrder.objects.get(order=order).cancel_short_at == due


def open_holds():
    """The subjects of the open tickets of rules that hold something, with the number that each names."""
    found = Ticket.objects.filter(state="open", kind="sourcing_rule_holds")
    return [(ticket.subject_id, ticket.values["number"]) for ticket in found]


def test_a_person_is_asked_about_the_rest_that_a_rule_holds_not_about_what_an_earlier_one_sent(shop):
    factories.activate_rules({"on_partial": "go_on"}, {"on_partial": "hold", "on_none": "hold"})

    order = factories.allocated_order((shop.sku, 101, "1.00"), merchant=shop.merchant)

    sent, rest = SubOrder.objects.filter(order=order).order_by("id")
    assert (sent.state, sent.total_quantity, sent.needs_person_since) == ("allocated", 100, None)
    assert (rest.state, rest.total_quantity, rest.needs_person_since is None) == ("backordered", 1, False)
    assert open_holds() == [(rest.pk, rest.number)]
    assert steps.broken_invariants() == []
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 1, actor="test")
    SubOrder.objects.filter(pk=rest.pk).update(needs_person_since=None, ready_at=timezone.now())
    factories.run(allocating.run)
    assert (steps.state_of(rest), open_holds()) == ("allocated", [])


def test_a_held_order_that_is_tried_again_in_vain_keeps_its_ticket_until_something_is_sent(shop):
    factories.activate_rules({"on_partial": "hold", "on_none": "hold"})
    part = SubOrder.objects.get(order=factories.allocated_order((shop.sku, 101, "1.00"), merchant=shop.merchant))
    ticket = Ticket.objects.get(kind="sourcing_rule_holds")

    SubOrder.objects.filter(pk=part.pk).update(needs_person_since=None, ready_at=timezone.now())
    factories.run(allocating.run)

    again = Ticket.objects.get(kind="sourcing_rule_holds")
    assert (again.pk, again.state, again.times) == (ticket.pk, "open", 2)
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 1, actor="test")
    SubOrder.objects.filter(pk=part.pk).update(needs_person_since=None, ready_at=timezone.now())
    factories.run(allocating.run)
    again.refresh_from_db()
    assert (again.state, again.closed_by) == ("closed", "allocate")


def test_the_rest_of_what_was_sent_in_part_is_cancelled_when_the_whole_would_have_been(shop, far):
    factories.activate_rules(
        {"on_partial": "go_on"}, {"on_partial": "cancel", "on_none": "cancel", "cancel_after_hours": 48}
    )
    new = factories.allocated_order((shop.sku, 151, "1.00"), merchant=shop.merchant)
    scarce = factories.SkuFactory(merchant=shop.merchant)
    waits = SubOrder.objects.get(order=factories.allocated_order((scarce, 2, "1.00"), merchant=shop.merchant))
    due = timezone.now() + timedelta(hours=1)
    SubOrder.objects.filter(pk=waits.pk).update(cancel_short_at=due, avoids=[far.pk], ready_at=timezone.now())
    receiving.receive(shop.warehouse.pk, scarce.pk, 1, actor="test")

    factories.run(allocating.run)

    begun = SubOrder.objects.get(order=new, state="backordered")
    assert timedelta(hours=47) < begun.cancel_short_at - timezone.now() <= timedelta(hours=48)
    running = SubOrder.objects.get(order_id=waits.order_id, state="backordered")
    assert (running.parent_id, running.cancel_short_at, running.avoids) == (waits.pk, due, [far.pk])
    assert steps.fresh(waits).cancel_short_at is None
    assert steps.broken_invariants() == []


# --- Splits


def parts_of(order):
    rows = SubOrder.objects.filter(order=order).order_by("number")
    return [(part.number[16:], sorted(part.lines.values_list("order_line__position", flat=True))) for part in rows]


def test_no_part_is_heavier_than_the_cap_and_money_goes_along(shop):
    heavy = factories.SkuFactory(merchant=shop.merchant, weight_g=8_000)
    factories.activate_rules(LAST, splits=({"kind": "weight", "most": 10},))

    order = factories.split_order(
        (heavy, 1, "3.33"), (shop.sku, 2, "1.01"), (heavy, 1, "2.00"), merchant=shop.merchant, coupon_amount="0.10"
    )

    assert parts_of(order) == [("-1", [1, 2]), ("-2", [3])]
    assert [part.weight_g for part in SubOrder.objects.filter(order=order).order_by("number")] == [9_000, 8_000]
    assert sum(part.payable_amount for part in SubOrder.objects.filter(order=order)) == order.payable_amount
    assert steps.broken_invariants() == []


def test_no_part_is_larger_than_the_cap_and_a_size_that_nobody_knows_fills_nothing(shop):
    large = factories.SkuFactory(merchant=shop.merchant, length_mm=300, width_mm=200, height_mm=100)
    factories.activate_rules(LAST, splits=({"kind": "volume", "most": 13},))

    order = factories.split_order((large, 2, "1.00"), (large, 1, "2.00"), (shop.sku, 9, "1.00"), merchant=shop.merchant)

    # 12 and 6 litres.
    assert parts_of(order) == [("-1", [1, 3]), ("-2", [2])]
    assert steps.broken_invariants() == []


def test_goods_that_never_travel_together_come_apart_and_bulky_ones_go_alone(shop):
    food = factories.SkuFactory(merchant=shop.merchant, category="食品/大米")
    soap = factories.SkuFactory(merchant=shop.merchant, category="日化/洗衣液")
    sofa = factories.SkuFactory(merchant=shop.merchant, storage_class="bulky")
    factories.activate_rules(
        LAST,
        splits=(
            {"kind": "apart", "category": "食品", "other_category": "日化"},
            {"kind": "alone", "storage_class": "bulky"},
        ),
    )

    order = factories.split_order(food, soap, shop.sku, sofa, (sofa, 2, "1.00"), merchant=shop.merchant)

    assert parts_of(order) == [("-1", [1, 3]), ("-2", [2]), ("-3", [4]), ("-4", [5])]
    assert steps.broken_invariants() == []


# --- Versions


def draft(*rules, splits=(), **scope):
    found = SourcingRuleSet.objects.create(name="draft", created_by="li", **scope)
    for position, fields in enumerate(rules, 1):
        SourcingRule.objects.create(rule_set=found, position=position, name=f"r{position}", **fields)
    for fields in splits:
        found.split_rules.create(**fields)
    return found


def test_each_wrong_row_is_named_and_nothing_is_switched_on(shop, far):
    other = factories.WarehouseFactory(code="OTHERS")
    factories.WarehouseFactory(code="CLOSED", merchant=shop.merchant, is_active=False)
    wrong = draft(
        {"warehouses": ["GONE", "CLOSED", other.code]},
        {"provinces": ["火星省"], "sorts": ["priority"]},
        LAST,
        {},
        merchant=shop.merchant,
        splits=({"kind": "apart", "category": "食品", "other_category": "食品/大米"},),
    )

    with pytest.raises(RulesAreWrong) as refusal:
        VERSIONS.activate(wrong.pk, by="li")

    assert [(one.row, one.code) for one in refusal.value.problems] == [
        ("1. r1", "unknown_warehouse"),
        ("1. r1", "inactive_warehouse"),
        ("1. r1", "others_warehouse"),
        ("1. r1", "matches_nothing"),
        ("2. r2", "unknown_province"),
        ("2. r2", "priority_of_nobody"),
        ("4. r4", "never_reached"),
        (str(wrong.split_rules.get()), "unknown_category"),
        (str(wrong.split_rules.get()), "unknown_category"),
        (str(wrong.split_rules.get()), "overlapping"),
    ]
    assert [one.code for one in checking.problems(draft())] == ["no_rules"]
    assert steps.fresh(wrong).state == "draft"


def test_a_new_version_replaces_the_former_and_one_can_go_back(shop, far):
    near = VERSIONS.activate(draft({"warehouses": [shop.warehouse.code], **LAST}).pk, by="li")
    first = factories.allocated_order(shop.sku, merchant=shop.merchant)
    away = VERSIONS.activate(draft({"warehouses": ["FAR"], **LAST}).pk, by="wang")
    second = factories.allocated_order(shop.sku, merchant=shop.merchant)

    again = VERSIONS.go_back_to(near.pk, by="zhao")
    third = factories.allocated_order(shop.sku, merchant=shop.merchant)
    VERSIONS.switch_off(again.pk, by="zhao")
    fourth = factories.allocated_order(shop.sku, merchant=shop.merchant)

    assert [sender(order) for order in (first, second, third)] == [shop.warehouse.code, "FAR", shop.warehouse.code]
    assert [steps.fresh(one).state for one in (near, away, again)] == ["replaced", "replaced", "replaced"]
    assert (again.former, again.activated_by) == (near, "zhao")
    assert SubOrder.objects.get(order=fourth).sourcing["set"] == 0
    with pytest.raises(OmsError):
        VERSIONS.activate(near.pk, by="li")
    with pytest.raises(OmsError):
        VERSIONS.go_back_to(draft(LAST).pk, by="li")


def test_rules_that_were_switched_on_are_never_changed(shop):
    rules = factories.activate_rules(LAST)

    for change in (
        lambda: SourcingRule.objects.filter(rule_set=rules).update(max_parcels=1),
        lambda: SourcingRule.objects.filter(rule_set=rules).delete(),
        lambda: SourcingRule.objects.create(rule_set=rules, position=2, name="late"),
        lambda: rules.split_rules.create(kind="weight", most=1),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


def test_two_active_sets_of_one_scope_are_refused_by_the_database(shop):
    factories.activate_rules(LAST)

    with pytest.raises(IntegrityError), transaction.atomic():
        factories.activate_rules(LAST)
