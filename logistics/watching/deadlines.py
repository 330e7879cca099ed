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


def word(event: str) -> str:
    """What is expected, in the active language; "" for nothing."""
    return next((str(deadline.title) for deadline in ALL if deadline.event == event), event)
