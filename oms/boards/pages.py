"""The pages of hours per step and of profit."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from io import BytesIO
from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.lots import today
from inventory.models import Warehouse
from logistics.models import Carrier
from oms.boards import hours, profit
from oms.boards.charts import chart
from oms.common.desk.acting import INPUT
from oms.common.files import tables
from oms.common.money import yuan
from oms.merchants.models import Channel, Merchant

HOURS_RIGHT = "orders.view_suborder"
PROFIT_RIGHT = "payments.view_profit"
SHOWN_DAYS = 14
FORMS = ("csv", "xlsx")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_DATE = {**INPUT, "type": "date"}
_MODELS: Mapping[hours.By, Any] = {
    hours.By.WAREHOUSE: Warehouse,
    hours.By.MERCHANT: Merchant,
    hours.By.CHANNEL: Channel,
    hours.By.CARRIER: Carrier,
}


def urls(site: AdminSite) -> list[URLPattern]:
    """The addresses of the pages."""
    return [
        path("hours/", site.admin_view(lambda request: hours_view(request, site)), name="hours"),
        path("profit/", site.admin_view(lambda request: profit_view(request, site)), name="profit"),
        path(
            "profit/<int:channel_id>/<str:day>/",
            site.admin_view(lambda request, channel_id, day: profit_orders_view(request, site, channel_id, day)),
            name="profit_orders",
        ),
    ]


class DaysForm(forms.Form):
    """Asks for the days."""

    since = forms.DateField(label=gettext_lazy("From day"), widget=forms.DateInput(_DATE, format="%Y-%m-%d"))
    until = forms.DateField(label=gettext_lazy("To day"), widget=forms.DateInput(_DATE, format="%Y-%m-%d"))

    def clean(self) -> dict[str, Any]:
        """In their order, and not too many."""
        given = super().clean() or self.cleaned_data
        since, until = given.get("since"), given.get("until")
        if since and until and since > until:
            self.add_error("until", _("This is before the first day."))
        elif since and until and (until - since).days >= hours.MOST_DAYS:
            self.add_error("since", _("At most %(days)s days at once.") % {"days": hours.MOST_DAYS})
        return given


def _named(request: HttpRequest, form_class: type[forms.Form], **more: Any) -> Any:
    """The form as it was asked for, or with the last days."""
    last = today()
    given = request.GET.copy()
    given.setdefault("since", (last - timedelta(days=SHOWN_DAYS - 1)).isoformat())
    given.setdefault("until", last.isoformat())
    for name, value in more.items():
        given.setdefault(name, value)
    return form_class(given)


def _choices(model: Any) -> list[tuple[str, str]]:
    return [
        ("", _("All")),
        *((str(key), name) for key, name in model.objects.order_by("name").values_list("pk", "name")),
    ]


class HoursForm(DaysForm):
    """Asks what hours are told apart by, of which step day by day, and of whom alone."""

    by = forms.ChoiceField(
        label=gettext_lazy("Told apart by"),
        choices=[(by.value, title) for by, title in hours.TITLES.items()],
        widget=forms.Select(INPUT),
    )
    step = forms.ChoiceField(
        label=gettext_lazy("Step day by day"),
        choices=[(step.value, title) for step, title in hours.STEPS.items()],
        widget=forms.Select(INPUT),
    )
    field_order = ("since", "until", "by", "step")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for by, title in hours.TITLES.items():
            self.fields[f"only_{by}"] = forms.ChoiceField(
                label=title, choices=_choices(_MODELS[by]), required=False, widget=forms.Select(INPUT)
            )

    def wanted(self) -> hours.Wanted:
        """Which sub-orders are asked for."""
        only = {by: int(key) for by in hours.By if (key := self.cleaned_data[f"only_{by}"])}
        return hours.Wanted(self.cleaned_data["since"], self.cleaned_data["until"], only)


def hours_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Hours of each step by warehouse, merchant, channel or carrier, and of one step day by day; `form` as a file.
    Raises PermissionDenied."""
    if not request.user.has_perm(HOURS_RIGHT):
        raise PermissionDenied
    form = _named(request, HoursForm, by=hours.By.WAREHOUSE.value, step=hours.Step.ALL.value)
    context: dict[str, Any] = {**site.each_context(request), "title": _("Hours per step"), "form": form}
    if form.is_valid():
        by, step, wanted = hours.By(form.cleaned_data["by"]), hours.Step(form.cleaned_data["step"]), form.wanted()
        names = dict(_MODELS[by].objects.values_list("pk", "name"))
        count, spans = hours.in_all(wanted)
        rows = [(_("All"), count, spans)] if count else []
        rows += [(names.get(key, "–"), number, found) for key, number, found in hours.by(by, wanted)]
        if request.GET.get("form") in FORMS:
            return _file(request.GET["form"], "hours", *_hours_table(hours.TITLES[by], rows))
        days = hours.by_day(step, wanted)
        lines = [
            (_("median"), "median", [span.median or 0.0 for _day, span in days]),
            (_("95 of 100 within"), "most", [span.most or 0.0 for _day, span in days]),
        ]
        context |= {
            "heading": hours.TITLES[by],
            "steps": list(hours.STEPS.values()),
            "rows": [(name, number, list(found.values())) for name, number, found in rows],
            "step_title": hours.STEPS[step],
            "days": days,
            "chart": chart([day for day, _span in days], lines),
            "files": _files(request),
        }
    return TemplateResponse(request, "admin/boards/hours.html", context)


