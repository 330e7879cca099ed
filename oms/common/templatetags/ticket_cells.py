"""Parts of a row of the ticket list."""

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from oms.common.codebook import ACTORS
from oms.common.tickets import Shown

register = template.Library()


@register.simple_tag
def subject_of(ticket: Any) -> SafeString:
    """What the ticket is about, and to which order that belongs; the ticket has its words."""
    words = ticket.words
    if words.about is None or words.about.url == words.subject.url:
        return _linked(words.subject)
    return format_html("{} {}", _linked(words.subject), _linked(words.about))


@register.simple_tag
def result_of(ticket: Any) -> str:
    """How the closed ticket ended, and who said so."""
    return f"{ticket.get_result_display()} · {ACTORS.word(ticket.closed_by) or _('System')}"


def _linked(shown: Shown) -> SafeString:
    if not shown.url:
        return format_html('<span class="oms-no">{}</span>', shown.text)
    return format_html('<a class="oms-no" href="{}">{}</a>', shown.url, shown.text)
