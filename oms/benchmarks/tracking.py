"""`bench tracking`: the watch over a million open parcels, deadlines learned from 200,000 past scans, and pushes.

Parcels and scans are written as the carrier's news leave them, without going through the news: what is measured is what
the watch and the learning read.
"""

from pathlib import Path

from django.db import connection, transaction

from logistics.carriers.defaults import install_default_carriers
from logistics.models import AlertGroup, Direction, LearnedDeadline, LogisticsAlert, ShipmentState, WarehouseOrderState
from logistics.watching import alerts, learning
from logistics.watching.defaults import install_default_deadlines
from oms.benchmarks import pushes, stage
from oms.common.work import clock
from orders.fulfilling import splitting
from orders.models import SubOrderState
from orders.reviewing import deciding

OPEN_PARCELS = 1_000_000
LATE_PARCELS = 1_000
SCANS, SCANS_A_PARCEL = 200_000, 5
_S = ShipmentState


def run(folder: Path, orders: int) -> dict[str, float]:
    """Seconds of one look at all open parcels when none is late (target: under 1) and when a thousand are, and of
    learning (target: under 30); and of pushes (see `pushes.measure`), a tenth of the orders."""
    with stage.own_database("oms_bench_tracking"):
        stage.load(folder)
        install_default_carriers()
        install_default_deadlines()
        pushed = pushes.measure(min(orders // 10, 2000))
        _sub_orders(folder, min(orders, 400))
        with transaction.atomic():
            _parcels()
        _analyze()
        idle = stage.timed(lambda: alerts.run(500))
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE logistics_shipment SET last_scan_at = now() - interval '30 hours', next_event_due = now()"
                f" WHERE state = '{_S.IN_TRANSIT}' AND id IN (SELECT id FROM logistics_shipment"
                f" WHERE state = '{_S.IN_TRANSIT}' ORDER BY id LIMIT {LATE_PARCELS})"
            )
        late = stage.timed(lambda: alerts.run(LATE_PARCELS))
        opened, groups = LogisticsAlert.objects.count(), AlertGroup.objects.count()
        learned = stage.timed(learning.learn)
        return {
            **pushed,
            "open_parcels": OPEN_PARCELS,
            "watch_seconds": round(idle, 3),
            "watch_target_seconds": 1.0,
            "late_parcels": LATE_PARCELS,
            "alerts_opened": opened,
            "groups": groups,
            "alerting_seconds": round(late, 3),
            "scans_learned_from": SCANS,
            "deadlines_learned": LearnedDeadline.objects.count(),
            "learning_seconds": round(learned, 2),
            "learning_target_seconds": 30.0,
        }


def _sub_orders(folder: Path, orders: int) -> None:
    stage.place(stage.order_lines(folder, orders))
    stage.pay()
    with clock.skipping_waits():
        for run_stage in (deciding.run, splitting.run):
            while run_stage(500):
                pass


def _parcels() -> None:
    """A million parcels on their way, of the sub-orders in turn, and as many that were signed for as have the scans."""
    past = SCANS // SCANS_A_PARCEL
    with connection.cursor() as cursor:
        # Neither guards nor foreign keys: the rows did not come by moves.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            f"""
            INSERT INTO logistics_warehouseorder (number, sub_order_id, warehouse_id, connection_id, state, ready_at)
            SELECT s.number || '-W1', s.id, w.id, coalesce(w.connection_id, 1), '{WarehouseOrderState.SHIPPED}', NULL
            FROM orders_suborder s CROSS JOIN LATERAL (
                SELECT id, connection_id FROM inventory_warehouse ORDER BY (id * 7 + s.id) % 13, id LIMIT 1) AS w
            WHERE s.state <> '{SubOrderState.CANCELLED}'
            """
        )
        cursor.execute(
            f"""
            INSERT INTO logistics_shipment (number, sub_order_id, warehouse_order_id, direction, carrier_id,
                waybill_number, state, weight_g, ready_at, expected_event, next_event_due, left_at, collected_at,
                last_scan_at, waybill_issued_at)
            SELECT 'B' || g, w.sub_order_id, w.id, '{Direction.OUT}', c.ids[1 + g % array_length(c.ids, 1)], 'W' || g,
                CASE WHEN g <= {past} THEN '{_S.SIGNED}' ELSE '{_S.IN_TRANSIT}' END, 500, NULL,
                CASE WHEN g <= {past} THEN '' ELSE 'scan' END,
                CASE WHEN g > {past} THEN now() + make_interval(mins => 60 + g % 4000) END,
                now() - interval '5 days', now() - interval '4 days', now() - interval '1 hour',
                now() - interval '5 days'
            FROM generate_series(1, {past + OPEN_PARCELS}) AS g
            CROSS JOIN (SELECT array_agg(id ORDER BY id) AS ids FROM logistics_carrier) AS c
            CROSS JOIN (SELECT array_agg(id ORDER BY id) AS ids FROM logistics_warehouseorder) AS all_works
            JOIN logistics_warehouseorder w ON w.id = all_works.ids[1 + g % array_length(all_works.ids, 1)]
            """
        )
        cursor.execute(
            f"""
            INSERT INTO logistics_trackingevent (shipment_id, event_key, state, location, occurred_at)
            SELECT h.id, 'E' || n, step.state, '武汉', h.left_at + make_interval(hours => n * 8 + (h.id % 7)::int)
            FROM logistics_shipment h CROSS JOIN (VALUES (1, '{_S.COLLECTED}'), (2, '{_S.IN_TRANSIT}'),
                (3, '{_S.IN_TRANSIT}'), (4, '{_S.OUT_FOR_DELIVERY}'), (5, '{_S.SIGNED}')) AS step(n, state)
            WHERE h.state = '{_S.SIGNED}'
            """
        )


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE logistics_shipment, logistics_trackingevent, logistics_warehouseorder")
