"""Lists of what changed, for readers that go on where they ended and must miss nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from oms.common import numbering
from oms.common.door.api import NewestFirst
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from oms.common.postgresql.horizon import settled_until


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
        if not _CURSOR.fullmatch(text):
            detail = _("This is no cursor; use the one that was answered as it is.")
            raise InvalidInput([FieldError("cursor", "invalid", detail)])
        micros = min(int(text[:17]), _LATEST)
        return cls(_EPOCH + timedelta(microseconds=micros), numbering.recover(int(text[17:])))


_CURSOR = re.compile("[0-9]{29}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 10**6 * 60 * 60 * 24 * 365 * 1000


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


class NewestOrByChange(NewestFirst):
    """Newest first; with `updated_since`, and from there on with the cursors that were answered, in the order of the
    changes. That list ends before the oldest change that somebody may still be writing, so that whoever goes on with
    `cursor` loses nothing. A row that changes again comes again.

    The rows keep the time of their last change in `changed_at`, read off the clock (`TellsChanges`).
    """

    query_parameters = NewestFirst.query_parameters | {"updated_since"}
    cursor: str | None = None

    def paginate_queryset(self, queryset: QuerySet, request: Request, view: APIView | None = None) -> list[Any]:
        """The rows of one page. Raises InvalidInput for a time, cursor or limit that is none."""
        parameters = request.query_params
        self.cursor = None
        if "updated_since" not in parameters and not _CURSOR.fullmatch(parameters.get("cursor", "")):
            return super().paginate_queryset(queryset, request, view)
        place = start(request)
        rows, place, is_last = self.changed(queryset, place, self._limit(parameters))
        self.cursor = place.text()
        address = remove_query_param(request.build_absolute_uri(), "updated_since")
        self.next_url = None if is_last else replace_query_param(address, "cursor", self.cursor)
        return rows

    def changed(self, queryset: QuerySet, place: Place, limit: int) -> tuple[list[Any], Place, bool]:
        """Up to `limit` rows that changed after the place, in the order of their changes; the place to go on from; and
        whether there are no more."""
        until = settled_until(0)
        later = Q(changed_at__gt=place.at) | Q(pk__gt=place.row_id)
        found = queryset.filter(later, changed_at__gte=place.at, changed_at__lt=until)
        rows = list(found.order_by("changed_at", "pk")[: limit + 1])
        if len(rows) > limit:
            last = rows[limit - 1]
            return rows[:limit], Place(last.changed_at, last.pk), False
        return rows, Place(max(until, place.at), place.row_id if place.at >= until else 0), True

    def get_paginated_response(self, data: Sequence[object]) -> Response:
        """The page with the address of the next one, and where to go on later."""
        answer = super().get_paginated_response(data)
        if self.cursor is not None:
            answer.data["cursor"] = self.cursor
        return answer

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """How a page looks."""
        page = super().get_paginated_response_schema(schema)
        page["properties"]["cursor"] = {
            "type": "string",
            "description": "Only with `updated_since`: where to go on later, also after the last page.",
        }
        return page

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """The parameters that pages take."""
        since = {
            "name": "updated_since",
            "in": "query",
            "description": (
                "Changed then or later, in the order of the changes. Go on with `cursor`: it never passes a change that"
                " is still being written, so nothing is left out; what changes again comes again."
            ),
            "schema": {"type": "string", "format": "date-time"},
        }
        return [*super().get_schema_operation_parameters(view), since]
