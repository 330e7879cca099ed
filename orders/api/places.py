"""Lists of what changed, for readers that go on where they ended and must miss nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from rest_framework.request import Request

from oms.common import numbering
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader is among rows in the order of their times: after the row of this time and id."""

    at: datetime
    row_id: int = 0

    def text(self) -> str:
        """The cursor, which tells nothing about volume."""
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        return f"{micros:017d}{numbering.permute(self.row_id):012d}"

    @classmethod
    def of(cls, text: str) -> "Place":
        """The place of a cursor. Raises InvalidInput for what is none."""
        if not re.fullmatch("[0-9]{29}", text):
            detail = _("This is no cursor; use the one that was answered as it is.")
            raise InvalidInput([FieldError("cursor", "invalid", detail)])
        micros = min(int(text[:17]), _LATEST)
        return cls(_EPOCH + timedelta(microseconds=micros), numbering.recover(int(text[17:])))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 10**6 * 60 * 60 * 24 * 365 * 1000


def events(place: Place, end: datetime, most: int) -> Sequence[tuple[datetime, int, int]]:
    """Up to `most` events of timelines after the place and before `end`: time, id and order's id, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT created_at, id, order_id FROM orders_orderevent
            WHERE created_at >= %(at)s AND created_at < %(end)s AND (created_at, id) > (%(at)s, %(id)s)
            ORDER BY created_at, id LIMIT %(most)s
            """,
            {"at": place.at, "id": place.row_id, "end": end, "most": most},
        )
        return cursor.fetchall()


def limit_of(request: Request, most: int) -> int:
    """How many rows the reader wants at most: 50 unless it says so. Raises InvalidInput."""
    text = request.query_params.get("limit", "50")
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= most:
        raise InvalidInput([FieldError("limit", "invalid", _("Give a number from 1 to %(most)d.") % {"most": most})])
    return int(text)


def start(request: Request) -> Place:
    """Where the reader goes on, or begins: by `cursor`, else by `updated_since`. Raises InvalidInput."""
    cursor, since = request.query_params.get("cursor"), request.query_params.get("updated_since")
    if cursor is not None:
        return Place.of(cursor)
    try:
        moment = parse_datetime(since or "")
    except ValueError:
        moment = None
    if moment is None or not 1971 <= moment.year <= 9000:
        detail = _("Give a time in ISO 8601, or the cursor that was answered before.")
        raise InvalidInput([FieldError("updated_since", "invalid", detail)])
    return Place(timezone.make_aware(moment) if timezone.is_naive(moment) else moment.astimezone(UTC))
