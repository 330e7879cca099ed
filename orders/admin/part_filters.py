"""What is to be done with sub-orders: conditions that the list's filters and the dashboards share."""

from datetime import datetime, time, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import DropdownFilter

from inventory.models import Sku
from oms.common.zones import CHINA
from orders.models import DeliveryPromise, SubOrder
from orders.models.sub_order import HOLDING_STOCK, NOT_GONE
from orders.stock import lacking

Parts = QuerySet[SubOrder]


def end_of_today() -> datetime:
    """When China's day is over."""
    day = timezone.now().astimezone(CHINA).date()
    return datetime.combine(day + timedelta(days=1), time(0), CHINA)


def _leaving(parts: Parts, **when: Any) -> Parts:
    """Those still to be sent whose promise counts on a cut-off then."""
    promise = DeliveryPromise.objects.filter(
        order=OuterRef("order_id"), sub_order=OuterRef("pk"), superseded_at=None, **when
    )
    return parts.filter(Exists(promise), state__in=NOT_GONE)


def to_leave_today(parts: Parts) -> Parts:
    """What leaves in time by a cut-off that is still to come today (China's day)."""
    return _leaving(parts, cutoff_at__gte=Now(), cutoff_at__lt=end_of_today())


def past_cutoff(parts: Parts) -> Parts:
    """What should have left by a cut-off that is over."""
    return _leaving(parts, cutoff_at__lt=Now())


def in_hand(parts: Parts) -> Parts:
    """What a warehouse was chosen for and is still to send."""
    return parts.filter(state__in=HOLDING_STOCK)


def short_of(parts: Parts, sku_id: int) -> Parts:
    """What waits for units of the SKU; none where there is no such SKU."""
    sku = Sku.objects.filter(pk=sku_id).first()
    if sku is None:
        return parts.none()
    return lacking.short_of(parts, sku)


DOING = {
    "today": (gettext_lazy("Leaves today"), to_leave_today),
    "late": (gettext_lazy("Cut-off missed"), past_cutoff),
    "in_hand": (gettext_lazy("To be sent by its warehouse"), in_hand),
}


class DoingFilter(DropdownFilter):
    """What is to be done."""

    title = gettext_lazy("to be sent")
    parameter_name = "doing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What can be asked for."""
        return [(code, title) for code, (title, _condition) in DOING.items()]

    def queryset(self, request: HttpRequest, queryset: Parts) -> Parts:
        """Those with that to be done."""
        chosen = DOING.get(self.value() or "")
        return chosen[1](queryset) if chosen else queryset


class ShortFilter(DropdownFilter):
    """Which SKU lacks; offered by the dashboard, there are too many for a menu."""

    title = gettext_lazy("short of")
    parameter_name = "short"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The one that was asked for."""
        asked = request.GET.get("short", "")
        sku = Sku.objects.filter(pk=asked).first() if _is_id(asked) else None
        return [(asked, str(sku))] if sku else []

    def queryset(self, request: HttpRequest, queryset: Parts) -> Parts:
        """Those that wait for it."""
        asked = self.value() or ""
        return short_of(queryset, int(asked)) if _is_id(asked) else queryset


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
