"""The staff's pages of sourcing and split rules: drafts are edited and rehearsed, then switched on as a version."""

from collections.abc import Collection, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import StackedInline, TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from inventory.models import Need, Sort, SourcingRule, SourcingRuleSet, SplitRule, StorageClass, Warehouse
from inventory.sourcing import checking, versions
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import staff_actor_name
from orders.admin import rehearsals
from orders.admin.rehearsals import RehearsalPages

_State = SourcingRuleSet.State
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
    ("warehouses", "kinds"),
    "needs",
    ("sort_0", "sort_1", "sort_2"),
    ("parcel_km", "max_parcels"),
    ("splits_lines", "min_part_value"),
    ("on_partial", "on_none", "cancel_after_hours"),
)


class _Fixed:
    """Rows of a set that was switched on are only read."""

    def _is_open(self, request: HttpRequest, rule_set: SourcingRuleSet | None) -> bool:
        return (rule_set is None or rule_set.state == _State.DRAFT) and request.user.has_perm(
            "inventory.change_sourcingruleset"
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """While the set is a draft."""
        return self._is_open(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """While the set is a draft."""
        return self._is_open(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """While the set is a draft."""
        return self._is_open(request, obj)

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
        if self._is_open(request, obj):
            return [(None, {"fields": _RULE_FIELDS})]
        names = [name for row in _RULE_FIELDS for name in ((row,) if isinstance(row, str) else row)]
        shown = ["sorts" if name == "sort_0" else name for name in names if name not in ("sort_1", "sort_2")]
        return [(None, {"fields": [_IN_WORDS.get(name, name) for name in shown]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """Codes in words, where they are only read."""
        return () if self._is_open(request, obj) else tuple(_IN_WORDS.values())

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


def _copy(request: HttpRequest, set_id: int, _data: dict[str, Any]) -> HttpResponse:
    draft = versions.draft_from(set_id, by=staff_actor_name(request))
    messages.success(request, _("A draft with the same rules was made."))
    return redirect("admin:inventory_sourcingruleset_change", draft.pk)


def _activate(request: HttpRequest, set_id: int, _data: dict[str, Any]) -> str:
    versions.activate(set_id, by=staff_actor_name(request))
    return _("The rules are switched on. What is allocated from now on follows them.")


def _go_back(request: HttpRequest, set_id: int, _data: dict[str, Any]) -> HttpResponse:
    active = versions.go_back_to(set_id, by=staff_actor_name(request))
    messages.success(request, _("These rules are switched on again, as a new version."))
    return redirect("admin:inventory_sourcingruleset_change", active.pk)


def _switch_off(request: HttpRequest, set_id: int, _data: dict[str, Any]) -> str:
    versions.switch_off(set_id, by=staff_actor_name(request))
    return _("The rules are switched off.")


_RIGHT = "inventory.activate_sourcingruleset"
ACTIONS = (
    rehearsals.ACTION,
    RowAction("activate", _RIGHT, gettext_lazy("Switch on"), _activate, tone="primary", icon="toggle_on"),
    RowAction("copy", "inventory.add_sourcingruleset", gettext_lazy("Make a draft of it"), _copy, icon="content_copy"),
    RowAction("go_back", _RIGHT, gettext_lazy("Go back to it"), _go_back, icon="undo"),
    RowAction("switch_off", _RIGHT, gettext_lazy("Switch off"), _switch_off, tone="danger-line", icon="toggle_off"),
)
_FITTING = {
    _State.DRAFT: ("activate", "copy", "rehearse"),
    _State.ACTIVE: ("copy", "switch_off", "rehearse"),
    _State.REPLACED: ("copy", "go_back", "rehearse"),
}


@admin.register(SourcingRuleSet)
class SourcingRuleSetAdmin(RehearsalPages, RowActions):
    """Versions of rules; only drafts are changed."""

    may_add = may_change = may_delete = True
    row_actions = ACTIONS
    inlines = (RuleInline, SplitInline)
    fields = (
        ("name", "state"),
        ("merchant", "channel"),
        "moves_after_cutoff",
        ("created_at", "created_by"),
        ("activated_at", "activated_by", "replaced_at"),
        "former",
    )
    readonly_fields = ("state", "created_at", "created_by", "activated_at", "activated_by", "replaced_at", "former")
    list_display = ("name", "state", "merchant", "channel", "activated_at", "activated_by", "created_at", "created_by")
    list_select_related = ("merchant", "channel")
    list_filter = (("state", ChoicesDropdownFilter), ("merchant", RelatedDropdownFilter))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new draft has no history yet."""
        return self.fields if obj is not None else ("name", ("merchant", "channel"), "moves_after_cutoff")

    def fitting_actions(self, row: SourcingRuleSet) -> Collection[str]:
        """What may be done in its state."""
        return _FITTING[_State(row.state)]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return super().has_change_permission(request, obj) and (obj is None or obj.state == _State.DRAFT)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return super().has_delete_permission(request, obj) and obj is not None and obj.state == _State.DRAFT

    def save_model(self, request: HttpRequest, obj: SourcingRuleSet, form: Any, change: bool) -> None:
        """Who drafted it is kept. Raises PermissionDenied where somebody switched it on meanwhile."""
        if not change:
            obj.created_by = staff_actor_name(request)
        elif not SourcingRuleSet.objects.select_for_update().filter(pk=obj.pk, state=_State.DRAFT).exists():
            raise PermissionDenied
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The draft is kept whatever is wrong with it; what is, is said row by row."""
        super().save_related(request, form, formsets, change)
        for problem in checking.problems(form.instance):
            messages.warning(request, problem.text)
