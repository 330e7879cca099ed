"""The staff's pages of what was promised: the list, hit rates, and the order's panel."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from inventory.models import Lane, ServiceKind, ServiceLevel, Warehouse
from inventory.promising.pages import names_of_areas
from inventory.promising.words import sentence
from oms.common.desk.lists import KeysetAdmin, RowColumns
from oms.common.zones import CHINA
from orders.admin.remarks import moment
from orders.asked import panels
from orders.asked.panels import Fact, Remark
from orders.intake import terms
from orders.models import DeliveryPromise, LateRisk, Order, PromiseOutcome
from orders.promising.rates import TITLES, RateBy, rates

SHOWN_DAYS = 30
_TONES = {PromiseOutcome.KEPT: "success", PromiseOutcome.BROKEN: "danger", PromiseOutcome.OPEN: "info"}


@admin.register(DeliveryPromise)
class DeliveryPromiseAdmin(RowColumns, KeysetAdmin):
    """What was promised, and what became of it. It is only read."""

    change_list_template = "admin/orders/promise/list.html"
    search_fields = ("order__number", "sub_order__number")
    list_display = (
        *("order_link", "sub_order", "level", "warehouse", "promised_by", "planned_by", "outcome_words", "risk"),
    )
    list_select_related = ("order", "sub_order", "warehouse")
    list_filter = (
        ("outcome", ChoicesDropdownFilter),
        ("risk", ChoicesDropdownFilter),
        ("warehouse", RelatedDropdownFilter),
    )
    shown_by: ClassVar[Mapping[str, str]] = {
        "reasons": "reason_words",
        "lane_id": "lane_words",
        "service": "service_words",
    }

    @display(description=gettext_lazy("outcome"))
    def outcome_words(self, promise: DeliveryPromise) -> str:
        """What became of it."""
        return promise.get_outcome_display()

    @display(description=gettext_lazy("reasons"))
    def reason_words(self, promise: DeliveryPromise) -> str:
        """Why the date is what it is, in sentences."""
        return " ".join(map(sentence, promise.reasons.get("of", []))) or "–"

    @display(description=gettext_lazy("service"))
    def service_words(self, promise: DeliveryPromise) -> str:
        """The carrier's service that it goes with."""
        return str(dict(ServiceKind.choices).get(promise.service, "–"))

    @display(description=gettext_lazy("lane"))
    def lane_words(self, promise: DeliveryPromise) -> str:
        """The lane that it was worked out by."""
        lane = Lane.objects.filter(pk=promise.lane_id).first() if promise.lane_id else None
        return str(lane or "–")

    def get_urls(self) -> list[URLPattern]:
        """The hit rates before the rows."""
        view = self.admin_site.admin_view(self.rates_view)
        return [path("rates/", view, name="orders_promise_rates"), *super().get_urls()]

    def rates_view(self, request: HttpRequest) -> HttpResponse:
        """Hit rates of the last days by level, warehouse, carrier or lane."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        by = next((one for one in RateBy if one == request.GET.get("by")), RateBy.LEVEL)
        today = timezone.now().astimezone(CHINA).date()
        until = datetime.combine(today + timedelta(days=1), time(0), CHINA)
        labels = dict(LateRisk.choices)
        found = rates(by, until - timedelta(days=SHOWN_DAYS), until)
        names = _names(by, [rate.group for rate in found])
        context = {
            **self.admin_site.each_context(request),
            "title": _("Hit rates"),
            "by": by,
            "choices": [(one.value, title) for one, title in TITLES.items()],
            "heading": TITLES[by],
            "days": SHOWN_DAYS,
            "rows": [
                (rate, names[rate.group], [(labels[why], count) for why, count in rate.broken_by.items()])
                for rate in found
            ],
        }
        return TemplateResponse(request, "admin/orders/promise/rates.html", context)


def _names(by: RateBy, groups: Sequence[str]) -> dict[str, str]:
    """What people call the groups; codes that nobody named stay as they are. At most one statement."""
    if by == RateBy.LANE:
        ends = {group: group.split(" → ") for group in groups}
        areas = names_of_areas(area for pair in ends.values() for area in pair)
        return {group: " → ".join(areas.get(area, area) for area in pair) for group, pair in ends.items()}
    if by == RateBy.LEVEL:
        named = dict(ServiceLevel.objects.filter(code__in=groups).values_list("code", "name"))
    elif by == RateBy.WAREHOUSE:
        named = {one.code: str(one) for one in Warehouse.objects.filter(code__in=groups)}
    else:
        named = {carrier.code: carrier.name for carrier in terms.known_carriers()}
    return {group: named.get(group) or group for group in groups}


def _promised(order: Order) -> Mapping[str, Any] | None:
    """What the order's page shows of its promises, the newest first, and a remark on each that may not be kept."""
    promises = list(
        DeliveryPromise.objects.filter(order=order.pk)
        .select_related("sub_order", "warehouse", "expected_warehouse")
        .order_by("sub_order_id", "-number")
    )
    if not promises:
        return None
    return {
        "promises": [
            {
                "row": promise,
                "tone": _TONES.get(PromiseOutcome(promise.outcome), "muted"),
                "reasons": [sentence(reason) for reason in promise.reasons.get("of", [])],
                "is_elsewhere": promise.warehouse_id != promise.expected_warehouse_id,
            }
            for promise in promises
        ],
        "remarks": [remark for promise in promises if (remark := _remark(promise))],
        "head": [fact for promise in promises if (fact := _fact(promise))],
    }


def _fact(promise: DeliveryPromise) -> Fact | None:
    """By when a part comes, for the first screen, and whether it may come later."""
    if promise.superseded_at is not None or promise.promised_by is None:
        return None
    label = _("Promised for %(number)s") % {"number": promise.sub_order.number.partition("-")[2]}
    tone = _TONES.get(PromiseOutcome(promise.outcome), "muted")
    risk = f" · {promise.get_risk_display()}" if promise.risk else ""
    return Fact(label, f"{moment(promise.promised_by)[:16]}{risk}", "warning" if promise.risk else tone)


def _remark(promise: DeliveryPromise) -> Remark | None:
    """A sentence at the top of the page where the buyer may wait, or waits, longer than was promised."""
    if promise.superseded_at is not None or not promise.risk or promise.promised_by is None:
        return None
    values = {
        "number": promise.sub_order.number,
        "promised": moment(promise.promised_by),
        "why": promise.get_risk_display(),
    }
    if promise.outcome == PromiseOutcome.BROKEN:
        return Remark(_("%(number)s did not come by %(promised)s, as it was promised: %(why)s.") % values, "danger")
    return Remark(_("%(number)s may not come by %(promised)s, as it is promised: %(why)s.") % values, "warning")


panels.register(
    panels.Panel(gettext_lazy("Promised delivery"), "admin/orders/promise/order_panel.html", _promised, position=15)
)
