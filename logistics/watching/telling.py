"""Telling people of what is late: one message a group and level, to each receiver, outside its quiet hours.

The watch stage only writes what is to be told; a robot that fails never stops it. A message whose answer was lost is
sent once more: robots know no key to recognise it by.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import override

from logistics.models import AlertGroup, AlertReceiver, AlertTelling, LogisticsAlert
from logistics.watching import grouping
from logistics.watching.robots import Notice, sending
from oms.common.copying import records
from oms.common.work import calling, clock
from oms.common.zones import CHINA

# More of what is late together may be found a moment later: then one message says it all.
GATHERING = timedelta(minutes=1)
# So many of the rows are named in a message.
MOST_NAMED = 5


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


def _words(telling_ids: Sequence[int]) -> Mapping[int, Notice]:
    tellings = AlertTelling.objects.filter(pk__in=telling_ids).select_related(
        *("group__carrier", "group__warehouse", "connection__alert_receiver")
    )
    return {one.pk: _word(one) for one in tellings}


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


CALL = sending.call_for(AlertTelling, "q.sent_at IS NULL", _words)
STAGE = calling.outside_stage("tell_alerts", CALL)
run = STAGE.run
