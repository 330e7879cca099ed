"""The staff's pages of messages to buyers, and of the templates that they are made by."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns
from oms.common.messages.kinds import known, wrong
from oms.common.models import BuyerMessage, MessageTemplate


class TemplateForm(forms.ModelForm):
    """A template, whose placeholders are checked when it is saved."""

    class Meta:
        model = MessageTemplate
        fields = ("kind", "way", "language", "subject", "body", "provider_code", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            choices = [(one.code, one.title) for one in known().values()]
            self.fields["kind"] = forms.ChoiceField(
                label=gettext_lazy("kind"), choices=choices, widget=UnfoldAdminSelectWidget
            )
        kind = known().get(self.instance.kind) or next(iter(known().values()), None)
        if kind is not None and "body" in self.fields:
            self.fields["body"].help_text = " · ".join(f"{{{name}}} {what}" for name, what in kind.fields.items())

    def clean(self) -> dict[str, Any]:
        """Only what the kind has is filled in."""
        given = super().clean() or self.cleaned_data
        kind = known().get(given.get("kind", ""))
        if kind is not None:
            for name in ("subject", "body"):
                for error in wrong(kind, given.get(name) or "", name):
                    self.add_error(error.attr, error.detail)
        return given


class MessageTemplateAdmin(KeysetAdmin):
    """What buyers are told, by each way and in each language."""

    form = TemplateForm
    may_add = may_change = may_delete = True
    keyset = ("id",)
    list_display = ("kind_word", "way", "language", "subject", "is_active")
    list_filter = (("way", ChoicesDropdownFilter), ("language", ChoicesDropdownFilter))

    @display(description=gettext_lazy("kind"))
    def kind_word(self, row: MessageTemplate) -> str:
        """The kind of news in words."""
        return _word(row.kind)


class BuyerMessageAdmin(RowColumns, KeysetAdmin):
    """What buyers were told by whom: never the text, and of the address only a hint."""

    list_display = ("id", "kind_word", "way", "state", "hint", "written_at", "sent_at", "answer", "error_text")
    list_filter = (("way", ChoicesDropdownFilter), ("state", ChoicesDropdownFilter), NeedsPersonFilter)
    fields = readonly_fields = (
        *("kind_word", "key", "way", "state", "hint", "connection", "provider_code"),
        *("written_at", "sent_at", "answer", "attempts", "last_error"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BuyerMessage]:
        """Without what is sealed."""
        return super().get_queryset(request).defer("address", "content")

    @display(description=gettext_lazy("kind"))
    def kind_word(self, row: BuyerMessage) -> str:
        """The kind of news in words."""
        return _word(row.kind)


def _word(code: str) -> str:
    kind = known().get(code)
    return str(kind.title) if kind else code
