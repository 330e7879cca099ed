"""The wizard of imports: choose a file, say what its columns mean, see what would come of it, start."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory.admin import SkuAdmin
from inventory.models import Sku, Stock
from inventory.stock_pages import StockAdmin
from oms.common.desk.job_pages import DESCRIPTIONS, Description, ExportMixin
from oms.common.files import tables
from oms.common.models import Job, JobResult, JobState
from oms.common.templatetags.staff import grouped
from oms.common.work import jobs
from oms.merchants.models import Merchant
from orders.changing.sets import sheets as change_sheets
from orders.intake import importing, reporting, running
from orders.intake import sheets as order_sheets
from orders.intake.import_kinds import Entry, ImportKind, table_of
from orders.models import Order
from orders.stock import sheets as stock_sheets
from orders.stock import sku_sheets

SHOWN_ON_A_PAGE = 100
# Of what is right so many are shown.
SHOWN_GOOD = 20


class UploadForm(forms.Form):
    """A file, or two that belong together, and whose orders or goods they tell of."""

    merchant = forms.ModelChoiceField(Merchant.objects.filter(status=Merchant.Status.ACTIVE))
    file = forms.FileField()
    second = forms.FileField(required=False)


class Wizard:
    """The pages of a kind of import, below those of the model that it fills. Merchants have some of them, too
    (`oms.portal.imports`): what differs there is said by the methods from `merchant_for` on."""

    site: AdminSite = admin.site
    form_class: type[forms.Form] = UploadForm
    # What the hint says that only staff can do.
    hint: Any = None

    def __init__(self, kind: ImportKind, model: type[Model], file_name: str, *, at: str = "import") -> None:
        self.kind = kind
        self.model = model
        self.file_name = file_name
        self.name = f"{model._meta.app_label}_{model._meta.model_name}_{at}"
        self.route = at
        description = Description(self.describe, kind.texts.key, lambda job: self._told(running.Tally.of_job(job)))
        DESCRIPTIONS[kind.name] = DESCRIPTIONS[kind.check_name] = description

    def urls(self) -> list[URLPattern]:
        """The addresses of the pages, to stand before the model's own."""
        views = (
            (f"{self.route}/", self.upload_view, ""),
            (f"{self.route}/<int:job_id>/", self.mapping_view, "_mapping"),
            (f"{self.route}/<int:job_id>/faults/", self.faults_view, "_faults"),
            (f"{self.route}/template/", self.template_view, "_template"),
        )
        return [path(route, self.site.admin_view(view), name=self.name + step) for route, view, step in views]

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """The first step: the file."""
        self._check(request)
        form = self.form_class(request.POST or None, request.FILES or None)
        error = ""
        if request.method == "POST" and form.is_valid():
            file, merchant = form.cleaned_data["file"], self.merchant_for(request, form.cleaned_data)
            try:
                second = form.cleaned_data.get("second")
                job = importing.prepare(self.kind, file, merchant, request.user, second)
            except tables.UnreadableFile as refusal:
                error = str(refusal)
            else:
                return redirect(self._at(f"{self.name}_mapping", job.pk))
        opts = self.model._meta
        context = self._context(
            request,
            form=form,
            error=error,
            joined_by=self.kind.joined_by,
            template_link=self._at(f"{self.name}_template"),
            list_link=self._at(f"{opts.app_label}_{opts.model_name}_changelist"),
        )
        return TemplateResponse(request, "admin/orders/import/upload.html", context)

    def mapping_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """The second step: what the columns mean, and what would come of every row."""
        self._check(request)
        kind = self.kind
        job = self._draft(request, job_id)
        if job.state != JobState.DRAFT:
            return redirect(self._at("common_job_change", job.pk))
        merchant = Merchant.objects.get(code=job.merchant_code)
        table = table_of(job)
        fields = job.params["fields"]
        if request.method == "POST":
            names = {column.name for column in kind.columns}
            posted = [request.POST.get(f"column-{i}", "") for i in range(len(table.headers))]
            fields = [name if name in names else "" for name in posted]
        wrong = importing.mapping_errors(kind, table.headers, fields)
        if request.method == "POST":
            starts = "start" in request.POST and not wrong
            if starts:
                is_ours = importing.start(kind, job.pk, table.headers, fields, merchant)
                running.drop_check(job)
            else:
                is_ours = jobs.change_draft(job.pk, {"fields": fields})
            if not is_ours:
                messages.warning(request, _("This import was started or cancelled meanwhile; nothing was changed."))
            if starts or not is_ours:
                return redirect(self._at("common_job_change", job.pk))
        entries = kind.read(table, fields)
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
            upload_link=self._at(self.name),
            **({} if wrong else self._rehearsed(request, job, table, entries, fields, merchant)),
        )
        return TemplateResponse(request, "admin/orders/import/mapping.html", context)

    def _rehearsed(
        self,
        request: HttpRequest,
        draft: Job,
        table: tables.Table,
        entries: Sequence[Entry],
        fields: Sequence[str],
        merchant: Merchant,
    ) -> dict[str, Any]:
        """What would come of every row: at once, or where that takes long as far as a worker has told so far."""
        kind = self.kind
        if running.is_checked_at_once(kind, table):
            tally, results = running.rehearse(kind, entries, merchant, timezone.now(), running.actor_of(draft))
            faults = [result for result in results if result.outcome == JobResult.Outcome.REFUSED]
            rest = [result for result in results if result.outcome != JobResult.Outcome.REFUSED]
            # The faults first, all of them; of the others a few, to see that the columns are right.
            shown = [*faults, *rest[:SHOWN_GOOD]]
            link = self._at(f"{self.name}_faults", draft.pk) if faults else ""
            return {"tally": self._told(tally), "faults_link": link, **self._page(request, shown)}
        check = running.check_of(kind, draft, fields)
        told = JobResult.objects.filter(job=check).order_by("position")
        refused = told.filter(outcome=JobResult.Outcome.REFUSED)
        good = list(told.exclude(outcome=JobResult.Outcome.REFUSED)[:SHOWN_GOOD])
        page = self._page(request, refused, good)
        link = self._at("common_job_download", check.pk) if check.result else ""
        progress = self._at("common_job_progress", check.pk)
        told_so_far = {"tally": self._told(running.Tally.of_job(check)), "faults_link": link}
        return {**told_so_far, "check": check, "progress_link": progress, **page}

    def _page(
        self, request: HttpRequest, results: Sequence[JobResult] | QuerySet[JobResult], good: Sequence[JobResult] = ()
    ) -> dict[str, Any]:
        """The page of results that is asked for; `good` ones stand on the last."""
        paginator = Paginator(results, SHOWN_ON_A_PAGE)
        page = paginator.get_page(request.GET.get("page"))
        shown = [*page.object_list, *(() if page.has_next() else good)]
        return {"page": page, "previewed": [{"result": result, "texts": self.describe(result)} for result in shown]}

    def _told(self, tally: running.Tally) -> dict[str, Any]:
        """The totals as a page shows them."""
        texts = self.kind.texts
        labels = texts.figures
        return {
            "words": {"would": texts.would, "done": texts.done, "refused": texts.refused},
            "done": tally.outcomes.get(JobResult.Outcome.DONE, 0),
            "skipped": tally.outcomes.get(JobResult.Outcome.SKIPPED, 0),
            "refused": tally.outcomes.get(JobResult.Outcome.REFUSED, 0),
            "rows_left_out": tally.rows_left_out,
            "held": tally.held,
            "figures": [(label, tally.figures.get(name, 0)) for name, label in labels.items()],
        }

    def faults_view(self, request: HttpRequest, job_id: int) -> FileResponse:
        """The rows of a draft that would be refused, each with the reason, to be corrected and uploaded again."""
        self._check(request)
        job = self._draft(request, job_id)
        fields = job.params["fields"]
        table = table_of(job)
        if job.state != JobState.DRAFT or importing.mapping_errors(self.kind, table.headers, fields):
            raise Http404(_("There is no such job."))
        merchant = Merchant.objects.get(code=job.merchant_code)
        entries = self.kind.read(table, fields)
        if not running.is_checked_at_once(self.kind, table):
            raise Http404(_("There is no such job."))
        _tally, results = running.rehearse(self.kind, entries, merchant, timezone.now(), running.actor_of(job))
        file = io.BytesIO()
        reporting.faults(self.kind, table, results, file)
        file.seek(0)
        response = FileResponse(file, as_attachment=True, filename=f"check-{job.pk}.xlsx")
        response["Cache-Control"] = "no-store"
        return response

    def _draft(self, request: HttpRequest, job_id: int) -> Job:
        """The user's own upload. Raises Http404."""
        job = Job.objects.filter(pk=job_id, kind=self.kind.name, owner_id=request.user.pk).first()
        if job is None:
            raise Http404(_("There is no such job."))
        return job

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

    def merchant_for(self, request: HttpRequest, data: Mapping[str, Any]) -> Merchant:
        """Whose orders or goods the file tells of: whom the form names."""
        merchant: Merchant = data["merchant"]
        return merchant

    def may(self, request: HttpRequest) -> bool:
        """Whether the user has the right to import."""
        return request.user.has_perm(self.kind.permission)

    def _check(self, request: HttpRequest) -> None:
        if not self.may(request):
            raise PermissionDenied

    def _context(self, request: HttpRequest, **more: Any) -> dict[str, Any]:
        texts = self.kind.texts
        own = {"opts": self.model._meta, "title": texts.title, "texts": texts, "hint": self.hint or texts.hint}
        return {**self.site.each_context(request), **own, **more}

    def _at(self, name: str, *args: object) -> str:
        """The address of a page of the site."""
        return reverse(f"{self.site.name}:{name}", args=args)


