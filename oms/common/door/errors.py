"""Whatever goes wrong in the API, in one form: {"type", "errors": [{"code", "detail", "attr"}]}."""

from collections.abc import Iterable

from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError
from django.http import UnreadablePostError
from django.utils.translation import gettext as _
from django_fsm import TransitionNotAllowed
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import Error, ExceptionHandlerContext
from psycopg.errors import CheckViolation
from rest_framework.exceptions import APIException, ErrorDetail, ParseError, ValidationError
from rest_framework.response import Response

from oms.common.errors import ChangedMeanwhile, FieldError, OmsError, WrongFields
from oms.common.outages import Outage, outage_of

_GUARD = "_makes_declared_moves"  # the end of the constraint's name that `oms.common.states` reports


class InvalidInput(ValidationError):
    """The input is wrong; every wrong field is named. Answered with 400."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = list(errors)
        super().__init__([ErrorDetail(error.detail, error.code) for error in self.errors])


class Refusal(APIException):
    """A business rule refused the operation: an OmsError on its way out."""

    def __init__(self, error: OmsError) -> None:
        self.status_code = error.status_code
        self.attr = error.attr
        self.wait = error.context.get("retry_after_seconds")  # answered as Retry-After
        super().__init__(str(error), error.code)


class Unavailable(APIException):
    """The database cannot do it just now. Answered with 503 and Retry-After."""

    status_code = 503

    def __init__(self, outage: Outage) -> None:
        self.wait = outage.retry_after_seconds  # answered as Retry-After
        super().__init__(outage.text, outage.code)


class TooLarge(APIException):
    """The body is larger than the server reads."""

    status_code = 413
    default_code = "too_large"


def exception_handler(error: Exception, context: ExceptionHandlerContext) -> Response | None:
    """The answer to anything that a view of the API raises; also to what nobody foresaw, which is logged."""
    return _Handler(error, context).run()


class _Handler(ExceptionHandler):
    def convert_known_exceptions(self, exc: Exception) -> Exception:
        match exc:
            case WrongFields():
                return InvalidInput(exc.errors)
            case OmsError():
                return Refusal(exc)
            case TransitionNotAllowed():
                return _changed_meanwhile()
            case IntegrityError() if _is_guard(exc):
                return _changed_meanwhile()
            case RequestDataTooBig():
                return TooLarge(_("The body is too large; send fewer orders at a time."))
            case UnreadablePostError():
                return ParseError(_("The body ended early."))
        outage = outage_of(exc)
        return Unavailable(outage) if outage else super().convert_known_exceptions(exc)

    def should_not_handle(self, exc: Exception) -> bool:
        return False

    def convert_unhandled_exceptions(self, exc: Exception) -> APIException:
        if isinstance(exc, APIException):
            return exc
        request_id = getattr(self.context["view"], "request_id", "")
        return APIException(_("Something went wrong here. Please report the request %(id)s.") % {"id": request_id})

    def format_exception(self, exc: APIException) -> dict:
        return _Formatter(exc, self.context, self.exc).run()


class _Formatter(ExceptionFormatter):
    def get_errors(self) -> list[Error]:
        if isinstance(self.exc, InvalidInput):
            return [Error(error.code, error.detail, error.attr or None) for error in self.exc.errors]
        errors = super().get_errors()
        if isinstance(self.exc, Refusal):
            return [Error(error.code, error.detail, self.exc.attr) for error in errors]
        return errors


def _changed_meanwhile() -> Refusal:
    return Refusal(ChangedMeanwhile(_("Somebody else changed this meanwhile. Read it again and repeat if need be.")))


def _is_guard(error: IntegrityError) -> bool:
    """Whether the database's own guard of a state machine refused a move."""
    cause = error.__cause__
    return isinstance(cause, CheckViolation) and str(cause.diag.constraint_name or "").endswith(_GUARD)
