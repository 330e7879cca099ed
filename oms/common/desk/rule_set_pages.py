"""The staff's pages of rules in versions: drafts are edited and rehearsed, then switched on; others are only read."""

from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import staff_actor_name
from oms.common.models import RuleSetVersion
from oms.common.rule_sets import RuleSets

_State = RuleSetVersion.State
_FITTING = {
    _State.DRAFT: ("activate", "copy", "rehearse"),
    _State.ACTIVE: ("copy", "switch_off", "rehearse"),
    _State.REPLACED: ("copy", "go_back", "rehearse"),
}


class _SeenRulesForm(forms.Form):
    """Carries the contents of the draft that the person looked at."""

    seen_version = forms.CharField(widget=forms.HiddenInput, required=False)


class DraftForm(forms.ModelForm):
    """A draft with its rules, which several people may have open: who would save over what somebody else changed
    meanwhile is refused once, told which rows that are, and finds all that they typed still there. Saving again is
    their decision. Carries the contents that the person looked at as the hidden field `seen_version`, which the pages
    name.
    """

    sets: ClassVar[RuleSets[Any]]

    seen_version = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.fields.pop("seen_version", None)
        elif "seen_version" in self.fields:
            self.initial["seen_version"] = self.sets.written(self.instance.pk)

    def clean(self) -> dict[str, Any]:
        """Refuses what was typed over changes that nobody looked at."""
        data = super().clean() or self.cleaned_data
        if "seen_version" not in self.fields:
            return data
        seen, key = data.pop("seen_version", ""), self.instance.pk
        # Whoever else saves this draft waits here until this one is saved.
        self.sets.versions._default_manager.select_for_update(no_key=True, of=("self",)).filter(pk=key).first()
        if changed := self.sets.changed_since(key, seen):
            sent: Any = self.data
            sent = sent.copy()
            sent[self.add_prefix("seen_version")] = self.sets.written(key)
            self.data = sent
            text = _(
                "Somebody else changed this draft meanwhile: %(rows)s. What you typed is kept: save again to put it in"
                " place, or open the draft anew to see what it says now."
            )
            self.add_error("name", text % {"rows": _(", ").join(changed)})
        return data


@dataclass(frozen=True, slots=True)
class _Doing:
    """What the buttons do to versions of these rules."""

    sets: RuleSets[Any]
    page: str

    def copy(self, request: HttpRequest, set_id: int, _data: dict[str, Any]) -> HttpResponse:
        draft = self.sets.draft_from(set_id, by=staff_actor_name(request))
        messages.success(request, _("A draft with the same rules was made."))
        return redirect(self.page, draft.pk)

    def activate(self, request: HttpRequest, set_id: int, data: dict[str, Any]) -> str:
        self.sets.activate(set_id, by=staff_actor_name(request), seen=data["seen_version"] or None)
        return _("The rules are switched on. What is decided from now on follows them.")

    def go_back(self, request: HttpRequest, set_id: int, _data: dict[str, Any]) -> HttpResponse:
        active = self.sets.go_back_to(set_id, by=staff_actor_name(request))
        messages.success(request, _("These rules are switched on again, as a new version."))
        return redirect(self.page, active.pk)

    def switch_off(self, request: HttpRequest, set_id: int, _data: dict[str, Any]) -> str:
        self.sets.switch_off(set_id, by=staff_actor_name(request))
        return _("The rules are switched off.")


def actions(sets: RuleSets[Any], rehearse: RowAction) -> tuple[RowAction, ...]:
    """The actions of versions of these rules; `rehearse` is their own."""
    meta = sets.versions._meta
    do = _Doing(sets, f"admin:{meta.app_label}_{meta.model_name}_change")
    right = f"{meta.app_label}.activate_{meta.model_name}"
    add = f"{meta.app_label}.add_{meta.model_name}"
    return (
        rehearse,
        RowAction(
            "activate",
            right,
            gettext_lazy("Switch on"),
            do.activate,
            form=_SeenRulesForm,
            tone="primary",
            icon="toggle_on",
            initial=lambda row: {"seen_version": sets.written(row.pk)},
        ),
        RowAction("copy", add, gettext_lazy("Make a draft of it"), do.copy, icon="content_copy"),
        RowAction("go_back", right, gettext_lazy("Go back to it"), do.go_back, icon="undo"),
        RowAction(
            "switch_off", right, gettext_lazy("Switch off"), do.switch_off, tone="danger-line", icon="toggle_off"
        ),
    )


