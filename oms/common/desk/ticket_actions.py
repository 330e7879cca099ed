"""What staff do to tickets on pages: forms, rights, and what each says it did."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import ticketing
from oms.common.desk.acting import VersionForm
from oms.common.templatetags.staff import moment_text

VIEW, WORK, ASSIGN, OPEN = "common.view_ticket", "common.work_ticket", "common.assign_ticket", "common.open_ticket"
# When a working day begins, for what is put off until tomorrow.
MORNING = time(9)


class AssignForm(VersionForm):
    """Asks who gets it; empty: nobody."""

    owner = forms.ModelChoiceField(get_user_model().objects.none(), label=gettext_lazy("Owner"), required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        owner.queryset = workers()


class HandOverForm(VersionForm):
    """Asks who gets it, and what is to be done."""

    owner = forms.ModelChoiceField(get_user_model().objects.none(), label=gettext_lazy("Hand over to"))
    text = forms.CharField(label=gettext_lazy("Note"), max_length=ticketing.LONGEST_TEXT)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        owner.queryset = workers()


class SnoozeForm(VersionForm):
    """Asks until when it is put off: `moment` of the cleaned data, None to wake it."""

    how = forms.ChoiceField(choices=[(how, how) for how in ("hour", "tomorrow", "date", "wake")])
    until = forms.DateTimeField(label=gettext_lazy("Until"), required=False)

    def clean(self) -> dict[str, Any]:
        """Work out the moment."""
        data = super().clean() or {}
        match data.get("how"):
            case "hour":
                data["moment"] = timezone.now() + timedelta(hours=1)
            case "tomorrow":
                tomorrow = timezone.localdate() + timedelta(days=1)
                data["moment"] = timezone.make_aware(datetime.combine(tomorrow, MORNING))
            case "date":
                data["moment"] = data.get("until")
                if data["moment"] is None and "until" not in self.errors:
                    self.add_error("until", _("Choose a day and a time."))
            case _:
                data["moment"] = None
        return data


class NoteForm(forms.Form):
    """Asks for a note."""

    text = forms.CharField(label=gettext_lazy("Note"), max_length=ticketing.LONGEST_TEXT)


class ResultForm(forms.Form):
    """Asks how it ended."""

    result = forms.ChoiceField(
        label=gettext_lazy("Result"), choices=[(result.value, result.label) for result in ticketing.RESULTS]
    )
    text = forms.CharField(label=gettext_lazy("Note"), max_length=ticketing.LONGEST_TEXT, required=False)


class CloseForm(VersionForm, ResultForm):
    """Asks how the ticket ended that the person looked at."""


def workers() -> QuerySet[Any]:
    """People who may work on tickets."""
    people = get_user_model().objects.with_perm(WORK, backend="django.contrib.auth.backends.ModelBackend")
    return people.filter(is_staff=True).order_by("username")


@dataclass(frozen=True, slots=True)
class TicketAction:
    """Something that a person may do to a ticket: the right (empty: the ticket's row says), the form, and what does it
    for a user, given the ticket's id and the cleaned form, and returns what was done."""

    right: str
    form: type[forms.Form]
    do: Callable[[Any, int, dict[str, Any]], str]


def _take(user: Any, key: int, data: dict[str, Any]) -> str:
    ticketing.take(key, user=user, version=data["version"])
    return _("The ticket is yours now.")


def _give_back(user: Any, key: int, data: dict[str, Any]) -> str:
    ticketing.give_back(key, user=user, version=data["version"])
    return _("The ticket is nobody's now.")


def _assign(user: Any, key: int, data: dict[str, Any]) -> str:
    owner = data["owner"]
    ticketing.assign(key, to=owner, user=user, version=data["version"])
    return _("%(owner)s has the ticket now.") % {"owner": owner} if owner else _("The ticket is nobody's now.")


def _hand_over(user: Any, key: int, data: dict[str, Any]) -> str:
    owner = data["owner"]
    ticketing.hand_over(key, to=owner, text=data["text"], user=user, version=data["version"])
    return _("%(owner)s has the ticket now.") % {"owner": owner}


def _snooze(user: Any, key: int, data: dict[str, Any]) -> str:
    moment = data["moment"]
    ticketing.snooze(key, until=moment, user=user, version=data["version"])
    if moment is None:
        return _("The ticket is in the queue again.")
    return _("The ticket is put off until %(until)s.") % {"until": moment_text(moment)}


def _note(user: Any, key: int, data: dict[str, Any]) -> str:
    ticketing.add_note(key, text=data["text"], user=user)
    return _("The note was added.")


def _close(user: Any, key: int, data: dict[str, Any]) -> str:
    ticketing.close(key, result=data["result"], text=data["text"], user=user, version=data["version"])
    return _("The ticket is closed.")


def _reopen(user: Any, key: int, data: dict[str, Any]) -> str:
    ticketing.reopen(key, user=user, version=data["version"])
    return _("The ticket is open again.")


def _retry(user: Any, key: int, data: dict[str, Any]) -> str:
    ticketing.retry(key, user=user, version=data["version"])
    return _("It will be tried again at once.")


ACTIONS = {
    "take": TicketAction(WORK, VersionForm, _take),
    "give-back": TicketAction(WORK, VersionForm, _give_back),
    "assign": TicketAction(ASSIGN, AssignForm, _assign),
    "hand-over": TicketAction(WORK, HandOverForm, _hand_over),
    "snooze": TicketAction(WORK, SnoozeForm, _snooze),
    "note": TicketAction(WORK, NoteForm, _note),
    "close": TicketAction(WORK, CloseForm, _close),
    "reopen": TicketAction(WORK, VersionForm, _reopen),
    "retry": TicketAction("", VersionForm, _retry),
}
