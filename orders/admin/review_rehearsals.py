"""Trying review rules, one or a version of all: at once on the last few orders, or as a job on many; the page shows
what came of it."""

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
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.desk.acting import INPUT, RowAction
from oms.common.errors import OmsError
from oms.common.models import Job, JobResult
from oms.common.work import jobs
from orders.models import Order, Outcome, ReviewRule, ReviewRuleSet
from orders.reviewing import facts, rehearsing, versions
from orders.reviewing.params import Catalogue

# So many orders are one step of the job; so many found ones are shown on the page, the file has all.
STEP = 1000
MOST_SHOWN = 200
MOST_ORDERS = 20_000
MOST_AT_ONCE = 1000
_RIGHT = "orders.rehearse_reviewrule"


def _work(turn: jobs.Turn) -> bool:
    job = turn.job
    what = _rehearsed(job)
    if what is None:
        raise OmsError(_("What was to be rehearsed is not there any more."))
    if "below" not in job.progress:
        with turn.step():
            ids = rehearsing.last_orders(job.params["orders"])
            job.progress = {"below": ids[0] + 1 if ids else 0, "found": 0}
            job.total = len(ids)
    while job.done < (job.total or 0):
        with turn.step():
            _take_a_step(job, what)
        if turn.is_over() and job.done < (job.total or 0):
            return False
    jobs.save_result(turn, f"rehearsal-{job.pk}.csv", _file(_found(job)))
    return True


def _rehearsed(job: Job) -> ReviewRule | ReviewRuleSet | None:
    """What the job rehearses, if it is still there."""
    if "set" in job.params:
        return ReviewRuleSet.objects.filter(pk=job.params["set"]).first()
    return ReviewRule.objects.select_related("rule_set").filter(pk=job.params["rule"]).first()


def _rehearse(what: ReviewRule | ReviewRuleSet, ids: list[int]) -> rehearsing.Rehearsal:
    if isinstance(what, ReviewRuleSet):
        return rehearsing.rehearse_version(what, ids)
    return rehearsing.rehearse(what, ids)


def _take_a_step(job: Job, what: ReviewRule | ReviewRuleSet) -> None:
    left = (job.total or 0) - job.done
    ids = rehearsing.last_orders(min(STEP, left), below=job.progress["below"])
    result = _rehearse(what, ids)
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
    """The first `most` orders that a rehearsed rule fits or that end otherwise: id, number, outcomes, figures, in
    words."""
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
    rows.writerow([_("Order"), _("By the rules in force"), _("By the rehearsed rules"), _("Figures")])
    rows.writerows(row[1:] for row in found)
    return File(BytesIO(text.getvalue().encode("utf-8-sig")))


KIND = jobs.register(
    jobs.JobKind("rehearse_review", gettext_lazy("Rehearsal of review rules"), "orders.view_reviewrule", _work)
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
    wrong = list(versions.of_rule(rule, Catalogue()))
    if wrong:
        raise OmsError(" ".join(wrong))
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


def begin_version(request: HttpRequest, set_id: int, data: dict[str, Any]) -> HttpResponse:
    """Queue a rehearsal of the version, and show its page. Raises RulesAreWrong."""
    versions.VERSIONS.check(set_id)
    job = jobs.create(KIND, request.user, params={"set": set_id, "orders": data["orders"]})
    return redirect("admin:orders_review_rehearsal", job.pk)


OF_VERSION = RowAction(
    "rehearse",
    _RIGHT,
    gettext_lazy("Rehearse"),
    begin_version,
    form=RehearsalForm,
    icon="science",
    hint=gettext_lazy("What this version would have made of the last orders, beside the rules in force."),
)
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
    what: ReviewRule | ReviewRuleSet | None,
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
        "title": _("Rehearsal of review rules"),
        "job": job,
        "what": what,
        "address": reverse(f"admin:orders_{what._meta.model_name}_change", args=[what.pk]) if what else "",
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
        """How far it is, what came of it by the rules in force and by the rehearsed ones, and which orders they fit."""
        if not request.user.has_perm("orders.view_reviewrule"):
            raise PermissionDenied
        job = Job.objects.select_related("owner").filter(pk=job_id, kind=KIND.name).first()
        if job is None or (job.owner_id != request.user.pk and not request.user.has_perm("common.view_job")):
            raise Http404
        return _page(
            request, _rehearsed(job), job.progress, _found(job, MOST_SHOWN), job.progress.get("found", 0), job.done, job
        )
