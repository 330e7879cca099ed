"""Sending the messages to mailboxes and robots of merchants, by the same adapters as those of the staff's alerts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from logistics.watching.robots import Notice
from logistics.watching.robots.known import ROBOTS
from oms.common.copying import array
from oms.common.models import Connection
from oms.common.work import calling
from oms.common.work.calling import Call, Outcomes
from oms.common.work.claiming import Queue
from oms.merchants.models import MerchantTelling
from oms.telling import wording
from oms.telling.gathering import NAME

MOST_A_MINUTE = 20

QUEUE = Queue(
    MerchantTelling,
    "q.sent_at IS NULL AND q.connection_id IS NOT NULL",
    unless=f"""(
        SELECT count(*) FROM merchants_merchanttelling told
        WHERE told.connection_id = q.connection_id AND told.sent_at > statement_timestamp() - interval '1 minute'
    ) >= {MOST_A_MINUTE}""",
)


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


def _prepare(telling_ids: Sequence[int]) -> Mapping[int, _Item]:
    tellings = MerchantTelling.objects.filter(pk__in=telling_ids).select_related("receiver__merchant")
    said = wording.contents_of(telling_ids)
    return {one.pk: _Item(str(one.pk), wording.notice_of(one, said.get(one.pk, []))) for one in tellings}


def _ask(link: Connection, items: Sequence[_Item]) -> Mapping[str, _Told]:
    send = ROBOTS[link.protocol]
    for item in items:
        send(link, item.notice)
    return {item.reference: _Told(True) for item in items}


def _finish(outcomes: Outcomes[_Told]) -> None:
    _mark_sent(outcomes.taken)


def _mark_sent(telling_ids: Collection[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE merchants_merchanttelling SET sent_at = statement_timestamp(), lease_until = NULL, attempts = 0,"
            " last_error = '' WHERE id = ANY(%s::bigint[])",
            [array(telling_ids)],
        )


# One message a call: a failed one repeats no other, and the limit a minute is kept exactly.
CALL: Call[_Item, _Told] = Call(QUEUE, _prepare, _ask, _finish, most=1)
STAGE = calling.outside_stage(NAME, CALL)
run = STAGE.run
