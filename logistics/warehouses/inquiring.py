"""Warehouses are asked how far orders are whose next word is late, where their systems can be asked: a message may have
been lost on its way to us.

What they answer becomes facts, as if they had said it by themselves; what was heard before, or comes late, changes
nothing: parcels are known by their waybills. Who left units open by its last message is asked at once and some times
more (`doubting`); what is not answered then counts as staying.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When
from django.utils import timezone

from logistics.models import LogisticsAlert, WarehouseOrder, WarehouseOrderState
from logistics.models.warehouse_order import NOT_GONE
from logistics.warehouses import adapters
from logistics.warehouses.notices import Notice
from oms.common import outbound
from oms.common.masking import describe
from oms.common.models import Connection, Topic
from oms.common.work import clock, connections, facts
from oms.common.work.news import News

# The same order is asked for again after so long; so many are asked for at once over one connection.
AGAIN_AFTER = timedelta(hours=6)
MOST_AT_ONCE = 100
# An answer to our wish to stop is missed after so long.
STOP_UNANSWERED_AFTER = timedelta(hours=1)
# What became of missing units is asked so often, with such pauses.
MOST_ABOUT_REST = 4
REST_AGAIN_AFTER = timedelta(minutes=15)
_OPEN = (*NOT_GONE[1:], WarehouseOrderState.PARTLY_SHIPPED)


def ask() -> int:
    """Ask over every connection that can be asked for the orders whose news are late, the longest unasked first;
    returns how many were answered. A connection that fails holds up no other, and nothing is asked while what goes out
    is stopped."""
    if outbound.is_stopped():
        return 0
    links = Connection.objects.filter(protocol__in=adapters.TELLING, is_active=True)
    _give_up_rests()
    callable_now = Q(paused_until=None) | Q(paused_until__lte=timezone.now())
    return sum(_ask_over(link) for link in links.filter(callable_now).order_by("pk"))


def _ask_over(link: Connection) -> int:
    with connections.slot_of(link) as slot:
        works = _silent(link) if slot is not None else []
        if not works:
            return 0
        # Before the call: what it breaks at is not asked for again at once.
        asked = WarehouseOrder.objects.filter(pk__in=[work.pk for work in works])
        asked.update(
            asked_at=timezone.now(),
            rest_asked=Case(When(rest_doubted_at=None, then=F("rest_asked")), default=F("rest_asked") + 1),
        )
        return _told(link, works)


def _doubted() -> QuerySet[WarehouseOrder]:
    """Orders of whose missing units nobody knows whether they left, and of which nothing was answered for a while."""
    patience = timezone.now() - clock.scaled(REST_AGAIN_AFTER)
    is_due = Q(asked_at=None) | Q(asked_at__lt=patience) | Q(rest_asked=0)
    return WarehouseOrder.objects.filter(is_due, rest_doubted_at__isnull=False, is_current=True, state__in=_OPEN)


def _give_up_rests() -> None:
    """What was asked for in vain, or can be asked for no more, counts as staying: a fact of its own, so that it is
    applied in turn with what the warehouse tells."""
    can_be_asked = Q(connection__protocol__in=adapters.TELLING, connection__is_active=True)
    in_vain = _doubted().filter(~can_be_asked | Q(rest_asked__gte=MOST_ABOUT_REST)).order_by("pk")
    told: dict[int, list[News]] = defaultdict(list)
    for work in in_vain[:MOST_AT_ONCE]:
        news = News(f"rest_stays:{work.number}", Notice.REST_STAYS, work.number, timezone.now())
        told[work.connection_id].append(news)
    for connection_id, its_news in told.items():
        facts.receive(connection_id, Topic.WAREHOUSE, its_news)


def _silent(link: Connection) -> list[WarehouseOrder]:
    """Orders at the warehouse of which something is late, or whose warehouse owes an answer."""
    now = timezone.now()
    works = WarehouseOrder.objects.filter(
        Q(asked_at=None) | Q(asked_at__lt=now - clock.scaled(AGAIN_AFTER)), connection=link, state__in=_OPEN
    )
    # Who made several orders of one does not know it by our number alone.
    works = works.exclude(their_number__contains=",").order_by(F("asked_at").asc(nulls_first=True), "pk")
    most = min(MOST_AT_ONCE, connections.chunk_size(link))
    alerts = LogisticsAlert.objects.filter(warehouse_order=OuterRef("pk"), closed_at=None)
    owing = works.filter(stop_answered_at=None, stop_requested_at__lt=now - clock.scaled(STOP_UNANSWERED_AFTER))
    doubted = _doubted().filter(connection=link, rest_asked__lt=MOST_ABOUT_REST).order_by("pk")
    # Apart: each has an index of its own.
    found = {work.pk: work for rows in (doubted, works.filter(Exists(alerts)), owing) for work in rows[:most]}
    return list(found.values())[:most]


def _told(link: Connection, works: Sequence[WarehouseOrder]) -> int:
    adapter = adapters.telling(link)
    if adapter is None:  # the connection speaks another protocol now
        return 0
    started = time.monotonic()
    try:
        answers = adapter.query(link, [work.number for work in works])
    except Exception as error:
        connections.note_failure(link, describe(error), time.monotonic() - started)
        return 0
    connections.note_answer(link, len(works), time.monotonic() - started)
    asked: Collection[str] = {work.number for work in works}
    news = [one for told in answers.values() for one in told if one.subject in asked]
    facts.receive(link.pk, Topic.WAREHOUSE, news)
    return len(answers)
