"""Orders of a file as if they came just now."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

# The moments of an order on the wire, by their names.
_MOMENTS = {
    *("ordered_at", "paid_at", "due_at", "opens_at", "finished_at", "ship_not_before", "delivery_from"),
    *("delivery_until", "ship_by", "collect_by", "sign_by"),
}


def moved(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The orders (JSON lines), all moved by the same whole days, so that the last of them came within the last day.
    What is no JSON object with a date stays as it is."""
    rows = list(lines)
    read = [_read(row) for row in rows]
    last = max((at for row in read if (at := _moment(row.get("ordered_at"))) is not None), default=None)
    by = timedelta(days=(timezone.now() - last).days) if last else timedelta(0)
    for row, order in zip(rows, read, strict=True):
        yield json.dumps(_shift(order, by), ensure_ascii=False).encode() if order and by else row


def _read(row: bytes) -> dict[str, Any]:
    try:
        found = json.loads(row)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _shift(value: Any, by: timedelta) -> Any:
    if isinstance(value, list):
        return [_shift(one, by) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: (at + by).isoformat()
        if name in _MOMENTS and (at := _moment(one)) is not None
        else one
        if name == "metadata"
        else _shift(one, by)
        for name, one in value.items()
    }
