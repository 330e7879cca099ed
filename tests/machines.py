"""Random tests by Hypothesis's state machines, each run in a transaction that is taken back."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


class _Undone(Exception):
    """Takes a try back."""


@contextmanager
def undone() -> Iterator[None]:
    """Whatever the block writes is taken back at its end."""
    try:
        with transaction.atomic():
            yield
            raise _Undone
    except _Undone:
        pass


def run_apart(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Run the machine so often with so many steps, always the same ones, each run in a transaction of its own."""

    class Apart(machine):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            self.transaction = transaction.atomic()
            self.transaction.__enter__()

        def teardown(self) -> None:
            try:
                super().teardown()
            finally:
                transaction.set_rollback(True)
                self.transaction.__exit__(None, None, None)

    run_state_machine_as_test(
        Apart,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
        ),
    )
