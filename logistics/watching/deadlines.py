"""What should happen next to a warehouse order or parcel and by when; late is what the watch stage alerts on."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics.models import LogisticsAlert
from oms.common.work import clock


@dataclass(frozen=True, slots=True)
class Deadline:
    """An event, with words for it, that must come within `hours`; if it does not, an alert of this kind opens."""

    event: str
    title: Promise
    hours: float
    alert: LogisticsAlert.Kind

    @property
    def seconds(self) -> float:
        """How long it may take on this installation, in seconds."""
        return self.within.total_seconds()

    @property
    def within(self) -> timedelta:
        """How long it may take on this installation."""
        return clock.scaled(timedelta(hours=self.hours))


_KIND = LogisticsAlert.Kind
PACKED = Deadline("packed", _("the parcel is packed"), 24, _KIND.WAREHOUSE_LATE)
WAYBILL = Deadline("waybill", _("a waybill"), 4, _KIND.DISPATCH_LATE)
SHIPPED = Deadline("shipped", _("the parcel leaves"), 24, _KIND.WAREHOUSE_LATE)
COLLECTED = Deadline("collected", _("the carrier has the parcel"), 24, _KIND.NO_PICKUP)
SCAN = Deadline("scan", _("another scan"), 48, _KIND.NO_NEWS)
SIGNED = Deadline("signed", _("the parcel is signed for"), 24, _KIND.NOT_SIGNED)

ALL = (PACKED, WAYBILL, SHIPPED, COLLECTED, SCAN, SIGNED)
# An open alert goes up one level each time that so many hours pass without news: no pick-up for 24 h is a warning,
# for 48 h a logistics exception.
ESCALATES_AFTER_HOURS = 24


# The platform's own deadline for an event: a column of the order's terms. The earlier one of it and ours counts.
_PLATFORMS = {PACKED: "ship_by", SHIPPED: "ship_by", COLLECTED: "collect_by", SIGNED: "sign_by"}


def due(event: str, within: str, sub_order: str) -> str:
    """SQL for when something is due that may take an interval, but no longer than the platform says; null where the
    interval is. `event`, `within` and `sub_order` (its id) are SQL, too."""
    order = f"(SELECT due_part.order_id FROM orders_suborder due_part WHERE due_part.id = {sub_order})"
    return due_of_order(event, within, order)


def due_of_order(event: str, within: str, order: str) -> str:
    """Like `due`, where the order (its id, as SQL) is known."""
    choices = " ".join(f"WHEN '{deadline.event}' THEN due_terms.{column}" for deadline, column in _PLATFORMS.items())
    return f"""
        CASE WHEN {within} IS NOT NULL THEN least(now() + {within}, (
            SELECT CASE {event} {choices} END FROM orders_orderterms due_terms
            WHERE due_terms.order_id = {order})) END
    """


def due_in_seconds(deadline: Deadline, within: str, sub_order: str) -> str:
    """Like `due`, for a deadline of ours with its time in seconds."""
    return due(f"'{deadline.event}'", f"make_interval(secs => {within})", sub_order)


def word(event: str) -> str:
    """What is expected, in the active language; "" for nothing."""
    return next((str(deadline.title) for deadline in ALL if deadline.event == event), event)
