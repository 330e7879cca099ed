"""How long processes that answer requests let the database take."""

from django.conf import settings
from django.db import connections

from oms.common.postgresql.watching import watch_server


def limit_waits() -> None:
    """From now on every connection that this process opens stops what takes too long, by the settings `WEB_…_SECONDS`.

    Told to PostgreSQL as the connection begins, so that it costs no statement; a server that stands still itself is
    given up here. Only processes that answer requests call this: migrations, commands and stages may take their time,
    but for `IDLE_IN_TRANSACTION_SECONDS`.
    """
    limits = {
        "lock_timeout": settings.WEB_LOCK_SECONDS,
        "statement_timeout": settings.WEB_STATEMENT_SECONDS,
        "idle_in_transaction_session_timeout": settings.WEB_IDLE_IN_TRANSACTION_SECONDS,
    }
    chosen = [f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items() if seconds]
    options = connections.settings["default"].setdefault("OPTIONS", {})
    options["options"] = " ".join([*filter(None, [options.get("options")]), *chosen])
    watch_server(settings.WEB_STATEMENT_SECONDS)
