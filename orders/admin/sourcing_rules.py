"""The staff's pages of sourcing and split rules: drafts are edited and rehearsed, then switched on as a version."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from unfold.admin import StackedInline, TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from inventory.models import Need, Sort, SourcingRule, SourcingRuleSet, SplitRule, StorageClass, Warehouse
from inventory.sourcing.versions import VERSIONS
from oms.common.desk.rule_set_pages import DraftForm, RuleSetPages, actions, is_open
from orders.admin import rehearsals
from orders.admin.rehearsals import RehearsalPages

# So many sorts can be named.
_PLACES = 3


def _many(label: Any, choices: Sequence[tuple[str, Any]], help_text: Any = "") -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        choices=choices,
        required=False,
        help_text=help_text,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


def _sort(label: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=[("", "–"), *Sort.choices], required=False, widget=UnfoldAdminSelectWidget
    )


class RuleForm(forms.ModelForm):
    """One rule: lists of codes as boxes to tick, what is preferred as first, second and third."""

    storage_classes = _many(
        gettext_lazy("storage classes"),
        [pair for pair in StorageClass.choices if pair[0] != StorageClass.VIRTUAL],
        gettext_lazy("None ticked: any."),
    )
    kinds = _many(
        gettext_lazy("kinds of warehouses"),
        [pair for pair in Warehouse.Kind.choices if pair[0] != Warehouse.Kind.VIRTUAL],
        gettext_lazy("None ticked: any."),
    )
    needs = _many(gettext_lazy("warehouse must"), Need.choices)

    sort_0 = _sort(gettext_lazy("preferred first"))
    sort_1 = _sort(gettext_lazy("then"))
    sort_2 = _sort(gettext_lazy("then at last"))

    class Meta:
        model = SourcingRule
        fields = (
            *("position", "name", "storage_classes", "provinces", "min_value", "max_value", "warehouses", "kinds"),
            *("needs", "parcel_km", "max_parcels", "splits_lines", "min_part_value", "on_partial", "on_none"),
            "cancel_after_hours",
        )
        widgets = {"provinces": UnfoldAdminTextInputWidget, "warehouses": UnfoldAdminTextInputWidget}

    def _post_clean(self) -> None:
        """What is wrong with the rule as a whole stands at its name: rows of a stacked inline show no place for it."""
        super()._post_clean()  # type: ignore[misc]
        whole = self.errors.pop(NON_FIELD_ERRORS, None)
        if whole is not None:
            self.add_error("name", whole.as_data())

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for place, sort in enumerate(self.instance.sorts[:_PLACES]):
            self.initial[f"sort_{place}"] = sort

    def clean(self) -> dict[str, Any]:
        """What is preferred, in its order; what is named twice counts once."""
        data = super().clean() or self.cleaned_data
        named = [data.get(f"sort_{place}") for place in range(_PLACES)]
        self.instance.sorts = list(dict.fromkeys(sort for sort in named if sort))
        return data


_RULE_FIELDS = (
    ("position", "name"),
    "storage_classes",
    ("provinces", "min_value", "max_value"),
    "warehouses",
    "kinds",
    "needs",
    ("sort_0", "sort_1", "sort_2"),
    ("parcel_km", "max_parcels"),
    ("splits_lines", "min_part_value"),
    ("on_partial", "on_none", "cancel_after_hours"),
)


class _Fixed:
    """Rows of a set that was switched on are only read."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """While the set is a draft."""
        return is_open(request, obj, SourcingRuleSet)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """While the set is a draft."""
        return is_open(request, obj, SourcingRuleSet)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """While the set is a draft."""
        return is_open(request, obj, SourcingRuleSet)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Of who may see the set."""
        return request.user.has_perm("inventory.view_sourcingruleset")


class RuleInline(_Fixed, StackedInline):
    """The rules, in their order."""

    model = SourcingRule
    form = RuleForm
    extra = 0
    ordering = ("position",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who, which warehouses, what is preferred, what follows; plain columns where they are only read."""
        if is_open(request, obj, SourcingRuleSet):
            return [(None, {"fields": _RULE_FIELDS})]
        names = [name for row in _RULE_FIELDS for name in ((row,) if isinstance(row, str) else row)]
        shown = ["sorts" if name == "sort_0" else name for name in names if name not in ("sort_1", "sort_2")]
        return [(None, {"fields": [_IN_WORDS.get(name, name) for name in shown]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """Codes in words, where they are only read."""
        return () if is_open(request, obj, SourcingRuleSet) else tuple(_IN_WORDS.values())

    @display(description=gettext_lazy("storage classes"))
    def classes_in_words(self, rule: SourcingRule) -> str:
        """The classes that it is for."""
        return ", ".join(str(StorageClass(code).label) for code in rule.storage_classes) or "–"

    @display(description=gettext_lazy("kinds of warehouses"))
    def kinds_in_words(self, rule: SourcingRule) -> str:
        """The kinds that it asks."""
        return ", ".join(str(Warehouse.Kind(code).label) for code in rule.kinds) or "–"

    @display(description=gettext_lazy("warehouse must"))
    def needs_in_words(self, rule: SourcingRule) -> str:
        """What it needs."""
        return ", ".join(str(Need(code).label) for code in rule.needs) or "–"

    @display(description=gettext_lazy("preferred"))
    def sorts_in_words(self, rule: SourcingRule) -> str:
        """What it prefers."""
        return " → ".join(str(Sort(code).label) for code in rule.sorts or (Sort.PARCELS, Sort.DISTANCE))


_IN_WORDS = {
    "storage_classes": "classes_in_words",
    "kinds": "kinds_in_words",
    "needs": "needs_in_words",
    "sorts": "sorts_in_words",
}


class SplitInline(_Fixed, TabularInline):
    """What parts orders before warehouses are chosen."""

    model = SplitRule
    extra = 0


class _SetForm(DraftForm):
    sets = VERSIONS


@admin.register(SourcingRuleSet)
class SourcingRuleSetAdmin(RehearsalPages, RuleSetPages):
    """Versions of rules; only drafts are changed."""

    sets = VERSIONS
    form = _SetForm
    row_actions = actions(VERSIONS, rehearsals.ACTION)
    inlines = (RuleInline, SplitInline)
    fields = (("name", "state"), ("merchant", "channel"), "moves_after_cutoff", *RuleSetPages.history_fields)
    list_display = ("name", "state", "merchant", "channel", "activated_at", "activated_by", "created_at", "created_by")
    list_select_related = ("merchant", "channel")
    list_filter = (("state", ChoicesDropdownFilter), ("merchant", RelatedDropdownFilter))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new draft has no history yet."""
        if obj is None:
            return ("name", ("merchant", "channel"), "moves_after_cutoff")
        return (*self.fields, *(("seen_version",) if self.has_change_permission(request, obj) else ()))
