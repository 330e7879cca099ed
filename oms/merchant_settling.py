"""The merchants' pages of what they are owed: rows, statements with their workbook, and what they say about these."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.decorators import display

from oms.common.desk.acting import act
from oms.common.desk.sums import Summed
from oms.merchant_admin import OwnPages, actor_of, site
from oms.merchants.models import Merchant
from payments.models import Deposit, SettlementRow, Statement
from payments.statements import disputing
from payments.statements.showing import hash_in_groups, shown_of
from payments.statements.workbook import workbook_answer


class OwnSettlementRows(Summed, OwnPages):
    """What the merchant is owed, row by row."""

    sees = "portal.see_money"
    search_fields = ("order__number", "sub_order__number")
    search_help_text = gettext_lazy("Order or sub-order number")
    list_display = (
        *("kind", "order_number", "sub_order", "sku", "quantity", "goods_amount", "platform_amount"),
        *("freight_amount", "commission_amount", "other_amount", "net_amount", "due_on", "statement"),
    )
    list_select_related = ("order", "sub_order", "line__sku", "statement")
    list_filter = (("kind", ChoicesDropdownFilter), ("due_on", RangeDateFilter))
    summed = ("commission_amount", "net_amount")
    fields = readonly_fields = (
        *("kind", "order_number", "sub_order", "sku", "quantity", "goods_amount", "platform_amount"),
        *("freight_amount", "rate", "commission_amount", "other_amount", "net_amount", "due_on", "statement"),
        *("reason", "document", "created_at"),
    )

    def own(self, merchant: Merchant) -> QuerySet[SettlementRow]:
        """As the API."""
        return SettlementRow.objects.visible_to(merchant)

    @display(description=gettext_lazy("order"))
    def order_number(self, row: SettlementRow) -> str:
        """Its order, whoever sold it."""
        return row.order.number if row.order else "–"

    @display(description=gettext_lazy("SKU"))
    def sku(self, row: SettlementRow) -> str:
        """The goods."""
        return row.line.sku.code if row.line else "–"


class OwnStatements(OwnPages):
    """The merchant's statements."""

    sees = "portal.see_money"
    search_fields = ("number",)
    search_help_text = gettext_lazy("Statement number")
    list_display = (
        *("number", "state_label", "starts_on", "ends_on", "opening_amount", "rows_amount", "total_amount"),
        *("payable_shown", "bank_serial", "paid_at"),
    )
    list_filter = (("state", ChoicesDropdownFilter), ("ends_on", RangeDateFilter))
    fields = readonly_fields = (
        *("number", "state_label", "starts_on", "ends_on", "opening_amount", "rows_amount", "total_amount"),
        *("payable_shown", "row_count", "hash_shown", "closed_at", "bank_serial", "paid_at"),
    )
    change_form_outer_after_template = "merchants/statement.html"

    def own(self, merchant: Merchant) -> QuerySet[Statement]:
        """As the API."""
        return Statement.objects.visible_to(merchant)

    @display(description=gettext_lazy("hash of the rows"))
    def hash_shown(self, statement: Statement) -> SafeString:
        """In groups, so that it fits the page."""
        return hash_in_groups(statement)

    @display(description=gettext_lazy("to pay"))
    def payable_shown(self, statement: Statement) -> str:
        """What is paid."""
        return f"{statement.payable_amount:,.2f}"

    def get_urls(self) -> list[Any]:
        """The workbook, and saying what is wrong."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:row_id>/workbook/", wrap(self.workbook_view), name="payments_statement_workbook"),
            path("<int:row_id>/dispute/", wrap(self.dispute_view), name="payments_statement_dispute"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The statement, its rows, and what was said about it."""
        statement = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if statement:
            context = shown_of(statement)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _own_or_404(self, request: HttpRequest, row_id: int) -> Statement:
        statement = self.get_object(request, str(row_id))
        if statement is None:
            raise Http404
        return statement

    def workbook_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """The statement as a workbook, for whose role sees money."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return workbook_answer(self._own_or_404(request, row_id))

    def dispute_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Say what is wrong with it."""

        def do(_data: dict[str, Any]) -> str:
            statement = self._own_or_404(request, row_id)
            disputing.dispute(statement.pk, request.POST.get("text", ""), actor=actor_of(request))
            return _("Finance is told and answers here.")

        may = self.has_view_permission(request) and request.user.has_perm("portal.money")
        # `do` looks whether it is there for them.
        return act(request, do, may=may, page=reverse("merchant:payments_statement_change", args=[row_id]))


class OwnDeposit(OwnPages):
    """What the merchant left as a security."""

    sees = "portal.see_money"
    list_display = ("due_amount", "held_amount", "missing_shown", "blocks_payout")
    fields = readonly_fields = ("due_amount", "held_amount", "missing_shown", "blocks_payout")

    def own(self, merchant: Merchant) -> QuerySet[Deposit]:
        """The merchant's."""
        return Deposit.objects.filter(merchant=merchant)

    @display(description=gettext_lazy("missing"))
    def missing_shown(self, deposit: Deposit) -> str:
        """What is missing."""
        return f"{deposit.missing_amount:,.2f}"


site.register(SettlementRow, OwnSettlementRows)
site.register(Statement, OwnStatements)
site.register(Deposit, OwnDeposit)
