"""What the OMS counts about itself, for Prometheus; where the figures are read is `oms/probes.py`.

Counters and histograms only: with PROMETHEUS_MULTIPROC_DIR set, every process of the web and of the workers adds to
files of its own, and a scrape sums them up. Labels come from the code, never from input, so that their number stays
small.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from prometheus_client import Counter, Histogram

FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUEST_SECONDS = Histogram(
    "oms_http_request_seconds", "Requests, by the name of their address.", ["view", "method", "status"], buckets=FAST
)
CALL_SECONDS = Histogram(
    "oms_outside_call_seconds", "Calls to other systems.", ["system", "adapter", "operation"], buckets=SLOW
)
CALL_ITEMS = Counter(
    "oms_outside_call_items",
    "What other systems were asked for, by what came of it: done, refused or unknown.",
    ["system", "adapter", "operation", "outcome"],
)
STAGE_SECONDS = Histogram("oms_stage_run_seconds", "Runs of a stage that claimed rows.", ["stage"], buckets=SLOW)
STAGE_ROWS = Counter("oms_stage_rows", "Rows that a stage claimed.", ["stage"])
STAGE_ERRORS = Counter("oms_stage_errors", "Runs of a stage that failed as a whole.", ["stage"])
FAILED_ATTEMPTS = Counter("oms_failed_attempts", "Rows that failed and were put off.", ["stage", "table"])

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_stage: ContextVar[str] = ContextVar("stage", default="")
_Adapter = TypeVar("_Adapter")


def count_request(view: str, method: str, status: int, seconds: float) -> None:
    """Count one request; the status only by its class, such as 2xx."""
    REQUEST_SECONDS.labels(view, method if method in _METHODS else "other", f"{status // 100}xx").observe(seconds)


@contextmanager
def stage_run(name: str) -> Iterator[None]:
    """Within it a stage runs: what fails is counted, and put-off rows are counted as this stage's."""
    token = _stage.set(name)
    try:
        yield
    except Exception:
        STAGE_ERRORS.labels(name).inc()
        raise
    finally:
        _stage.reset(token)


def count_stage(name: str, rows: int, seconds: float) -> None:
    """Count a run of a stage that claimed rows."""
    STAGE_SECONDS.labels(name).observe(seconds)
    STAGE_ROWS.labels(name).inc(rows)


def count_failed(table: str, rows: int) -> None:
    """Count rows of the table that failed in the stage that runs."""
    FAILED_ATTEMPTS.labels(_stage.get(), table).inc(rows)


class _Measured:
    """Stands in front of an adapter and counts what its calls came to."""

    def __init__(self, adapter: object, system: str, name: str) -> None:
        self._adapter, self._system, self._name = adapter, system, name

    def __getattr__(self, operation: str) -> Any:
        attribute = getattr(self._adapter, operation)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            with outside_call(self._system, self._name, operation) as outcome:
                asked = [arg for arg in args if isinstance(arg, Sequence) and not isinstance(arg, str)]
                outcome.asked = len(asked[0]) if asked else 1
                answers = attribute(*args, **kwargs)
                outcome.answers = answers
                return answers

        return call


def measured(adapter: _Adapter, *, system: str, name: str) -> _Adapter:
    """The adapter, with its calls timed and their outcomes counted.

    A call that asks for a sequence and answers with a mapping is counted by item: done where the answer is `taken`,
    refused where it is not, unknown where there is none. An exception leaves every item unknown.
    """
    return cast(_Adapter, _Measured(adapter, system, name))


class _Outcome:
    asked: int = 1
    answers: object = None

    def counts(self) -> dict[str, int]:
        if not isinstance(self.answers, dict):
            return {"done": self.asked}
        taken = [getattr(answer, "taken", True) for answer in self.answers.values()]
        done = sum(map(bool, taken))
        return {"done": done, "refused": len(taken) - done, "unknown": max(self.asked - len(taken), 0)}


@contextmanager
def outside_call(system: str, adapter: str, operation: str) -> Iterator[_Outcome]:
    """Time a call to another system and count what came of it; an exception leaves all that was asked unknown."""
    outcome = _Outcome()
    started = time.perf_counter()
    counts = None
    try:
        yield outcome
        counts = outcome.counts()
    finally:
        CALL_SECONDS.labels(system, adapter, operation).observe(time.perf_counter() - started)
        for result, items in (counts or {"unknown": outcome.asked}).items():
            if items:
                CALL_ITEMS.labels(system, adapter, operation, result).inc(items)
