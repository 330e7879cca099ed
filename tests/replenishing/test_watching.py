"""Dips to the alert line: told once, with what to buy or move."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from inventory import hosting, purchase_arrivals, purchasing, transferring
from inventory.models import (
    PurchaseOrder,
    ReplenishmentPolicy,
    ReplenishmentSuggestion,
    Transfer,
    TransferState,
    Warehouse,
)
from inventory.purchasing import Unloaded
from inventory.replenishing import deciding, standing
from oms.common.models import Ticket
from tests import factories, steps
from tests.replenishing import places
from tests.replenishing.places import change, open_tickets, policy, suggested, watch

pytestmark = pytest.mark.django_db


def test_a_dip_is_told_once_with_what_to_buy(shop):
    low, fine = policy(shop), policy(shop, shop.other_sku, reorder_point=99)

    assert [watch(), watch()] == [1, 0]

    assert open_tickets() == [low.pk]
    assert Ticket.objects.get().values == {
        "sku": shop.sku.code,
        "warehouse": shop.warehouse.code,
        "position": 100,
        "line": 100,
    }
    assert Ticket.objects.get().times == 1
    assert suggested() == [("buy", "", 100, "open")]
    assert ReplenishmentPolicy.objects.get(pk=fine.pk).below_since is None
    assert steps.broken_invariants() == []


def test_what_is_on_order_counts_so_the_same_is_not_ordered_every_night(shop):
    low = policy(shop)
    watch()
    (suggestion,) = ReplenishmentSuggestion.objects.all()

    assert deciding.approve([suggestion.pk], actor="lin") == {}
    assert watch() == 0

    order = PurchaseOrder.objects.get()
    assert order.number == f"RP{timezone.localdate():%y%m%d}-{suggestion.pk}"
    assert list(order.lines.values_list("sku__code", "quantity", "expected_on")) == [
        (shop.sku.code, 100, timezone.localdate() + timedelta(days=7))
    ]
    assert open_tickets() == []
    assert ReplenishmentPolicy.objects.get(pk=low.pk).below_since is None
    purchasing.approve(order.pk, supplier="光明", expected_on=timezone.localdate(), actor="lin")
    # What is ordered comes: nothing dips. What was sold since then does.
    purchase_arrivals.receive_goods(
        *(shop.warehouse, [Unloaded(shop.sku.code, 100)]),
        reference="G",
        actor="lin",
        merchant=shop.merchant,
        purchase_order=order,
    )
    assert watch() == 0
    change(shop.sku, shop.warehouse, -110)
    assert [watch(), watch()] == [1, 0]
    assert suggested() == [("buy", "", 100, "done"), ("buy", "", 110, "open")]
    assert steps.broken_invariants() == []


def test_what_was_sold_before_somebody_decided_is_suggested_too_until_somebody_rejects_it(shop):
    low = policy(shop)
    watch()
    factories.allocated_order((shop.sku, 140, "1.00"), merchant=shop.merchant)
    assert (watch(), suggested()) == (0, [("buy", "", 100, "open")]), "one is open already"
    deciding.approve([ReplenishmentSuggestion.objects.get().pk], actor="lin")

    # 100 are there, 100 on order and 140 wanted.
    assert [watch(), watch()] == [0, 0]

    assert suggested() == [("buy", "", 100, "done"), ("buy", "", 140, "open")]
    assert open_tickets() == [low.pk]
    assert Ticket.objects.get(kind="stock_low").values["position"] == 60
    last = ReplenishmentSuggestion.objects.get(state="open")
    deciding.reject([last.pk], reason="no money", actor="lin")
    assert (watch(), len(suggested())) == (0, 2)
    assert steps.broken_invariants() == []


def test_what_is_promised_and_what_is_waited_for_lowers_the_position(shop):
    policy(shop, reorder_point=60, order_up_to=160)
    assert watch() == 0
    factories.allocated_order((shop.sku, 39, "1.00"), merchant=shop.merchant)
    assert watch() == 0, "61 are left"
    factories.allocated_order((shop.sku, 80, "1.00"), merchant=shop.merchant)
    assert watch() == 1
    suggestion = ReplenishmentSuggestion.objects.get()
    assert (suggestion.position, suggestion.quantity) == (-19, 179)


def test_the_alert_ends_when_the_position_is_back_and_its_suggestions_go(shop):
    low = policy(shop)
    watch()
    change(shop.sku, shop.warehouse, 1)

    assert watch() == 0

    assert open_tickets() == []
    assert suggested() == [("buy", "", 100, "withdrawn")]
    assert deciding.approve([ReplenishmentSuggestion.objects.get().pk], actor="lin").keys() == {
        ReplenishmentSuggestion.objects.get().pk
    }
    assert not PurchaseOrder.objects.exists()
    change(shop.sku, shop.warehouse, -1)
    assert watch() == 1, "it is another dip"
    assert open_tickets() == [low.pk]


def test_nothing_is_told_while_a_line_is_snoozed(shop):
    low = policy(shop)
    watch()
    deciding.snooze(low.pk, until=timezone.now() + timedelta(days=7), actor="lin")
    assert open_tickets() == []
    assert suggested() == [("buy", "", 100, "withdrawn")]
    assert watch() == 0
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert watch() == 1
    assert open_tickets() == [low.pk]
    assert steps.broken_invariants() == []


def test_a_policy_that_is_switched_off_ends_its_dip(shop):
    policy(shop)
    watch()
    policy(shop, is_active=False)
    assert watch() == 0
    assert (open_tickets(), suggested()) == ([], [("buy", "", 100, "withdrawn")])


def test_what_a_policy_that_runs_by_rule_wants_becomes_a_draft_at_once(shop):
    policy(shop, runs_by="rule", pack_size=24, minimum_quantity=60, lead_days=3)
    policy(shop, shop.other_sku, runs_by="rule", reorder_point=150)

    assert [watch(), watch()] == [2, 0]

    order = PurchaseOrder.objects.get()
    assert sorted(order.lines.values_list("sku__code", "quantity")) == sorted(
        [(shop.sku.code, 120), (shop.other_sku.code, 100)]
    )
    assert (order.created_by, order.state) == ("replenish", "draft")
    assert Ticket.objects.open().get().kind == "purchase_to_approve"
    assert open_tickets() == []
    assert steps.broken_invariants() == []


def test_what_others_have_to_spare_is_moved_before_anything_is_bought(shop):
    near, far = places.other_warehouses(shop, 70, 500)
    policy(shop, warehouse=near.code, reorder_point=20, order_up_to=60)
    policy(shop, pack_size=12)
    far.longitude = 121.5
    far.latitude = 31.2
    far.save()

    watch()

    # 50 of the near one's 70 are above its line: four packs. The far one has the rest of the nine.
    assert suggested() == [("move", near.code, 48, "open"), ("move", far.code, 60, "open")]


def test_a_donor_keeps_its_own_line_and_what_it_wants_until_its_next_goods(shop):
    (donor,) = places.other_warehouses(shop, 100)
    places.wanted(shop.sku, donor, dict.fromkeys(range(1, 29), 5))
    policy(shop)

    watch()

    # 5 a day for 14 days without any goods on order: 70 stay.
    assert suggested() == [("move", donor.code, 30, "open"), ("buy", "", 70, "open")]


def test_two_places_are_not_offered_the_same_spare_units(shop):
    donor, other = places.other_warehouses(shop, 150, 10)
    policy(shop)
    policy(shop, warehouse=other.code, reorder_point=20, order_up_to=110)

    watch()

    assert sum(units for _kind, source, units, _state in suggested() if source == donor.code) == 150
    assert sum(units for kind, _source, units, _state in suggested() if kind == "buy") == 50


def test_a_supplier_who_is_quicker_than_the_road_is_preferred(shop):
    list(places.other_warehouses(shop, 500))
    policy(shop, lead_days=1)
    watch()
    assert suggested() == [("buy", "", 100, "open")]


def test_a_rejected_suggestion_has_a_reason_and_stays_rejected(shop):
    low = policy(shop)
    watch()
    (suggestion,) = ReplenishmentSuggestion.objects.all()
    with pytest.raises(deciding.OmsError):
        deciding.reject([suggestion.pk], reason=" ", actor="lin")
    with pytest.raises(deciding.ChangedMeanwhile):
        deciding.approve([suggestion.pk], actor="lin", version=suggestion.version + 1)

    assert deciding.reject([suggestion.pk], reason="停售", actor="lin") == {}
    refused = deciding.approve([suggestion.pk], actor="lin")

    assert [error.code for error in refused.values()] == ["not_open"]
    assert watch() == 0
    assert suggested() == [("buy", "", 100, "rejected")]
    assert open_tickets() == [low.pk], "the dip is still there"


def test_what_is_moved_is_set_aside_at_once_and_counts_so_it_is_not_wanted_again(shop):
    (donor,) = places.other_warehouses(shop, 60)
    policy(shop)
    watch()
    ids = list(ReplenishmentSuggestion.objects.order_by("pk").values_list("pk", flat=True))

    refused = deciding.approve(ids, actor="lin")

    assert refused == {}
    assert [(kind, state) for kind, _source, _units, state in suggested()] == [("move", "done"), ("buy", "done")]
    transfer = Transfer.objects.get()
    assert ReplenishmentSuggestion.objects.get(kind="move").transfer == transfer
    assert steps.broken_invariants() == []
    units = transfer.lines.get().quantity
    assert (transfer.source, transfer.target, transfer.state) == (donor, shop.warehouse, TransferState.APPROVED)
    assert donor.stock.get(sku=shop.sku).reserved == units
    place = (shop.warehouse.pk, shop.sku.pk)
    assert standing.standings([place])[place].moving_in == units
    transferring.ship(transfer.pk, actor="lin")
    assert standing.standings([place])[place].moving_in == units
    assert watch() == 0


def test_a_move_that_the_donor_cannot_spare_any_more_stays_open_and_holds_up_nothing(shop):
    (donor,) = places.other_warehouses(shop, 60)
    policy(shop)
    watch()
    ids = list(ReplenishmentSuggestion.objects.order_by("pk").values_list("pk", flat=True))
    places.change(shop.sku, donor, -60)

    refused = deciding.approve(ids, actor="lin")

    assert [(key, error.code) for key, error in refused.items()] == [(ids[0], "not_enough")]
    assert [(kind, state) for kind, _source, _units, state in suggested()] == [("move", "open"), ("buy", "done")]
    assert not Transfer.objects.exists()


@pytest.mark.parametrize("count", [1, 40])
def test_looking_takes_as_many_statements_for_one_dip_as_for_many(shop, django_assert_max_num_queries, count):
    for _ in range(count):
        sku = factories.SkuFactory(merchant=shop.merchant)
        factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=5)
        policy(shop, sku)
    with django_assert_max_num_queries(110):  # 22 for each part
        assert watch() == count


def test_nothing_is_wanted_where_a_merchants_goods_are_kept_no_longer(shop):
    host = factories.WarehouseFactory()
    stay = hosting.begin(host, shop.merchant, actor="test")
    left = policy(shop, warehouse=host.code, runs_by="rule")
    hosting.end(stay.pk, actor="test")

    assert (watch(), suggested(), open_tickets()) == (0, [], [])

    hosting.begin(host, shop.merchant, actor="test")
    assert (watch(), open_tickets()) == (1, [left.pk])


def test_nothing_is_wanted_at_a_warehouse_that_is_closed(shop):
    low = policy(shop)
    assert (watch(), open_tickets()) == (1, [low.pk])
    Warehouse.objects.filter(pk=shop.warehouse.pk).update(is_active=False)
    assert (watch(), suggested(), open_tickets()) == (0, [("buy", "", 100, "withdrawn")], [])
