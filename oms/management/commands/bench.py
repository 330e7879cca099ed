"""`manage.py bench`."""

import json
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from oms.common import memory

MEASURED = (
    "intake",
    "pipeline",
    "list",
    "api",
    "seam",
    "reconcile",
    "promise",
    "sourcing",
    "money",
    "flash_sale",
    "replenish",
    "placement",
    "tracking",
    "routes",
    "review",
    "changes",
    "gifts",
)


class Command(BaseCommand):
    """Measures on a database of its own and prints figures with the limit of the same run.

    Absolute figures say something about the machine; the ratios compare across machines.
    """

    help = "Measure one of these; prints ratios to limits measured in the same run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "what",
            choices=MEASURED,
        )
        parser.add_argument(
            "--orders", type=int, default=20_000, help="How many orders (list, seam: many), or rows of a bill."
        )
        parser.add_argument("--data", type=Path, default=settings.BASE_DIR / "sample", help="A folder of data files.")
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")

    def handle(self, *, what: str, orders: int, data: Path, json: bool, **_: object) -> None:
        memory.collect_rarely()
        if not list(data.glob("orders*.jsonl.gz")):
            raise CommandError(f"{data} has no orders*.jsonl.gz")
        if what == "list":
            figures = import_module("oms.benchmarks.listing").run(data, 1_000_000 if orders == 20_000 else orders)
        elif what in ("seam", "reconcile"):
            figures = import_module(f"oms.benchmarks.{what}").run(data, 100_000 if orders == 20_000 else orders)
        else:
            figures = import_module(f"oms.benchmarks.{what}").run(data, orders)
        self._print(figures, as_json=json)

    def _print(self, figures: dict[str, float], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(figures))
            return
        for name, value in figures.items():
            self.stdout.write(f"{name:>36} {value}")
