"""When the database cannot do what was asked just now: away, busy with somebody else's rows, or too slow."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from django.db import Error
from django.utils.translation import gettext_lazy as _
from psycopg import errors

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class Outage:
    """What is the matter, in a code and in words, and after how many seconds it is worth trying again."""

    code: str
    text: "_StrPromise"
    retry_after_seconds: int


AWAY = Outage(
    "database_away",
    _("The database does not answer just now. Try again in a moment; what was sent last may or may not be stored."),
    5,
)
BUSY = Outage(
    "busy", _("Somebody else is changing the same rows just now, so this was stopped. Try again in a moment."), 2
)
TOO_SLOW = Outage("took_too_long", _("This took too long and was stopped. Try it again later."), 5)

_BUSY = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
# Ended by the server, or not begun; a connection that broke has no class of its own, but is no other error either.
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, errors.IdleInTransactionSessionTimeout)


def outage_of(error: BaseException | None) -> Outage | None:
    """What outage the error of Django's database is, or None where it is another mistake."""
    if not isinstance(error, Error):
        return None
    cause = error.__cause__ or error
    if isinstance(cause, _BUSY):
        return BUSY
    if isinstance(cause, errors.QueryCanceled):
        return TOO_SLOW
    return AWAY if isinstance(cause, _AWAY) else None
