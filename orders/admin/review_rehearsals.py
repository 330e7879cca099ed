"""Trying a review rule: at once on the last few orders, or as a job on many; its page shows what came of it."""

import csv
from collections import Counter
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

from oms.common.desk.acting import INPUT, RowAction
from oms.common.errors import OmsError
from oms.common.models import Job, JobResult
from oms.common.work import jobs
from orders.models import Order, Outcome, ReviewRule
from orders.reviewing import facts, rehearsing, tree
from orders.reviewing.params import Catalogue

# So many orders are one step of the job; so many found ones are shown on the page, the file has all.
STEP = 1000
MOST_SHOWN = 200
MOST_ORDERS = 20_000
MOST_AT_ONCE = 1000
_RIGHT = "orders.rehearse_reviewrule"


def _work(turn: jobs.Turn) -> bool:
    job = turn.job
    rule = ReviewRule.objects.get(pk=job.params["rule"])
    if "below" not in job.progress:
        with turn.step():
            ids = rehearsing.last_orders(job.params["orders"])
            job.progress = {"below": ids[0] + 1 if ids else 0, "found": 0}
            job.total = len(ids)
    while job.done < (job.total or 0):
        with turn.step():
            _take_a_step(job, rule)
        if turn.is_over() and job.done < (job.total or 0):
            return False
    jobs.save_result(turn, f"rehearsal-{job.pk}.csv", _file(_found(job)))
    return True


def _take_a_step(job: Job, rule: ReviewRule) -> None:
    left = (job.total or 0) - job.done
    ids = rehearsing.last_orders(min(STEP, left), below=job.progress["below"])
    result = rehearsing.rehearse(rule, ids)
    count = job.progress["found"]
    numbers = dict(Order.objects.filter(pk__in=[one.order_id for one in result.found]).values_list("pk", "number"))
    JobResult.objects.bulk_create(
        JobResult(
            job=job,
            position=position,
            key=numbers[one.order_id],
            outcome=JobResult.Outcome.DONE,
            rows=[one.order_id, one.before, one.after, [fact for hit in one.hits for fact in hit.facts]],
        )
        for position, one in enumerate(result.found, count)
    )
    told = job.progress
    job.progress = {
        "below": ids[-1] if ids else 0,
        "found": count + len(result.found),
        "by_rule": _sum(told.get("by_rule"), {str(key): value for key, value in result.by_rule.items()}),
        "before": _sum(told.get("before"), result.before),
        "after": _sum(told.get("after"), result.after),
    }
    # Where there are fewer than there were, it is done.
    job.done += len(ids) or left


def _sum(known: dict[str, int] | None, more: Any) -> dict[str, int]:
    return dict(Counter(known or {}) + Counter(more))


def _found(job: Job, most: int | None = None) -> list[tuple[int, str, str, str, str]]:
    """The first `most` orders that the rule fits or that end otherwise: id, number, outcomes, figures, in words."""
    rows = JobResult.objects.filter(job=job).order_by("position").values_list("key", "rows")[:most]
    return [
        (order_id, number, _outcome(before), _outcome(after), facts.in_words(found) if found else "")
        for number, (order_id, before, after, found) in rows
    ]


def _outcome(code: str) -> str:
    return str(Outcome(code).label) if code in Outcome.values else "–"


def _file(found: list[tuple[int, str, str, str, str]]) -> "File[bytes]":
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow([_("Order"), _("Without the rule"), _("With the rule"), _("Figures")])
    rows.writerows(row[1:] for row in found)
    return File(BytesIO(text.getvalue().encode("utf-8-sig")))


KIND = jobs.register(
    jobs.JobKind("rehearse_review", gettext_lazy("Rehearsal of a review rule"), "orders.view_reviewrule", _work)
)


class TryForm(forms.Form):
    """Asks over how many of the last orders, few enough to wait for."""

    orders = forms.IntegerField(
        label=gettext_lazy("Over the last orders"),
        initial=500,
        min_value=1,
        max_value=MOST_AT_ONCE,
        widget=forms.NumberInput(attrs=INPUT),
    )


class RehearsalForm(forms.Form):
    """Asks over how many of the last orders."""

    orders = forms.IntegerField(
        label=gettext_lazy("Over the last orders"),
        initial=MOST_ORDERS,
        min_value=1,
        max_value=MOST_ORDERS,
        widget=forms.NumberInput(attrs=INPUT),
    )


