"""The page of what must always hold: what was found last, a check on demand, repairs with their log."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from oms.checking import repairs, running
from oms.common.desk import acting
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import YesFilter, staff_actor_name
from oms.common.models import InvariantCheck
from oms.common.templatetags.staff import badge
from oms.common.work import jobs

REPAIR_RIGHT = "common.repair_invariantcheck"


class ReasonForm(forms.Form):
    """Why it is done."""

    reason = forms.CharField(label=gettext_lazy("Why"), max_length=200, widget=forms.TextInput(attrs=acting.INPUT))


def _mend(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    done = repairs.mend(row_id, by=staff_actor_name(request), reason=data["reason"])
    said = ngettext("One row was changed.", "%(count)s rows were changed.", done.rows_changed)
    said %= {"count": done.rows_changed}
    return f"{said} {_('%(rows)s rows break it now.') % {'rows': done.rows_after}}"


def _check(request: HttpRequest, row_id: int, data: dict[str, Any]) -> HttpResponse:
    name = InvariantCheck.objects.values_list("name", flat=True).get(pk=row_id)
    return _started(request, [name])


def _started(request: HttpRequest, names: list[str]) -> HttpResponse:
    job = jobs.create(running.KIND, request.user, params={"names": names})
    return redirect("admin:common_job_change", job.pk)


class BrokenFilter(YesFilter):
    """Those that do not hold."""

    title = gettext_lazy("broken")
    parameter_name = "broken"

    @staticmethod
    def condition(queryset: QuerySet[Any]) -> QuerySet[Any]:
        """With rows that break them."""
        return queryset.filter(broken_rows__gt=0)


class InvariantCheckAdmin(RowActions):
    """Invariants, the broken ones first; of one its rows, its repair and the log of repairs."""

    keyset: ClassVar[tuple[str, ...]] = ("-broken_rows", "id")
    list_display = ("sentence", "outcome", "broken_rows", "broken_since", "checked_at", "took_ms")
    list_filter = (BrokenFilter,)
    fields = readonly_fields = (  # type: ignore[assignment]
        *("sentence", "outcome", "broken_rows", "broken_since"),
        *("checked_at", "took_ms", "name"),
    )
    list_before_template = "admin/common/invariantcheck/run.html"
    change_form_outer_after_template = "admin/common/invariantcheck/found.html"
    row_actions = (
        RowAction("check", running.RIGHT, gettext_lazy("Check now"), _check, icon="fact_check"),
        RowAction("mend", REPAIR_RIGHT, gettext_lazy("Mend"), _mend, form=ReasonForm, tone="primary", icon="build"),
    )

    def fitting_actions(self, row: InvariantCheck) -> list[str]:
        """Only what is broken and has a safe repair is mended."""
        return ["check", "mend"] if row.broken_rows and row.name in repairs.REPAIRS else ["check"]

    @display(description=gettext_lazy("what must hold"))
    def sentence(self, row: InvariantCheck) -> str:
        """In words."""
        return running.sentence(row.name)

    @display(description=gettext_lazy("last look"))
    def outcome(self, row: InvariantCheck) -> SafeString:
        """Whether it held when it was looked at last."""
        if row.timed_out:
            return badge(_("Not finished in time"), "warning", "timer_off")
        if row.broken_rows:
            return badge(_("Does not hold"), "danger", "error")
        return badge(_("It holds"), "success", "check")

    def get_urls(self) -> list[URLPattern]:
        """The button that has all of them checked."""
        run = path("run/", self.admin_site.admin_view(self.run_view), name="common_invariantcheck_run")
        return [run, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list and the button."""
        context = {"may_run": request.user.has_perm(running.RIGHT), **(extra_context or {})}
        return super().changelist_view(request, context)

    def run_view(self, request: HttpRequest) -> HttpResponse:
        """Check all of them, as a job."""
        return acting.act(
            request,
            lambda _data: _started(request, []),
            may=self.has_view_permission(request) and request.user.has_perm(running.RIGHT),
            page=reverse("admin:common_invariantcheck_changelist"),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One of them, with the rows that break it, what mends it, and who mended it before."""
        row = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if isinstance(row, InvariantCheck):
            repair = repairs.REPAIRS.get(row.name)
            context = {
                "check": row,
                "repair_words": repair.words if repair else "",
                "repairs": list(row.repairs.order_by("-id")[:20]),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


admin.site.register(InvariantCheck, InvariantCheckAdmin)
