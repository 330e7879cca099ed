"""Forms of rows that several people change: who would save over what somebody else changed meanwhile is told of it."""

from typing import Any, ClassVar

from django import forms
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from oms.common.models import Versioned


class SeenForm(forms.ModelForm):
    """Carries the version of its row that the person looked at, as the hidden field `seen_version`, which fieldsets of
    rows that exist have to name.

    Of two people who save, the second is refused once, reads at the field `told_at` what the row says now where that is
    not what they typed, and finds all that they typed in the form still. Saving again is their decision.
    """

    told_at: ClassVar[str] = "name"

    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            del self.fields["seen_version"]
        else:
            self.initial["seen_version"] = self.instance.version

    def clean(self) -> dict[str, Any]:
        """Refuses what was typed over a change that nobody looked at."""
        data = super().clean() or self.cleaned_data
        if "seen_version" not in self.fields:
            return data
        seen = data.pop("seen_version", None)
        rows = type(self.instance)._default_manager.select_for_update(no_key=True, of=("self",))
        now: Versioned | None = rows.filter(pk=self.instance.pk).first()
        if now is None or now.version == seen:
            return data
        sent: Any = self.data
        sent = sent.copy()
        sent[self.add_prefix("seen_version")] = str(now.version)
        self.data = sent
        said = [_("Somebody else changed this meanwhile. What you typed is kept: save again to put it in place.")]
        said += [
            _("%(field)s is now: %(value)s")
            % {"field": capfirst(self.fields[name].label), "value": self.words_of(now, name)}
            for name in self.fields
            if name in data and hasattr(now, name) and _value(now, name) != _typed(data[name])
        ]
        self.add_error(self.told_at, [forms.ValidationError(text) for text in said])
        return data

    def words_of(self, row: models.Model, name: str) -> str:
        """What the row has in the field, in words."""
        value = _value(row, name)
        if isinstance(value, frozenset):
            return ", ".join(sorted(map(str, value))) or "–"
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        shown = getattr(row, f"get_{name}_display", None)
        return str(shown() if shown else "–" if value in (None, "", []) else value)


def _value(row: models.Model, name: str) -> Any:
    """What the row has in the field; of several rows that it names, their set."""
    value = getattr(row, name)
    return frozenset(value.all()) if isinstance(value, models.Manager) else value


def _typed(value: Any) -> Any:
    return frozenset(value) if isinstance(value, models.QuerySet) else value
