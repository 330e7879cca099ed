"""Which of a merchant's sub-orders are late, or may be: open alerts of the watch, and promises at risk."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.models import LogisticsAlert
from oms.common.templatetags.staff import moment_text
from orders.models import DeliveryPromise, PromiseOutcome, SubOrder

_ALERTS = LogisticsAlert.objects.filter(closed_at=None)
_AT_RISK = DeliveryPromise.objects.filter(
    outcome=PromiseOutcome.OPEN, superseded_at=None, promised_by__isnull=False
).exclude(risk="")


def late_of(parts: QuerySet[SubOrder]) -> QuerySet[SubOrder]:
    """Those of the sub-orders that are late or may be; found by the few rows that say so, not one by one."""
    return parts.filter(pk__in=_ALERTS.values("sub_order").union(_AT_RISK.values("sub_order")))


def with_why(parts: QuerySet[SubOrder]) -> QuerySet[SubOrder]:
    """The sub-orders with what `why` reads, in two statements more."""
    return parts.prefetch_related(
        Prefetch("alerts", _ALERTS.order_by("opened_at"), to_attr="open_alerts"),
        Prefetch("promises", _AT_RISK, to_attr="promises_at_risk"),
    )


def why(part: Any) -> str:
    """What is late of a sub-order of `with_why`, and by when it is promised where that is at risk; or a dash."""
    told = list(dict.fromkeys(alert.get_kind_display() for alert in part.open_alerts))
    for promise in part.promises_at_risk:
        told.append(_("promised by %(at)s, which is at risk") % {"at": moment_text(promise.promised_by)})
    return _("; ").join(map(str, told)) or "–"


class LateFilter(admin.SimpleListFilter):
    """All, or those that are late or may be."""

    title = gettext_lazy("lateness")
    parameter_name = "late"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The one choice beside all."""
        return [("yes", _("Late, or may be"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SubOrder]) -> QuerySet[SubOrder]:
        """The rows of the choice."""
        return late_of(queryset) if self.value() == "yes" else queryset
