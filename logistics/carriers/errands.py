"""What an account is asked once about a waybill: one queue a kind, an answer on the row."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from django.db import connection

from logistics.carriers import asked
from logistics.carriers.adapters import Booked
from logistics.models import ErrandKind, ErrandOutcome, WaybillErrand
from oms.common.copying import array, text_array
from oms.common.masking import mask_text
from oms.common.models import Connection
from oms.common.work.calling import Answer, Call, Outcomes
from oms.common.work.claiming import Queue

A = TypeVar("A", bound=Answer)


def call(
    kind: ErrandKind,
    ask: Callable[[Connection, Sequence[Booked]], Mapping[str, A]],
    follow: Callable[[Outcomes[A]], None],
    *,
    lock_above: Callable[[Collection[int]], None] | None = None,
) -> Call[Booked, A]:
    """How errands of the kind are sent. `follow` does what their answers mean, in the transaction that keeps them."""

    def finish(outcomes: Outcomes[A]) -> None:
        _keep(outcomes)
        follow(outcomes)

    queue = Queue(WaybillErrand, f"q.kind = '{kind}' AND q.outcome = ''")
    return Call(queue, asked.of_errands, ask, finish, lock_above=lock_above)


def _keep(outcomes: Outcomes[A]) -> None:
    answers = outcomes.taken | outcomes.refused
    if not answers:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_waybillerrand e SET outcome = n.outcome, answer = n.answer, answered_at = now(),
                ready_at = NULL, lease_until = NULL, attempts = 0, last_error = ''
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS n(id, outcome, answer) WHERE e.id = n.id
            """,
            [
                array(answers),
                text_array(ErrandOutcome.DONE if one.taken else ErrandOutcome.REFUSED for one in answers.values()),
                text_array(mask_text(one.reason)[:300] for one in answers.values()),
            ],
        )
