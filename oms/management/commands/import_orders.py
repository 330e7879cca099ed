"""`manage.py import_orders FILE`."""

import gzip
import json
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from oms.common import memory
from oms.management.recent import moved
from oms.management.whereabouts import database_in_words, find_merchant
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import rejecting
from orders.intake.bodies import HistoricalBody, OrderBody, decode
from orders.intake.placing import Duplicate, Placed, Refused, place_orders
from orders.models import ActorKind, RejectedOrder

BATCH = 1000
NOTHING_IMPORTED, SOME_REFUSED = 1, 2


class Command(BaseCommand):
    """Imports orders from JSON lines. Bad rows are named and left out; running it again adds nothing. It fails where
    every row was refused."""

    help = "Import orders from a file of JSON lines (.jsonl or .jsonl.gz), one order a line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--limit", type=int, help="Read at most this many rows.")
        parser.add_argument("--merchant", help="Code of the merchant whose channels the orders come from.")
        parser.add_argument(
            "--historical",
            action="store_true",
            help="Orders of the past, with `state` and `finished_at`: stored as they ended, nothing is started.",
        )
        parser.add_argument(
            "--recent",
            action="store_true",
            help="As if they came just now: all dates are moved by the same days, the last order's to within a day.",
        )
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")
        parser.add_argument(
            "--fail-on-refused",
            action="store_true",
            help="End with exit status 2 where any row was refused; without it only where nothing went in (1).",
        )

    def handle(
        self,
        *,
        file: Path,
        limit: int | None,
        merchant: str | None,
        historical: bool,
        recent: bool,
        json: bool,
        fail_on_refused: bool,
        verbosity: int,
        **_: object,
    ) -> None:
        memory.collect_rarely()
        seller = _merchant(merchant)
        actor = Actor(ActorKind.JOB, "import_orders")
        placed = duplicates = 0
        refused: list[dict[str, object]] = []
        try:
            rows = (
                (line, raw)
                for line, raw in enumerate(moved(_lines(file)) if recent else _lines(file), 1)
                if raw.strip()
            )
            bar = tqdm(islice(rows, limit), desc=file.name, unit=" orders", disable=None if verbosity else True)
            while batch := list(islice(bar, BATCH)):
                kind = HistoricalBody if historical else OrderBody
                bodies = [decode(raw, kind) for _line, raw in batch]
                outcomes = place_orders(bodies, seller, actor=actor, is_history=historical)
                to_keep = []
                for (line, raw), body, outcome in zip(batch, bodies, outcomes, strict=True):
                    match outcome:
                        case Placed():
                            placed += 1
                        case Duplicate():
                            duplicates += 1
                        case Refused(errors):
                            refused.append({"line": line, "errors": [error.as_dict() for error in errors]})
                            external = body.external_number if isinstance(body, OrderBody) else ""
                            to_keep.append(rejecting.RefusedRow(raw, external, errors))
                if not historical:
                    rejecting.keep(seller, RejectedOrder.Door.IMPORT, to_keep)
        except (OSError, EOFError) as error:
            raise CommandError(f"Cannot read {file}: {error}. {placed} orders were imported before.") from error
        self._report(placed, duplicates, refused, as_json=json)
        if refused and not placed and not duplicates:
            raise CommandError("Nothing was imported.", returncode=NOTHING_IMPORTED)
        if refused and fail_on_refused:
            raise CommandError(f"{len(refused)} rows were refused.", returncode=SOME_REFUSED)

    def _report(self, placed: int, duplicates: int, refused: list[dict[str, object]], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(
                json.dumps({"imported": placed, "duplicates": duplicates, "refused": refused}, ensure_ascii=False)
            )
            return
        for row in refused:
            for error in row["errors"]:  # type: ignore[attr-defined]
                self.stderr.write(f"line {row['line']}: {error['attr'] or 'row'}: {error['detail']}")
        self.stdout.write(f"{placed} imported, {duplicates} already there, {len(refused)} refused")


def _lines(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        yield from file


def _merchant(code: str | None) -> Merchant:
    if code:
        return find_merchant(code)
    self_operated = list(Merchant.objects.filter(kind=Merchant.Kind.SELF_OPERATED)[:2])
    if len(self_operated) != 1:
        raise CommandError(
            "Name the merchant whose channels the orders come from with --merchant."
            if self_operated
            else f"There is no self-operated merchant in {database_in_words()}: run `manage.py load_data` first, or"
            " name one with --merchant."
        )
    return self_operated[0]
