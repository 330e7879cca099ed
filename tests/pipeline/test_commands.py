"""`manage.py drain` and `manage.py check_invariants`, and the worker's doors."""

import json
from datetime import timedelta
from io import StringIO
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from inventory.models import Stock
from logistics.carriers.defaults import install_default_carriers
from oms import tasks
from oms.common.work.claiming import Stage
from orders.models import Order, OrderEvent
from tests import factories, standing, steps
from tests.pipeline.breaking import EXCHANGE, MONEY_OF_EXCHANGE, OF_ORDER, RECEIVER, RETURN, RETURN_OF_LINE

pytestmark = pytest.mark.django_db


def drain(*arguments: str) -> dict[str, int]:
    """Rows claimed by stage."""
    out = StringIO()
    call_command("drain", "--json", *arguments, stdout=out)
    return json.loads(out.getvalue())["claimed"]


def check() -> tuple[int, dict]:  # type: ignore[type-arg]
    """The command's exit code and its report."""
    out = StringIO()
    try:
        call_command("check_invariants", "--json", stdout=out)
    except SystemExit as end:
        return int(end.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def test_a_drain_takes_an_order_from_intake_to_its_end(shop):
    install_default_carriers()
    order = shop.place_order()

    claimed = drain()

    order = steps.fresh(order)
    assert (order.state, order.payment_state, order.fulfilment_state) == ("completed", "paid", "delivered")
    assert {
        name: claimed[name] for name in ("request_payment", "review", "split", "allocate", "dispatch", "complete")
    } == {
        "request_payment": 1,
        "review": 1,
        "split": 1,
        "allocate": 1,
        "dispatch": 1,
        "complete": 1,
    }
    assert drain() == {}
    assert check() == (0, {"checked": mock.ANY, "ok": True, "broken": {}})
    kinds = list(OrderEvent.objects.filter(order=order).order_by("id").values_list("kind", flat=True))
    assert kinds[:5] == ["received", "payment_requested", "paid", "review_started", "approved"]
    assert kinds[-1] == "completed"


def test_a_drain_in_small_batches_comes_to_the_same_end(shop, monkeypatch):
    # The sandbox's buyers refuse one parcel in 200, chosen by its number.
    monkeypatch.setattr("logistics.carriers.adapters.sandbox.crc32", lambda _reference: 100)
    install_default_carriers()
    for _ in range(5):
        shop.place_order()

    drain("--batch", "2")

    assert set(Order.objects.values_list("state", flat=True)) == {"completed"}


def test_a_drain_with_real_waits_leaves_what_waits(shop, settings):
    settings.GRACE_PERIOD_SECONDS = 300
    order = shop.place_order(payment_method="cod")
    Order.objects.update(ready_at=timezone.now() - timedelta(seconds=1))

    drain("--real-waits")

    assert steps.state_of(order) == "in_review"


def test_a_drain_ends_although_a_row_needs_a_person(shop, settings):
    settings.MAX_ATTEMPTS = 2
    order = shop.place_order(payment_method="cod")

    drain()

    sub_order = order.sub_orders.get()
    assert (sub_order.state, sub_order.shipments.get().last_error) == ("packed", "no carrier is active")


@pytest.fixture(scope="module")
def standing_shop(django_db_setup, django_db_blocker):
    """The shop with two orders at their end, one on its way, one waiting for payment; everything adds up."""
    with standing.rows(django_db_blocker, _drained) as made:
        yield made


@pytest.fixture
def drained(standing_shop, db):
    """The same, for a test of its own."""
    return standing_shop


def _drained():
    shop = factories.make_shop()
    install_default_carriers()
    shop.place_order()
    shop.place_order(payment_method="cod")
    drain()
    steps.released(shop.place_order(payment_method="cod"))
    shop.place_order()
    assert check()[0] == 0
    return shop


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        (
            "UPDATE orders_orderline SET quantity = quantity + 1, goods_amount = goods_amount + unit_price,"
            " payable_amount = payable_amount + unit_price WHERE order_id = %(order)s",
            "lines_add_up_to_order",
        ),
        ("UPDATE orders_order SET paid_amount = paid_amount + 1 WHERE id = %(order)s", "paid_is_the_sum_of_payments"),
        ("UPDATE orders_order SET open_holds = 1 WHERE id = %(order)s", "open_holds_are_counted"),
        (
            "UPDATE orders_suborder SET is_held = true WHERE order_id = %(order)s",
            "sub_orders_know_whether_they_are_held",
        ),
        (
            "INSERT INTO orders_stockwait (sub_order_id, sku_id, warehouse_id, units, since, tried_at)"
            " SELECT s.id, l.sku_id, s.warehouse_id, 1, now(), now() FROM orders_suborder s"
            " JOIN orders_orderline l USING (order_id) WHERE order_id = %(order)s LIMIT 1",
            "who_waits_for_stock_is_backordered",
        ),
        (
            "UPDATE orders_suborder SET state = 'backordered', ready_at = NULL WHERE order_id = %(order)s",
            "who_sleeps_waits_for_stock",
        ),
        ("UPDATE orders_order SET state = 'split' WHERE id = %(order)s", "orders_end_with_their_sub_orders"),
        (
            "UPDATE orders_suborder SET total_quantity = 99 WHERE order_id = %(order)s",
            "sub_order_lines_add_up_to_sub_order",
        ),
        ("UPDATE orders_suborder SET state = 'picking' WHERE order_id = %(order)s", "reservations_match_sub_orders"),
        ("DELETE FROM orders_orderevent WHERE order_id = %(order)s", "orders_have_a_story"),
        ("UPDATE orders_order SET state = 'closed' WHERE id = %(order)s", "orders_are_where_their_story_ends"),
        (
            "UPDATE orders_suborder SET state = 'rejected' WHERE order_id = %(order)s",
            "sub_orders_are_where_their_story_ends",
        ),
        (
            "DELETE FROM orders_orderevent WHERE order_id = %(order)s AND kind = 'approved'",
            "stories_of_orders_have_no_gaps",
        ),
        (
            "DELETE FROM orders_orderevent WHERE order_id = %(order)s AND kind = 'warehouse_packed'",
            "stories_of_sub_orders_have_no_gaps",
        ),
        (
            # Both of its neighbours fit, but there is no such move.
            "DELETE FROM orders_orderevent WHERE order_id = %(order)s AND kind IN ('released', 'warehouse_accepted',"
            " 'warehouse_picking'); UPDATE orders_orderevent SET from_state = 'allocated'"
            " WHERE order_id = %(order)s AND kind = 'warehouse_packed'",
            "stories_of_sub_orders_have_no_gaps",
        ),
        (
            "UPDATE orders_orderevent SET data = '{\"phone\": 1}' WHERE order_id = %(order)s AND kind = 'split'",
            "events_hold_what_their_kind_names",
        ),
        (
            "UPDATE logistics_shipment SET state = 'lost' WHERE sub_order_id IN (SELECT id FROM orders_suborder"
            " WHERE order_id = %(order)s)",
            "signed_parcels_are_delivered",
        ),
        (f"UPDATE logistics_warehouseorder SET state = 'packed' {OF_ORDER}", "what_warehouses_told_is_known"),
        (
            "DELETE FROM common_inboundfact WHERE topic = 'warehouse';"
            f" UPDATE logistics_warehouseorder SET state = 'packed' {OF_ORDER}",
            "warehouse_orders_are_where_they_were_told_to_be",
        ),
        (
            f"UPDATE logistics_warehouseorder SET is_current = false, given_up_at = now() {OF_ORDER}",
            "contradictions_of_warehouses_have_a_ticket",
        ),
        (
            "UPDATE logistics_warehouseorder SET state = 'packed', stop_requested_at = now(), stop_answered_at = now(),"
            f" stop_answer = 'refused' {OF_ORDER}",
            "stops_were_refused_by_the_warehouse",
        ),
        (
            "INSERT INTO logistics_printout (paper, warehouse_order_id, copy, reason, run, printed_by)"
            f" SELECT 'pick_list', id, 2, 'torn', gen_random_uuid(), 'li' FROM logistics_warehouseorder {OF_ORDER}",
            "prints_are_counted_from_the_first",
        ),
        (
            "UPDATE common_connection SET protocol = 'floor'; INSERT INTO logistics_picktask (warehouse_order_id)"
            f" SELECT id FROM logistics_warehouseorder {OF_ORDER.replace('IN', 'NOT IN', 1)};"
            f" UPDATE logistics_warehouseorder SET state = 'sent' {OF_ORDER}",
            "floors_know_their_orders",
        ),
        (
            f"INSERT INTO logistics_picktask (warehouse_order_id) SELECT id FROM logistics_warehouseorder {OF_ORDER}",
            "what_leaves_a_floor_was_checked",
        ),
        (
            "WITH over AS (INSERT INTO logistics_wave (number, warehouse_id, rule, kind, over_at) SELECT 'W1',"
            f" warehouse_id, 'x', 'multi', now() FROM logistics_warehouseorder {OF_ORDER} LIMIT 1 RETURNING id) INSERT"
            " INTO logistics_picktask (warehouse_order_id, wave_id, slot) SELECT w.id, over.id, 1 FROM"
            f" logistics_warehouseorder w, over {OF_ORDER} LIMIT 1",
            "waves_are_over_with_their_orders",
        ),
        (
            "UPDATE logistics_warehouseorder SET state = 'refused', is_current = false, given_up_at = now()"
            f" {OF_ORDER}; INSERT INTO logistics_warehouseorder (number, sub_order_id, warehouse_id, connection_id,"
            " state) SELECT number || '2', sub_order_id, warehouse_id, connection_id, 'sent'"
            f" FROM logistics_warehouseorder {OF_ORDER}",
            "who_refused_is_not_asked_again",
        ),
        (
            "INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor) VALUES"
            " (%(order)s, 'cancel_requested', 'staff', 'li')",
            "what_was_asked_of_warehouses_has_its_end",
        ),
        (
            "WITH ended AS (INSERT INTO logistics_alertgroup (kind, level, since, closed_at) VALUES"
            " ('stalled', 1, now(), now()) RETURNING id) INSERT INTO logistics_logisticsalert (kind, level,"
            " sub_order_id, shipment_id, group_id, due_at) SELECT 'stalled', 1, h.sub_order_id, h.id, ended.id, now()"
            f" FROM logistics_shipment h, ended {OF_ORDER}",
            "open_alerts_are_in_open_groups",
        ),
        (
            "UPDATE orders_suborder SET state = 'allocated', merge_group_id = 1 WHERE order_id = %(order)s",
            "merged_sub_orders_belong_together",
        ),
        ("UPDATE orders_suborder SET merge_group_id = 1 WHERE order_id = %(order)s", "merges_are_told"),
        (
            "INSERT INTO logistics_warehouseorderline (warehouse_order_id, sub_order_line_id, quantity)"
            " SELECT w.id, l.id, 1 FROM logistics_warehouseorder w, orders_suborderline l"
            " JOIN orders_suborder s ON s.id = l.sub_order_id WHERE w.state = 'sent' AND s.order_id = %(order)s;"
            " UPDATE orders_suborder SET state = 'released' WHERE order_id = %(order)s",
            "what_is_merged_goes_as_one",
        ),
        (
            f"UPDATE orders_suborderline SET returning_quantity = 1 {OF_ORDER}",
            "units_in_returns_are_counted",
        ),
        (RETURN, "returns_are_of_their_sub_order"),
        (
            f"{RETURN_OF_LINE}; UPDATE orders_returnrequest SET state = 'cancelled', money_state = 'nothing',"
            " ended_at = now()",
            "returns_that_ended_without_goods_hold_no_units",
        ),
        (
            f"{RETURN_OF_LINE}; INSERT INTO orders_returnfinding (line_id, found, quantity)"
            " SELECT id, 'missing', 1 FROM orders_returnline",
            "inspection_says_of_every_unit_what_it_is",
        ),
        (
            f"{RETURN_OF_LINE}; INSERT INTO orders_returnfinding (line_id, found, quantity)"
            " SELECT id, 'missing', 1 FROM orders_returnline",
            "what_did_not_come_back_is_the_buyers",
        ),
        (
            "INSERT INTO orders_changeset"
            " (order_id, number, state, actions, reason, actor_kind, actor, ended_at, version)"
            " VALUES (%(order)s, 'C1', 'discarded', '[]', '', 'staff', 'x', now(), 0);"
            " INSERT INTO payments_payment (number, order_id, change_set_id, means, state, amount, captured_amount,"
            " attempts, last_error, lease_token, connection_id)"
            " SELECT o.number || '-P9', o.id, c.id, 'online', 'pending', 1, 0, 0, '', 0,"
            " (SELECT min(id) FROM common_connection)"
            " FROM orders_order o JOIN orders_changeset c ON c.order_id = o.id WHERE o.id = %(order)s",
            "balances_of_ended_changes_are_not_asked_for",
        ),
        (
            f"{RETURN_OF_LINE}; INSERT INTO orders_returnfinding (line_id, found, quantity)"
            " SELECT id, 'good', 1 FROM orders_returnline; UPDATE orders_returnrequest SET state = 'inspected',"
            " inspected_at = now(), received_at = now(), warehouse_id = (SELECT min(id) FROM inventory_warehouse)",
            "what_came_back_is_in_the_books_of_stock",
        ),
        (
            "INSERT INTO orders_undoableaction (order_id, kind, batch, hold_ids, reason, actor_kind, actor, not_before)"
            " VALUES (%(order)s, 'cancel', gen_random_uuid(), '[]', '', 'staff', 'x', now())",
            "what_can_be_taken_back_holds_its_order",
        ),
        (
            "INSERT INTO orders_hold (order_id, kind, reason, opened_by, level)"
            " VALUES (%(order)s, 'staff', 'x', 'x', 2); UPDATE orders_order SET open_holds = 1 WHERE id = %(order)s",
            "holds_of_rules_tell_their_figures",
        ),
        (
            "INSERT INTO orders_strayparcel (warehouse_id, waybill_number, state, noted_by_kind, noted_by, ended_at)"
            " SELECT min(w.id), o.number, 'kept', 'staff', 'x', now() FROM inventory_warehouse w, orders_order o"
            " WHERE o.id = %(order)s GROUP BY o.number; INSERT INTO orders_strayunit (parcel_id, sku_id,"
            " found, quantity) SELECT p.id, min(k.id), 'good', 1 FROM orders_strayparcel p, inventory_sku k GROUP BY 1",
            "strays_are_booked_once",
        ),
        (
            "INSERT INTO orders_strayparcel (warehouse_id, waybill_number, state, noted_by_kind, noted_by) SELECT"
            " min(w.id), o.number, 'unknown', 'staff', 'x' FROM inventory_warehouse w, orders_order o"
            " WHERE o.id = %(order)s GROUP BY o.number",
            "strays_are_matched_with_what_came",
        ),
        (f"UPDATE logistics_shipment SET direction = 'return' {OF_ORDER}", "return_parcels_are_of_their_returns"),
        (
            f"{RETURN}; UPDATE orders_returnrequest SET way_back_cost = 5; UPDATE merchants_merchant SET"
            " kind = 'marketplace'",
            "ways_back_are_settled",
        ),
        (
            f"{RETURN_OF_LINE}; UPDATE orders_returnrequest SET money_state = 'granted'",
            "the_money_of_returns_is_that_of_their_grants",
        ),
        (
            "INSERT INTO orders_giftgrant (order_id, rule_id, line_id, buyer_reference, units, why) SELECT order_id, 1,"
            " id, 'b', 1, '{}' FROM orders_orderline WHERE order_id = %(order)s LIMIT 1",
            "gifts_are_what_their_log_says",
        ),
        (
            "INSERT INTO orders_giftgrant (order_id, rule_id, after_days, buyer_reference, units, why) SELECT id, 1, 7,"
            " 'b', 1, '{}' FROM orders_order WHERE id = %(order)s",
            "gifts_follow_once_by_their_log",
        ),
        (
            "INSERT INTO orders_orderlink (order_id, original_id, kind, reason, bearer, units, created_by) SELECT id,"
            " id + 1, 'reissue', 'missing', 'platform', '{}', 'x' FROM orders_order WHERE id = %(order)s",
            "what_is_sent_again_costs_nothing",
        ),
        (
            "INSERT INTO orders_hold (order_id, kind, reason, opened_by)"
            " VALUES (%(order)s, 'change', 'C1', 'x'); UPDATE orders_order SET open_holds = 1 WHERE id = %(order)s",
            "changes_that_wait_hold_their_order",
        ),
        (
            "INSERT INTO orders_ordercharge (order_id, component, cause, amount, reference)"
            " VALUES (%(order)s, 'extra', 'edit', -1, 'C1'), (%(order)s, 'extra', 'set_off', 1, 'C1')",
            "changes_are_charged_as_they_were_confirmed",
        ),
        (f"{RETURN}; UPDATE orders_returnrequest SET kind = 'exchange'", "exchanges_are_of_returns_that_want_one"),
        (EXCHANGE, "what_is_exchanged_pays_for_its_new_order"),
        (
            "INSERT INTO orders_ordercharge (order_id, component, cause, amount, reference)"
            " VALUES (%(order)s, 'extra', 'exchanged', 1, 'X1')",
            "what_is_exchanged_is_set_off_once",
        ),
        (f"{EXCHANGE}; UPDATE orders_exchange SET written_off = 1", "the_ledger_of_exchanges_is_what_is_still_to_come"),
        (
            f"{EXCHANGE}; {MONEY_OF_EXCHANGE}; UPDATE orders_returnrequest SET state = 'expired', ended_at = now(),"
            " money_state = 'nothing'",
            "what_an_exchange_left_unpaid_is_known",
        ),
        (RECEIVER.format("gossip"), "merchant_receivers_are_told_of_what_they_chose"),
        (
            f"{RECEIVER.format('refused')}; INSERT INTO merchants_merchantnews (receiver_id, kind, key, name)"
            " SELECT id, 'refused', name, name FROM merchants_merchantreceiver",
            "merchant_news_is_in_a_message_of_its_receiver",
        ),
        (
            "INSERT INTO orders_hold (order_id, kind, reason, opened_by) VALUES (%(order)s, 'exchange', 'T1', 'x');"
            " UPDATE orders_order SET open_holds = 1, state = 'split' WHERE id = %(order)s",
            "what_waits_for_exchanged_goods_has_an_exchange",
        ),
    ],
)
def test_what_does_not_hold_is_named_with_the_order(drained, statement, broken):
    order = Order.objects.filter(state="completed").earliest("id")
    with steps.without_guards(), connection.cursor() as cursor:
        cursor.execute(statement.replace("%(order)s", str(order.pk)))

    code, report = check()

    assert (code, report["ok"]) == (1, False)
    assert broken in report["broken"]
    finding = report["broken"][broken]
    assert finding["count"] >= 1
    assert order.number in finding["examples"][0]


