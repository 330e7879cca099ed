"""How the log is written: JSON lines, or readable ones on a developer's machine, without personal data.

What may be personal is kept out by construction: views are logged by name instead of by path, bodies and queries never.
Messages of exceptions may quote anything (a row's values, a name, an address): a line has the exception's type, where
it was raised, and what PostgreSQL's diagnostics name (constraint, table); never its text. The text of a failing row
stays in the database, in its `last_error`, as `masking.describe` leaves it, for staff with the right to the row.
"""

import logging
import logging.config
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
import structlog
from psycopg import Error as PsycopgError

from oms.common.masking import mask_text

_Event = MutableMapping[str, Any]
# Keys whose values are never written, whoever logs them.
_SECRET_KEYS = (
    *("phone", "mobile", "name", "address", "recipient", "buyer", "remark", "token", "secret", "password"),
    *("authorization", "cookie", "signature", "body", "query", "payload", "email"),
)
_HARMLESS_KEYS = frozenset({"task_name", "logger_name", "exception_name"})
# Celery's own lines about a failed task repeat the exception's text and the task's arguments.
_CELERY_TEXTS = ("exc", "traceback", "args", "kwargs", "return_value")


def without_exception_texts(record: logging.LogRecord) -> bool:
    """A logging filter: exceptions among a line's arguments are named by their type only."""
    if record.name.startswith("django.") and hasattr(record, "request") and isinstance(record.args, tuple):
        # The last is the path, which may be a secret address.
        record.args = (*record.args[:-1], "…") if record.args else record.args
    if isinstance(record.args, dict):
        record.args = {key: "…" if key in _CELERY_TEXTS else _without_text(value) for key, value in record.args.items()}
    elif isinstance(record.args, tuple):
        record.args = tuple(_without_text(value) for value in record.args)
    if isinstance(record.msg, BaseException):
        record.msg = type(record.msg).__name__
    data = getattr(record, "data", None)  # Celery hands the same texts over as an extra
    if isinstance(data, dict):
        record.data = {key: value for key, value in data.items() if key in ("id", "name", "hostname")}
    return True


def _without_text(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def describe_exception(logger: object, method: str, event: _Event) -> _Event:
    """A structlog processor: `exc_info` becomes the exception's types and places, without its texts."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else None
    if error is None:
        return event
    event["exception"] = type(error).__name__
    chain: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 5:
        chain.append(type(seen).__name__)
        if isinstance(seen, PsycopgError):
            diagnostics = {
                "sqlstate": seen.sqlstate,
                "constraint": seen.diag.constraint_name,
                "table": seen.diag.table_name,
                "column": seen.diag.column_name,
            }
            event.update({key: value for key, value in diagnostics.items() if value})
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    if len(chain) > 1:
        event["caused_by"] = chain[1:]
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    event["trace"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def mask(logger: object, method: str, event: _Event) -> _Event:
    """A structlog processor: no value under a telling key, no phone number or token in any text."""
    for key, value in event.items():
        if _is_telling(key):
            event[key] = "…"
        else:
            event[key] = _masked(value)
    return event


@lru_cache(maxsize=1024)
def _is_telling(key: str) -> bool:
    return key not in _HARMLESS_KEYS and any(part in key.lower() for part in _SECRET_KEYS)


def _masked(value: object) -> object:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return dict(mask(None, "", dict(value)))
    if isinstance(value, list | tuple | set):
        return [_masked(item) for item in value]
    return value if isinstance(value, int | float | bool) or value is None else mask_text(str(value))


def _drop(logger: object, method: str, event: _Event) -> _Event:
    """Leave out what Django's lines carry along: the request itself."""
    for key in ("request", "server_time", "status_code"):
        event.pop(key, None)
    return event


_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class RequestLine(logging.Formatter):
    """The line of a request as JSON: what the processors below make of it, in a third of their time. There is one for
    each request, and the site writes it itself: it has no exception and nothing of Django's."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        event: _Event = {
            "event": record.getMessage(),
            **structlog.contextvars.get_contextvars(),
            "logger": record.name,
            "level": record.levelname.lower(),
            **{key: value for key, value in record.__dict__.items() if key not in _STANDARD},
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        return msgspec.json.encode(mask(None, "", event)).decode()


def configuration(*, as_json: bool, level: str, request_level: str) -> dict[str, Any]:
    """The value of LOGGING: everything, also what libraries say, goes through the same processors."""
    gather: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    clean: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, describe_exception, _drop, mask]
    renderer = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, sort_keys=False)
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"no_texts": {"()": lambda: without_exception_texts}},
        "formatters": {
            "event": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": gather,
                "processors": [*clean, renderer],
            },
            "request": {"()": RequestLine},
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "event", "filters": ["no_texts"]},
            "requests": {"class": "logging.StreamHandler", "formatter": "request" if as_json else "event"},
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "oms.requests": {"level": request_level, "handlers": ["requests"], "propagate": False},
            # Django's own handlers would write the same lines once more, unmasked, or mail them.
            "django": {"handlers": [], "level": level},
            # Says at INFO what it does step by step.
            "axes": {"level": "WARNING"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        },
    }
