"""The staff's pages of settlements: rows, statements, terms."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from oms.common.desk.acting import INPUT, RowAction, RowActions
from oms.common.desk.bulk import run_for_each
from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import KeysetAdmin, RowColumns
from oms.common.desk.sums import Summed
from oms.common.errors import OmsError
from oms.merchants.models import Merchant
from orders.admin.actions import staff_actor
from payments import exporting
from payments.models import CommissionTerm, RowKind, SettlementRow, Statement, StatementState
from payments.models.settlement import BY_HAND
from payments.statements import closing, deposits, disputing
from payments.statements.showing import hash_in_groups, shown_of
from payments.statements.workbook import workbook_answer


class _PaidForm(forms.Form):
    bank_serial = forms.CharField(
        label=gettext_lazy("Bank serial"),
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs=INPUT),
    )


def _record_as_paid(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    """Record that the bank paid a statement."""
    closing.pay(row_id, bank_serial=data["bank_serial"], actor=staff_actor(request))
    return _("The statement is recorded as paid.")


class _AnswerForm(forms.Form):
    text = forms.CharField(
        label=gettext_lazy("Answer"), max_length=1000, widget=forms.Textarea(attrs={**INPUT, "rows": 2})
    )


def _answer(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    """Answer what the merchant said about a statement."""
    disputing.answer(row_id, data["text"], actor=staff_actor(request))
    return _("The merchant reads it on the statement.")


class _RowForm(forms.ModelForm):
    """A row by hand; services write all others."""

    kind = forms.ChoiceField(label=gettext_lazy("kind"), choices=[(kind.value, kind.label) for kind in BY_HAND])

    class Meta:
        model = SettlementRow
        fields = ("merchant", "kind", "other_amount", "reason", "document")
        labels = {"other_amount": gettext_lazy("amount (below 0: the merchant pays)")}

    def clean(self) -> dict[str, Any]:
        """A reason, and an amount that says something."""
        data = super().clean() or {}
        if not (data.get("reason") or "").strip():
            self.add_error("reason", _("Give a reason."))
        if not data.get("other_amount"):
            self.add_error("other_amount", _("Give an amount other than 0, with at most two places."))
        return data


@admin.register(SettlementRow)
class SettlementRowAdmin(Summed, ExportMixin, RowColumns, KeysetAdmin):
    """What merchants are owed, row by row; fees, fines and corrections are added here."""

    form = _RowForm
    search_fields = ("order__number", "sub_order__number", "key")
    search_help_text = gettext_lazy("Order or sub-order number")
    list_display = (
        *("merchant", "kind", "order_link", "sub_order", "goods_amount", "platform_amount", "freight_amount"),
        *("commission_amount", "other_amount", "net_amount", "due_on", "statement"),
    )
    list_select_related = ("merchant", "order", "sub_order", "statement")
    list_filter = (
        ("merchant", RelatedDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("statement", admin.EmptyFieldListFilter),
        ("due_on", RangeDateFilter),
    )
    summed = ("goods_amount", "platform_amount", "freight_amount", "commission_amount", "other_amount", "net_amount")
    export = exporting.SETTLEMENT_ROWS
    autocomplete_fields = ("merchant",)
    actions = ("close_periods",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Its own right."""
        return request.user.has_perm("payments.correct_settlement")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What a person says of a new row; everything of one that is there."""
        return self.form.Meta.fields if obj is None else super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A row is never changed."""
        return () if obj is None else super().get_readonly_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: SettlementRow, form: forms.ModelForm, change: bool) -> None:
        """Add the row by the service, which books it too."""
        row = closing.add_by_hand(
            obj.merchant_id,
            RowKind(obj.kind),
            obj.other_amount,
            reason=obj.reason,
            document=obj.document,
            actor=staff_actor(request),
            key=f"{request.POST.get('csrfmiddlewaretoken', '')[:32]}:{obj.merchant_id}:{obj.other_amount}",
        )
        obj.pk = row.pk

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm("payments.close_statement")

    @action(description=gettext_lazy("Close the periods that are over of these merchants"), permissions=["close"])
    def close_periods(self, request: HttpRequest, queryset: QuerySet[SettlementRow]) -> None:
        """Make their statements."""
        merchants = Merchant.objects.filter(pk__in=queryset.order_by().values("merchant"))
        made: list[str] = []
        for merchant in merchants:
            try:
                closed = closing.close_over(merchant, timezone.localdate(), actor=staff_actor(request))
                made += [statement.number for statement in closed]
            except OmsError as refusal:
                messages.error(request, f"{merchant.code}: {refusal}")
        if made:
            messages.success(request, _("Closed: %(numbers)s.") % {"numbers": _(", ").join(made)})
        else:
            messages.info(request, _("No period that is over has rows."))


