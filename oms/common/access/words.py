"""How the security log says what it keeps as codes and values."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Permission
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from oms.common.access import roles
from oms.common.codebook import Codebook
from oms.common.desk import permission_words

# Why somebody looked at personal data; upper apps add theirs.
REASONS = Codebook()
_ENDED = {
    "idle": gettext_lazy("Nothing was asked for in a while."),
    "whole": gettext_lazy("A session lasts no longer."),
}
_FLAGS = {
    "is_active": (gettext_lazy("may log in"), gettext_lazy("may not log in any more")),
    "is_staff": (gettext_lazy("is staff"), gettext_lazy("is no staff any more")),
    "is_superuser": (gettext_lazy("may do everything"), gettext_lazy("may not do everything any more")),
}


def reason_word(code: str) -> str:
    """The reason in words; empty for none."""
    return REASONS.word(code) if code else ""


def value_words(values: Mapping[str, Any]) -> str:
    """The values of an entry as sentences. One statement where rights are among them."""
    said = [str(_ENDED[values["after"]])] if values.get("after") in _ENDED else []
    if values.get("must_wait"):
        said.append(_("Must wait: too many wrong passwords."))
    if "left" in values:
        count = values["left"]
        said.append(
            ngettext("%(count)d recovery code is left.", "%(count)d recovery codes are left.", count) % {"count": count}
        )
    if "rows" in values:
        count = values["rows"]
        said.append(ngettext("%(count)d row", "%(count)d rows", count) % {"count": count})
    if "today" in values:
        said.append(_("%(count)s today") % {"count": values["today"]})
    if values.get("merchant"):
        said.append(_("of merchant %(code)s") % {"code": values["merchant"]})
    if values.get("personal"):
        said.append(_("with personal data"))
    said += [_("made")] if values.get("made") else []
    said += [_("deleted")] if values.get("deleted") else []
    said += [str(words[not values[name]]) for name, words in _FLAGS.items() if name in values]
    for name, text in (("given", _("given: %(rights)s")), ("taken", _("taken: %(rights)s"))):
        if values.get(name):
            said.append(text % {"rights": _(", ").join(_right_words(values[name]))})
    return " · ".join(said)


def _right_words(codes: list[str]) -> list[str]:
    groups = [roles.NAMES.word(code.removeprefix("group:")) for code in codes if code.startswith("group:")]
    pairs = {tuple(code.split(".", 1)) for code in codes if "." in code and not code.startswith("group:")}
    found = Permission.objects.filter(codename__in=[code for _app, code in pairs]).select_related("content_type")
    return groups + [
        permission_words.in_words(one) for one in found if (one.content_type.app_label, one.codename) in pairs
    ]
