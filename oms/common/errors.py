"""What the OMS refuses, in a form that doors can show."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _


class OmsError(Exception):
    """A business rule refused the operation. The message is safe to show.

    `code` names the reason for machines; `attr` the field that it is about, if one is.
    """

    code = "refused"
    status_code = 409

    def __init__(self, message: str, *, attr: str | None = None, **context: object) -> None:
        super().__init__(message)
        self.attr = attr
        self.context = context


class ChangedMeanwhile(OmsError):
    """Somebody else changed the row between reading and writing."""

    code = "changed_meanwhile"


class VersionRequired(OmsError):
    """A write to something that exists must say which version of it was looked at."""

    code = "version_required"
    status_code = 428


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with an input: which field, which rule, and what to do about it."""

    attr: str
    code: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        """The form in which the API shows it."""
        return {"code": self.code, "detail": self.detail, "attr": self.attr}


def unknown_field(attr: str, known: Sequence[str] = ()) -> FieldError:
    """That the input has a field which means nothing here, and which ones do."""
    detail = _("There is no such field here.")
    if known:
        detail = _("There is no such field here. Known ones: %(known)s.") % {"known": ", ".join(known)}
    return FieldError(attr[:100], "unknown_field", detail)


class WrongFields(OmsError):
    """What was given is wrong; `errors` names every wrong field. The message is the first of them."""

    code = "invalid"
    status_code = 400

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(errors[0].detail, attr=errors[0].attr)
        self.errors = list(errors)
