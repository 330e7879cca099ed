"""`bench seam`: what one slow, silent or poisoned system, or a crowd that waits, costs all others."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import msgspec
from django.conf import settings
from django.db import connection, connections, transaction
from django.test import override_settings
from django.utils import timezone

from inventory import receiving
from inventory.models import Sku, Warehouse
from logistics.models import WarehouseOrder, WarehouseOrderState
from logistics.warehouses import events, sending
from logistics.warehouses.adapters import Answer, Request
from oms.benchmarks import stage
from oms.common.models import Connection, SystemKind, Topic
from oms.common.work import facts
from oms.common.work.claiming import claim, run_until_empty
from oms.pipeline import STAGES
from orders.fulfilling import allocating, waking
from orders.intake.bodies import LineBody, OrderBody, decode
from orders.models import Order, StockWait, SubOrder, SubOrderState

ROWS = 1_000
POISONED = 300
ROW_SECONDS = 0.1
SILENCE_SECONDS = 60
LEASE_SECONDS = 30
CLAIMS = 20


class _System:
    """A warehouse system that takes everything after so many seconds a row, or `silence` seconds a call."""

    def __init__(self, *, row_seconds: float = 0, silent: str = "", silence: float = 0) -> None:
        self.row_seconds, self.silent, self.silence = row_seconds, silent, silence
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def release(self, link: Connection, requests: Sequence[Request]) -> Mapping[str, Answer]:
        with self._lock:
            self.asked.update(request.reference for request in requests)
        if link.code == self.silent:
            time.sleep(self.silence)
            raise TimeoutError("silent")
        time.sleep(self.row_seconds * len(requests))
        return {request.reference: Answer(taken=True) for request in requests}

    def cancel(self, link: Connection, references: Sequence[str]) -> Mapping[str, Answer]:
        return {reference: Answer(taken=True) for reference in references}


def run(folder: Path, orders: int) -> dict[str, float]:
    """`orders` is the size of the crowds (targets for 100,000: a unit is given out within 50 ms, a claim beside them
    takes less than 5 ms).

    1,000 rows at a system that takes 100 ms a row, by two workers with leases of 30 s: seconds, most times that one row
    was asked for (target: 1), rows done. The same while a second system is silent for 60 s: how much longer review and
    the other systems' rows take (target: about 1). 300 facts that nobody understands, or that fail when they are
    applied, before 1,000 good ones: how much longer until the good ones are applied (target: at most 1.2).
    """
    bodies = [body for body in map(decode, stage.order_lines(folder, 4 * ROWS)) if isinstance(body, OrderBody)]
    figures: dict[str, float] = {}
    logging.getLogger(facts.__name__).setLevel(logging.CRITICAL)
    with stage.own_database("oms_bench_seam"), stage.without_waits():
        stage.load(folder, stock_factor=20)
        figures |= _slow_system(bodies)
        figures |= _silent_system(bodies)
        figures |= _poisoned_facts(bodies)
        figures |= _crowd(orders, bodies)
    return figures


def _slow_system(bodies: Sequence[OrderBody]) -> dict[str, float]:
    link = _connect("slow", calls_at_once=2)
    Warehouse.objects.update(connection=link)
    _release(bodies, ROWS)
    system = _System(row_seconds=ROW_SECONDS)
    with _answering(system), override_settings(LEASE_SECONDS=LEASE_SECONDS):
        seconds = stage.timed(lambda: _side_by_side(2, lambda: _send_all(link)))
    return {
        "slow_seconds": round(seconds, 1),
        "slow_rows_done": _sent(system),
        "slow_most_asked": max(system.asked.values()),
    }


def _silent_system(bodies: Sequence[OrderBody]) -> dict[str, float]:
    quick, silent = _connect("quick"), _connect("silent")
    half = list(Warehouse.objects.order_by("pk").values_list("pk", flat=True))[::2]
    Warehouse.objects.exclude(pk__in=half).update(connection=quick)
    Warehouse.objects.filter(pk__in=half).update(connection=silent)

    def others_work() -> float:
        """Review to release of the second half of the orders, and what the quick system is sent."""
        stage.place_bodies([msgspec.structs.replace(body, payment_method="cod") for body in bodies[-ROWS:]])
        started = time.perf_counter()
        _prepare_all()
        _send_all(quick)
        return time.perf_counter() - started

    figures = []
    for silence in (0, SILENCE_SECONDS):
        _release(bodies, ROWS)
        with _answering(_System(silent="silent", silence=silence)):
            worker = threading.Thread(target=_disconnecting(lambda: _send_all(silent)))
            if silence:
                worker.start()
                time.sleep(0.5)
            figures.append(others_work())
            still_silent = worker.is_alive()
            if silence:
                worker.join()
    return {"silent_others_ratio": round(figures[1] / figures[0], 2), "silent_meanwhile": float(still_silent)}


def _poisoned_facts(bodies: Sequence[OrderBody]) -> dict[str, float]:
    """Medians. Of most poison it can be seen that nobody understands it; other poison fails only when it is applied."""
    link = _connect("telling")
    Warehouse.objects.update(connection=link)
    alone, unreadable, deep = [], [], []
    for _round in range(stage.ROUNDS):
        alone.append(_good_facts_seconds(link, bodies, "", 0))
        unreadable.append(_good_facts_seconds(link, bodies, "nonsense", POISONED))
        deep.append(_good_facts_seconds(link, bodies, "accepted", POISONED))
    return {
        "good_facts_seconds": round(stage.median(alone), 2),
        "poisoned_ratio": round(stage.median([one / other for one, other in zip(unreadable, alone, strict=True)]), 2),
        "deeply_poisoned_ratio": round(stage.median([one / other for one, other in zip(deep, alone, strict=True)]), 2),
    }


def _good_facts_seconds(link: Connection, bodies: Sequence[OrderBody], bad_kind: str, poisoned: int) -> float:
    """Seconds until `ROWS` good facts are applied behind so many bad ones of that kind."""
    applied: list[float] = []

    def apply(told: Sequence[facts.Fact], locked: Sequence[int]) -> Mapping[int, facts.Verdict]:
        if any(fact.key.startswith("bad") for fact in told):
            raise ValueError("poisoned")
        # Those that fail are put off one by one afterwards, which holds nobody up.
        transaction.on_commit(lambda: applied.append(time.perf_counter()))
        return events.WORK.apply(told, locked)

    work = replace(events.WORK, apply=apply)
    _release(bodies, ROWS + POISONED)
    with _answering(_System()):
        _send_all(link)
    numbers = list(WarehouseOrder.objects.order_by("pk").values_list("number", flat=True))
    now = timezone.now()
    bad = [facts.News(f"bad{n}", bad_kind, n, now) for n in numbers[:poisoned]]
    expected = numbers[POISONED : POISONED + ROWS]
    good = [facts.News(n, "accepted", n, now) for n in expected]
    facts.receive(link.pk, Topic.WAREHOUSE, bad)
    facts.receive(link.pk, Topic.WAREHOUSE, good)
    left = WarehouseOrder.objects.filter(number__in=expected, state=WarehouseOrderState.SENT)
    started = time.perf_counter()
    while left.exists():
        facts.run(work, settings.STAGE_BATCH)
    return max(applied) - started


def _crowd(size: int, bodies: Sequence[OrderBody]) -> dict[str, float]:
    """So many orders wait for one SKU, of which a unit comes in; then all of them are held."""
    stage.empty_orders()
    link = _connect("crowded")
    Warehouse.objects.update(connection=link)
    sku = _rare_sku()
    body = bodies[0]
    line = LineBody(sku=sku.code, merchant=sku.merchant.code, quantity=1, unit_price=sku.list_price)
    stage.place_bodies(
        [_order_of(body, line, f"crowd-{number}") for number in range(size)],
    )
    for name in ("review", "split", "allocate"):
        run_until_empty(STAGES[name], settings.STAGE_BATCH)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    wait = StockWait.objects.order_by("since").first()
    assert wait is not None  # noqa: S101 - all of them wait
    given = []
    for _unit in range(CLAIMS):
        receiving.receive(wait.warehouse_id, sku.pk, 1, actor="bench")
        given.append(stage.timed(lambda: [waking.run(settings.STAGE_BATCH), allocating.run(settings.STAGE_BATCH)]))
    allocated = SubOrder.objects.filter(state=SubOrderState.ALLOCATED).count()
    waiting = SubOrder.objects.filter(state=SubOrderState.BACKORDERED)
    Order.objects.filter(sub_orders__in=waiting).update(open_holds=1)
    waiting.update(is_held=True, ready_at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE orders_suborder, orders_order")
    claims = [stage.timed(_claim) for _claim_number in range(CLAIMS)]
    return {
        "waiters": size,
        "units_given_out": allocated,
        "one_unit_ms": round(stage.median(given) * 1000, 1),
        "held": waiting.count(),
        "claim_beside_held_ms": round(stage.median(claims) * 1000, 2),
    }


def _claim() -> None:
    with transaction.atomic():
        claim(allocating.QUEUE, settings.STAGE_BATCH)


def _rare_sku() -> Sku:
    """One more SKU of ours, of which there is nothing."""
    sku = Sku.objects.filter(merchant__kind="self_operated").exclude(storage_class="virtual").order_by("pk").first()
    assert sku is not None  # noqa: S101 - the sample has some
    sku.pk, sku.code = None, "RARE"
    sku.save(force_insert=True)
    return sku


def _order_of(body: OrderBody, line: LineBody, number: str) -> OrderBody:
    nothing = line.unit_price * 0
    return msgspec.structs.replace(
        body,
        external_number=number,
        # Rules that count a buyer's orders, or those to an address, are not what is measured.
        buyer=msgspec.structs.replace(body.buyer, id=number),
        recipient=msgspec.structs.replace(body.recipient, address=number),
        lines=[line],
        payment_method="cod",
        coupon_amount=nothing,
        freight_amount=nothing,
        gift_card_amount=nothing,
        points=type(body.points)(),
        payable_amount=line.unit_price,
    )


# --- Helpers


def _connect(code: str, **values: object) -> Connection:
    defaults = {"name": code, "kind": SystemKind.WAREHOUSE, "protocol": "sandbox", **values}
    return Connection.objects.update_or_create(code=code, defaults=defaults)[0]


def _release(bodies: Sequence[OrderBody], rows: int) -> None:
    """Orders, paid on delivery, of which at least so many warehouse orders are to be sent."""
    stage.empty_orders()
    stage.place_bodies([msgspec.structs.replace(body, payment_method="cod") for body in bodies[: rows + rows // 2]])
    _prepare_all()
    extra = list(WarehouseOrder.objects.order_by("pk").values_list("pk", flat=True)[rows:])
    WarehouseOrder.objects.filter(pk__in=extra).update(ready_at=None)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _prepare_all() -> None:
    for name in ("review", "split", "allocate", "release"):
        run_until_empty(STAGES[name], settings.STAGE_BATCH)


def _send_all(link: Connection) -> None:
    while sending.STAGE.run_over(link.pk, settings.STAGE_BATCH):
        pass


def _sent(system: _System) -> int:
    return WarehouseOrder.objects.filter(number__in=system.asked, state=WarehouseOrderState.SENT).count()


def _answering(system: _System) -> AbstractContextManager[object]:
    return mock.patch("logistics.warehouses.adapters.sandbox.WAREHOUSE", system)


def _disconnecting(work: Callable[[], object]) -> Callable[[], None]:
    def run_and_disconnect() -> None:
        try:
            work()
        finally:
            connections.close_all()

    return run_and_disconnect


def _side_by_side(workers: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=_disconnecting(work)) for _worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
