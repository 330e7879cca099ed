"""How many of the delivered units come back, by SKU and reason."""

from dataclasses import dataclass
from datetime import date, timedelta

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.lots import today
from oms.common.desk.acting import INPUT
from oms.common.states import listed
from oms.common.zones import CHINA
from orders.models import ReturnReason, ReturnState
from orders.models.return_request import ENDED_WITHOUT

# Requests that came to nothing are none.
_COUNTED = [state for state in ReturnState if state not in ENDED_WITHOUT]
MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Rate:
    """Units of a SKU that were delivered within the days, and those of them that came back for a reason."""

    sku: str
    name: str
    reason: str
    delivered: int
    returned: int

    @property
    def percent(self) -> float:
        """Of a hundred delivered units, so many came back."""
        return 100 * self.returned / self.delivered if self.delivered else 0.0


def rates(since: date, until: date) -> list[Rate]:
    """By SKU and reason, of what was delivered on these days (China's), the most returned first; at most `MOST_ROWS`.
    One statement. What was refused at the door was never delivered, and is left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH had AS (
                SELECT k.id AS sku_id, l.id AS line_id, l.quantity FROM orders_suborder s
                JOIN orders_suborderline l ON l.sub_order_id = s.id JOIN orders_orderline o ON o.id = l.order_line_id
                JOIN inventory_sku k ON k.id = o.sku_id
                WHERE s.delivered_at >= %(since)s::date::timestamp AT TIME ZONE %(zone)s
                  AND s.delivered_at < (%(until)s::date + 1)::timestamp AT TIME ZONE %(zone)s
            ), delivered AS (SELECT sku_id, sum(quantity) AS units FROM had GROUP BY sku_id),
            back AS (
                SELECT h.sku_id, r.reason_id, sum(n.quantity) AS units FROM had h
                JOIN orders_returnline n ON n.sub_order_line_id = h.line_id
                JOIN orders_returnrequest r ON r.id = n.return_request_id AND r.state IN ({listed(_COUNTED)})
                GROUP BY h.sku_id, r.reason_id
            )
            SELECT k.code, k.name, b.reason_id, d.units, b.units FROM back b JOIN delivered d USING (sku_id)
            JOIN inventory_sku k ON k.id = b.sku_id
            ORDER BY b.units DESC, k.code, b.reason_id LIMIT {MOST_ROWS}
            """,
            {"since": since, "until": until, "zone": str(CHINA)},
        )
        rows = cursor.fetchall()
    names = {reason.pk: str(reason) for reason in ReturnReason.objects.all()}
    return [
        Rate(code, name, names[reason_id], int(delivered), int(returned))
        for code, name, reason_id, delivered, returned in rows
    ]


class DaysForm(forms.Form):
    """Asks for the days."""

    since = forms.DateField(label=gettext_lazy("Delivered from"), widget=forms.DateInput({**INPUT, "type": "date"}))
    until = forms.DateField(label=gettext_lazy("Delivered until"), widget=forms.DateInput({**INPUT, "type": "date"}))


def page(request: HttpRequest) -> HttpResponse:
    """The page of rates, of the last 90 days unless asked otherwise."""
    if not request.user.has_perm("orders.view_returnrequest"):
        raise PermissionDenied
    last = today()
    form = DaysForm(request.GET if "since" in request.GET else {"since": last - timedelta(days=90), "until": last})
    days = form.cleaned_data if form.is_valid() else None
    context = {
        **admin.site.each_context(request),
        "title": _("Return rates"),
        "form": form,
        "rates": rates(days["since"], days["until"]) if days else [],
    }
    return TemplateResponse(request, "admin/payments/return/rates.html", context)
