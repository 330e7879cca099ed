"""Finance's pages of the ledger: accounts with balances, entries with debit and credit, the trial balance of a day."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from oms.common.desk.counting import capped_count
from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.keyset import KeysetChangeList
from oms.common.desk.lists import KeysetAdmin, MomentDayFilter, RowColumns
from oms.common.desk.sums import MOST_ROWS
from oms.common.files.tables import writer
from oms.common.money import yuan
from oms.common.templatetags.staff import yuan as shown
from orders.models import ReturnRequest, SubOrder
from payments import exporting
from payments.ledger.balances import VOUCHER_HEADERS, balances_of, trial_balance, vouchers
from payments.models import Account, LedgerEntry, LedgerLine, Payment, Refund, Statement

# What entries are about, by the first word of their subject.
SUBJECTS = {
    "payment": gettext_lazy("Payment"),
    "refund": gettext_lazy("Refund"),
    "sub_order": gettext_lazy("Sub-order"),
    "kept": gettext_lazy("Taken by the merchant itself"),
    "given": gettext_lazy("Given beside the price"),
    "changed": gettext_lazy("Came back after completion"),
    "receivable": gettext_lazy("Still to be paid by the buyer"),
    "statement": gettext_lazy("Statement"),
    "spent": gettext_lazy("Gift cards and points of the order"),
    "earned": gettext_lazy("Points earned by the order"),
    "balance": gettext_lazy("Gift card or points"),
    "settlement": gettext_lazy("Settlement row"),
    "returned": gettext_lazy("Came back after completion"),
    "withheld": gettext_lazy("Not given back to the buyer"),
    "service": gettext_lazy("Service of our warehouse"),
    "deposit": gettext_lazy("Deposit"),
    "exchange": gettext_lazy("Exchange"),
}
# Where the rest of the subject is the id of a row that people know by its number.
_NUMBERED: dict[str, type[Model]] = {
    "payment": Payment,
    "refund": Refund,
    "sub_order": SubOrder,
    "returned": SubOrder,
    "service": SubOrder,
    "statement": Statement,
    "exchange": ReturnRequest,
}
# These are about the entry's order, whose number stands beside them.
_OF_ORDER = {"kept", "given", "changed", "receivable", "spent", "earned", "withheld"}


def _numbers(entries: Iterable[LedgerEntry]) -> dict[str, str]:
    """The numbers of what entries are about, by subject; a statement a kind."""
    keys: dict[str, set[str]] = {}
    for entry in entries:
        kind, _colon, key = entry.subject.partition(":")
        if kind in _NUMBERED and key.isdecimal():
            keys.setdefault(kind, set()).add(key)
    return {
        f"{kind}:{key}": number
        for kind, found in keys.items()
        for key, number in _NUMBERED[kind]._default_manager.filter(pk__in=found).values_list("pk", "number")
    }


@admin.register(Account)
class AccountAdmin(KeysetAdmin):
    """The chart of accounts, with what each has."""

    keyset = ("code",)
    may_change = True
    search_fields = ("code",)
    list_display = ("code", "shown_name", "side", "balance")
    readonly_fields = ("code", "side")
    fields = ("code", "name", "english_name", "side")

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """All balances in one statement."""
        found = balances_of([row.code for row in rows])
        for row in rows:
            row.balance_amount = found.get(row.code)

    @display(description=gettext_lazy("balance"))
    def balance(self, account: Account) -> str:
        """On the account's normal side, in yuan."""
        return shown(account.balance_amount) or "0.00"  # type: ignore[attr-defined]


class AccountFilter(DropdownFilter):
    """Entries with a line on an account."""

    title = gettext_lazy("account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The accounts."""
        return [(account.code, str(account)) for account in Account.objects.order_by("code")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LedgerEntry]) -> QuerySet[LedgerEntry]:
        """Those of the account."""
        if not self.value():
            return queryset
        return queryset.filter(Exists(LedgerLine.objects.filter(entry=OuterRef("pk"), account=self.value())))


