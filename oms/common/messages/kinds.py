"""The kinds of news that buyers are told, each with what its templates may fill in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from django.utils.translation import gettext as _

from oms.common.errors import FieldError

# What a template fills in: a text, or the names of several things.
Value = str | Sequence[str]
# Characters, of several things together: a message by telephone is short.
MOST_NAMED = 60


@dataclass(frozen=True, slots=True)
class MessageKind:
    """A kind of news: its title for staff, and by name what a template may fill in, each with what it holds.

    `defaults` are the templates that it begins with: by way and language, subject and text.
    """

    code: str
    title: Any
    fields: Mapping[str, Any]
    defaults: Mapping[tuple[str, str], tuple[str, str]]


_kinds: dict[str, MessageKind] = {}


def register_message_kind(kind: MessageKind) -> MessageKind:
    """Make the kind known; returns it."""
    _kinds[kind.code] = kind
    return kind


def known() -> Mapping[str, MessageKind]:
    """All kinds by code."""
    return _kinds


def wrong(kind: MessageKind, text: str, attr: str) -> list[FieldError]:
    """What is wrong with a template's text: braces that do not fit, and names that the kind does not have."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return [FieldError(attr, "braces", _("The braces do not fit. Double those that are to be shown."))]
    errors = []
    for _literal, name, spec, conversion in parts:
        if name is None:
            continue
        if spec or conversion or name not in kind.fields:
            given = "{" + name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}"
            detail = _("%(name)s is not known here. There are: %(known)s.")
            shown = ", ".join("{" + known_name + "}" for known_name in kind.fields)
            errors.append(FieldError(attr, "unknown_placeholder", detail % {"name": given, "known": shown}))
    return errors


def filled(text: str, values: Mapping[str, Value], language: str) -> str:
    """The text, which is in the language, with its names filled in; one that is not given is left empty."""
    return "".join(
        literal + (worded(values.get(name, ""), language) if name is not None else "")
        for literal, name, _spec, _conversion in Formatter().parse(text)
    )


def worded(value: Value, language: str) -> str:
    """A value as a text in the language says it: of several things as many as there is room for."""
    if isinstance(value, str):
        return value
    names = ("、" if language.startswith("zh") else ", ").join(value)
    return names if len(names) <= MOST_NAMED else f"{names[: MOST_NAMED - 1]}…"
