"""The staff's pages of background jobs, and the export of a list."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from oms.common.access import log, volume
from oms.common.desk.counting import capped_count
from oms.common.desk.keyset import SORT, filters_of
from oms.common.desk.lists import KeysetAdmin
from oms.common.errors import OmsError
from oms.common.files import exporting
from oms.common.models import Job, JobResult, JobState, SecurityEventKind
from oms.common.templatetags.staff import state_badge
from oms.common.work import jobs

SHOWN_REFUSALS = 50


def _failed_word(job: Job) -> str:
    """How what did not go well of the job is called; nothing for jobs of which all does or nothing."""
    if job.kind == exporting.KIND.name:
        return ""
    return _("Not imported") if job.kind in DESCRIPTIONS else _("Failed")


class JobAdmin(KeysetAdmin):
    """Everybody sees their own jobs; those who may view jobs see all, and get files as far as they have the rights."""

    list_display: tuple[str, ...] = (
        "title",
        "file_name",
        "state_label",
        "progress_label",
        "owner",
        "merchant_code",
        "created_at",
    )
    list_select_related = ("owner",)
    list_filter = (("state", ChoicesDropdownFilter),)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """For all staff."""
        return request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """The owner's and the overseers'."""
        return obj is None or obj.owner_id == request.user.pk or super().has_view_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """One's own jobs, or all."""
        rows = super().get_queryset(request)
        return rows if super().has_view_permission(request) else rows.filter(owner=request.user)

    @display(description=gettext_lazy("kind"))
    def title(self, job: Job) -> str:
        """What the job does."""
        return str(jobs.KINDS[job.kind].title) if job.kind in jobs.KINDS else job.kind

    @display(description=gettext_lazy("state"))
    def state_label(self, job: Job) -> str:
        """The state in its colour."""
        return state_badge(job)

    @display(description=gettext_lazy("progress"))
    def progress_label(self, job: Job) -> str:
        """How far it is."""
        return f"{job.done} / {job.total}" if job.total is not None else "–"

    def get_urls(self) -> list[URLPattern]:
        """A job's progress, its file, and the button that stops it."""
        views: list[tuple[str, Callable[..., Any]]] = [
            ("progress", self.progress_view),
            ("download", self.download_view),
            ("cancel", self.cancel_view),
        ]
        own = [path(f"<int:job_id>/{n}/", self.admin_site.admin_view(v), name=f"common_job_{n}") for n, v in views]
        return own + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """How far the job is, what came of it, its file."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        job = self._job(request, int(object_id) if object_id.isascii() and object_id.isdigit() else 0)
        refused = JobResult.objects.filter(job=job, outcome=JobResult.Outcome.REFUSED).order_by("position")
        words = DESCRIPTIONS.get(job.kind)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": job,
            "job": job,
            "title": self.title(job),
            "can_download": bool(job.result) and self._may_read(request, job),
            "failed_word": _failed_word(job),
            "refused": [
                {"result": result, "texts": words.describe(result) if words else []}
                for result in refused[:SHOWN_REFUSALS]
            ],
            "result_key": words.key if words else "",
            "totals": words.totals(job) if words and job.progress.get("outcomes") else None,
            "is_check": job.kind.startswith("check_"),
            "state": self._state(job),
            "links": self._links(job),
        }
        return TemplateResponse(request, "admin/common/job/page.html", context)

    def progress_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """How far it is, for the page's bar."""
        return JsonResponse(self._state(self._job(request, job_id)))

    def download_view(self, request: HttpRequest, job_id: int) -> FileResponse:
        """The job's file, to those who may have it."""
        job = self._job(request, job_id)
        if not job.result:
            raise Http404(_("There is no file, or it was deleted."))
        if not self._may_read(request, job):
            raise PermissionDenied
        log.note(
            SecurityEventKind.DOWNLOADED,
            request.user,
            request=request,
            about=log.Subject("common.job", job.pk, job.file_name or str(job.pk)),
            values={"personal": bool(job.params.get("personal"))},
        )
        name = os.path.basename(str(job.result.name))
        response = FileResponse(job.result.open("rb"), as_attachment=True, filename=name)
        response["Cache-Control"] = "no-store"
        return response

    def cancel_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """Ask whether to stop the job, saying how far it is; then stop it."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        job = self._job(request, job_id)
        if job.owner_id != request.user.pk and not request.user.is_superuser:
            raise PermissionDenied
        if request.method != "POST":
            if job.finished_at is not None:
                return redirect(self._links(job)["change"])
            words = DESCRIPTIONS.get(job.kind)
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "job": job,
                "title": self.title(job),
                "state": self._state(job),
                "totals": words.totals(job) if words and not job.kind.startswith("check_") else None,
                "links": self._links(job),
            }
            return TemplateResponse(request, "admin/common/job/stop.html", context)
        try:
            jobs.cancel(job.pk)
        except OmsError as refusal:
            messages.error(request, str(refusal))
        return redirect(self._links(job)["change"])

    def _links(self, job: Job) -> dict[str, str]:
        """The addresses of the job's pages on this site, by what they are."""
        names = ("change", "progress", "download", "cancel")
        return {name: reverse(f"{self.admin_site.name}:common_job_{name}", args=[job.pk]) for name in names}

    def _job(self, request: HttpRequest, job_id: int) -> Job:
        job = self.get_queryset(request).select_related("owner").filter(pk=job_id).first()
        if job is None:
            raise Http404(_("There is no such job."))
        return job

    def _may_read(self, request: HttpRequest, job: Job) -> bool:
        kind = jobs.KINDS.get(job.kind)
        if kind is None or (kind.permission and not request.user.has_perm(kind.permission)):
            return False
        return kind.may_read(request.user, job)

    @staticmethod
    def _state(job: Job) -> dict[str, Any]:
        total = job.total or 0
        over = job.finished_at is not None
        percent = 100 if job.state == JobState.SUCCEEDED else min(100 * job.done // total, 99) if total else 0
        return {
            "state": job.state,
            "label": job.get_state_display(),
            "total": job.total,
            "done": job.done,
            "failed": job.failed,
            "percent": percent,
            "is_over": over,
        }


@dataclass(frozen=True, slots=True)
class Description:
    """How the results of a kind of job are told: what is wrong with one, in sentences, what its key is, and the totals
    (`done`, `skipped`, `refused`, `rows_left_out`, `held`, `figures` with their labels, and `words`: how `done`, in a
    rehearsal `would`, and `refused` are called)."""

    describe: Callable[[JobResult], list[str]]
    key: Any
    totals: Callable[[Job], dict[str, Any]]


# By kind; upper apps add theirs.
DESCRIPTIONS: dict[str, Description] = {}


class ExportForm(forms.Form):
    """What the file should hold, and how it should be."""

    what = forms.CharField(required=False)

    form = forms.ChoiceField(choices=[("xlsx", "Excel (xlsx)"), ("csv", "CSV (UTF-8)")])
    personal = forms.BooleanField(required=False)


class ExportMixin:
    """Gives a list a page that exports it with the filters that are set; `export` says what, `other_exports` what else
    may be chosen, such as the lines of what is listed."""

    export: exporting.Export
    other_exports: Sequence[exporting.Export] = ()
    change_list_template = "admin/common/exportable_list.html"

    def get_urls(self) -> list[URLPattern]:
        """The export's page."""
        opts = self.model._meta  # type: ignore[attr-defined]
        view = self.admin_site.admin_view(self.export_view)  # type: ignore[attr-defined]
        own = [path("export/", view, name=f"{opts.app_label}_{opts.model_name}_export")]
        return own + super().get_urls()  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with a button for those who may export."""
        opts = self.model._meta  # type: ignore[attr-defined]
        context = dict(extra_context or {})
        if request.user.has_perm(self.export.permission):
            # A file is in an order of its own.
            query = filters_of(request, SORT)
            address = reverse(f"admin:{opts.app_label}_{opts.model_name}_export")
            context["export_link"] = f"{address}?{query.urlencode()}"
        return super().changelist_view(request, context)  # type: ignore[misc]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the form of the file, then start the job."""
        if not request.user.has_perm(self.export.permission):
            raise PermissionDenied
        may_personal = request.user.has_perm(self.export.personal_permission)
        query = request.GET.urlencode()
        form = ExportForm(request.POST if request.method == "POST" else {"form": "xlsx"})
        error = ""
        if request.method == "POST" and form.is_valid():
            known = {export.key: export for export in self.other_exports}
            job = exporting.request_export(
                known.get(form.cleaned_data["what"], self.export),
                request.user,
                query=query,
                form=form.cleaned_data["form"],
                personal=form.cleaned_data["personal"],
            )
            return redirect("admin:common_job_change", job.pk)
        count = None
        try:
            rows = exporting.rows_of(self.export, request.user, query)
            count = capped_count(rows, 10_000)
        except OmsError as refusal:
            error = str(refusal)
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.model._meta,  # type: ignore[attr-defined]
            "title": _("Export"),
            "form": form,
            "count": count,
            "is_more": count is not None and count > 10_000,
            "exports": [self.export, *self.other_exports],
            "may_personal": may_personal,
            "has_personal": self.export.has_personal_data,
            "has_filters": bool(query),
            "left_today": volume.left_today(request.user) if may_personal else 0,
            "error": error,
        }
        return TemplateResponse(request, "admin/common/export.html", context)
