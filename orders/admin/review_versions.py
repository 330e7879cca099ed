"""The staff's pages of the versions of review rules: their rules, what a draft changes, and when which one was on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from oms.common.desk.rule_set_pages import RuleSetPages, actions, is_open
from orders.admin import review_rehearsals
from orders.admin.review_rules import condition_words, outcome_words
from orders.models import ReviewRule, ReviewRuleSet
from orders.reviewing.versions import VERSIONS

# What makes a rule another one.
_SAID = ("name", "priority", "is_active", "outcome", "level", "valid_from", "valid_until", "merchants", "channels")


@dataclass(frozen=True, slots=True)
class _Row:
    """A rule as the page of a version shows it; `change` says how it differs from the rules in force."""

    rule: ReviewRule
    condition: str
    outcome: str
    change: str
    tone: str


@admin.register(ReviewRuleSet)
class ReviewRuleSetAdmin(RuleSetPages):
    """Versions of the review rules; only drafts are changed."""

    sets = VERSIONS
    row_actions = actions(VERSIONS, review_rehearsals.OF_VERSION)
    change_form_outer_before_template = "admin/orders/reviewruleset/rules.html"
    fields = (("name", "state"), *RuleSetPages.history_fields)
    list_display = ("title", "state_label", "activated_at", "activated_by", "replaced_at", "created_at", "created_by")
    list_filter = (("state", ChoicesDropdownFilter),)

    @display(description=gettext_lazy("version"))
    def title(self, version: ReviewRuleSet) -> str:
        """What it is called."""
        return str(version)

    @display(description=gettext_lazy("state"))
    def state_label(self, version: ReviewRuleSet) -> str:
        """Whether it is on."""
        return version.get_state_display()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new draft has no history yet."""
        return self.fields if obj is not None else ("name",)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With its rules."""
        version = self.get_object(request, object_id)
        more: dict[str, Any] = {}
        if version is not None:
            rows = list(_rows(version))
            more = {"version": version, "rules": rows, "may_add": is_open(request, version, ReviewRule)}
        return super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})


def _rows(version: ReviewRuleSet) -> Iterator[_Row]:
    """The rules of the version, the strongest first; at the end those in force that it has no more. Two statements."""
    rules = list(version.rules.order_by("priority", "id"))
    if version.state == ReviewRuleSet.State.ACTIVE:
        for rule in rules:
            yield _row(rule)
        return
    in_force = {
        one.key: one
        for one in ReviewRule.objects.filter(rule_set__state=ReviewRuleSet.State.ACTIVE).order_by("priority", "id")
    }
    for rule in rules:
        former = in_force.pop(rule.key, None)
        if former is None:
            yield _row(rule, _("new"), "info")
        elif rule.condition != former.condition or any(getattr(rule, name) != getattr(former, name) for name in _SAID):
            yield _row(rule, _("changed"), "warning")
        else:
            yield _row(rule)
    for rule in in_force.values():
        yield _row(rule, _("not in this version"), "danger")


def _row(rule: ReviewRule, change: str = "", tone: str = "") -> _Row:
    return _Row(rule, condition_words(rule), outcome_words(rule), change, tone)
