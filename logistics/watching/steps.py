"""What is expected next of a parcel or warehouse order, and from when on it is late: a pure function of where it is.

A parcel's part of it is a function of the set of its scans: their order of arrival and repetitions cannot matter.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from logistics.models import AlertKind, LogisticsAlert, ShipmentState, WaitingPlace, WarehouseOrderState
from logistics.watching.defaults import Limit
from logistics.watching.limits import Lane, Limits, Shift, after
from logistics.watching.standing import NOWHERE, Standing

_K, _S, _W = AlertKind, ShipmentState, WarehouseOrderState
_LEVEL = LogisticsAlert.Level
# What is waited for, by code, in words.
WORDS: dict[str, Any] = {
    "accepted": _("the warehouse accepts it"),
    "picked": _("the warehouse picks it"),
    "packed": _("the parcel is packed"),
    "waybill": _("a waybill"),
    "shipped": _("the parcel leaves"),
    "collected": _("the carrier has the parcel"),
    "scan": _("another scan"),
    "out": _("a courier takes it out"),
    "signed": _("the parcel is signed for"),
    "fetched": _("the buyer fetches it"),
    "decision": _("somebody decides"),
}
_OF_WORK = {
    _W.INTENDED: ("accepted", _K.NOT_ACCEPTED),
    _W.SENT: ("accepted", _K.NOT_ACCEPTED),
    _W.ACCEPTED: ("picked", _K.NOT_PICKED),
    _W.PICKING: ("packed", _K.NOT_PACKED),
    _W.PACKED: ("shipped", _K.NOT_SHIPPED),
    _W.PARTLY_SHIPPED: ("shipped", _K.NOT_SHIPPED),
}
# On its way to the buyer.
_TO_THE_BUYER = (_S.COLLECTED, _S.IN_TRANSIT, _S.OUT_FOR_DELIVERY, _S.FAILED_DELIVERY)
# An open alert whose rule names no further level goes up one each time that so many hours pass without news.
ESCALATES_AFTER_HOURS = 24.0
# These only remind of what is late later.
_REMINDERS = (_K.PICKUP_SOON, _K.SHIP_SOON)
# What somebody must look at as soon as it happens.
_AT_ONCE = {_S.FAILED_DELIVERY: _K.PROBLEM, _S.REJECTED: _K.REJECTED, _S.RETURNING: _K.RETURNING}


@dataclass(frozen=True, slots=True)
class Step:
    """From `at` on it is late to this level, waiting `since` the moment at which the step began; `is_platforms` where
    the platform says so."""

    kind: AlertKind
    level: int
    since: datetime
    at: datetime
    is_platforms: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected next (a code of WORDS, "" for nothing), and all steps, the earliest first."""

    event: str
    steps: tuple[Step, ...] = ()


NOTHING = Outlook("")


@dataclass(frozen=True, slots=True)
class WorkAt:
    """Where a warehouse order is. `ship_by` is the platform's deadline."""

    state: WarehouseOrderState
    since: datetime
    warehouse_id: int
    storage_class: str
    ship_by: datetime | None = None
    is_current: bool = True


@dataclass(frozen=True, slots=True)
class ParcelAt:
    """Where a parcel is; `last_scan_at` and `stands` are of its scans, `is_packed` of its warehouse order."""

    state: ShipmentState
    lane: Lane
    created_at: datetime
    is_packed: bool
    packed_at: datetime | None = None
    waybill_at: datetime | None = None
    left_at: datetime | None = None
    last_scan_at: datetime | None = None
    collect_by: datetime | None = None
    sign_by: datetime | None = None
    stands: Standing = NOWHERE


def of_work(work: WorkAt, limits: Limits) -> Outlook:
    """What is expected of a warehouse order: hours are those in which the warehouse works."""
    if not work.is_current or work.state not in _OF_WORK:
        return NOTHING
    event, kind = _OF_WORK[work.state]
    shift = limits.warehouse_shift(work.warehouse_id, work.storage_class)
    return _outlook(event, _levels(kind, work.since, Lane(""), limits, shift, work.ship_by))


