"""Versions of sourcing rules, of a merchant and a channel each; without one that is on, the next wider scope decides,
or the built-in rules."""

from inventory.models import SourcingRule, SourcingRuleSet, SplitRule
from inventory.sourcing import checking
from oms.common.rule_sets import RuleSets

VERSIONS = RuleSets(
    SourcingRuleSet,
    rules=(SourcingRule, SplitRule),
    scope=("merchant", "channel"),
    kept=("name", "moves_after_cutoff"),
    problems=checking.problems,
)
