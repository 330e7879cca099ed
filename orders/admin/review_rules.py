"""The staff's pages of review rules: put together from typed conditions in a draft, tried on orders, rehearsed."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from oms.common.desk.acting import RowActions
from oms.common.desk.lists import KeysetAdmin, RowColumns, staff_actor_name
from oms.common.desk.rule_set_pages import is_open
from oms.common.desk.seen import SeenForm
from oms.common.templatetags.staff import badge, state_badge
from orders.admin import review_rehearsals
from orders.models import Outcome, ReviewDecision, ReviewList, ReviewRule, ReviewRuleSet
from orders.models.review import MOST_LEVEL
from orders.reviewing import params, tree, words
from orders.reviewing.conditions import KINDS
from orders.reviewing.params import Catalogue


class ConditionWidget(forms.Textarea):
    """The tree as JSON, which `oms/review.js` turns into groups and conditions to click together."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """With what the conditions are called and take."""
        context = self.get_context(name, value, attrs)
        context |= {"kinds": _kinds(), "kinds_id": f"{name}-kinds", "said": _said()}
        return mark_safe(render_to_string("admin/orders/reviewrule/condition.html", context))  # noqa: S308 - a template's


def _said() -> dict[str, str]:
    return {
        "all": _("All of these"),
        "any": _("Any of these"),
        "none": _("None of these"),
        "add": _("Add a condition"),
        "group": _("Add a group"),
        "remove": _("Remove"),
        "not": _("not"),
        "none_chosen": _("(none)"),
        "how": _("How many of the conditions hold"),
        "kind": _("Condition"),
    }


def _kinds() -> list[dict[str, Any]]:
    """What a rule can be put together from, for the page."""
    lists: dict[str, list[tuple[str, str]]] = {}
    for one in ReviewList.objects.order_by("code"):
        lists.setdefault(one.kind, []).append((one.code, str(one)))
    return [
        {
            "code": kind.code,
            "title": str(kind.title),
            "params": [
                {
                    "name": param.name,
                    "kind": param.kind,
                    "label": str(param.label),
                    "default": param.default,
                    "optional": param.is_optional,
                    "choices": [[value, str(label)] for value, label in param.choices]
                    or (lists.get(param.of, []) if param.kind == "list" else []),
                }
                for param in kind.params
            ],
        }
        for kind in sorted(KINDS.values(), key=lambda kind: str(kind.title))
    ]


class ConditionField(forms.CharField):
    """A tree of conditions, whole and of things that are there."""

    widget = ConditionWidget

    def prepare_value(self, value: Any) -> Any:
        """As JSON."""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def clean(self, value: Any) -> Any:
        """The tree as it is stored. Raises ValidationError with a sentence for each condition that is wrong."""
        text = super().clean(value)
        try:
            raw = json.loads(text)
            return stored(tree.read(raw, Catalogue()))
        except ValueError:
            raise ValidationError(_("This is no tree of conditions.")) from None
        except tree.Faulty as faulty:
            raise ValidationError([str(problem) for problem in faulty.problems]) from None


def stored(node: tree.Node) -> dict[str, Any]:
    """The tree as a rule keeps it."""
    match node:
        case tree.Leaf(kind, values):
            return {tree.IS: kind, **params.raw(values)}
        case tree.Not(part):
            return {tree.NOT: stored(part)}
        case tree.Group(how, parts):
            return {how: [stored(part) for part in parts]}
    raise AssertionError(node)


class RuleForm(SeenForm):
    """One rule of a draft; a code that nobody has is refused at its field."""

    rule_set = forms.ModelChoiceField(
        label=gettext_lazy("version"),
        queryset=ReviewRuleSet.objects.filter(state=ReviewRuleSet.State.DRAFT),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("A draft: a version that was switched on is never changed."),
    )
    condition = ConditionField(label=gettext_lazy("condition"))
    level = forms.TypedChoiceField(
        label=gettext_lazy("approval level"),
        choices=[(0, "–"), *((level, str(level)) for level in range(1, MOST_LEVEL + 1))],
        coerce=int,
        required=False,
        empty_value=0,  # type: ignore[arg-type] # the stubs know text alone
        help_text=gettext_lazy("For: an approval. 1 to 3; who may approve a level, a right says."),
    )

    class Meta:
        model = ReviewRule
        fields = (
            *("rule_set", "name", "priority", "is_active", "outcome", "level", "valid_from", "valid_until"),
            *("merchants", "channels", "condition"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            # A rule stays in its version: its page only shows which one that is, and sends none.
            del self.fields["rule_set"]

    def words_of(self, row: Any, name: str) -> str:
        """What the rule has in the field, in words."""
        return condition_words(row) if name == "condition" else super().words_of(row, name)

    def clean(self) -> dict[str, Any]:
        """What the outcome needs, and codes that are there."""
        data = super().clean()
        if data.get("outcome") == Outcome.APPROVAL and not data.get("level"):
            self.add_error("level", _("Say which level the approval needs."))
        elif data.get("outcome") != Outcome.APPROVAL:
            data["level"] = 0
        if "name" in data and not data["name"] and not self.instance.code:
            self.add_error("name", _("Give the rule a name."))
        known = Catalogue()
        for field, of in (("merchants", "merchant"), ("channels", "channel")):
            gone = known.missing(of, data.get(field) or [])
            if gone:
                self.add_error(field, _("There is no %(codes)s.") % {"codes": ", ".join(gone)})
        return data


@admin.register(ReviewRule)
class ReviewRuleAdmin(review_rehearsals.RehearsalPages, RowActions):
    """The rules of all versions; only those of drafts are changed."""

    may_add = may_change = may_delete = True
    form = RuleForm
    keyset = ("-rule_set_id", "priority", "id")
    row_actions = review_rehearsals.ACTIONS
    list_display = (
        *("title", "version_link", "priority", "active_label", "outcome_label", "in_words", "valid_from"),
        "valid_until",
    )
    shown_by = {"is_active": "active_label"}
    list_select_related = ("rule_set",)
    list_filter = (
        ("rule_set__state", ChoicesDropdownFilter),
        ("outcome", ChoicesDropdownFilter),
        "is_active",
    )
    readonly_fields = ("version_link", "outcome_label", "in_words", "changed_at", "changed_by")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is only read is in words."""
        is_form = obj is None or self.has_change_permission(request, obj)
        outcome = (("outcome", "level"), "condition") if is_form else ("outcome_label", "in_words")
        version = "rule_set" if obj is None else "version_link"
        seen = ("seen_version",) if is_form and obj is not None else ()
        return (
            (None, {"fields": (version, ("name", "priority", "is_active"), *outcome, *seen)}),
            (gettext_lazy("Where and when"), {"fields": (("merchants", "channels"), "valid_from", "valid_until")}),
            (gettext_lazy("Last change"), {"fields": (("changed_at", "changed_by"),)}),
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The newest draft, unless the address names one."""
        drafts = ReviewRuleSet.objects.filter(state=ReviewRuleSet.State.DRAFT)
        return {"rule_set": drafts.order_by("-pk").values_list("pk", flat=True).first()} | {
            **super().get_changeform_initial_data(request)
        }

    @display(description=gettext_lazy("version"))
    def version_link(self, rule: ReviewRule) -> SafeString:
        """The version that it is part of, with its state."""
        address = reverse("admin:orders_reviewruleset_change", args=[rule.rule_set_id])
        return format_html('<a href="{}">{}</a> {}', address, rule.rule_set, state_badge(rule.rule_set))

    @display(description=gettext_lazy("rule"))
    def title(self, rule: ReviewRule) -> str:
        """What it is called."""
        return str(rule)

    @display(description=gettext_lazy("active"), boolean=True)
    def active_label(self, rule: ReviewRule) -> bool:
        """Whether it is switched on."""
        return rule.is_active

    @display(description=gettext_lazy("outcome"))
    def outcome_label(self, rule: ReviewRule) -> str:
        """What it does."""
        return outcome_words(rule)

    @display(description=gettext_lazy("condition"))
    def in_words(self, rule: ReviewRule) -> str:
        """Which orders it fits."""
        return condition_words(rule)

    def save_model(self, request: HttpRequest, obj: ReviewRule, form: Any, change: bool) -> None:
        """Who changed it is kept. Raises PermissionDenied where its draft was switched on meanwhile."""
        drafts = ReviewRuleSet.objects.filter(pk=obj.rule_set_id, state=ReviewRuleSet.State.DRAFT)
        if not drafts.select_for_update(of=("self",), no_key=True).exists():
            raise PermissionDenied
        obj.changed_by = staff_actor_name(request)
        super().save_model(request, obj, form, change)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Of drafts only."""
        return super().has_change_permission(request, obj) and (
            obj is None or is_open(request, obj.rule_set, ReviewRule)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Of drafts only."""
        return (
            super().has_delete_permission(request, obj)
            and obj is not None
            and is_open(request, obj.rule_set, ReviewRule)
        )

    def response_post_save_add(self, request: HttpRequest, obj: ReviewRule) -> HttpResponse:
        """Back to the version."""
        return redirect("admin:orders_reviewruleset_change", obj.rule_set_id)

    def response_post_save_change(self, request: HttpRequest, obj: ReviewRule) -> HttpResponse:
        """Back to the version."""
        return redirect("admin:orders_reviewruleset_change", obj.rule_set_id)


def outcome_words(rule: ReviewRule) -> str:
    """What the rule does to what it fits, in the active language."""
    if rule.outcome == Outcome.APPROVAL:
        return _("Hold it for an approval of level %(level)d") % {"level": rule.level}
    return str(rule.get_outcome_display())


def condition_words(rule: ReviewRule) -> str:
    """Which orders the rule fits, in the active language."""
    try:
        return tree.in_words(tree.read(rule.condition))
    except tree.Faulty as faulty:
        return str(faulty)


@admin.register(ReviewDecision)
class ReviewDecisionAdmin(RowColumns, KeysetAdmin):
    """What the rules found of orders, and by which figures."""

    search_fields = ("order__number",)
    search_help_text = gettext_lazy("Order number")
    list_display = ("order_link", "decided_at", "outcome_label", "found")
    list_select_related = ("order",)
    list_filter = (("outcome", ChoicesDropdownFilter),)
    fields = readonly_fields = ("order_link", "decided_at", "outcome_label", "found")

    @display(description=gettext_lazy("outcome"))
    def outcome_label(self, decision: ReviewDecision) -> Any:
        """What came of it."""
        return badge(decision.get_outcome_display(), "warning" if decision.outcome != Outcome.PASS else "success")

    @display(description=gettext_lazy("figures"))
    def found(self, decision: ReviewDecision) -> str:
        """Each rule that fitted, with its figures."""
        return _("; ").join(words.of_hit(called, facts) for _id, called, _outcome, facts in decision.hits)


__all__ = ["ReviewDecisionAdmin", "ReviewRuleAdmin", "condition_words", "outcome_words"]