def _hours_table(
    heading: Any, rows: Sequence[tuple[Any, int, Mapping[hours.Step, hours.Span]]]
) -> tuple[list[str], list[list[Any]]]:
    headers = [str(heading), _("Step"), _("Sub-orders"), _("median (h)"), _("95 of 100 within (h)")]
    table = [
        [
            str(name),
            str(hours.STEPS[step]),
            span.count,
            *(None if h is None else round(h, 2) for h in (span.median, span.most)),
        ]
        for name, _number, found in rows
        for step, span in found.items()
    ]
    return headers, table


class ProfitForm(DaysForm):
    """Asks for the days, and the channel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["channel"] = forms.ChoiceField(
            label=gettext_lazy("Channel"), choices=_choices(Channel), required=False, widget=forms.Select(INPUT)
        )


# The components of a profit, each with whether it is taken off.
COMPONENTS: Sequence[tuple[str, Any, bool]] = (
    ("goods", gettext_lazy("Kept goods"), False),
    ("freight", gettext_lazy("Freight charged"), False),
    ("subsidy", gettext_lazy("Subsidy"), False),
    ("cost", gettext_lazy("Cost price"), True),
    ("commission", gettext_lazy("Commission"), True),
    ("carriage", gettext_lazy("Carriage"), True),
    ("fees", gettext_lazy("Fees"), True),
    ("compensation", gettext_lazy("Compensation"), True),
)
# What of a profit nobody knows: the count's name, and its words.
UNKNOWN: Sequence[tuple[str, Any]] = (
    ("units_without_cost", gettext_lazy("%(count)s units without a cost price")),
    ("parcels_without_carriage", gettext_lazy("%(count)s parcels without carriage")),
    ("parts_not_settled", gettext_lazy("%(count)s sub-orders not settled yet")),
    ("payments_not_billed", gettext_lazy("%(count)s payments without a bill")),
)


def shown(one: profit.Profit) -> dict[str, Any]:
    """A profit as pages show it: components in yuan with their signs, what is unknown in words."""
    return {
        "components": [
            (title, yuan(-getattr(one, name) if is_taken_off else getattr(one, name)))
            for name, title, is_taken_off in COMPONENTS
        ],
        "total": yuan(one.total),
        "is_known": one.is_known,
        "unknown": [str(words) % {"count": count} for name, words in UNKNOWN if (count := getattr(one, name))],
    }


def _profit_table(rows: Sequence[tuple[Sequence[Any], profit.Profit]], headers: Sequence[Any]) -> tuple[list[str], Any]:
    titles = [title for _name, title, _off in COMPONENTS]
    counted = [name for name, _words in UNKNOWN]
    words = [_("Units without a cost price"), _("Parcels without carriage"), _("Not settled yet"), _("Without a bill")]
    table = [
        [
            *names,
            *(amount for _title, amount in shown(one)["components"]),
            yuan(one.total),
            *(getattr(one, c) for c in counted),
        ]
        for names, one in rows
    ]
    return [str(title) for title in (*headers, *titles, _("Profit"), *words)], table


def profit_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Profit by channel and day; `form` as a file. Raises PermissionDenied."""
    if not request.user.has_perm(PROFIT_RIGHT):
        raise PermissionDenied
    form = _named(request, ProfitForm)
    context: dict[str, Any] = {**site.each_context(request), "title": _("Profit"), "form": form}
    if form.is_valid():
        given = form.cleaned_data
        channel = int(given["channel"]) if given["channel"] else None
        order_ids = profit.orders_of(given["since"], given["until"], channel)
        if len(order_ids) > profit.MOST_ORDERS:
            form.add_error(
                None, _("More than %(most)s orders: choose fewer days, or a channel.") % {"most": profit.MOST_ORDERS}
            )
        else:
            days = profit.by_channel(order_ids)
            if request.GET.get("form") in FORMS:
                rows = [([one.day.isoformat(), one.channel, one.merchant, one.orders], one.profit) for one in days]
                headers = [_("Day"), _("Channel"), _("Merchant"), _("Orders")]
                return _file(request.GET["form"], "profit", *_profit_table(rows, headers))
            in_all = profit.total_of(one.profit for one in days)
            context |= {
                "titles": [title for _name, title, _off in COMPONENTS],
                "rows": [(one, shown(one.profit)) for one in days],
                "in_all": shown(in_all) if days else None,
                "orders": sum(one.orders for one in days),
                "incomplete": sum(one.incomplete for one in days),
                "chart": _profit_chart(days),
                "files": _files(request),
            }
    return TemplateResponse(request, "admin/boards/profit.html", context)


