"""Many orders at once: the page that tells what would come of it, then how far it is, and what came of each."""

import csv
import io
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.models import Job, JobResult, JobState
from oms.common.work import jobs
from orders.changing import bulk, undoing
from orders.changing.bulk import ACTIONS, KIND, BulkAction, named
from orders.models import Order, UndoableAction

# Fewer are done at once, with a message for each.
MORE_THAN = 20
MOST_SHOWN = 100


class ReasonForm(forms.Form):
    """Asks for the one reason that applies to all."""

    reason = forms.CharField(
        max_length=200, widget=forms.Textarea(attrs={"class": "oms-input", "rows": 2, "required": True})
    )


def prepare(request: HttpRequest, name: str, orders: QuerySet[Order]) -> HttpResponse:
    """Look at what would come of it, and show that."""
    action = named(name)
    if action is None or not request.user.has_perms(["orders.view_order", action.right]):
        raise PermissionDenied
    try:
        job = bulk.prepare(action, orders, request.user)
    except OmsError as refusal:
        messages.error(request, str(refusal))
        # The list as it was, with its filters: they are what is to be changed.
        return redirect(request.get_full_path())
    return redirect("admin:orders_order_bulk", job.pk)


def bulk_view(request: HttpRequest, job_id: int) -> HttpResponse:
    """The draft with what would come of it; POST starts it; then its progress, with a button that stops it, and its
    results."""
    job, action = _job(request, job_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and "stop" in request.POST:
        try:
            jobs.cancel(job.pk)
        except OmsError as refusal:
            messages.error(request, str(refusal))
        return redirect("admin:orders_order_bulk", job.pk)
    if request.method == "POST" and form.is_valid():
        bulk.start(job.pk, reason=form.cleaned_data["reason"])
        return redirect("admin:orders_order_bulk", job.pk)
    rows = job.params.get("orders", [])
    cannot = job.params.get("cannot", [])
    refused = JobResult.objects.filter(job=job, outcome=JobResult.Outcome.REFUSED).order_by("position")
    shown = list(refused[:MOST_SHOWN])
    ids = dict(Order.objects.filter(number__in=[row.key for row in shown]).values_list("number", "pk"))
    context = {
        **admin.site.each_context(request),
        "opts": Order._meta,
        "title": action.title,
        "job": job,
        "form": form,
        "is_draft": job.state == JobState.DRAFT,
        "is_grave": action.name.startswith("cancel"),
        "count": len(rows),
        "can": len(rows) - len(cannot),
        "cannot": cannot[:MOST_SHOWN],
        "cannot_count": len(cannot),
        "percent": 100 * job.done // (job.total or len(rows) or 1),
        "done": job.done - job.failed,
        "refused": [{"row": row, "order_id": ids.get(row.key)} for row in shown],
        "action_name": f"{action.name}_selected",
        "may_repeat": action.name in ACTIONS,
        "undo": _undo(job),
    }
    return TemplateResponse(request, "admin/orders/order/bulk_job.html", context)


def _undo(job: Job) -> dict[str, Any] | None:
    """What can still be taken back of it."""
    batch = job.params.get("batch")
    if not batch:
        return None
    waiting = UndoableAction.objects.filter(batch=batch, state=undoing.State.WAITING).order_by("not_before")
    first = waiting.first()
    return {"batch": batch, "until": first.not_before, "count": waiting.count()} if first else None


def file_view(request: HttpRequest, job_id: int) -> HttpResponse:
    """The results row by row, as CSV that spreadsheets open."""
    job, action = _job(request, job_id)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_("Order"), _("Result"), _("Reason")])
    words = {JobResult.Outcome.DONE: _("Done"), JobResult.Outcome.REFUSED: _("Refused")}
    for row in JobResult.objects.filter(job=job).order_by("position"):
        reasons = " ".join(error["detail"] for error in row.errors)
        writer.writerow([row.key, words.get(JobResult.Outcome(row.outcome), row.outcome), reasons])
    answer = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{action.name.replace(":", "-")}-{job.pk}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


def _job(request: HttpRequest, job_id: int) -> tuple[Job, BulkAction]:
    """A job of this kind and what it does. Raises Http404 for others', PermissionDenied without its right."""
    job = Job.objects.filter(pk=job_id, kind=KIND.name, owner=request.user.pk).first()
    action = named(job.params.get("action", "")) if job is not None else None
    if job is None or action is None:
        raise Http404(_("There is no such job."))
    if not request.user.has_perms(["orders.view_order", action.right]):
        raise PermissionDenied
    return job, action


def chosen(request: HttpRequest, ticked: QuerySet[Order], all_matching: QuerySet[Order]) -> QuerySet[Order]:
    """What an action of the list is about: the ticked rows, or all that match its filters."""
    return all_matching if request.POST.get("all_matching") else ticked


def is_many(request: HttpRequest, ticked: QuerySet[Order]) -> bool:
    """Whether it is done by a job."""
    return bool(request.POST.get("all_matching")) or len(ticked.values_list("pk")[: MORE_THAN + 1]) > MORE_THAN
