"""Versions of the review rules, all rules together; without one that is on, the review lets everything pass."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from oms.common.rule_sets import RuleSets
from orders.models import ReviewRule, ReviewRuleSet
from orders.reviewing import tree
from orders.reviewing.params import Catalogue


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a rule of a version."""

    rule: ReviewRule
    said: str

    @property
    def text(self) -> str:
        """In words, with the rule named."""
        return f"{self.rule}: {self.said}"


def problems(rule_set: ReviewRuleSet) -> list[Problem]:
    """Which rules of the version are no condition, or name what is gone. A few statements for each thing named."""
    known = Catalogue()
    return [Problem(rule, said) for rule in rule_set.rules.order_by("priority", "id") for said in of_rule(rule, known)]


def of_rule(rule: ReviewRule, known: Catalogue) -> Iterator[str]:
    """What is wrong with the rule as it is stored, in words."""
    try:
        tree.read(rule.condition, known)
    except tree.Faulty as faulty:
        yield from map(str, faulty.problems)
    for label, of, codes in ((_("Merchants"), "merchant", rule.merchants), (_("Channels"), "channel", rule.channels)):
        gone = known.missing(of, codes) if codes else []
        if gone:
            said = _("there is no %(codes)s (any more): correct it or take it out.") % {"codes": ", ".join(gone)}
            yield f"{label}: {said}"


def switch_off() -> None:
    """Let the review pass everything, whichever version is on; for installations on which nobody reviews."""
    for version in ReviewRuleSet.objects.filter(state=ReviewRuleSet.State.ACTIVE):
        VERSIONS.switch_off(version.pk, by="")


VERSIONS = RuleSets(ReviewRuleSet, rules=(ReviewRule,), scope=(), kept=("name",), problems=problems)
