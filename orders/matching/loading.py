"""Channels and what their codes of goods stand for, from CSV files: `channels.csv` (merchant, code, name, matches_skus)
and `matches.csv` (merchant, channel, code, sku, units, weight; rows of one code are a bundle)."""

import csv
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.db import transaction

from inventory.loading import Loaded
from oms.merchants.models import Channel, Merchant
from orders.actors import Actor
from orders.matching.matches import NewComponent, NewMatch, put_many
from orders.models import ActorKind, SkuMatch

_ACTOR = Actor(ActorKind.JOB, "load_data")


def load_folder(folder: Path) -> list[Loaded]:
    """Load what the folder has of both files; a bad row is left out and named in the result."""
    loaders = {"channels.csv": _load_channels, "matches.csv": _load_matches}
    return [load(folder / name) for name, load in loaders.items() if (folder / name).exists()]


@transaction.atomic
def _load_channels(path: Path) -> Loaded:
    result = Loaded(path.name)
    merchants = {merchant.code: merchant for merchant in Merchant.objects.all()}
    for line, row in _rows(path):
        merchant = merchants.get(row["merchant"])
        if merchant is None:
            result.refuse(line, f"there is no merchant {row['merchant']}")
            continue
        said = {"name": row["name"], "matches_skus": row["matches_skus"] == "true"}
        Channel.objects.update_or_create(merchant=merchant, code=row["code"], defaults=said)
        result.rows += 1
    return result


@transaction.atomic
def _load_matches(path: Path) -> Loaded:
    result = Loaded(path.name)
    wanted: dict[str, dict[tuple[str, str], list[NewComponent]]] = {}
    lines: dict[tuple[str, str], int] = {}
    for line, row in _rows(path):
        key = row["channel"], row["code"]
        try:
            weight = Decimal(row["weight"]) if row["weight"] else None
            component = NewComponent(row["sku"], units=int(row["units"] or 1), weight=weight)
        except (ValueError, InvalidOperation):
            result.refuse(line, "units or weight is no number")
            continue
        lines.setdefault(key, line)
        wanted.setdefault(row["merchant"], {}).setdefault(key, []).append(component)
        result.rows += 1
    for merchant in Merchant.objects.filter(code__in=wanted):
        matches = [NewMatch(*key, tuple(parts)) for key, parts in wanted[merchant.code].items()]
        for match, outcome in zip(matches, put_many(merchant, matches, actor=_ACTOR), strict=True):
            if not isinstance(outcome, SkuMatch):
                result.refuse(lines[match.channel, match.code], "; ".join(error.detail for error in outcome))
    return result


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from enumerate(csv.DictReader(file), 2)
