"""The report of carriers as a page and as a file."""

from datetime import datetime, time, timedelta
from io import BytesIO
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory.models import Region
from logistics.watching.report import CarrierReport, report
from oms.common.files import tables
from oms.common.zones import CHINA

DAYS = (7, 30, 90)
RIGHT = "logistics.view_alertgroup"


def view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The report, by the days and the province that were chosen; with `export` as CSV. Raises PermissionDenied."""
    if not request.user.has_perm(RIGHT):
        raise PermissionDenied
    days = next((one for one in DAYS if str(one) == request.GET.get("days")), DAYS[1])
    provinces = _provinces()
    to = request.GET.get("to", "")
    to = to if to in dict(provinces) else ""
    today = timezone.now().astimezone(CHINA).date()
    until = datetime.combine(today + timedelta(days=1), time(0), CHINA)
    rows = [_cells(one) for one in report(until - timedelta(days=days), until, destination=to)]
    titles = _titles()
    if request.GET.get("export"):
        return _file(titles, rows)
    page = {
        "title": _("Report of carriers"),
        "days": days,
        "day_choices": DAYS,
        "provinces": provinces,
        "to": to,
        "titles": titles,
        "rows": rows,
    }
    return TemplateResponse(request, "admin/logistics/carrier_report.html", {**context, **page})


def _titles() -> list[str]:
    return [
        *(_("Carrier"), _("Parcels"), _("Signed for"), _("In time (%)"), _("Alerts"), _("Lost"), _("Sent back")),
        *(title for part in _parts() for title in (part, _("95 of 100 within (h)"))),
        _("Promises kept (%)"),
        *(_("Claims"), _("Claims paid (yuan)")),
    ]


def _parts() -> list[str]:
    return [
        _("To pick-up (h, median)"),
        _("On the way (h, median)"),
        _("To the door (h, median)"),
        _("In all (h, median)"),
    ]


def _cells(row: CarrierReport) -> list[str]:
    parts = (row.pickup, row.transit, row.delivery, row.total)
    return [
        *(f"{row.name} {row.code}", str(row.parcels), str(row.signed), _number(row.on_time_percent)),
        *(str(row.alerts), str(row.lost), str(row.refused)),
        *(_number(hours) for part in parts for hours in (part.median, part.most)),
        _number(row.hit_percent),
        *(str(row.claims), str(row.claims_paid)),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _provinces() -> list[tuple[str, str]]:
    names: dict[str, str] = {}
    for code, province in Region.objects.order_by("code").values_list("code", "province").distinct():
        names.setdefault(code[:2], province)
    return sorted(names.items())


def _file(titles: list[str], rows: list[list[str]]) -> HttpResponse:
    file = BytesIO()
    table = tables.writer("csv", file, titles)
    for row in rows:
        table.write(row)
    table.close()
    answer = HttpResponse(file.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="carriers.csv"'
    return answer
