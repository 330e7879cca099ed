"""What watches the OMS asks here: probes that mean something, and the figures for Prometheus.

/health/live      the process answers; asks nobody
/health/ready     it can do its work: the database answers and has the migrations; without Valkey it is degraded, not
                  unready, because nothing is lost without it
/health/progress  the work moves: no stage's oldest row waits too long, webhooks included, and beat's sweep was seen
                  lately
/metrics          Prometheus

No probe waits for longer than two seconds for what hangs, and those that ask at once share one thread that does: else a
few readers of one probe would fill the threads of the web process, and the process itself would seem dead.

The middleware answers before all others: no redirect to HTTPS, no check of the Host header, no session.
"""

import hmac
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from oms import figures
from oms.common.shared_reading import NoAnswer, SharedReading
from oms.common.work.claiming import MOST_COUNTED

READY_KEPT_SECONDS = 1.0
MIGRATIONS_KEPT_SECONDS = 60.0
_migrated_until = 0.0


def live(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:
    """200 with `ok` or `degraded`, 503 with what is missing; within two seconds, whatever hangs."""
    checks = {"database": "does not answer", "broker": "does not answer"}
    with suppress(NoAnswer, Error):
        checks |= {"migrations": DATABASE.get(max_age_seconds=READY_KEPT_SECONDS), "database": "ok"}
    with suppress(NoAnswer, redis.RedisError, OSError):
        checks["broker"] = BROKER.get(max_age_seconds=READY_KEPT_SECONDS)
    failed = [name for name in ("database", "migrations") if checks.get(name, "ok") != "ok"]
    status = "failed" if failed else "degraded" if checks["broker"] != "ok" else "ok"
    return JsonResponse({"status": status, "checks": checks}, status=503 if failed else 200)


def _read_migrations() -> str:
    """Whether the database has all migrations; once it has, it is only asked whether it answers, for a minute."""
    global _migrated_until
    if time.monotonic() < _migrated_until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return "ok"
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return f"{len(missing)} missing"
    _migrated_until = time.monotonic() + MIGRATIONS_KEPT_SECONDS
    return "ok"


def _ping_broker() -> str:
    # Celery and the client have different names for a socket.
    address = settings.REDIS_URL.replace("redis+socket://", "unix://", 1)
    client = redis.Redis.from_url(address, socket_timeout=0.5, socket_connect_timeout=0.5)
    try:
        client.ping()
    finally:
        client.close()
    return "ok"


DATABASE = SharedReading(_read_migrations, deadline_seconds=1.2)
BROKER = SharedReading(_ping_broker, deadline_seconds=0.5)


def progress(request: HttpRequest) -> HttpResponse:
    """200 while the work moves, 503 with the names of what does not."""
    try:
        found = figures.current()
    except (NoAnswer, Error):
        return JsonResponse({"status": "failed", "stuck": [], "database": "does not answer"}, status=503)
    sweep = found.sweep_seconds
    stuck = [stage.stage for stage in found.stages if stage.is_stuck]
    sweeps = sweep is not None and sweep <= settings.SWEEP_LATE_SECONDS
    return JsonResponse(
        {
            "status": "ok" if sweeps and not stuck else "failed",
            "stuck": stuck,
            "outbound": "stopped" if found.outbound_is_stopped else "on",
            "sweep": {"ok": sweeps, "seconds_ago": None if sweep is None else round(sweep, 1)},
            "stages": {
                stage.stage: {
                    "waiting": stage.waiting,
                    "oldest_seconds": round(stage.oldest_seconds, 1),
                    "leased": stage.leased,
                    "needing_person": stage.needing_person,
                }
                for stage in found.stages
            },
        },
        status=200 if sweeps and not stuck else 503,
    )


class PipelineCollector(Collector):
    """Gauges of what is in the database, read when Prometheus asks."""

    def collect(self) -> Iterator[Metric]:
        """The gauges; `oms_database_up` alone where the database does not answer."""
        try:
            found = figures.kept()
        except (NoAnswer, Error):
            yield GaugeMetricFamily("oms_database_up", "Whether the database answers.", 0)
            return
        yield GaugeMetricFamily("oms_database_up", "Whether the database answers.", 1)
        families = (
            ("oms_stage_waiting", f"Rows that a stage may claim now, at most {MOST_COUNTED}.", "waiting"),
            ("oms_stage_oldest_seconds", "For how long a stage's oldest claimable row waits.", "oldest_seconds"),
            ("oms_stage_late_seconds", "From which age on a stage counts as stuck.", None),
            ("oms_stage_leased", "Rows that a worker holds for a call outside.", "leased"),
            ("oms_stage_needing_person", "Rows that failed too often.", "needing_person"),
        )
        limits = settings.STAGE_LATE_SECONDS
        for name, text, attribute in families:
            gauge = GaugeMetricFamily(name, text, labels=["stage"])
            for stage in found.stages:
                value = getattr(stage, attribute) if attribute else limits.get(stage.stage, limits["default"])
                gauge.add_metric([stage.stage], value)
            yield gauge
        alerts = GaugeMetricFamily("oms_open_alerts", "Open logistics alerts.", labels=["kind", "level"])
        for kind, level, count in found.alerts:
            alerts.add_metric([kind, str(level)], count)
        yield alerts
        holds = GaugeMetricFamily("oms_open_holds", "Open holds.", labels=["kind"])
        for kind, count in found.holds:
            holds.add_metric([kind], count)
        yield holds
        waiting = GaugeMetricFamily("oms_open_tickets", "Tickets that wait for a person.", labels=["kind", "team"])
        overdue = GaugeMetricFamily("oms_overdue_tickets", "Tickets past their deadline.", labels=["kind", "team"])
        for row in found.tickets:
            waiting.add_metric([row.kind, row.team], row.waiting)
            overdue.add_metric([row.kind, row.team], row.overdue)
        yield waiting
        yield overdue
        yield GaugeMetricFamily(
            "oms_outbound_stopped", "Whether what goes out is stopped.", int(found.outbound_is_stopped)
        )
        signs_of_life = (
            ("oms_sweep_age_seconds", "How long ago beat's sweep was seen.", found.sweep_seconds),
            (
                "oms_webhooks_age_seconds",
                "How long ago a sender of webhooks had nothing left to take.",
                found.webhooks_seconds,
            ),
        )
        for name, text, seconds in signs_of_life:
            gauge = GaugeMetricFamily(name, text)
            if seconds is not None:
                gauge.add_metric([], seconds)
            yield gauge


def metrics(request: HttpRequest) -> HttpResponse:
    """What all processes counted, and how the database stands."""
    registry = CollectorRegistry()
    registry.register(PipelineCollector())
    text = generate_latest(registry)
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        counted = CollectorRegistry()
        MultiProcessCollector(counted)
        text += generate_latest(counted)
    else:
        text += generate_latest(REGISTRY)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def guarded(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The view, for those whom the settings name."""

    def answer(request: HttpRequest) -> HttpResponse:
        if _may_read(request):
            return view(request)
        detail = "Ask from a network of OMS_METRICS_NETWORKS, or send Authorization: Bearer with OMS_METRICS_TOKEN."
        return JsonResponse({"status": "forbidden", "detail": detail}, status=403)

    return answer


def _may_read(request: HttpRequest) -> bool:
    scheme, _separator, token = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
    if any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP")):
        return False  # behind a proxy, everybody's address is the proxy's
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ip_network(network) for network in settings.METRICS_NETWORKS)


PROBES = {
    "/health/live": live,
    "/health/ready": ready,
    "/health/progress": guarded(progress),
    "/metrics": guarded(metrics),
}


class ProbesMiddleware:
    """Answers the addresses of PROBES, and no others; always the first middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The probe's answer, or that of the site."""
        probe = PROBES.get(request.path_info)
        if probe is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return JsonResponse({"status": "method not allowed"}, status=405)
        response = probe(request)
        response["Cache-Control"] = "no-store"
        return response
