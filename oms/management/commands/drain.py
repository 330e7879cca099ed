"""`manage.py drain`."""

import json
import time
from argparse import ArgumentParser
from collections import Counter
from contextlib import nullcontext

from django.conf import settings
from django.core.management.base import BaseCommand

from oms.common import memory, outbound
from oms.common.work import clock, nudging
from oms.common.work.claiming import run_until_empty
from oms.pipeline import PIPELINE, PIPELINE_AND_WEBHOOKS


class Command(BaseCommand):
    """Runs every stage, with the code that the workers run, until nothing is ready.

    Deliberate waits (grace period, the sandbox's delays, back-off, the wait before completion) count as over unless
    --real-waits is given. Rows that another worker leased are waited for: should it have died, they come back.
    Webhooks that are due are tried once: their schedule is no wait to skip, and a sender that has some in hand is not
    waited for.
    """

    help = "Run all stages of the pipeline until nothing is ready."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")
        parser.add_argument("--real-waits", action="store_true", help="Leave what deliberately waits alone.")
        parser.add_argument("--batch", type=int, default=settings.STAGE_BATCH, help="Rows a claim takes at most.")

    def handle(self, *, json: bool, real_waits: bool, batch: int, **_: object) -> None:
        nudging.disable()
        memory.collect_rarely()
        started = time.monotonic()
        with nullcontext() if real_waits else clock.skipping_waits():
            claimed = drain(batch)
        self._report(claimed, time.monotonic() - started, as_json=json)

    def _report(self, claimed: Counter[str], seconds: float, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"seconds": round(seconds, 3), "claimed": dict(claimed)}))
            return
        for stage in PIPELINE_AND_WEBHOOKS:
            if claimed[stage.name]:
                self.stdout.write(f"{stage.name:>20} {claimed[stage.name]:>9}")
        self.stdout.write(f"drained in {seconds:.1f} s")
        if outbound.is_stopped():
            self.stdout.write("What goes out is stopped and was left alone: see `manage.py outbound`.")


def drain(batch: int) -> Counter[str]:
    """Run all stages in turn until none finds anything and nobody holds a lease; returns rows claimed by stage."""
    claimed: Counter[str] = Counter()
    while True:
        before = claimed.total()
        for stage in PIPELINE_AND_WEBHOOKS:
            if count := run_until_empty(stage, batch):
                claimed[stage.name] += count
        if claimed.total() == before:
            if not any(stage.leased() for stage in PIPELINE):
                return claimed
            time.sleep(0.5)
