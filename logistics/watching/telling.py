"""Telling people of what is late: one message a group and level, to each receiver, outside its quiet hours.

The watch stage only writes what is to be told; a robot that fails never stops it. A message whose answer was lost is
sent once more: robots know no key to recognise it by.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import override

from logistics.models import AlertGroup, AlertReceiver, AlertTelling, LogisticsAlert
from logistics.watching import grouping
from logistics.watching.robots import Notice
from logistics.watching.robots.known import ROBOTS
from oms.common.copying import array, records
from oms.common.models import Connection
from oms.common.work import calling, clock
from oms.common.work.calling import Call, Outcomes, OutsideStage
from oms.common.work.claiming import Queue
from oms.common.zones import CHINA

# More of what is late together may be found a moment later: then one message says it all.
GATHERING = timedelta(minutes=1)
MOST_A_MINUTE = 20
# So many of the rows are named in a message.
MOST_NAMED = 5

QUEUE = Queue(
    AlertTelling,
    "q.sent_at IS NULL",
    unless=f"""(
        SELECT count(*) FROM logistics_alerttelling told
        WHERE told.connection_id = q.connection_id AND told.sent_at > statement_timestamp() - interval '1 minute'
    ) >= {MOST_A_MINUTE}""",
)


def write(groups: Sequence[AlertGroup], now: datetime) -> None:
    """Write what is to be told of groups as they are now, each level once; what ended untold is not told any more."""
    ended = [group.pk for group in groups if group.closed_at is not None]
    AlertTelling.objects.filter(group__in=ended, sent_at=None).delete()
    rows = [
        {
            "connection_id": receiver.connection_id,
            "group_id": group.pk,
            "level": group.level,
            "ready_at": (_speaks_from(receiver, now + clock.scaled(GATHERING))).isoformat(),
        }
        for receiver in AlertReceiver.objects.filter(is_active=True).order_by("pk")
        for group in groups
        if group.closed_at is None and group.level >= receiver.min_level
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_alerttelling (connection_id, group_id, level, ready_at)
            SELECT connection_id, group_id, level, ready_at
            FROM json_to_recordset(%s::json)
                AS t(connection_id bigint, group_id bigint, level int, ready_at timestamptz)
            ON CONFLICT DO NOTHING
            """,
            [records(rows)],
        )


def _speaks_from(receiver: AlertReceiver, moment: datetime) -> datetime:
    """The moment itself, or the end of the quiet hours that it lies in."""
    begins, ends = receiver.quiet_from, receiver.quiet_until
    if begins is None or ends is None:
        return moment
    local = moment.astimezone(CHINA)
    is_quiet = begins <= local.time() < ends if begins <= ends else local.time() >= begins or local.time() < ends
    if not is_quiet:
        return moment
    end = datetime.combine(local.date(), ends, CHINA)
    return end if end > local else end + timedelta(days=1)


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
    tellings = AlertTelling.objects.filter(pk__in=telling_ids).select_related(
        *("group__carrier", "group__warehouse", "connection__alert_receiver")
    )
    return {one.pk: _Item(str(one.pk), _word(one)) for one in tellings}


def _word(telling: AlertTelling) -> Notice:
    receiver = AlertReceiver.objects.filter(connection=telling.connection_id).first()
    with override(receiver.language if receiver else "zh-hans"):
        group = telling.group
        level = str(LogisticsAlert.Level(telling.level).label)
        late = group.alerts.filter(closed_at=None).select_related("shipment", "warehouse_order", "sub_order")
        named = [str(a.shipment or a.warehouse_order or a.sub_order) for a in late.order_by("since")[:MOST_NAMED]]
        more = max(group.open_count - len(named), 0)
        lines = [grouping.sentence(group), *named]
        if more:
            lines.append(_("and %(count)d more") % {"count": more})
        return Notice(f"alerts-{group.pk}-{telling.level}", f"{level}: {group.get_kind_display()}", "\n".join(lines))


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
            "UPDATE logistics_alerttelling SET sent_at = statement_timestamp(), lease_until = NULL, attempts = 0,"
            " last_error = '' WHERE id = ANY(%s::bigint[])",
            [array(telling_ids)],
        )


@dataclass(frozen=True, slots=True)
class RobotStage(OutsideStage):
    """Sends one message a call, so that a failed one repeats no other and the limit a minute is kept exactly."""

    def run_over(self, connection_id: int, limit: int) -> int:
        """Serve one connection, unless it rests; returns how many messages were claimed."""
        if connection_id not in self.due_connections():
            return 0
        link = Connection.objects.get(pk=connection_id)
        link.batch_size = 1
        return calling.over(link, limit, CALL)


CALL: Call[_Item, _Told] = Call(QUEUE, _prepare, _ask, _finish)


def run(limit: int) -> int:
    """Send what is to be told over each connection; returns how many messages were claimed."""
    return sum(STAGE.run_over(key, limit) for key in STAGE.due_connections())


STAGE = RobotStage("tell_alerts", run, queue=QUEUE, call=CALL)