def _examples(table: tables.Table, column: int) -> list[str]:
    """The first different values of the column."""
    found = dict.fromkeys(cells[column] for _number, cells in table.rows[:50] if cells[column])
    return [value[:40] for value in list(found)[:2]]


class _Changes(Wizard):
    """Changes of orders are for those who may change them on their pages, too."""

    def may(self, request: HttpRequest) -> bool:
        """See Wizard."""
        return super().may(request) and request.user.has_perms(["orders.view_order", "orders.confirm_changeset"])


ORDERS = Wizard(order_sheets.KIND, Order, "orders.xlsx")
CHANGES = _Changes(change_sheets.KIND, Order, "changes.xlsx", at="sheet")
STOCK = Wizard(stock_sheets.KIND, Stock, "stock.xlsx")
SKUS = Wizard(sku_sheets.KIND, Sku, "skus.xlsx")

admin.site.unregister([Sku, Stock])


@admin.register(Stock)
class CountedStockAdmin(ExportMixin, StockAdmin):
    """The list of stock with its sheet: down as an export, up by the import of what was counted, which belongs here
    because it may cost orders their promises."""

    change_list_template = "admin/orders/import/stock_list.html"
    export = stock_sheets.EXPORT

    def get_urls(self) -> list[URLPattern]:
        """The import's pages."""
        return STOCK.urls() + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with a button for those who may import."""
        return super().changelist_view(request, {**(extra_context or {}), "may_import": STOCK.may(request)})


@admin.register(Sku)
class MeasuredSkuAdmin(ExportMixin, SkuAdmin):
    """The list of SKUs with their sheet: down as an export, up by the wizard of imports, which is why it is here."""

    change_list_template = "admin/orders/import/sku_list.html"
    export = sku_sheets.EXPORT

    def get_urls(self) -> list[URLPattern]:
        """The import's pages."""
        return SKUS.urls() + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with a button for those who may import."""
        return super().changelist_view(request, {**(extra_context or {}), "may_import": SKUS.may(request)})
