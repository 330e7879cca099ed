"""What only saving can refuse of a form: the database's constraints, in the words that they have, and what services
refuse under their locks.

Django checks a constraint beforehand only where all of its fields stand in the form. Others are broken by what a form
does not show: what is counted beside it, the row that an inline hangs on, what somebody else saves at the same moment.
"""

from django import forms
from django.apps import apps
from django.db import IntegrityError
from django.db.models import BaseConstraint, Model, UniqueConstraint
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from psycopg import errors

from oms.common.errors import OmsError


def refusal_of(error: Exception, of: type[Model]) -> str | None:
    """Why what was entered in a form of the model cannot be saved, for whom entered it; None where the error is a
    mistake of the program. Where a row of another model is wrong, it is named."""
    if isinstance(error, OmsError):
        return str(error)
    cause = error.__cause__ if isinstance(error, IntegrityError) else None
    match cause:
        case errors.ForeignKeyViolation():
            return _("Something that was chosen here was deleted meanwhile. Choose anew.")
        case errors.UniqueViolation():
            return _said(cause.diag.constraint_name, of) or _("There is one with these values already.")
        case errors.CheckViolation() | errors.ExclusionViolation():
            return _said(cause.diag.constraint_name, of)
    return None


def _said(name: str | None, of: type[Model]) -> str | None:
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            if constraint.name == name:
                return _words(model, constraint, of)
    return None


def _words(model: type[Model], constraint: BaseConstraint, of: type[Model]) -> str | None:
    if constraint.violation_error_message != constraint.default_violation_error_message:
        words = str(constraint.violation_error_message)
        return words if model is of else f"{capfirst(model._meta.verbose_name)}: {words}"
    if isinstance(constraint, UniqueConstraint) and constraint.fields and constraint.condition is None:
        return " ".join(model().unique_error_message(model, constraint.fields).messages)
    return None


def refusing(form: type[forms.ModelForm], text: str) -> type[forms.ModelForm]:
    """The form's class, for one that was refused: it shows what was typed, and the reason above it."""

    class Refused(form):  # type: ignore[misc, valid-type]
        def full_clean(self) -> None:
            super().full_clean()
            self.add_error(None, text)

    return Refused
