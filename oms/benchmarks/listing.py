"""`bench list`: the staff's order list and search at a million orders against the same pages at ten thousand."""

import gzip
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from logistics.models import Shipment
from oms.benchmarks import filling, stage
from oms.common.models import Ticket
from orders.models import Order, OrderState

SMALL = 10_000
# The pages are measured whether or not static files were collected.
_STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
REQUESTS = 21


def run(folder: Path, large: int) -> dict[str, object]:
    """For each page the ratio of its time at `large` orders to that at 10,000 (target: at most 1.3), with the number
    of statements at both sizes (target: the same). `worst_ms` is that of the slowest page at `large` (target: under
    150), `worst_kilobytes` the compressed size of the largest one (target: at most 60).

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
    figures["worst_kilobytes"] = round(max(big.kilobytes.values()), 1)
    figures["worst_ms"] = max(figures[f"{page}_ms_large"] for page in times)  # type: ignore[type-var]
    figures["worst_ratio"] = max(figures[f"{page}_ratio"] for page in times)  # type: ignore[type-var]
    return figures


@dataclass(slots=True)
class Site:
    """One of the two databases: its connection, a client logged in to it, and the pages' addresses, statements and
    compressed sizes."""

    connection: BaseDatabaseWrapper
    client: Client
    pages: dict[str, str]
    statements: dict[str, int]
    kilobytes: dict[str, float]


def _fill(folder: Path, count: int) -> Site:
    stage.load(folder)
    filling.grow_to(count)
    site = Site(connections["default"], _staff_client(), _pages(), {}, {})
    for name, url in site.pages.items():
        for _warm in range(3):
            response = site.client.get(url)
            if response.status_code not in (200, 302):
                raise RuntimeError(f"{url} answered {response.status_code}")
        with CaptureQueriesContext(connection) as captured:
            site.client.get(url)
        site.statements[name] = len(captured)
        site.kilobytes[name] = len(gzip.compress(response.content)) / 1024
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
    orders, queue = reverse("admin:orders_order_changelist"), reverse("admin:common_ticket_changelist")
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id) FROM orders_order")
        low, high = cursor.fetchone()
    later = Order.objects.filter(pk__gte=(low + high) // 2, state=OrderState.COMPLETED).order_by("pk")
    middle = later.select_related("address_words").first()
    ticket = Ticket.objects.open().order_by("due_at", "id").first()
    assert middle is not None  # noqa: S101 - the table was filled just now
    assert ticket is not None  # noqa: S101
    waybill = Shipment.objects.filter(sub_order__order=middle).values_list("waybill_number", flat=True).get()
    searches = {
        "number": middle.number,
        "phone": middle.recipient_phone,
        "phone_tail": middle.recipient_phone[-4:],
        "name": middle.recipient_name,
        "buyer": middle.buyer_reference,
        "waybill_tail": str(waybill)[-6:],
        "address": f"朝阳区 {middle.recipient_address}",
        "goods": middle.lines.get().sku.name,
        "nothing": "没有这样的东西",
    }
    return {
        "list": orders,
        "filtered": f"{orders}?state=in_review",
        "deep": f"{orders}?older={low + (high - low) // 10}",
        **{f"search_{what}": f"{orders}?{urlencode({'q': text})}" for what, text in searches.items()},
        "order": reverse("admin:orders_order_change", args=[middle.pk]),
        "queue": queue,
        "queue_overdue": f"{queue}?which=overdue",
        "queue_nobodys": f"{queue}?owner=nobody",
        "queue_closed": f"{queue}?which=closed",
        "queue_of_kind": f"{queue}?kind={ticket.kind}",
        "queue_of_team": f"{queue}?team={ticket.team}",
        "ticket": reverse("admin:common_ticket_change", args=[ticket.pk]),
        "dashboard": reverse("admin:index"),
        **{
            name: reverse(f"admin:{name}_changelist")
            for name in (
                "orders_suborder", "logistics_shipment", "logistics_warehouseorder", "payments_payment",
                "payments_refund", "orders_returnrequest", "inventory_stock",
            )
        },
    }  # fmt: skip