def is_open(request: HttpRequest, version: RuleSetVersion | None, model: type[Model]) -> bool:
    """Whether the person may change rules of the version: while it is a draft."""
    return (version is None or version.state == _State.DRAFT) and request.user.has_perm(
        f"{model._meta.app_label}.change_{model._meta.model_name}"
    )


class RuleSetPages(RowActions):
    """Versions of rules; only drafts are changed."""

    may_add = may_change = may_delete = True
    sets: RuleSets[Any]
    readonly_fields = (
        *("state", "created_at", "created_by", "activated_at", "activated_by", "replaced_at", "replaced_by"),
        "former",
    )
    history_fields = (
        ("created_at", "created_by"),
        ("activated_at", "activated_by"),
        ("replaced_at", "replaced_by"),
        "former",
    )

    def fitting_actions(self, row: RuleSetVersion) -> Collection[str]:
        """What may be done in its state."""
        return _FITTING[_State(row.state)]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return super().has_change_permission(request, obj) and (obj is None or obj.state == _State.DRAFT)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts only."""
        return super().has_delete_permission(request, obj) and obj is not None and obj.state == _State.DRAFT

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """What is typed into a draft that somebody switches on meanwhile is kept, as a draft of its own."""
        if object_id is not None and request.method == "POST":
            try:
                if not self._was_switched_on(request, object_id):
                    return super().changeform_view(request, object_id, form_url, extra_context)
            except PermissionDenied:
                if not self._was_switched_on(request, object_id):
                    raise
            return self._save_apart(request, object_id, form_url, extra_context)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _was_switched_on(self, request: HttpRequest, object_id: str) -> bool:
        """Whether the version is no draft any more, and the person may make one and change it."""
        row = self.get_object(request, object_id)
        may = self.has_change_permission(request) and self.has_add_permission(request)
        return row is not None and row.state != _State.DRAFT and may

    def _save_apart(
        self, request: HttpRequest, object_id: str, form_url: str, extra_context: dict[str, Any] | None
    ) -> Any:
        row: Any = self.get_object(request, object_id)
        told = {"name": row, "who": row.activated_by or "–"}
        kept = _(
            "%(name)s was switched on meanwhile, by %(who)s, and is not changed any more. What you typed is a draft of"
            " its own: look at it, and switch it on if it is to hold instead."
        )
        posted = request.POST.copy()
        if not self.inlines:  # its rules have pages of their own
            draft = self.sets.draft_from(row.pk, by=staff_actor_name(request))
            name = posted.get("name", "").strip()[: self.opts.get_field("name").max_length]
            self.model._default_manager.filter(pk=draft.pk).update(name=name or row.name)
            messages.warning(request, kept % told)
            return redirect(f"admin:{self._name}_change", draft.pk)
        posted["_saveasnew"] = "1"
        request.POST = posted  # type: ignore[assignment]
        answer = super().changeform_view(request, None, form_url, {**(extra_context or {}), "row_actions": ()})
        open_text = _("%(name)s was switched on meanwhile, by %(who)s. What you typed becomes a draft of its own.")
        messages.warning(request, (kept if answer.status_code == HTTPStatus.FOUND else open_text) % told)
        return answer

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Who drafted it is kept. Raises PermissionDenied where somebody switched it on meanwhile."""
        if not change:
            obj.created_by = staff_actor_name(request)
            if "_saveasnew" in request.POST and request.resolver_match is not None:
                obj.former_id = request.resolver_match.kwargs.get("object_id")
        elif not self.model._default_manager.select_for_update().filter(pk=obj.pk, state=_State.DRAFT).exists():
            raise PermissionDenied
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The draft is kept whatever is wrong with it; what is, is said row by row."""
        super().save_related(request, form, formsets, change)
        for problem in self.sets.problems(form.instance):
            messages.warning(request, problem.text)
