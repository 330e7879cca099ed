"""`bench promise`: quotes a second in process, and a replay of the orders with arrivals drawn by a seed.

The replay promises every order from the nearest warehouse that serves its region, draws when its parcel left and how
long the lane took (log-normal through the lane's half and 95 %), and lets the watch stage's own judge decide.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log
from pathlib import Path
from random import Random

from inventory.loading import load_folder
from inventory.models import Sku, StorageClass
from inventory.promising import offering, tables
from inventory.promising.freight import Measures
from inventory.promising.offering import Carriage, Parcel
from inventory.promising.tables import Tables
from inventory.sourcing import rulebook
from logistics.watching.promises import Watched, judge
from oms.benchmarks import stage
from orders.intake.bodies import OrderBody, decode
from orders.models import PromiseOutcome, SubOrderState
from orders.models.order import Promise
from orders.promising.keeping import LEAVES_WITHIN

SEED = 20_261_126
TARGET_QUOTES_PER_SECOND = 2_000
# z of 95 %: a log-normal through the median and the 95th percentile has sigma = ln(p95 / p50) / z.
_Z95 = 1.645
# Of the time that a level by the hour gives, half of the parcels need so much.
_HALF_OF_A_LEVEL = 0.6
# So many parcels leave a wave late.
_LATE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Case:
    """A parcel of an order: what a quote is asked for."""

    parcel: Parcel
    region_code: str
    starts_at: datetime
    wish: str


def run(folder: Path, orders: int) -> dict[str, float]:
    """Quotes of all levels a second of CPU (target: 2,000), and of the replay: the hit rate by level in per cent,
    promises that were broken, and broken ones without a reason (target: none)."""
    lines = stage.order_lines(folder, orders)
    bodies = [body for body in map(decode, lines) if isinstance(body, OrderBody)]
    with stage.own_database("oms_bench_promise"):
        load_folder(folder, progress=lambda rows, _name: rows, with_stock=False)
        cases = list(_cases(bodies))
        known = tables.current()
        return {
            "parcels": len(cases),
            "quotes_per_second": round(_quotes_per_second(known, cases), 1),
            "target": TARGET_QUOTES_PER_SECOND,
            **replay(known, cases),
        }


def _cases(bodies: Sequence[OrderBody]) -> Iterator[Case]:
    """The parcels of the orders, each of one merchant and class, from the nearest warehouse that serves the region."""
    skus = {
        (merchant, code): (merchant_id, storage_class, weight)
        for merchant, code, merchant_id, storage_class, weight in Sku.objects.values_list(
            "merchant__code", "code", "merchant_id", "storage_class", "weight_g"
        )
    }
    book = rulebook.current()
    book.routes.prepare({body.recipient.region_code for body in bodies if body.recipient.region_code})
    for body in bodies:
        weights: dict[tuple[int, str], int] = defaultdict(int)
        for line in body.lines:
            merchant_id, storage_class, weight = skus[line.merchant, line.sku]
            weights[merchant_id, storage_class] += weight * line.quantity
        for (merchant_id, storage_class), weight in weights.items():
            if storage_class == StorageClass.VIRTUAL or not body.recipient.region_code:
                continue
            goods = (merchant_id, storage_class)
            nearest = book.asked(book.rules_for(merchant_id, None, storage_class), *goods, body.recipient.region_code)
            if nearest.everybody:
                parcel = Parcel(nearest.everybody[0].warehouse_id, storage_class, Measures(weight))
                yield Case(parcel, body.recipient.region_code, body.ordered_at, body.promise)


def _quotes_per_second(known: Tables, cases: Sequence[Case]) -> float:
    started = time.process_time()
    for case in cases:
        offering.offers(known, [case.parcel], case.region_code, case.starts_at)
    return len(cases) / (time.process_time() - started)


def replay(known: Tables, cases: Sequence[Case], seed: int = SEED) -> dict[str, float]:
    """Promise every case, draw when it arrived, and judge: figures by name. The same seed gives the same figures."""
    random = Random(seed)  # noqa: S311 - arrivals, no secrets
    measured: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    broken_by: Counter[str] = Counter()
    unexplained = undated = 0
    for case in cases:
        found = _promise(known, case)
        if found is None:
            undated += 1
            continue
        one = _arrived(found, random)
        verdict = judge(one, one.promised_by + timedelta(days=60))
        measured[found.arrival.level] += 1
        if verdict.outcome == PromiseOutcome.KEPT:
            kept[found.arrival.level] += 1
        else:
            broken_by[str(verdict.risk)] += 1
            unexplained += not verdict.risk
    rates = {f"hit_rate_{level}": round(100 * kept[level] / count, 2) for level, count in sorted(measured.items())}
    reasons = {f"broken_{reason or 'unexplained'}": count for reason, count in sorted(broken_by.items())}
    return {
        "measured": measured.total(),
        "without_a_date": undated,
        **rates,
        "broken": measured.total() - kept.total(),
        **reasons,
        "unexplained": unexplained,
    }


def _promise(known: Tables, case: Case) -> Carriage | None:
    """The earliest of the levels that the order wishes for, else of the standard."""
    for wish in dict.fromkeys((case.wish, Promise.STANDARD.value)):
        tried = [
            offering.carriage(known, case.parcel, case.region_code, case.starts_at, level)
            for level in known.levels_of(wish)
        ]
        dated = [one for one in tried if isinstance(one, Carriage)]
        if dated:
            return min(dated, key=lambda one: one.arrival.latest_at)
    return None


def _arrived(found: Carriage, random: Random) -> Watched:
    """The parcel, as it left and arrived by the draw."""
    arrival = found.arrival
    window = arrival.latest_at - arrival.cutoff_at
    half, most = arrival.lane_days or (_HALF_OF_A_LEVEL, 1)
    ratio = min(half / most, _HALF_OF_A_LEVEL + 0.2)
    took = window * ratio * exp(random.gauss(0, log(1 / ratio) / _Z95))
    late = timedelta(days=1) if random.random() < _LATE_SHARE else timedelta()
    left_at = arrival.cutoff_at + LEAVES_WITHIN / 2 + late
    return Watched(
        promise_id=0,
        order_id=0,
        sub_order_id=0,
        number="",
        warehouse="",
        promised_by=arrival.latest_at,
        planned_by=arrival.latest_at,
        cutoff_at=arrival.cutoff_at,
        state=SubOrderState.DELIVERED,
        left_at=left_at,
        delivered_at=arrival.cutoff_at + took + late,
        is_out=True,
        carrier=found.carrier,
        is_current=True,
    )