@admin.register(Statement)
class StatementAdmin(Summed, ExportMixin, RowColumns, RowActions):
    """What merchants are paid, period by period."""

    search_fields = ("number",)
    search_help_text = gettext_lazy("Statement number")
    list_display = (
        *("number", "merchant", "state_label", "starts_on", "ends_on", "opening_amount", "rows_amount"),
        *("total_amount", "row_count", "approved_by", "bank_serial"),
    )
    list_select_related = ("merchant",)
    list_filter = (
        ("merchant", RelatedDropdownFilter),
        ("state", ChoicesDropdownFilter),
        ("ends_on", RangeDateFilter),
    )
    summed = ("rows_amount", "total_amount")
    shown_by = {"row_hash": "hash_shown"}
    export = exporting.STATEMENTS
    row_actions = (
        RowAction(
            "paid", "payments.pay_statement", gettext_lazy("Record as paid"), _record_as_paid, _PaidForm, tone="primary"
        ),
        RowAction("answer", "payments.answer_statement", gettext_lazy("Answer the merchant"), _answer, _AnswerForm),
    )
    change_form_outer_after_template = "admin/payments/statement/act.html"
    actions = ("approve_selected",)

    @display(description=gettext_lazy("hash of the rows"))
    def hash_shown(self, statement: Statement) -> SafeString:
        """In groups, so that it fits the page."""
        return hash_in_groups(statement)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm("payments.approve_statement")

    @action(description=gettext_lazy("Approve the selected statements"), permissions=["approve"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Statement]) -> None:
        """A second person approves them."""
        actor = staff_actor(request)
        run_for_each(request, queryset, lambda key: closing.approve(key, actor=actor), _("%(row)s is approved."))

    def get_urls(self) -> list[Any]:
        """The workbook has its own address."""
        view = self.admin_site.admin_view(self.workbook_view)
        return [path("<int:row_id>/workbook/", view, name="payments_statement_workbook"), *super().get_urls()]

    def fitting_actions(self, row: Statement) -> Collection[str]:
        """What is approved is paid; the merchant can always be answered."""
        return ("paid", "answer") if row.state == StatementState.APPROVED else ("answer",)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The statement, its rows, and what can be done with it."""
        statement = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if statement:
            context = {
                **shown_of(statement),
                "is_whole": closing.rederived(statement),
                "lacking": deposits.missing(statement.merchant_id),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def workbook_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """The statement as a workbook."""
        statement = self.get_object(request, str(row_id))
        if statement is None or not self.has_view_permission(request, statement):
            raise Http404
        return workbook_answer(statement)


@admin.register(CommissionTerm)
class CommissionTermAdmin(KeysetAdmin):
    """Rates of commission by category; a new rate is a new row, in force from its time on."""

    may_add = True
    autocomplete_fields = ("merchant",)
    search_fields = ("merchant__code",)
    list_display = ("merchant", "category", "rate", "on_freight", "in_force_from")
    list_select_related = ("merchant",)
    list_filter = (("merchant", RelatedDropdownFilter),)
    fields = ("merchant", "category", "rate", "on_freight")
