"""Rows that the tests of a file only look at, or change for themselves alone, are made once for all of them.

They stand in a transaction around the tests' own ones, so only in files without tests that commit.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.test import override_settings
from django.utils import translation

Made = TypeVar("Made")

# Time passes as fast as in production, but nothing waits for the review or a grace period.
NO_WAITS: dict[str, Any] = {
    "TIME_SPEED": 1.0,
    "REVIEW_DELAY_SECONDS": 0,
    "UNDO_SECONDS": {"release": 0, "cancel": 0, "bulk": 0},
    "GRACE_PERIOD_SECONDS": 0,
    # Threads of a stage would not see a test's transaction.
    "STAGE_SLOTS": 1,
    "SECURE_SSL_REDIRECT": False,
    # Counting calls takes a Valkey; tests of it start one.
    "API_CALLS_PER_MINUTE": 0,
}


@contextmanager
def rows(blocker: Any, make: Callable[[], Made]) -> Iterator[Made]:
    """What `make` returns, whose rows are there until the end; for a fixture of a module, with pytest-django's
    `django_db_setup` and `django_db_blocker`."""
    around = transaction.atomic()
    # What must be the outermost transaction may begin within it, as within those of tests.
    around._from_testcase = True
    with blocker.unblock(), override_settings(**NO_WAITS), translation.override(settings.LANGUAGE_CODE):
        around.__enter__()
        made = make()
    try:
        yield made
    finally:
        with blocker.unblock():
            transaction.set_rollback(True)
            around.__exit__(None, None, None)
