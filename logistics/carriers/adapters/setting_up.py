"""What the adapters share: what connections say of accounts, answers as text, and when couriers come."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any, TypeVar

import msgspec

from logistics.carriers.adapters import PickUp
from oms.common.errors import OmsError
from oms.common.models import Connection
from oms.common.zones import CHINA

T = TypeVar("T")
# A courier is booked only where this much of the day's window is left.
_STILL_COMES = timedelta(hours=2)


class NotSetUp(OmsError):
    """The connection lacks what the protocol needs."""

    code = "not_set_up"


def needed(link: Connection, *names: str) -> dict[str, str]:
    """The connection's secrets. Raises NotSetUp, naming the one of `names` that is missing."""
    secrets = {name: str(value) for name, value in link.secrets().items()}
    for name in names:
        if not secrets.get(name):
            raise NotSetUp(f"The connection {link.code} has no {name}.")
    return secrets


def options_of(link: Connection, kind: type[T]) -> T:
    """The connection's options. Raises NotSetUp, naming the one that is wrong."""
    try:
        return msgspec.convert(link.options, kind)
    except msgspec.ValidationError as error:
        raise NotSetUp(f"The connection {link.code} is not set up well: {error}") from error


def text(said: Mapping[str, Any], name: str) -> str:
    """A field as text; empty where it is missing."""
    value = said.get(name)
    return "" if value is None or isinstance(value, dict | list) else str(value).strip()


def inner(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A field that is an object; empty where it is none."""
    value = said.get(name)
    return value if isinstance(value, dict) else {}


def objects(said: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects of a field that is a list; none where it is no list."""
    value = said.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def begins(code: str, with_one_of: tuple[str, ...]) -> bool:
    """Whether a code is one of these, or begins with one of them."""
    return bool(code) and code.startswith(with_one_of)


def next_pick_up(opens: str, closes: str, now: datetime) -> PickUp:
    """The next window in which a courier comes, between hours (HH:MM) of China: today's, unless too little of it is
    left. Raises ValueError for hours that are none."""
    first, last = time.fromisoformat(opens), time.fromisoformat(closes)
    here = now.astimezone(CHINA)
    day = here.date()
    if here + _STILL_COMES > datetime.combine(day, last, CHINA):
        day += timedelta(days=1)
    since = max(datetime.combine(day, first, CHINA), here.replace(second=0, microsecond=0))
    return PickUp(since, datetime.combine(day, last, CHINA))


def written(at: datetime) -> str:
    """A time as Chinese carriers write it."""
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def read_time(told: str) -> datetime:
    """The time that is written so. Raises ValueError."""
    return datetime.strptime(told.strip(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
