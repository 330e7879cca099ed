"""The import of orders, step by step: choose a file, say what its columns mean, see what would come of it, start."""

import io
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import jobs, tables
from oms.common.job_pages import DESCRIPTIONS
from oms.common.models import Job, JobResult, JobState
from oms.merchants.models import Merchant
from orders import importing
from orders.models import Order


class UploadForm(forms.Form):
    """A file and whose orders it holds."""

    merchant = forms.ModelChoiceField(Merchant.objects.filter(status=Merchant.Status.ACTIVE))
    file = forms.FileField()


def _context(request: HttpRequest, **more: Any) -> dict[str, Any]:
    return {**admin.site.each_context(request), "opts": Order._meta, "title": _("Import orders"), **more}


def _check(request: HttpRequest) -> None:
    if not request.user.has_perm("orders.import_orders"):
        raise PermissionDenied


def upload_view(request: HttpRequest) -> HttpResponse:
    """The first step: the file."""
    _check(request)
    form = UploadForm(request.POST or None, request.FILES or None)
    error = ""
    if request.method == "POST" and form.is_valid():
        try:
            job = importing.prepare(form.cleaned_data["file"], form.cleaned_data["merchant"], request.user)
        except tables.UnreadableFile as refusal:
            error = str(refusal)
        else:
            return redirect("admin:orders_order_import_mapping", job.pk)
    context = _context(request, form=form, error=error, columns=importing.COLUMNS)
    return TemplateResponse(request, "admin/orders/order/import.html", context)


def mapping_view(request: HttpRequest, job_id: int) -> HttpResponse:
    """The second step: what the columns mean, and what would come of the first orders."""
    _check(request)
    job = Job.objects.filter(pk=job_id, kind=importing.KIND.name, owner_id=request.user.pk).first()
    if job is None:
        raise Http404(_("There is no such job."))
    if job.state != JobState.DRAFT:
        return redirect("admin:common_job_change", job.pk)
    merchant = Merchant.objects.get(code=job.merchant_code)
    table = importing.table_of(job)
    fields = job.params["fields"]
    if request.method == "POST":
        posted = [request.POST.get(f"column-{i}", "") for i in range(len(table.headers))]
        fields = [name if name in importing.BY_NAME else "" for name in posted]
    wrong = importing.mapping_errors(fields)
    if request.method == "POST":
        starts = "start" in request.POST and not wrong
        if starts:
            is_ours = importing.start(job.pk, table.headers, fields, merchant)
        else:
            is_ours = jobs.change_draft(job.pk, {"fields": fields})
        if not is_ours:
            messages.warning(request, _("This import was started or cancelled meanwhile; nothing was changed."))
        if starts or not is_ours:
            return redirect("admin:common_job_change", job.pk)
    entries = importing.read_orders(table, fields, timezone.now())
    previewed = [] if wrong else importing.preview(entries[: importing.PREVIEWED], merchant)
    context = _context(
        request,
        job=job,
        merchant=merchant,
        columns=[
            {"index": i, "header": header, "field": name, "examples": _examples(table, i)}
            for i, (header, name) in enumerate(zip(table.headers, fields, strict=True))
        ],
        choices=[(column.name, column.label, column.is_required) for column in importing.COLUMNS],
        wrong=wrong,
        row_count=len(table.rows),
        other_sheets=job.params.get("other_sheets"),
        order_count=len(entries),
        previewed=[{"result": result, "texts": describe(result)} for result in previewed],
        previewed_refused=sum(result.outcome == JobResult.Outcome.REFUSED for result in previewed),
    )
    return TemplateResponse(request, "admin/orders/order/import_mapping.html", context)


def _examples(table: tables.Table, column: int) -> list[str]:
    """The first different values of the column."""
    found = dict.fromkeys(cells[column] for _number, cells in table.rows[:50] if cells[column])
    return [value[:40] for value in list(found)[:2]]


def template_view(request: HttpRequest) -> HttpResponse:
    """An empty workbook with the headers that need no choosing."""
    _check(request)
    file = io.BytesIO()
    headers = [str(column.label) for column in importing.COLUMNS]
    tables.XlsxWriter(file, headers, str(_("Orders"))).close()
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename="orders.xlsx")


def describe(result: JobResult) -> list[str]:
    """What is wrong with an order, in sentences."""
    return [importing.error_text(error) for error in result.errors]


DESCRIPTIONS[importing.KIND.name] = describe
