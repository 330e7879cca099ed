"""What is wrong with the form of a JSON body, in the language of the caller: msgspec and Python say it in English."""

import json
import re

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

_PLACE = re.compile(r"\(byte (\d+)\)")
_WANTED = re.compile(r"Expected `([^`]+)`")
_BOUND = re.compile(r"Expected `(?P<kind>\w+)`(?P<what> of length)? (?P<sign>>=|<=|<|>) (?P<bound>[\d.]+)")
_KINDS = {
    "str": gettext_lazy("a text"),
    "int": gettext_lazy("a whole number"),
    "float": gettext_lazy("a number"),
    "decimal": gettext_lazy("a number"),
    "bool": gettext_lazy("true or false"),
    "array": gettext_lazy("a list"),
    "object": gettext_lazy("an object"),
}


def wrong_json(error: Exception) -> str:
    """What is wrong with a text that is no JSON, from what msgspec, `json` or the decoder of UTF-8 raised."""
    if isinstance(error, RecursionError):
        return _("This JSON is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        return _("This is not UTF-8; look at byte %(place)s.") % {"place": error.start}
    if "truncated" in str(error):
        return _("This JSON ends early: a bracket or a quote is not closed.")
    place: object
    if isinstance(error, json.JSONDecodeError):
        # It counts characters.
        place = len(error.doc[: error.pos].encode(errors="surrogatepass"))
    elif found := _PLACE.search(str(error)):
        place = found[1]
    else:
        return _("This is not valid JSON.")
    return _("This is not valid JSON; look at byte %(place)s.") % {"place": place}


def wrong_form(reason: str, value: bytes = b"") -> str:
    """What to give instead of a value (its JSON, where it is known) of which msgspec says that."""
    if "decimal" in reason and "Invalid" in reason:
        return _("Give a number such as 12.34.")
    if "RFC3339" in reason or "timezone" in reason or "`datetime`" in reason:
        return _("Give a time with its zone, such as 2026-01-02T09:00:00+08:00.")
    if "out of range" in reason:
        if not value:
            return _("This number is too large or too small.")
        is_negative = value.lstrip().startswith(b"-")
        return _("This number is too small.") if is_negative else _("This number is too large.")
    bound = _BOUND.search(reason)
    if bound is None:
        wanted = _WANTED.search(reason)
        kinds = dict.fromkeys(
            str(_KINDS[name]) for name in (wanted[1] if wanted else "").split(" | ") if name in _KINDS
        )
        return _("Give %(kind)s here.") % {"kind": _(" or ").join(kinds)} if kinds else _("This has the wrong form.")
    is_least = bound["sign"].startswith(">")
    if bound["what"] and bound["kind"] == "str":
        text = _("Give at least %(bound)s characters.") if is_least else _("Give at most %(bound)s characters.")
    elif bound["what"]:
        text = _("Give at least %(bound)s of them.") if is_least else _("Give at most %(bound)s of them.")
    else:
        text = _("Give at least %(bound)s.") if is_least else _("Give at most %(bound)s.")
    return text % {"bound": bound["bound"]}
