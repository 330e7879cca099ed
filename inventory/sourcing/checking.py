"""What is wrong with a rule set: rules that match nothing, name what is gone, or are never reached; by row."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from inventory import hosting
from inventory.hosting import Host
from inventory.models import OnNone, OnPartial, Region, Sku, Sort, SourcingRule, SourcingRuleSet, SplitRule, Warehouse

_GOES_ON = (OnPartial.GO_ON, OnPartial.NEXT, OnNone.NEXT)
_WORDS = {
    "no_rules": _("The rule set has no rules."),
    "unknown_warehouse": _("There is no warehouse %(code)s."),
    "inactive_warehouse": _("Warehouse %(code)s is switched off."),
    "others_warehouse": _("Warehouse %(code)s is not the merchant's."),
    "unknown_province": _("No region lies in a province %(name)s."),
    "matches_nothing": _("No warehouse is what the rule asks for: it never matches anything."),
    "never_reached": _("It is never reached: rule %(number)d is for every order and passes nothing on."),
    "priority_of_nobody": _("It prefers the order in which it names warehouses, but names none."),
    "unknown_category": _("No SKU has a category that begins with %(name)s."),
    "overlapping": _("Goods of %(name)s would have to travel apart from themselves."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row (its name; empty: with the set), as a code with values."""

    row: str
    code: str
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """In words, with the row named."""
        said = str(_WORDS[self.code]) % self.values
        return f"{self.row}: {said}" if self.row else said


def problems(rule_set: SourcingRuleSet) -> list[Problem]:
    """Everything that is wrong with the set as it is stored, row by row. A few statements, whatever its size."""
    rules = list(rule_set.rules.order_by("position"))
    found = [Problem("", "no_rules")] if not rules else []
    warehouses = {one.warehouse.code: one for one in hosting.read(Warehouse.objects.all())}
    provinces = set(Region.objects.order_by().values_list("province", flat=True).distinct())
    for rule in rules:
        found += _of_rule(rule, rule_set, warehouses, provinces)
    found += _unreached(rules)
    splits = list(rule_set.split_rules.order_by("id"))
    categories = set(Sku.objects.order_by().values_list("category", flat=True).distinct()) if splits else set()
    for split in splits:
        found += _of_split(split, categories)
    return found


def _of_rule(
    rule: SourcingRule, rule_set: SourcingRuleSet, warehouses: dict[str, Host], provinces: set[str]
) -> Iterator[Problem]:
    row = str(rule)
    for code in rule.warehouses:
        if code not in warehouses:
            yield Problem(row, "unknown_warehouse", {"code": code})
        elif not warehouses[code].warehouse.is_active:
            yield Problem(row, "inactive_warehouse", {"code": code})
        elif not _may_keep(warehouses[code], rule_set):
            yield Problem(row, "others_warehouse", {"code": code})
    for name in rule.provinces:
        if name not in provinces:
            yield Problem(row, "unknown_province", {"name": name})
    if not any(_may_send(one, rule, rule_set) for one in warehouses.values()):
        yield Problem(row, "matches_nothing")
    if Sort.PRIORITY in rule.sorts and not rule.warehouses:
        yield Problem(row, "priority_of_nobody")


def _may_keep(one: Host, rule_set: SourcingRuleSet) -> bool:
    return rule_set.merchant_id is None or one.takes(rule_set.merchant_id)


def _may_send(host: Host, rule: SourcingRule, rule_set: SourcingRuleSet) -> bool:
    one = host.warehouse
    return (
        one.is_active
        and one.kind != Warehouse.Kind.VIRTUAL
        and _may_keep(host, rule_set)
        and (not rule.warehouses or one.code in rule.warehouses)
        and (not rule.kinds or one.kind in rule.kinds)
        and (not rule.storage_classes or bool(set(rule.storage_classes) & set(one.storage_classes)))
    )


def _unreached(rules: Sequence[SourcingRule]) -> Iterator[Problem]:
    last: SourcingRule | None = None
    for rule in rules:
        if last is not None:
            yield Problem(str(rule), "never_reached", {"number": last.position})
        is_for_all = not (rule.storage_classes or rule.provinces or rule.min_value or rule.max_value)
        if last is None and is_for_all and rule.on_partial not in _GOES_ON and rule.on_none not in _GOES_ON:
            last = rule


def _of_split(split: SplitRule, categories: Collection[str]) -> Iterator[Problem]:
    row = str(split)
    for name in filter(None, (split.category, split.other_category)):
        if not any(category.startswith(name) for category in categories):
            yield Problem(row, "unknown_category", {"name": name})
    if split.kind == SplitRule.Kind.APART and (
        split.category.startswith(split.other_category) or split.other_category.startswith(split.category)
    ):
        yield Problem(row, "overlapping", {"name": max(split.category, split.other_category, key=len)})
