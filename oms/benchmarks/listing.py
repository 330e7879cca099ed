"""`bench list`: the staff's order list and search at a million orders against the same pages at ten thousand."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from oms.benchmarks import stage
from oms.common.numbering import order_number
from oms.common.states import listed
from orders import kinds
from orders.models import FulfilmentState, Order, OrderPaymentState, OrderState, SubOrderState
from orders.models.order import ONCE_SPLIT
from orders.models.sub_order import ShippingProof

SMALL = 10_000
# The usual mix of ten orders.
_STATES = (*[OrderState.COMPLETED] * 6, OrderState.SPLIT, OrderState.SPLIT, OrderState.IN_REVIEW, OrderState.CANCELLED)
# The pages are measured whether or not static files were collected.
_STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
REQUESTS = 41


def run(folder: Path, large: int) -> dict[str, object]:
    """For each page the ratio of its time at `large` orders to that at 10,000 (target: at most 1.3), with the number
    of statements at both sizes (target: the same).

    Both databases stand side by side and are asked in turn, so that a machine that slows down slows both.
    """
    with (
        override_settings(ALLOWED_HOSTS=["*"], SECURE_SSL_REDIRECT=False, STORAGES=_STORAGES),
        stage.own_database("oms_bench_list_small"),
    ):
        small = _fill(folder, SMALL)
        with stage.another_database("oms_bench_list_large"):
            big = _fill(folder, large)
            times = _measure(small, big)
            small.connection.close()
    figures: dict[str, object] = {"orders_small": SMALL, "orders_large": large, "target": 1.3}
    for page, (few, many) in times.items():
        figures[f"{page}_ms_small"] = round(statistics.median(few), 1)
        figures[f"{page}_ms_large"] = round(statistics.median(many), 1)
        figures[f"{page}_ratio"] = round(statistics.median(many) / statistics.median(few), 2)
        figures[f"{page}_statements"] = [small.statements[page], big.statements[page]]
    figures["worst_ratio"] = max(figures[f"{page}_ratio"] for page in times)  # type: ignore[type-var]
    return figures


@dataclass(slots=True)
class Site:
    """One of the two databases: its connection, a client logged in to it, the pages' addresses and statements."""

    connection: BaseDatabaseWrapper
    client: Client
    pages: dict[str, str]
    statements: dict[str, int]


def _fill(folder: Path, count: int) -> Site:
    stage.load(folder)
    _grow_to(count)
    site = Site(connections["default"], _staff_client(), _pages(), {})
    for name, url in site.pages.items():
        for _warm in range(3):
            response = site.client.get(url)
            if response.status_code not in (200, 302):
                raise RuntimeError(f"{url} answered {response.status_code}")
        with CaptureQueriesContext(connection) as captured:
            site.client.get(url)
        site.statements[name] = len(captured)
    return site


