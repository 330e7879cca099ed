"""Channels and what their codes of goods stand for, from CSV files: `channels.csv` (merchant, code, name, matches_skus)
and `matches.csv` (merchant, channel, code, sku, units, weight; rows of one code are a bundle)."""

from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.db import transaction

from inventory.loading import Loaded, csv_rows
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
    for line, row in csv_rows(path):
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
    lines: dict[tuple[str, str, str], int] = {}
    # A bundle of which a row is wrong would be sent short.
    spoilt: set[tuple[str, str, str]] = set()
    for line, row in csv_rows(path):
        of, key = row["merchant"], (row["channel"], row["code"])
        lines.setdefault((of, *key), line)
        parts = wanted.setdefault(of, {}).setdefault(key, [])
        try:
            weight = Decimal(row["weight"]) if row["weight"] else None
            parts.append(NewComponent(row["sku"], units=int(row["units"] or 1), weight=weight))
        except (ValueError, InvalidOperation):
            result.refuse(line, "units or weight is no number")
            spoilt.add((of, *key))
    merchants = {merchant.code: merchant for merchant in Merchant.objects.filter(code__in=wanted)}
    for of, by_key in wanted.items():
        whole = {key: parts for key, parts in by_key.items() if (of, *key) not in spoilt}
        if of not in merchants:
            for key in whole:
                result.refuse(lines[of, *key], f"there is no merchant {of}")
            continue
        matches = [NewMatch(*key, tuple(parts)) for key, parts in whole.items()]
        result.rows += sum(map(len, whole.values()))
        for match, outcome in zip(matches, put_many(merchants[of], matches, actor=_ACTOR), strict=True):
            if not isinstance(outcome, SkuMatch):
                result.refuse(lines[of, match.channel, match.code], "; ".join(error.detail for error in outcome))
    return result