class _LedgerList(KeysetChangeList):
    """The list of entries, with what moved on each account."""

    def moved(self) -> list[tuple[Account, Decimal, Decimal]] | None:
        """Each account with its debit and credit (yuan) in the filtered entries; None where they are too many."""
        entries = self.queryset.order_by().prefetch_related(None)
        if capped_count(entries, MOST_ROWS) > MOST_ROWS:
            return None
        lines = LedgerLine.objects.filter(entry__in=entries.values("pk")).order_by()
        sums = {
            row["account"]: (yuan(row["debit"]), yuan(row["credit"]))
            for row in lines.values("account").annotate(debit=Sum("debit_fen"), credit=Sum("credit_fen"))
        }
        return [(account, *sums[account.code]) for account in Account.objects.order_by("code") if account.code in sums]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ExportMixin, RowColumns, KeysetAdmin):
    """Entries, with debit and credit; never changed by anybody."""

    search_fields = ("order__number", "key", "subject")
    search_help_text = gettext_lazy("Order number, key or subject")
    list_display = ("occurred_at", "kind", "order_link", "about", "sides", "reason", "actor")
    list_select_related = ("order",)
    list_filter = (("kind", ChoicesDropdownFilter), AccountFilter, ("occurred_at", MomentDayFilter))
    list_before_template = "admin/payments/ledger_sums.html"
    fields = (
        ("kind", "order"),
        ("about", "sides"),
        ("occurred_at", "created_at"),
        ("key", "subject"),
        ("reason", "actor"),
    )
    readonly_fields = sum(fields, ())
    export = exporting.LEDGER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:
        """A list with sums."""
        return _LedgerList

    def get_queryset(self, request: HttpRequest) -> Any:
        """With their lines."""
        return super().get_queryset(request).prefetch_related("lines__account")

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """What they are about by its number."""
        numbers = _numbers(rows)
        for row in rows:
            row.about_number = numbers.get(row.subject, "")

    @display(description=gettext_lazy("about"))
    def about(self, entry: LedgerEntry) -> str:
        """What was booked, in words and by its number."""
        kind, _colon, key = entry.subject.partition(":")
        if kind not in SUBJECTS:
            return entry.subject
        number = getattr(entry, "about_number", None)
        if number is None:  # on its own page, which prepares no rows
            number = _numbers([entry]).get(entry.subject, "")
        said = number or ("" if kind in _OF_ORDER else key)
        return f"{SUBJECTS[kind]} {said}".strip()

    @display(description=gettext_lazy("debit / credit"))
    def sides(self, entry: LedgerEntry) -> SafeString:
        """Each line: the account, and its amount in debit or credit."""
        lines = (
            (_("Dr") if line.debit_fen else _("Cr"), line.account, shown(yuan(line.debit_fen or line.credit_fen)))
            for line in entry.lines.all()
        )
        return format_html("<div>{}</div>", format_html_join("", '<div class="oms-nowrap">{} {} {}</div>', lines))

    def get_urls(self) -> list[Any]:
        """The trial balance, and the export of vouchers for a finance system."""
        wrap = self.admin_site.admin_view
        return [
            path("trial-balance/", wrap(self.trial_balance_view), name="payments_trial_balance"),
            *super().get_urls(),
        ]

    def trial_balance_view(self, request: HttpRequest) -> HttpResponse:
        """What each account had before the day, moved on it, and has after it; as CSV the day's vouchers."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            day = datetime.strptime(request.GET.get("day", ""), "%Y-%m-%d").date()  # noqa: DTZ007 - a day, no moment
        except ValueError:
            day = timezone.localdate()
        if request.GET.get("form") == "csv":
            answer = HttpResponse(content_type="text/csv; charset=utf-8")
            answer["Content-Disposition"] = f'attachment; filename="vouchers-{day}.csv"'
            file = BytesIO()
            table = writer("csv", file, [str(header) for header in VOUCHER_HEADERS])
            for row in vouchers(day):
                table.write(row)
            table.close()
            answer.write(file.getvalue())
            return answer
        rows = trial_balance(day)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext_lazy("Trial balance"),
            "day": day,
            "before": day - timedelta(days=1),
            "after": day + timedelta(days=1),
            "rows": rows,
            "debit": sum(row.debit for row in rows),
            "credit": sum(row.credit for row in rows),
        }
        return TemplateResponse(request, "admin/payments/trial_balance.html", context)
