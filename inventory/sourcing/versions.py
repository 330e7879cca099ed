"""Versions of rule sets: drafting from a former one, switching on, going back. What was on once is never changed."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from inventory.models import SourcingRule, SourcingRuleSet, SplitRule
from inventory.sourcing import checking
from oms.common.errors import OmsError

_State = SourcingRuleSet.State


class RulesAreWrong(OmsError):
    """The rule set cannot be switched on as it is; `problems` says what is wrong with which row."""

    code = "rules_are_wrong"

    def __init__(self, problems: Iterable[checking.Problem]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(problem.text for problem in self.problems))


@transaction.atomic
def draft_from(set_id: int, *, by: str) -> SourcingRuleSet:
    """A draft with the same rules, to be changed and switched on. Raises DoesNotExist."""
    former = SourcingRuleSet.objects.get(pk=set_id)
    draft = SourcingRuleSet.objects.create(
        merchant=former.merchant, channel=former.channel, name=former.name, former=former, created_by=by
    )
    _copy(SourcingRule, former, draft)
    _copy(SplitRule, former, draft)
    return draft


def _copy(model: type[SourcingRule] | type[SplitRule], former: SourcingRuleSet, draft: SourcingRuleSet) -> None:
    for row in model.objects.filter(rule_set=former).order_by("id"):
        row.pk, row.rule_set = None, draft
        row.save(force_insert=True)


@transaction.atomic
def activate(set_id: int, *, by: str) -> SourcingRuleSet:
    """Switch a draft on, in place of the one of its scope that is on. Raises RulesAreWrong; OmsError where it is no
    draft any more; DoesNotExist."""
    # All sets of the scope are locked, so that two at once replace one after the other.
    row = SourcingRuleSet.objects.get(pk=set_id)
    scope = SourcingRuleSet.objects.filter(merchant=row.merchant_id, channel=row.channel_id)
    locked = {one.pk: one for one in scope.select_for_update().order_by("pk")}
    row = locked[set_id]
    if row.state != _State.DRAFT:
        raise OmsError(_("It was switched on already."))
    problems = checking.problems(row)
    if problems:
        raise RulesAreWrong(problems)
    scope.filter(state=_State.ACTIVE).update(state=_State.REPLACED, replaced_at=Now())
    SourcingRuleSet.objects.filter(pk=set_id).update(state=_State.ACTIVE, activated_at=Now(), activated_by=by)
    return SourcingRuleSet.objects.get(pk=set_id)


@transaction.atomic
def go_back_to(set_id: int, *, by: str) -> SourcingRuleSet:
    """Switch on a new version with the rules of one that was replaced. Raises as `activate`; OmsError where it was
    never on."""
    if SourcingRuleSet.objects.get(pk=set_id).state != _State.REPLACED:
        raise OmsError(_("Only a version that was replaced can be gone back to."))
    return activate(draft_from(set_id, by=by).pk, by=by)


@transaction.atomic
def switch_off(set_id: int, *, by: str) -> None:
    """Let the rules of the next wider scope decide, or the built-in ones. Raises OmsError where it is not on."""
    row = SourcingRuleSet.objects.select_for_update().get(pk=set_id)
    if row.state != _State.ACTIVE:
        raise OmsError(_("It is not switched on."))
    SourcingRuleSet.objects.filter(pk=set_id).update(state=_State.REPLACED, replaced_at=Now())