def _profit_chart(days: Sequence[profit.ChannelDay]) -> Any:
    """Profit day by day (yuan), of all channels together."""
    sums: dict[date, int] = {}
    for one in days:
        sums[one.day] = sums.get(one.day, 0) + one.profit.total
    ordered = sorted(sums)
    return chart(ordered, [(_("Profit"), "median", [sums[day] / 100 for day in ordered])])


def profit_orders_view(request: HttpRequest, site: AdminSite, channel_id: int, day: str) -> HttpResponse:
    """The orders of a channel and day, each with its profit; `form` as a file. Raises PermissionDenied."""
    if not request.user.has_perm(PROFIT_RIGHT):
        raise PermissionDenied
    field = forms.DateField(input_formats=["%Y-%m-%d"])
    try:
        on = field.clean(day)
    except forms.ValidationError:
        on = today()
    channel = Channel.objects.filter(pk=channel_id).first()
    order_ids = profit.orders_of(on, on, channel_id)[: profit.MOST_ORDERS]
    rows = profit.by_order(order_ids)
    if request.GET.get("form") in FORMS:
        table = [([number], one) for _key, number, one in rows]
        return _file(request.GET["form"], "profit-orders", *_profit_table(table, [_("Order")]))
    context = {
        **site.each_context(request),
        "title": _("Profit of %(channel)s on %(day)s") % {"channel": channel or channel_id, "day": on.isoformat()},
        "titles": [title for _name, title, _off in COMPONENTS],
        "rows": [
            (reverse("admin:orders_order_change", args=[key]), number, shown(one))
            for key, number, one in rows[:MOST_SHOWN]
        ],
        "is_more": len(rows) > MOST_SHOWN,
        "most": MOST_SHOWN,
        "in_all": shown(profit.total_of(one for _key, _number, one in rows)) if rows else None,
        "orders": len(rows),
        "files": _files(request),
    }
    return TemplateResponse(request, "admin/boards/profit_orders.html", context)


# So many orders stand on a page; the file has all.
MOST_SHOWN = 200


def _files(request: HttpRequest) -> list[tuple[str, str]]:
    """What is shown as files: address and name of the form."""
    query = request.GET.copy()
    found = []
    for name in FORMS:
        query["form"] = name
        found.append((f"?{query.urlencode()}", name.upper()))
    return found


def _file(form: str, name: str, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> HttpResponse:
    content = BytesIO()
    out = tables.writer(form, content, headers)
    for row in rows:
        out.write(row)
    out.close()
    kind = "text/csv; charset=utf-8" if form == "csv" else XLSX
    heads = {"Content-Disposition": f'attachment; filename="{name}-{today():%Y%m%d}.{form}"'}
    return HttpResponse(content.getvalue(), kind, headers=heads)