def _measure(small: Site, big: Site) -> dict[str, tuple[list[float], list[float]]]:
    """Milliseconds of each page in both databases, asked in turn."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in small.pages}
    for _request in range(REQUESTS):
        for name, (few, many) in times.items():
            for site, measured in ((small, few), (big, many)):
                connections["default"] = site.connection
                cache.clear()
                started = time.perf_counter()
                site.client.get(site.pages[name])
                measured.append((time.perf_counter() - started) * 1000)
    return times


def _staff_client() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("bench", "bench@example.invalid", "bench"))
    return client


def _pages() -> dict[str, str]:
    """The pages to measure, aimed at the middle of the table."""
    url = reverse("admin:orders_order_changelist")
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id) FROM orders_order")
        low, high = cursor.fetchone()
    middle = Order.objects.filter(pk__gte=(low + high) // 2).order_by("pk").first()
    assert middle is not None  # noqa: S101 - the table was filled just now
    return {
        "list": url,
        "filtered": f"{url}?state=in_review",
        "deep": f"{url}?older={low + (high - low) // 10}",
        "search_number": f"{url}?q={middle.number}",
        "search_phone": f"{url}?q={middle.recipient_phone}",
    }


def _grow_to(count: int) -> None:
    """Fill the tables with orders in the usual mix of states, each with a line, a sub-order and a timeline event."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders_order")
        existing = cursor.fetchone()[0]
        # What it puts in has no history; the real stages let nothing begin in the middle.
        for table in ("orders_order", "orders_suborder"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_begin")
        _insert(cursor, existing + 1, count)
        cursor.execute("VACUUM ANALYZE")


def _insert(cursor, first: int, last: int) -> None:  # type: ignore[no-untyped-def]
    cursor.execute(
        "INSERT INTO merchants_channel (merchant_id, code, name, is_active)"
        " SELECT id, 'bench', 'bench', true FROM merchants_merchant WHERE code = 'SELF' ON CONFLICT DO NOTHING"
    )
    for start in range(first, last + 1, 50_000):
        end = min(start + 49_999, last)
        numbers = [order_number(1, f"B{i % 100_000}", i) for i in range(start, end + 1)]
        cursor.execute(
            f"""
            WITH new AS (
                INSERT INTO orders_order (number, channel_id, external_number, state, payment_state, fulfilment_state,
                    payment_method, buyer_reference, buyer_name, buyer_phone, recipient_name, recipient_phone,
                    region_id, recipient_address, address_key, goods_amount, freight_amount, order_amount,
                    coupon_amount, points_amount, gift_card_amount, payable_amount, line_count, total_quantity,
                    ordered_at, split_at, completed_at, cancelled_at, paid_amount)
                SELECT n.number, c.id, 'BENCH' || n.i, s.state, '{OrderPaymentState.PAID}',
                    CASE s.state WHEN '{OrderState.COMPLETED}' THEN '{FulfilmentState.DELIVERED}'
                        ELSE '{FulfilmentState.UNFULFILLED}' END, 'prepaid',
                    'B' || n.i %% 100000, '张华', p.phone, '张华', p.phone, '110101', n.i || '号', n.i,
                    10, 0, 10, 0, 0, 0, 10, 1, 1, now() - make_interval(secs => %(last)s - n.i),
                    CASE WHEN s.state IN ({listed(ONCE_SPLIT)}) THEN now() END,
                    CASE WHEN s.state = '{OrderState.COMPLETED}' THEN now() END,
                    CASE WHEN s.state = '{OrderState.CANCELLED}' THEN now() END, 10
                FROM unnest(%(numbers)s::text[]) WITH ORDINALITY AS u(number, place)
                CROSS JOIN LATERAL (SELECT u.number, u.place + %(start)s - 1 AS i) AS n
                CROSS JOIN LATERAL (SELECT '13' || lpad((n.i * 7919 %% 1000000000)::text, 9, '0') AS phone) AS p
                CROSS JOIN LATERAL (SELECT (ARRAY[{listed(_STATES)}])[1 + n.i %% 10] AS state) AS s
                CROSS JOIN (SELECT id FROM merchants_channel WHERE code = 'bench') AS c
                RETURNING id, number, state
            ), line AS (
                INSERT INTO orders_orderline (order_id, position, sku_id, name, quantity, unit_price, line_discount,
                    goods_amount, freight_share, coupon_share, points_share, gift_card_share, payable_amount)
                SELECT new.id, 1, k.id, k.name, 1, 10, 0, 10, 0, 0, 0, 0, 10
                FROM new CROSS JOIN (SELECT id, name FROM inventory_sku ORDER BY id LIMIT 1) AS k
            ), part AS (
                INSERT INTO orders_suborder (number, order_id, merchant_id, storage_class, payment_method, state,
                    warehouse_id, ready_at, goods_amount, freight_share, coupon_share, points_share, gift_card_share,
                    payable_amount, total_quantity, allocated_at, released_at, shipped_at, shipping_proof, delivered_at,
                    completed_at)
                SELECT new.number || '-1', new.id, w.merchant_id, 'ambient', 'prepaid',
                    CASE new.state WHEN '{OrderState.SPLIT}' THEN '{SubOrderState.RELEASED}'
                        ELSE '{SubOrderState.COMPLETED}' END, w.id, NULL,
                    10, 0, 0, 0, 0, 10, 1, now(), now(), now(), '{ShippingProof.WAREHOUSE}', now(), now()
                FROM new CROSS JOIN (SELECT id, merchant_id FROM inventory_warehouse ORDER BY id LIMIT 1) AS w
                WHERE new.state IN ({listed(ONCE_SPLIT)})
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, to_state)
            SELECT id, '{kinds.RECEIVED}', 'job', 'bench', state FROM new
            """,
            {"numbers": numbers, "start": start, "last": last},
        )