def _checked(rule_id: int) -> ReviewRule:
    """The rule, if all that it names is there. Raises OmsError."""
    rule = ReviewRule.objects.get(pk=rule_id)
    try:
        tree.read(rule.condition, Catalogue())
    except tree.Faulty as faulty:
        raise OmsError(str(faulty)) from faulty
    return rule


def _try(request: HttpRequest, rule_id: int, data: dict[str, Any]) -> HttpResponse:
    rule = _checked(rule_id)
    result = rehearsing.rehearse(rule, rehearsing.last_orders(data["orders"]))
    shown = result.found[:MOST_SHOWN]
    numbers = dict(Order.objects.filter(pk__in=[one.order_id for one in shown]).values_list("pk", "number"))
    found = [
        (
            one.order_id,
            numbers[one.order_id],
            _outcome(one.before),
            _outcome(one.after),
            facts.in_words([fact for hit in one.hits for fact in hit.facts]) if one.hits else "",
        )
        for one in shown
    ]
    told = {
        "by_rule": {str(key): count for key, count in result.by_rule.items()},
        "before": result.before,
        "after": result.after,
    }
    return _page(request, rule, told, found, len(result.found), result.orders)


def begin(request: HttpRequest, rule_id: int, data: dict[str, Any]) -> HttpResponse:
    """Queue a rehearsal of the rule, and show its page. Raises OmsError."""
    _checked(rule_id)
    job = jobs.create(KIND, request.user, params={"rule": rule_id, "orders": data["orders"]})
    return redirect("admin:orders_review_rehearsal", job.pk)


ACTIONS = (
    RowAction(
        "try",
        _RIGHT,
        gettext_lazy("Try it now"),
        _try,
        form=TryForm,
        icon="preview",
        hint=gettext_lazy("Which of the last orders the rule, as it is saved, would fit."),
    ),
    RowAction(
        "rehearse",
        _RIGHT,
        gettext_lazy("Rehearse"),
        begin,
        form=RehearsalForm,
        icon="science",
        hint=gettext_lazy("What the rules would have made of the last orders with this rule, beside without it."),
    ),
)


def _page(
    request: HttpRequest,
    rule: ReviewRule | None,
    told: dict[str, Any],
    found: list[tuple[int, str, str, str, str]],
    count: int,
    orders: int,
    job: Job | None = None,
) -> HttpResponse:
    from django.contrib.admin import site

    by_rule = told.get("by_rule", {})
    rules = ReviewRule.objects.in_bulk([int(key) for key in by_rule])
    context = {
        **site.each_context(request),
        "title": _("Rehearsal of a review rule"),
        "job": job,
        "rule": rule,
        "orders": orders,
        "by_rule": sorted(
            ((rules[int(key)], hits) for key, hits in by_rule.items() if int(key) in rules), key=lambda row: -row[1]
        ),
        "outcomes": [
            (outcome.label, told.get("before", {}).get(outcome.value, 0), told.get("after", {}).get(outcome.value, 0))
            for outcome in Outcome
            if told.get("before", {}).get(outcome.value) or told.get("after", {}).get(outcome.value)
        ],
        "found": found,
        "found_count": count,
        "has_more": count > len(found),
    }
    return TemplateResponse(request, "admin/orders/reviewrule/rehearsal.html", context)


class RehearsalPages:
    """The page of a rehearsal; mix it into the admin of rules."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        """With the page."""
        view = self.admin_site.admin_view(self.rehearsal_view)
        own = path("rehearsals/<int:job_id>/", view, name="orders_review_rehearsal")
        return [own, *super().get_urls()]  # type: ignore[misc]

    def rehearsal_view(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """How far it is, what came of it without and with the rule, and which orders it fits."""
        if not request.user.has_perm("orders.view_reviewrule"):
            raise PermissionDenied
        job = Job.objects.select_related("owner").filter(pk=job_id, kind=KIND.name).first()
        if job is None or (job.owner_id != request.user.pk and not request.user.has_perm("common.view_job")):
            raise Http404
        rule = ReviewRule.objects.filter(pk=job.params.get("rule")).first()
        return _page(request, rule, job.progress, _found(job, MOST_SHOWN), job.progress.get("found", 0), job.done, job)
