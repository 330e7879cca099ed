"""The rehearsal of a rule set as a job: its work, its figures and the orders that would move, on a page."""

import csv
from io import BytesIO, StringIO
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.files.base import File
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import SourcingRuleSet
from inventory.sourcing.versions import VERSIONS
from oms.common.desk.acting import INPUT, RowAction
from oms.common.models import Job, JobResult
from oms.common.money import yuan
from oms.common.templatetags.staff import grouped
from oms.common.work import jobs
from orders.fulfilling import rehearsing
from orders.models import Order

# So many orders are one step of the job; so many moved ones are shown on the page, the file has all.
STEP = 200
MOST_SHOWN = 200
MOST_ORDERS = 20_000


def _work(turn: jobs.Turn) -> bool:
    job = turn.job
    rule_set = SourcingRuleSet.objects.get(pk=job.params["set"])
    if "below" not in job.progress:
        with turn.step():
            ids = rehearsing.last_orders(rule_set, job.params["orders"])
            job.progress = {"below": ids[0] + 1 if ids else 0, "moved": 0}
            job.total = len(ids)
    while job.done < (job.total or 0):
        with turn.step():
            _take_a_step(job, rule_set)
        if turn.is_over() and job.done < (job.total or 0):
            return False
    jobs.save_result(turn, f"rehearsal-{job.pk}.csv", _file(_moved(job)))
    return True


def _take_a_step(job: Job, rule_set: SourcingRuleSet) -> None:
    left = (job.total or 0) - job.done
    ids = rehearsing.last_orders(rule_set, min(STEP, left), below=job.progress["below"])
    found = rehearsing.rehearse(rule_set, ids)
    count = job.progress["moved"]
    JobResult.objects.bulk_create(
        JobResult(
            job=job,
            position=position,
            key=one.order,
            outcome=JobResult.Outcome.DONE,
            rows=[" ".join(one.before), " ".join(one.after)],
        )
        for position, one in enumerate(found.moved, count)
    )
    told = rehearsing.summed(job.progress, found)
    job.progress = {**told, "below": ids[-1] if ids else 0, "moved": count + len(found.moved)}
    # Where there are fewer than there were, it is done.
    job.done += len(ids) or left


def _moved(job: Job, most: int | None = None) -> list[list[str]]:
    """The orders that would move, the first `most`: number, and who sends by the rules in force and by the rehearsed
    ones."""
    rows = JobResult.objects.filter(job=job).order_by("position").values_list("key", "rows")[:most]
    return [[number, *senders] for number, senders in rows]


def _linked(moved: list[list[str]], request: HttpRequest) -> list[tuple[str, int | None, str, str]]:
    """The rows, each with the id of its order, where the person may look at orders."""
    ids: dict[str, int] = {}
    if request.user.has_perm("orders.view_order"):
        ids = dict(Order.objects.filter(number__in=[row[0] for row in moved]).values_list("number", "pk"))
    return [(number, ids.get(number), before, after) for number, before, after in moved]


def _file(moved: list[list[str]]) -> "File[bytes]":
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow([_("Order"), _("By the rules in force"), _("By the rehearsed rules")])
    rows.writerows(moved)
    return File(BytesIO(text.getvalue().encode("utf-8-sig")))


KIND = jobs.register(
    jobs.JobKind(
        "rehearse_sourcing", gettext_lazy("Rehearsal of sourcing rules"), "inventory.view_sourcingruleset", _work
    )
)


class RehearsalForm(forms.Form):
    """Asks over how many orders."""

    orders = forms.IntegerField(
        label=gettext_lazy("Over the last orders"),
        initial=1000,
        min_value=1,
        max_value=MOST_ORDERS,
        widget=forms.NumberInput(attrs=INPUT),
    )


def begin(request: HttpRequest, set_id: int, data: dict[str, Any]) -> HttpResponse:
    """Queue a rehearsal of the set, and show its page. Raises RulesAreWrong."""
    VERSIONS.check(set_id)
    job = jobs.create(KIND, request.user, params={"set": set_id, "orders": data["orders"]})
    return redirect("admin:inventory_sourcing_rehearsal", job.pk)


ACTION = RowAction(
    "rehearse",
    "inventory.add_sourcingruleset",
    gettext_lazy("Rehearse"),
    begin,
    form=RehearsalForm,
    icon="science",
    hint=gettext_lazy("What these rules would make of the last orders by the stock of now, beside the rules in force."),
)


class RehearsalPages:
    """The page of a rehearsal; mix it into the admin of rule sets."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        """With the page."""
        view = self.admin_site.admin_view(self.rehearsal_view)
        own = path("rehearsals/<int:job_id>/", view, name="inventory_sourcing_rehearsal")
        return [own, *super().get_urls()]  # type: ignore[misc]

    def rehearsal_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """How far it is, what came of it by either rules, and which orders would move."""
        if not request.user.has_perm("inventory.view_sourcingruleset"):
            raise PermissionDenied
        job = Job.objects.select_related("owner").filter(pk=job_id, kind=KIND.name).first()
        if job is None or (job.owner_id != request.user.pk and not request.user.has_perm("common.view_job")):
            raise Http404
        moved_count = job.progress.get("moved", 0)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Rehearsal of sourcing rules"),
            "job": job,
            "rule_set": SourcingRuleSet.objects.filter(pk=job.params.get("set")).first(),
            "orders": job.progress.get("orders", 0),
            "rows": _rows(job.progress),
            "moved": _linked(_moved(job, MOST_SHOWN), request),
            "moved_count": moved_count,
            "has_more": moved_count > MOST_SHOWN,
        }
        return TemplateResponse(request, "admin/inventory/rehearsal.html", context)


def _rows(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What is counted, by the rules in force and by the rehearsed ones."""
    if "in_force" not in told:
        return []
    now, then = told["in_force"], told["rehearsed"]

    def percent(figures: dict[str, int]) -> str:
        return f"{100 * figures['in_time'] / figures['dated']:.1f} %" if figures["dated"] else "–"

    return [
        (_("Parcels"), grouped(now["parcels"]), grouped(then["parcels"])),
        (_("Kilometres"), grouped(now["km"]), grouped(then["km"])),
        (_("Freight (yuan)"), grouped(yuan(now["freight_fen"])), grouped(yuan(then["freight_fen"]))),
        (_("Promise kept"), percent(now), percent(then)),
        (_("Units short"), grouped(now["short_units"]), grouped(then["short_units"])),
    ]
