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
from inventory.sourcing import checking
from inventory.sourcing.versions import RulesAreWrong
from oms.common.desk.acting import INPUT, RowAction
from oms.common.models import Job
from oms.common.money import yuan
from oms.common.work import jobs
from orders.fulfilling import rehearsing

# So many orders are one step of the job; so many moved ones are shown on the page, the file has all.
STEP = 200
MOST_SHOWN = 200
MOST_ORDERS = 20_000


def _work(turn: jobs.Turn) -> bool:
    job = turn.job
    rule_set = SourcingRuleSet.objects.get(pk=job.params["set"])
    if "ids" not in job.progress:
        with turn.step():
            ids = rehearsing.last_orders(rule_set, job.params["orders"])
            job.progress = {"ids": ids, "next": 0, "moved": []}
            job.total = len(ids)
    while (start := job.progress["next"]) < len(job.progress["ids"]):
        with turn.step():
            found = rehearsing.rehearse(rule_set, job.progress["ids"][start : start + STEP])
            moved = [[one.order, *(" ".join(codes) for codes in (one.before, one.after))] for one in found.moved]
            told = rehearsing.summed(job.progress, found)
            job.progress = {**told, "next": start + STEP, "moved": [*job.progress["moved"], *moved]}
            job.done = min(start + STEP, len(job.progress["ids"]))
        if turn.is_over() and job.progress["next"] < len(job.progress["ids"]):
            return False
    jobs.save_result(turn, f"rehearsal-{job.pk}.csv", _file(job.progress["moved"]))
    return True


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
    problems = checking.problems(SourcingRuleSet.objects.get(pk=set_id))
    if problems:
        raise RulesAreWrong(problems)
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
        moved = job.progress.get("moved", [])
        context = {
            **self.admin_site.each_context(request),
            "title": _("Rehearsal of sourcing rules"),
            "job": job,
            "rule_set": SourcingRuleSet.objects.filter(pk=job.params.get("set")).first(),
            "orders": job.progress.get("orders", 0),
            "rows": _rows(job.progress),
            "moved": moved[:MOST_SHOWN],
            "moved_count": len(moved),
            "has_more": len(moved) > MOST_SHOWN,
        }
        return TemplateResponse(request, "admin/inventory/rehearsal.html", context)


def _rows(told: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """What is counted, by the rules in force and by the rehearsed ones."""
    if "in_force" not in told:
        return []
    now, then = told["in_force"], told["rehearsed"]

    def percent(figures: dict[str, int]) -> str:
        return f"{100 * figures['in_time'] / figures['dated']:.1f} %" if figures["dated"] else "–"

    return [
        (_("Parcels"), now["parcels"], then["parcels"]),
        (_("Kilometres"), now["km"], then["km"]),
        (_("Freight (yuan)"), yuan(now["freight_fen"]), yuan(then["freight_fen"])),
        (_("Promise kept"), percent(now), percent(then)),
        (_("Units short"), now["short_units"], then["short_units"]),
    ]
