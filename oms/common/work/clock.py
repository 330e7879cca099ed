"""Deliberate waits: how long they are, and whether a drain may skip them.

Waits such as the grace period or the sandbox's answers are divided by `settings.TIME_SPEED`. `manage.py drain` treats
them as over, so that a demo or a measurement need not sit through them; deadlines of alerts and leases are real.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

from django.conf import settings

_skipping: ContextVar[bool] = ContextVar("skipping_waits", default=False)


def scaled(wait: timedelta) -> timedelta:
    """How long a deliberate wait takes on this installation."""
    return wait / settings.TIME_SPEED


@contextmanager
def skipping_waits() -> Iterator[None]:
    """Within it, stages take deliberate waits as over."""
    token = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(token)


def horizon() -> str:
    """The SQL expression up to which a `ready_at` counts as reached."""
    return "'infinity'::timestamptz" if _skipping.get() else "now()"


def waits_are_skipped() -> bool:
    """Whether deliberate waits are taken as over."""
    return _skipping.get()
