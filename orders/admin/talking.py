"""Notes, kept contacts and messages to the buyer: the forms of the order's page, and what each says it did."""

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from oms.common.desk.acting import INPUT
from oms.common.models import MessageWay
from orders.admin.actions import posted
from orders.admin.staff import staff_actor
from orders.changing import contacting, noting
from orders.models import ContactWay, NoteColour, NoteTag
from orders.telling.timeline import LONGEST_NOTE

NONE = ("", gettext_lazy("none"))


class NoteForm(forms.Form):
    """Asks for a note, how it looks, what it is about and who reads it."""

    text = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=LONGEST_NOTE,
        widget=forms.Textarea(attrs={**INPUT, "rows": 4}),
        help_text=gettext_lazy("@name calls a colleague, who finds it among their tickets."),
    )
    colour = forms.ChoiceField(
        label=gettext_lazy("Colour"),
        choices=[NONE, *NoteColour.choices],
        required=False,
        widget=forms.Select(attrs=INPUT),
    )
    tag = forms.ChoiceField(
        label=gettext_lazy("About"), choices=[NONE, *NoteTag.choices], required=False, widget=forms.Select(attrs=INPUT)
    )
    is_shared = forms.BooleanField(label=gettext_lazy("The merchant reads it, too"), required=False)


class ContactForm(forms.Form):
    """Asks how somebody talked with the buyer, and what was said."""

    way = forms.ChoiceField(
        label=gettext_lazy("How"), choices=ContactWay.choices, widget=forms.Select(attrs=INPUT), initial=ContactWay.CALL
    )
    text = forms.CharField(
        label=gettext_lazy("What was said"),
        max_length=LONGEST_NOTE,
        widget=forms.Textarea(attrs={**INPUT, "rows": 4}),
    )
    is_reached = forms.BooleanField(label=gettext_lazy("The buyer was reached"), required=False, initial=True)


class MessageForm(forms.Form):
    """Asks what the buyer is written by which template and way. `key` makes it one message however often it is sent."""

    key = forms.CharField(widget=forms.HiddenInput, initial=lambda: str(uuid.uuid4()))
    kind = forms.ChoiceField(
        label=gettext_lazy("Message"),
        choices=[(kind.code, kind.title) for kind in contacting.SENDABLE.values()],
        widget=forms.Select(attrs=INPUT),
    )
    way = forms.ChoiceField(
        label=gettext_lazy("Sent by"),
        choices=[(way.value, way.label) for way in contacting.WAYS],
        widget=forms.Select(attrs=INPUT),
        initial=MessageWay.SMS,
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), choices=settings.LANGUAGES, widget=forms.Select(attrs=INPUT)
    )
    words = forms.CharField(
        label=gettext_lazy("In your own words (added to the template)"),
        max_length=contacting.LONGEST_WORDS,
        required=False,
        widget=forms.Textarea(attrs={**INPUT, "rows": 3}),
    )


def shown_forms() -> dict[str, forms.Form]:
    """The forms of the page's dialogs, by the name of their action."""
    language = {"language": get_language() or settings.LANGUAGE_CODE}
    return {
        "note": NoteForm(auto_id="note-%s"),
        "contact": ContactForm(auto_id="contact-%s"),
        "message": MessageForm(initial=language, auto_id="message-%s"),
    }


@posted("orders.note_order", NoteForm)
def note_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Keep a note."""
    called = noting.add_note(order_id, actor=staff_actor(request), **data)
    if called:
        return _("The note was added; %(names)s will see it.") % {"names": _(", ").join(called)}
    return _("The note was added.")


@posted("orders.note_order", ContactForm)
def contact_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Keep a contact."""
    contacting.log_contact(order_id, actor=staff_actor(request), **data)
    return _("The contact is kept.")


@posted("orders.message_buyer", MessageForm)
def message_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Write to the buyer."""
    message = contacting.send(order_id, actor=staff_actor(request), **data)
    return _("The message to %(hint)s goes out.") % {"hint": message.hint}
