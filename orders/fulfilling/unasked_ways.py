"""How parcels would have gone from the warehouses that were looked at, where rules did not ask for that: worked out by
the tables of today when somebody looks, so that choosing costs nothing."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from inventory.models import Warehouse
from inventory.promising import tables
from inventory.sourcing import today
from inventory.sourcing.rules import Candidate
from orders.fulfilling.plans import Plan
from orders.fulfilling.sourcing import read_trips
from orders.intake.terms import carriers_in_use
from orders.models import SubOrder


def of(parts: Collection[SubOrder]) -> dict[int, Mapping[str, Any]]:
    """By sub-order (id) and warehouse code, what `Way.as_json` says, as if each left when it was decided; nothing of
    those whose decision has it stored, and of those that go nowhere. Few statements, none where all have it."""
    unasked = [part for part in parts if part.sourcing and "ways" not in part.sourcing and part.order.region_id]
    if not unasked:
        return {}
    known = tables.current()
    if not known.levels:
        return {}
    looked_at = {
        part.pk: [(code, round(km)) for code, km, *_verdict in (part.sourcing or {}).get("of", ())] for part in unasked
    }
    codes = {code for each in looked_at.values() for code, _km in each}
    ids = dict(Warehouse.objects.filter(code__in=codes).values_list("code", "id"))
    plans = [Plan.of(part) for part in unasked]
    carriers = carriers_in_use()
    trips = read_trips(plans, min(part.created_at for part in unasked))
    found: dict[int, Mapping[str, Any]] = {}
    for part in unasked:
        decided_at = part.allocated_at or part.created_at
        trip = replace(trips[part.pk], starts_at=max(trips[part.pk].starts_at, decided_at))
        candidates = [Candidate(ids[code], code, km) for code, km in looked_at[part.pk] if code in ids]
        ways = today.ways(known, trip, candidates, carriers, decided_at)
        found[part.pk] = {one.code: ways[one.warehouse_id].as_json() for one in candidates if one.warehouse_id in ways}
    return found
