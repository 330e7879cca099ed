"""Telling a database that is away from one that refuses what it was asked."""

from django.db import InterfaceError, OperationalError

# Classes and codes of SQLSTATE: lost connections, a server that stops, starts or has no room for a connection.
_AWAY = ("08", "57P", "53300")


def is_away(error: Exception) -> bool:
    """Whether the error says that the server cannot be reached, and nothing of the statement itself."""
    if isinstance(error, InterfaceError):
        return True
    state = getattr(error.__cause__, "sqlstate", None)
    return isinstance(error, OperationalError) and (state is None or state.startswith(_AWAY))
