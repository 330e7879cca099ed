"""The staff's pages of what came of rows of bills: the list, and each with the remedies for its difference."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk.lists import KeysetAdmin, YesFilter
from oms.common.errors import OmsError
from oms.common.templatetags.staff import badge
from orders.admin.actions import staff_actor
from payments.models import (
    SETTLED_OUTCOMES,
    BillMatch,
    Outcome,
)
from payments.reconciling import resolving
from payments.reconciling.pages import shown_yuan


def _outcome(match: BillMatch) -> SafeString:
    tone = "success" if match.outcome == Outcome.MATCHED else "danger" if match.is_open else "muted"
    return badge(match.get_outcome_display(), tone)


class OpenFilter(YesFilter):
    """What somebody has to look at."""

    title = gettext_lazy("to look at")
    parameter_name = "open"

    @staticmethod
    def condition(matches: QuerySet[Any]) -> QuerySet[Any]:
        """Differences that have not ended."""
        return matches.filter(resolution="").exclude(outcome__in=SETTLED_OUTCOMES)


class _TieForm(forms.Form):
    number = forms.CharField(max_length=64)


class _ReasonForm(forms.Form):
    reason = forms.CharField(max_length=200)


class _GoodwillForm(_TieForm, _ReasonForm):
    pass


# Each remedy: the right that it needs, its form, and what it does.
_REMEDIES: dict[str, tuple[str, type[forms.Form], Callable[..., None]]] = {
    "tie_to_payment": ("payments.tie_billmatch", _TieForm, resolving.tie_to_payment),
    "tie_to_order": ("payments.tie_billmatch", _TieForm, resolving.tie_to_order),
    "tie_to_refund": ("payments.tie_billmatch", _TieForm, resolving.tie_to_refund),
    "tie_as_goodwill": ("payments.tie_billmatch", _GoodwillForm, resolving.tie_as_goodwill),
    "accept_fee": ("payments.accept_fee_billmatch", forms.Form, resolving.accept_fee),
    "write_off": ("payments.write_off_billmatch", _ReasonForm, resolving.write_off),
    "note": ("payments.note_billmatch", _ReasonForm, resolving.note),
}


@admin.register(BillMatch)
class BillMatchAdmin(KeysetAdmin):
    """What came of each row, and what a person may do about a difference."""

    search_fields = ("key",)
    search_help_text = gettext_lazy("Number of a payment or refund, waybill or serial of the bank")
    list_display = (
        "key",
        "outcome_label",
        "amount_yuan",
        "difference_yuan",
        "unexplained_yuan",
        "source",
        "day",
        "ended",
    )
    list_select_related = ("source__connection", "row")
    list_filter = (
        OpenFilter,
        ("source", RelatedDropdownFilter),
        ("outcome", ChoicesDropdownFilter),
        ("day", RangeDateFilter),
    )
    fields = (
        ("key", "outcome_label"),
        ("source", "day"),
        ("amount_yuan", "booked_yuan"),
        ("difference_yuan", "unexplained_yuan"),
        ("fee_yuan", "agreed_fee_yuan"),
        ("payment", "refund"),
        ("row_text", "counterpart"),
        ("ended", "reason"),
        ("resolved_by", "resolved_at"),
    )
    readonly_fields = sum(fields, ())
    change_form_outer_after_template = "admin/payments/billmatch/remedies.html"

    @display(description=gettext_lazy("outcome"))
    def outcome_label(self, match: BillMatch) -> SafeString:
        """What came of it, in its colour."""
        return _outcome(match)

    @display(description=gettext_lazy("amount"))
    def amount_yuan(self, match: BillMatch) -> str:
        """In yuan."""
        return shown_yuan(match.amount_fen)

    @display(description=gettext_lazy("booked by us"))
    def booked_yuan(self, match: BillMatch) -> str:
        """In yuan."""
        return shown_yuan(match.booked_fen)

    @display(description=gettext_lazy("difference"))
    def difference_yuan(self, match: BillMatch) -> str:
        """In yuan."""
        return shown_yuan(match.difference_fen)

    @display(description=gettext_lazy("unexplained"))
    def unexplained_yuan(self, match: BillMatch) -> SafeString:
        """In yuan, in red unless it is nothing."""
        return badge(shown_yuan(match.unexplained_fen), "danger" if match.unexplained_fen else "success")

    @display(description=gettext_lazy("fee"))
    def fee_yuan(self, match: BillMatch) -> str:
        """In yuan, of the bill."""
        return shown_yuan(match.row.fee_fen if match.row else None)

    @display(description=gettext_lazy("agreed fee"))
    def agreed_fee_yuan(self, match: BillMatch) -> str:
        """In yuan."""
        return shown_yuan(match.agreed_fee_fen)

    @display(description=gettext_lazy("how it ended"))
    def ended(self, match: BillMatch) -> str:
        """How it ended, in words."""
        return match.get_resolution_display() if match.resolution or match.is_open else "–"

    @display(description=gettext_lazy("row of a bill"))
    def row_text(self, match: BillMatch) -> str:
        """Where it stands."""
        if match.row is None:
            return "–"
        values = {"line": match.row.line, "file": match.row.bill, "text": f"{match.row.state} {match.row.note}".strip()}
        return _("Line %(line)s of %(file)s %(text)s") % values

    def get_urls(self) -> list[URLPattern]:
        """Each remedy has its own address."""
        wrap = self.admin_site.admin_view
        own = [
            path(f"<int:match_id>/{name}/", wrap(self._view_of(*remedy)), name=f"payments_billmatch_{name}")
            for name, remedy in _REMEDIES.items()
        ]
        return own + super().get_urls()

    def _view_of(
        self, right: str, form_class: type[forms.Form], do: Callable[..., None]
    ) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, match_id: int) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not request.user.has_perms(["payments.view_billmatch", right]):
                raise PermissionDenied
            form = form_class(request.POST)
            try:
                if form.is_valid():
                    do(match_id, **form.cleaned_data, actor=staff_actor(request))
                    messages.success(request, _("Done."))
                else:
                    messages.error(request, _("Fill in the form."))
            except OmsError as refusal:
                messages.error(request, str(refusal))
            except BillMatch.DoesNotExist as error:
                raise Http404 from error
            return redirect(reverse("admin:payments_billmatch_change", args=[match_id]))

        return view

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The match, with the remedies that fit it and that the person may use."""
        match = self.get_object(request, object_id)
        shown = {
            "match": match,
            "remedies": [
                name for name in (_fitting(match) if match else ()) if request.user.has_perm(_REMEDIES[name][0])
            ],
        }
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})


def _fitting(match: BillMatch) -> list[str]:
    """The names of the remedies that may help."""
    if not match.is_open:
        return []
    names = []
    if match.outcome in resolving.MONEY_IN and match.amount_fen > 0:
        names += ["tie_to_payment", "tie_to_order"]
    if match.outcome in resolving.MONEY_BACK and match.amount_fen < 0:
        names += ["tie_to_refund", *(["tie_as_goodwill"] if match.outcome == Outcome.REFUND_NOT_OURS else [])]
    if match.outcome == Outcome.FEE_DIFFERS:
        names.append("accept_fee")
    if match.outcome not in resolving.WITHOUT_MONEY:
        names.append("write_off")
    return [*names, *([] if match.unexplained_fen else ["note"])]
