"""What a merchant reports of warehouse orders: facts like those of any warehouse, applied at once where that works."""

import logging
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from logistics.warehouses import events
from oms.common.models import Topic
from oms.common.work import facts, nudging
from oms.common.work.facts import News

logger = logging.getLogger(__name__)


def tell(connection_id: int, news: Sequence[News], work_ids: Sequence[int]) -> None:
    """Store the news of these warehouse orders, whose orders are locked, and apply them. Needs an open transaction.

    What cannot be applied now is kept and left to the stage, which tries again and calls a person in the end: what the
    merchant said is never lost.
    """
    if not news:
        return
    facts.receive(connection_id, Topic.WAREHOUSE, news)
    stored = facts.stored(connection_id, [one.key for one in news])
    try:
        with transaction.atomic():
            facts.apply_now(events.WORK, stored, sorted(set(work_ids)))
    except Exception:
        logger.exception("%d reports of a merchant are left to the stage", len(news))
    for name in events.STAGE.wakes:
        nudging.nudge(name)


def news(key: str, kind: str, number: str, body: dict[str, object]) -> News:
    """News of a warehouse order by its number, as of now."""
    return News(f"merchant:{number}:{key}", kind, number, timezone.now(), body)
