"""Staging the plot, and what of it is left to do."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from oms.common.models import StagedTrouble
from oms.plot import of_floor, of_money, of_orders, of_parcels  # noqa: F401 - they register their troubles
from oms.plot.registry import TROUBLES
from oms.plot.shop import ACTOR as SHOP
from oms.plot.world import ACTOR, NotStaged, World
from orders.actors import name_actors

name_actors({ACTOR.name: _("Sample's plot"), SHOP.name: _("Sample's shop")})
_OVER, _OVER_SECONDS = "oms.plot.over", 60
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the checklist in the reader's language; `link` leads to where one works on it."""

    code: str
    words: str
    job: str
    link: str
    is_done: bool


def stage() -> list[str]:
    """Stage every trouble that is not staged yet; returns the codes of those that are there now. For a site whose
    pipeline has nothing else to do: the stages are run for all that is ready.

    One that the world is not made for is left out with a line in the log.
    """
    world = World()
    there = set(StagedTrouble.objects.values_list("code", flat=True))
    for code, trouble in TROUBLES.items():
        if code in there:
            continue
        try:
            staged = trouble.stage(world)
        except NotStaged as reason:
            logger.warning("The trouble %s is left out: %s", code, str(reason))
            continue
        StagedTrouble.objects.create(
            code=code,
            subject_id=staged.subject_id,
            page_id=staged.subject_id if staged.page_id is None else staged.page_id,
            values=dict(staged.values),
        )
        there.add(code)
    cache.delete(_OVER)
    return [code for code in TROUBLES if code in there]


def checklist(user: object) -> list[Row]:
    """The staged troubles that the person has the right to work on, with which are over; nothing once all of them are.
    Two statements at most; that nothing is left is kept for some seconds."""
    if cache.get(_OVER):
        return []
    rows = [row for row in StagedTrouble.objects.order_by("pk") if row.code in TROUBLES]
    if all(row.done_at for row in rows):
        cache.set(_OVER, True, _OVER_SECONDS)
        return []
    over = tick([row for row in rows if row.done_at is None])
    if over >= {row.code for row in rows if row.done_at is None}:
        return []
    return [
        Row(
            row.code,
            str(trouble.words) % row.values,
            str(trouble.job),
            trouble.page.link(row.page_id),
            row.done_at is not None or row.code in over,
        )
        for row in rows
        if (trouble := TROUBLES[row.code]).is_for(user)
    ]


def left_to_try(most: int) -> list[tuple[str, str]]:
    """Up to so many troubles that are left, each with its job, in the language of now."""
    rows = StagedTrouble.objects.filter(done_at=None, code__in=TROUBLES).order_by("pk")[:most]
    return [(str(TROUBLES[row.code].words) % row.values, str(TROUBLES[row.code].job)) for row in rows]


def tick(rows: Sequence[StagedTrouble]) -> set[str]:
    """Tick off those of these that are over; returns their codes."""
    if not rows:
        return set()
    cases = " ".join(f"WHEN '{code}' THEN ({trouble.is_open})" for code, trouble in TROUBLES.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT t.code FROM common_stagedtrouble t
            WHERE t.id = ANY(%s) AND NOT CASE t.code {cases} ELSE true END
            """,
            [[row.pk for row in rows]],
        )
        over = {code for (code,) in cursor.fetchall()}
    if over:
        StagedTrouble.objects.filter(code__in=over, done_at=None).update(done_at=timezone.now())
    return over
