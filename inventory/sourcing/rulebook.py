"""The active rules with the warehouses that they choose from, kept in memory until one of them changes.

`current()` asks the database for one number, the version that triggers raise (as those of promises do).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from django.db import connection

from inventory.models import StorageClass
from inventory.models.sourcing import SourcingRule, SourcingRuleSet
from inventory.sourcing.asking import PASSING, Step, ask
from inventory.sourcing.bundling import Splits, splits_of
from inventory.sourcing.routes import MOST_KEPT, Routes
from inventory.sourcing.rules import REGION_FIRST, USUAL_SORTS, WHOLE_COUNTRY, Candidate, Rule, Rules, Standing, Way
from oms.common.money import to_fen

Scope = tuple[int | None, int | None]
NO_SPLITS = Splits()


@dataclass(frozen=True, slots=True)
class Active:
    """What is in force for a scope."""

    rules: Rules
    splits: Splits = NO_SPLITS


class Book:
    """Rules by scope (merchant and channel ids, None for all), routes, and what was worked out by both."""

    def __init__(self, version: int, routes: Routes, active: Mapping[Scope, Active]) -> None:
        self.version, self.routes = version, routes
        self._active = active
        self._asked: dict[tuple[int, int, int, str, str | None], AskedByAll] = {}

    def rules_for(self, merchant_id: int, channel_id: int | None, storage_class: str) -> Rules:
        """The rules for goods that the merchant fulfils of an order of the channel: those of both, else of the
        merchant, else of the channel, else of all, else the built-in ones."""
        if storage_class == StorageClass.VIRTUAL:
            return WHOLE_COUNTRY
        found = self._active_for(merchant_id, channel_id)
        return found.rules if found is not None else REGION_FIRST

    def splits_for(self, merchant_id: int, channel_id: int | None) -> Splits:
        """The split rules for goods that the merchant fulfils of an order of the channel."""
        found = self._active_for(merchant_id, channel_id)
        return found.splits if found is not None else NO_SPLITS

    def _active_for(self, merchant_id: int, channel_id: int | None) -> Active | None:
        if self._active:
            for scope in ((merchant_id, channel_id), (merchant_id, None), (None, channel_id), (None, None)):
                if scope in self._active:
                    return self._active[scope]
        return None

    @property
    def takes_room(self) -> bool:
        """Whether any rule takes a place of the warehouse's day."""
        return any(one.rules.takes_room for one in self._active.values())

    def asked(self, rules: Rules, merchant_id: int, storage_class: str, region_code: str | None) -> "AskedByAll":
        """Whom each rule asks, where that depends on nothing else. The region must have been prepared."""
        key = (rules.set_id, id(rules), merchant_id, storage_class, region_code)
        found = self._asked.get(key)
        if found is None:
            if len(self._asked) >= MOST_KEPT:
                self._asked.clear()
            found = self._asked[key] = self.ask(rules, merchant_id, storage_class, region_code)
        return found

    def ask(
        self,
        rules: Rules,
        merchant_id: int,
        storage_class: str,
        region_code: str | None,
        *,
        standings: Mapping[int, Standing] | None = None,
        ways: Mapping[int, Way] | None = None,
        refused: Collection[int] = (),
        avoided: Collection[int] = (),
    ) -> "AskedByAll":
        """As `asked`, and not kept: with how warehouses stand today, how the parcel would go from each, and who is not
        asked (ids)."""
        province = self.routes.province(region_code)
        candidates = self.routes.candidates(merchant_id, storage_class, region_code)
        steps = tuple(
            (
                rule,
                ask(
                    rule,
                    candidates,
                    province=province,
                    standings=standings or self.routes.standings,
                    ways=ways,
                    refused=refused,
                    avoided=avoided,
                ),
            )
            for rule in rules.rules
            if _is_for(rule, storage_class, province)
        )
        return AskedByAll(steps, tuple(_everybody(steps)))


class AskedByAll(NamedTuple):
    """Whom each rule asks, and everybody whom they may ask now or another day, the preferred first."""

    steps: tuple[Step, ...]
    everybody: tuple[Candidate, ...]


def _is_for(rule: Rule, storage_class: str, province: str) -> bool:
    """Whether the rule is for goods of the class that go to the province."""
    return (not rule.storage_classes or storage_class in rule.storage_classes) and (
        not rule.provinces or province in rule.provinces
    )


def _everybody(steps: Iterable[Step]) -> Iterable[Candidate]:
    found: dict[int, Candidate] = {}
    for _rule, asked in steps:
        for one in asked.candidates:
            found.setdefault(one.warehouse_id, one)
        for one, verdict in asked.out:
            if verdict in PASSING:
                found.setdefault(one.warehouse_id, one)
    return found.values()


_kept: Book | None = None


def current(version: int | None = None) -> Book:
    """The rules as they are now; read anew only where something changed. One statement, or three. Who has just asked
    for the `version` (that of `promising.tables`) saves the one."""
    global _kept
    if version is not None and _kept is not None and _kept.version == version:
        return _kept
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT (SELECT version FROM inventory_promisetables),
                EXISTS (SELECT FROM inventory_sourcingruleset WHERE state = '{SourcingRuleSet.State.ACTIVE}')
            """
        )
        version, has_rules = cursor.fetchone()
    if _kept is None or _kept.version != (version or 0):
        _kept = Book(version or 0, Routes(), active_rules() if has_rules else {})
    return _kept


def active_rules() -> dict[Scope, Active]:
    """The active rules, by scope."""
    active = SourcingRuleSet.objects.filter(state=SourcingRuleSet.State.ACTIVE)
    return {
        (one.merchant_id, one.channel_id): Active(rules_of(one), splits_of(list(one.split_rules.all())))
        for one in active.prefetch_related("rules", "split_rules")
    }


def rules_of(rule_set: SourcingRuleSet) -> Rules:
    """The rule set as the engine takes it, be it a draft."""
    rows = sorted(rule_set.rules.all(), key=lambda row: row.position)
    return Rules(rule_set.pk, tuple(_rule(row) for row in rows), rule_set.moves_after_cutoff)


def _rule(row: SourcingRule) -> Rule:
    return Rule(
        position=row.position,
        storage_classes=frozenset(row.storage_classes),
        provinces=frozenset(row.provinces),
        min_value_fen=None if row.min_value is None else to_fen(row.min_value),
        max_value_fen=None if row.max_value is None else to_fen(row.max_value),
        warehouses=tuple(row.warehouses),
        kinds=frozenset(row.kinds),
        needs=frozenset(row.needs),
        sorts=tuple(row.sorts) or USUAL_SORTS,
        parcel_km=row.parcel_km,
        max_parcels=row.max_parcels,
        splits_lines=row.splits_lines,
        min_part_fen=0 if row.min_part_value is None else to_fen(row.min_part_value),
        on_partial=row.on_partial,
        on_none=row.on_none,
        cancel_after=None if row.cancel_after_hours is None else timedelta(hours=row.cancel_after_hours),
    )
