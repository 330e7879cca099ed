"""What a message to a merchant says: how many of each kind, and the first of them by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from logistics.watching.robots import Notice
from oms.common.copying import array
from oms.merchants.models import MerchantTelling, NewsKind
from oms.telling.kinds import SOURCES

# So many rows of a kind are named in a message.
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says of one kind."""

    kind: str
    count: int
    names: list[str]


def contents_of(telling_ids: Sequence[int]) -> dict[int, list[Content]]:
    """What each message (id) tells, by kind. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT telling_id, kind, count(*), (array_agg(name ORDER BY id) FILTER (WHERE name <> ''))[:%s]
            FROM merchants_merchantnews WHERE telling_id = ANY(%s::bigint[]) GROUP BY telling_id, kind
            """,
            [MOST_NAMED, array(telling_ids)],
        )
        found: dict[int, list[Content]] = {}
        for key, kind, count, names in cursor.fetchall():
            found.setdefault(key, []).append(Content(kind, count, names or []))
    order = list(SOURCES)
    return {key: sorted(parts, key=lambda part: order.index(NewsKind(part.kind))) for key, parts in found.items()}


def notice_of(telling: MerchantTelling, contents: Sequence[Content]) -> Notice:
    """The message in the receiver's language, of a telling with its receiver and merchant."""
    with override(telling.receiver.language):
        merchant = telling.receiver.merchant
        key = f"news-{telling.pk}"
        if telling.is_test:
            text = _("This is a test: news of %(merchant)s comes here.") % {"merchant": merchant.name}
            return Notice(key, _("Test message"), text)
        lines = [_line(part) for part in contents]
        count = sum(part.count for part in contents)
        title = _("%(merchant)s: %(count)d new") % {"merchant": merchant.name, "count": count}
        return Notice(key, title, "\n".join(lines))


def _line(part: Content) -> str:
    said = f"{NewsKind(part.kind).label} {part.count}"
    if part.names:
        said += f": {', '.join(part.names)}"
    if part.count > len(part.names) > 0:
        said += " …"
    page = reverse(SOURCES[NewsKind(part.kind)].page)
    return f"{said} {settings.PUBLIC_URL}{page}" if settings.PUBLIC_URL else said
