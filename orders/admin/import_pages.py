"""The wizard of imports: choose a file, say what its columns mean, see what would come of it, start."""

import io
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory.admin import StockAdmin
from inventory.models import Stock
from oms.common.desk.job_pages import DESCRIPTIONS, Description
from oms.common.files import tables
from oms.common.models import Job, JobResult, JobState
from oms.common.templatetags.staff import grouped
from oms.common.work import jobs
from oms.merchants.models import Merchant
from orders.intake import importing
from orders.intake import sheets as order_sheets
from orders.models import Order
from orders.stock import sheets as stock_sheets


class UploadForm(forms.Form):
    """A file and whose orders or goods it tells of."""

    merchant = forms.ModelChoiceField(Merchant.objects.filter(status=Merchant.Status.ACTIVE))
    file = forms.FileField()


class Wizard:
    """The pages of a kind of import, below those of the model that it fills."""

    def __init__(self, kind: importing.ImportKind, model: type[Model], file_name: str) -> None:
        self.kind = kind
        self.model = model
        self.file_name = file_name
        self.name = f"{model._meta.app_label}_{model._meta.model_name}_import"
        DESCRIPTIONS[kind.name] = Description(self.describe, kind.texts.key)

    def urls(self) -> list[URLPattern]:
        """The addresses of the pages, to stand before the model's own."""
        views = (
            ("import/", self.upload_view, ""),
            ("import/<int:job_id>/", self.mapping_view, "_mapping"),
            ("import/template/", self.template_view, "_template"),
        )
        return [path(route, admin.site.admin_view(view), name=self.name + step) for route, view, step in views]

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """The first step: the file."""
        self._check(request)
        form = UploadForm(request.POST or None, request.FILES or None)
        error = ""
        if request.method == "POST" and form.is_valid():
            file, merchant = form.cleaned_data["file"], form.cleaned_data["merchant"]
            try:
                job = importing.prepare(self.kind, file, merchant, request.user)
            except tables.UnreadableFile as refusal:
                error = str(refusal)
            else:
                return redirect(f"admin:{self.name}_mapping", job.pk)
        opts = self.model._meta
        context = self._context(
            request,
            form=form,
            error=error,
            template_link=reverse(f"admin:{self.name}_template"),
            list_link=reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"),
        )
        return TemplateResponse(request, "admin/orders/import/upload.html", context)

    def mapping_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """The second step: what the columns mean, and what would come of the first entries."""
        self._check(request)
        kind = self.kind
        job = Job.objects.filter(pk=job_id, kind=kind.name, owner_id=request.user.pk).first()
        if job is None:
            raise Http404(_("There is no such job."))
        if job.state != JobState.DRAFT:
            return redirect("admin:common_job_change", job.pk)
        merchant = Merchant.objects.get(code=job.merchant_code)
        table = importing.table_of(job)
        fields = job.params["fields"]
        if request.method == "POST":
            names = {column.name for column in kind.columns}
            posted = [request.POST.get(f"column-{i}", "") for i in range(len(table.headers))]
            fields = [name if name in names else "" for name in posted]
        wrong = importing.mapping_errors(kind, fields)
        if request.method == "POST":
            starts = "start" in request.POST and not wrong
            if starts:
                is_ours = importing.start(kind, job.pk, table.headers, fields, merchant)
            else:
                is_ours = jobs.change_draft(job.pk, {"fields": fields})
            if not is_ours:
                messages.warning(request, _("This import was started or cancelled meanwhile; nothing was changed."))
            if starts or not is_ours:
                return redirect("admin:common_job_change", job.pk)
        entries = kind.read(table, fields, timezone.now())
        previewed = [] if wrong else importing.preview(kind, entries[: importing.PREVIEWED], merchant)
        counts = {"rows": grouped(len(table.rows)), "entries": grouped(len(entries))}
        context = self._context(
            request,
            job=job,
            merchant=merchant,
            columns=[
                {"index": i, "header": header, "field": name, "examples": _examples(table, i)}
                for i, (header, name) in enumerate(zip(table.headers, fields, strict=True))
            ],
            choices=[(column.name, column.label, column.is_required) for column in kind.columns],
            wrong=wrong,
            other_sheets=job.params.get("other_sheets"),
            found=str(kind.texts.found) % counts,
            start_label=str(kind.texts.start) % counts,
            upload_link=reverse(f"admin:{self.name}"),
            previewed=[{"result": result, "texts": self.describe(result)} for result in previewed],
        )
        return TemplateResponse(request, "admin/orders/import/mapping.html", context)

    def template_view(self, request: HttpRequest) -> FileResponse:
        """An empty workbook with the headers that need no choosing."""
        self._check(request)
        file = io.BytesIO()
        headers = [str(column.label) for column in self.kind.columns]
        tables.XlsxWriter(file, headers, str(self.model._meta.verbose_name_plural)).close()
        file.seek(0)
        return FileResponse(file, as_attachment=True, filename=self.file_name)

    def describe(self, result: JobResult) -> list[str]:
        """What is wrong with an entry, in sentences."""
        return [self.kind.text_of(error) for error in result.errors]

    def may(self, request: HttpRequest) -> bool:
        """Whether the user has the right to import."""
        return request.user.has_perm(self.kind.permission)

    def _check(self, request: HttpRequest) -> None:
        if not self.may(request):
            raise PermissionDenied

    def _context(self, request: HttpRequest, **more: Any) -> dict[str, Any]:
        texts = self.kind.texts
        own = {"opts": self.model._meta, "title": texts.title, "texts": texts}
        return {**admin.site.each_context(request), **own, **more}


def _examples(table: tables.Table, column: int) -> list[str]:
    """The first different values of the column."""
    found = dict.fromkeys(cells[column] for _number, cells in table.rows[:50] if cells[column])
    return [value[:40] for value in list(found)[:2]]


ORDERS = Wizard(order_sheets.KIND, Order, "orders.xlsx")
STOCK = Wizard(stock_sheets.KIND, Stock, "stock.xlsx")

admin.site.unregister(Stock)


@admin.register(Stock)
class CountedStockAdmin(StockAdmin):
    """The list of stock with the import of what was counted, which belongs here because it may cost orders their
    promises."""

    change_list_template = "admin/orders/import/stock_list.html"

    def get_urls(self) -> list[URLPattern]:
        """The import's pages."""
        return STOCK.urls() + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with a button for those who may import."""
        return super().changelist_view(request, {**(extra_context or {}), "may_import": STOCK.may(request)})
