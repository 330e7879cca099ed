"""Sending messages that are kept as rows: whoever is told, each once over its connection, within a limit a minute."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection, models

from logistics.watching.robots import Notice
from logistics.watching.robots.known import ROBOTS
from oms.common.copying import array
from oms.common.models import Connection
from oms.common.work.calling import Call, Outcomes
from oms.common.work.claiming import Queue

MOST_A_MINUTE = 20


@dataclass(frozen=True, slots=True)
class _Told:
    """That a message was taken, or why not."""

    taken: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Item:
    """A message that is to be sent."""

    reference: str
    notice: Notice


def call_for(
    model: type[models.Model], condition: str, word: Callable[[Sequence[int]], Mapping[int, Notice]]
) -> Call[_Item, _Told]:
    """The call that sends rows of the model (with `connection` and `sent_at`) for which the condition on `q` holds;
    `word` says what the messages of these ids are."""
    table = model._meta.db_table
    queue = Queue(
        model,
        condition,
        unless=f"""(
            SELECT count(*) FROM {table} told
            WHERE told.connection_id = q.connection_id AND told.sent_at > statement_timestamp() - interval '1 minute'
        ) >= {MOST_A_MINUTE}""",
    )

    def prepare(telling_ids: Sequence[int]) -> Mapping[int, _Item]:
        return {key: _Item(str(key), notice) for key, notice in word(telling_ids).items()}

    def finish(outcomes: Outcomes[_Told]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET sent_at = statement_timestamp(), lease_until = NULL, attempts = 0,"
                " last_error = '' WHERE id = ANY(%s::bigint[])",
                [array(outcomes.taken)],
            )

    # One message a call: a failed one repeats no other, and the limit a minute is kept exactly.
    return Call(queue, prepare, _ask, finish, most=1)


def _ask(link: Connection, items: Sequence[_Item]) -> Mapping[str, _Told]:
    send = ROBOTS[link.protocol]
    for item in items:
        send(link, item.notice)
    return {item.reference: _Told(True) for item in items}
