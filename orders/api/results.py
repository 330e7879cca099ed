"""How the answers name what is wrong with an order."""

from django.utils.translation import gettext as _

from oms.common.errors import FieldError


def duplicate(number: str) -> FieldError:
    """That the channel sent this external number before, as `number`."""
    detail = _("This channel sent the external number before; it is order %(number)s.") % {"number": number}
    return FieldError("external_number", "duplicate", detail)


def shown(error: FieldError) -> dict[str, str | None]:
    """The error as answers carry it."""
    return {**error.as_dict(), "attr": error.attr or None}
