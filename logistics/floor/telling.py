"""What the floor tells: facts like those of any warehouse system, so that nothing moves by a page alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from logistics.warehouses.notices import Notice
from oms.common.models import Topic
from oms.common.work import facts


@dataclass(frozen=True, slots=True)
class Told:
    """News of a warehouse order, over the connection of its warehouse."""

    connection_id: int
    number: str
    notice: Notice
    body: Mapping[str, Any] = field(default_factory=dict)


def tell(news: Sequence[Told]) -> None:
    """Store the news in the running transaction. What was told before is ignored."""
    now = timezone.now()
    by_link: dict[int, list[facts.News]] = {}
    for one in news:
        key = f"floor:{one.number}:{one.notice}"
        by_link.setdefault(one.connection_id, []).append(facts.News(key, one.notice, one.number, now, one.body))
    for connection_id, of_one in sorted(by_link.items()):
        facts.receive(connection_id, Topic.WAREHOUSE, of_one)