def test_stock_that_the_ledger_does_not_explain_is_named(drained):
    stock = drained.sku.stock.get()
    with steps.without_guards():
        Stock.objects.filter(pk=stock.pk).update(on_hand=stock.on_hand + 1)

    code, report = check()

    assert code == 1
    assert list(report["broken"]) == ["ledger_explains_stock"]
    assert f"{drained.warehouse.code} {drained.sku.code}" in report["broken"]["ledger_explains_stock"]["examples"][0]


def test_a_guard_that_was_switched_off_is_named(drained):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE orders_suborder DISABLE TRIGGER orders_suborder_guard")

    code, report = check()

    assert (code, report["broken"]) == (
        1,
        {"state_guards_are_installed": {"count": 1, "examples": ["orders_suborder"]}},
    )


def test_the_report_for_people_says_the_same(drained, capsys):
    Order.objects.filter(state="awaiting_payment").update(paid_amount=1)
    out = StringIO()

    with pytest.raises(SystemExit):
        call_command("check_invariants", stdout=out)

    assert "BROKEN paid_is_the_sum_of_payments" in out.getvalue()
    assert Order.objects.get(state="awaiting_payment").number in out.getvalue()


def test_a_sweep_goes_on_after_a_stage_that_fails():
    ran: list[str] = []

    def fail(limit: int) -> int:
        raise RuntimeError("broken")

    stages = (Stage("first", fail), Stage("second", lambda limit: len(ran.append("second") or [])))
    with (
        mock.patch.object(tasks, "PIPELINE", stages),
        mock.patch.object(tasks, "STAGES", {stage.name: stage for stage in stages}),
    ):
        tasks.sweep()

    assert ran == ["second"]


def test_a_task_runs_its_stage_until_nothing_is_ready_and_wakes_the_next(shop, settings):
    settings.STAGE_BATCH = 2
    for _ in range(5):
        shop.place_order(payment_method="cod")
    Order.objects.update(ready_at=steps.NOON.replace(year=2020))

    with mock.patch("oms.common.work.nudging.nudge") as nudge:
        assert tasks.run_stage("review") == 5

    assert nudge.call_args_list == [mock.call("split", "owing")]
