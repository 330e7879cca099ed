"""Calls to other systems: claim by lease, commit, call, and finish only what is still ours.

A call has three outcomes for each row: taken, refused, unknown. Unknown is never taken for a refusal: the same
reference is asked again later, which the other system must recognise.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from django.db import transaction

from oms.common.claiming import Queue, lease, lock_leased, put_off
from oms.common.masking import describe

logger = logging.getLogger(__name__)


class Answer(Protocol):
    """What the other system said of one reference."""

    @property
    def taken(self) -> bool:
        """Whether it does what was asked."""

    @property
    def reason(self) -> str:
        """Why not."""


A = TypeVar("A", bound=Answer)


@dataclass(slots=True)
class Outcomes(Generic[A]):
    """What came of a call, by row id: answers, and for the unknown ones what went wrong."""

    taken: dict[int, A] = field(default_factory=dict)
    refused: dict[int, A] = field(default_factory=dict)
    unknown: dict[int, str] = field(default_factory=dict)

    def only(self, keys: Collection[int]) -> "Outcomes[A]":
        """The outcomes of these rows."""
        return Outcomes(
            {key: answer for key, answer in self.taken.items() if key in keys},
            {key: answer for key, answer in self.refused.items() if key in keys},
            {key: error for key, error in self.unknown.items() if key in keys},
        )

    def reasons(self) -> dict[int, str]:
        """Why each refused row was refused."""
        return {key: answer.reason for key, answer in self.refused.items()}

    def ask(self, references: Mapping[int, str], call: Callable[[], Mapping[str, A]]) -> None:
        """Make the call, and note what it answered to each row's reference."""
        try:
            answers = call()
        except Exception as error:
            self.unknown.update(dict.fromkeys(references, describe(error)))
            return
        for key, reference in references.items():
            answer = answers.get(reference)
            if answer is None:
                self.unknown[key] = "no answer"
            elif answer.taken:
                self.taken[key] = answer
            else:
                self.refused[key] = answer


def under_lease(
    queue: Queue,
    limit: int,
    call: Callable[[list[int]], Outcomes[A]],
    finish: Callable[[Outcomes[A]], None],
    *,
    lock_above: Callable[[Collection[int]], None] | None = None,
    too_late: Callable[[Outcomes[A]], None] | None = None,
) -> int:
    """Lease up to `limit` rows, `call` for their ids without a transaction, and `finish` in one; returns how many.

    `finish` gets the outcomes of the rows that are still ours, locked by id; the unknown ones are then put off.
    `lock_above` locks what comes before the rows in the one lock order. `too_late` gets the outcomes of the rows that
    somebody else took over or that left the queue. If finishing fails, the rows are finished one by one, and one that
    fails alone is put off: that counts as an attempt.
    """
    tokens = lease(queue, limit, outside=True)
    if not tokens:
        return 0
    outcomes = call(list(tokens))

    def finish_those(chosen: dict[int, int]) -> set[int]:
        with transaction.atomic():
            if lock_above:
                lock_above(chosen.keys())
            mine = set(lock_leased(queue, chosen))
            ours = outcomes.only(mine)
            finish(ours)
            if ours.unknown:
                put_off(queue, ours.unknown)
        return mine

    try:
        mine = finish_those(tokens)
    except Exception:
        # Which row is at fault shows below; nothing of the batch was written.
        logger.exception("finishing %d %s failed; they are finished one by one", len(tokens), queue.table)
        mine = set()
        for key, token in tokens.items():
            try:
                mine |= finish_those({key: token})
            except Exception as error:
                # Recorded on the row, where staff see it.
                put_off(queue, {key: describe(error)})
                mine.add(key)
    lost = outcomes.only(tokens.keys() - mine)
    if too_late and lost.taken:
        too_late(lost)
    return len(tokens)