def of_parcel(parcel: ParcelAt, limits: Limits) -> Outlook:
    """What is expected of a parcel: days on which its carrier does not work do not count."""
    shift = limits.carrier_shift(parcel.lane)

    def levels(kind: AlertKind, since: datetime | None, by: datetime | None = None) -> list[Step]:
        return _levels(kind, since, parcel.lane, limits, shift, by) if since is not None else []

    state = parcel.state
    if state == _S.CREATED:
        return _outlook("waybill", levels(_K.NO_WAYBILL, parcel.packed_at or parcel.created_at))
    if state == _S.WAYBILL_ISSUED:
        if parcel.left_at is not None:
            soon = levels(_K.PICKUP_SOON, parcel.left_at)
            return _outlook("collected", soon + levels(_K.PICKUP_TIMEOUT, parcel.left_at, parcel.collect_by))
        bound = parcel.waybill_at or parcel.created_at
        return _outlook("collected", levels(_K.NO_TRACE, bound, parcel.collect_by)) if parcel.is_packed else NOTHING
    stands = parcel.stands
    since = stands.since or parcel.last_scan_at
    if stands.stop == WaitingPlace.LOCKER:
        # Its carrier did what it can: now the buyer is waited for.
        return _outlook("fetched", levels(_K.LOCKER_OVERDUE, stands.stop_since, parcel.sign_by))
    steps: list[Step] = []
    if state in _AT_ONCE:
        steps += levels(_AT_ONCE[state], since)
    if state == _S.COLLECTED:
        steps += levels(_K.DEPART_TIMEOUT, since)
    elif state == _S.OUT_FOR_DELIVERY:
        steps += levels(_K.DELIVERY_TIMEOUT, parcel.last_scan_at)
    elif stands.stop == WaitingPlace.BRANCH:
        steps += levels(_K.ARRIVED_NOT_OUT, stands.stop_since)
    elif state in (_S.IN_TRANSIT, _S.INTERCEPTING, _S.RETURNING):
        steps += levels(_K.STALLED, parcel.last_scan_at)
    if state in _TO_THE_BUYER:
        steps += levels(_K.SIGN_TIMEOUT, parcel.left_at or since, parcel.sign_by)
    if not steps:
        return NOTHING
    is_signing = state == _S.OUT_FOR_DELIVERY or min(steps, key=lambda step: step.at).kind == _K.SIGN_TIMEOUT
    waits_for = "decision" if state in (_S.REJECTED, _S.FAILED_DELIVERY) else "out" if stands.stop else "scan"
    event = "signed" if is_signing else waits_for
    return _outlook(event, steps)


def _levels(
    kind: AlertKind, since: datetime, lane: Lane, limits: Limits, shift: Shift, by: datetime | None = None
) -> list[Step]:
    """The levels of one kind; the platform's own deadline `by` comes before ours where it is earlier."""
    limit, factor = limits.of(kind, lane), limits.factor(kind, lane, since)
    steps = [Step(kind, level, since, after(since, h * factor, shift)) for level, h in _hours(kind, limit)]
    if by is not None and by < steps[0].at:
        steps[0] = Step(kind, _LEVEL.WARNING, since, by, is_platforms=True)
    return steps


def _hours(kind: AlertKind, limit: Limit) -> list[tuple[int, float]]:
    """The hours of each level."""
    if kind in _REMINDERS:
        return [(_LEVEL.WARNING, limit.warning)]
    exception, critical = limit.exception, limit.critical
    if exception is None and critical is None:
        exception = limit.warning + ESCALATES_AFTER_HOURS
    if critical is None and exception is not None:
        critical = exception + ESCALATES_AFTER_HOURS
    hours = ((_LEVEL.WARNING, limit.warning), (_LEVEL.EXCEPTION, exception), (_LEVEL.CRITICAL, critical))
    return [(level, one) for level, one in hours if one is not None]


def _outlook(event: str, steps: list[Step]) -> Outlook:
    return Outlook(event, tuple(sorted(steps, key=lambda step: (step.at, step.level))))
