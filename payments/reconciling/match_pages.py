"""The staff's pages of what came of rows of bills: the list, and each with the remedies for its difference."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk.acting import INPUT, Do, RowAction, RowActions
from oms.common.desk.lists import YesFilter
from oms.common.templatetags.staff import badge
from orders.admin.actions import staff_actor
from payments.models import (
    SETTLED_OUTCOMES,
    BillForm,
    BillMatch,
    Outcome,
)
from payments.reconciling import resolving
from payments.reconciling.pages import shown_yuan

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


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


def _number(label: "_StrPromise") -> forms.CharField:
    return forms.CharField(label=label, max_length=64, widget=forms.TextInput(attrs=INPUT))


class _PaymentForm(forms.Form):
    number = _number(gettext_lazy("Number of the payment"))


class _OrderForm(forms.Form):
    number = _number(gettext_lazy("Number of the order"))


class _RefundForm(forms.Form):
    number = _number(gettext_lazy("Number of the refund"))


class _ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200, widget=forms.TextInput(attrs=INPUT))


class _GoodwillForm(_PaymentForm, _ReasonForm):
    field_order = ("number", "reason")


def _remedy(do: Callable[..., None]) -> Do:
    """The remedy as an action of the page."""

    def act(request: HttpRequest, match_id: int, data: dict[str, Any]) -> str:
        do(match_id, **data, actor=staff_actor(request))
        return _("Done.")

    return act


def _of(row: Any) -> dict[str, str]:
    """The number of what the match belongs to by now."""
    return {"number": row.number if row else ""}


class _CardsForm(forms.Form):
    numbers = forms.CharField(
        label=gettext_lazy("Numbers of the gift cards"), max_length=2000, widget=forms.TextInput(attrs=INPUT)
    )


_REMEDIES = (
    RowAction(
        "send_back",
        "payments.return_payment",
        gettext_lazy("Paid twice: send it back"),
        _remedy(resolving.send_back),
        tone="primary",
    ),
    RowAction(
        "tie_to_payment",
        "payments.tie_billmatch",
        gettext_lazy("It is this payment"),
        _remedy(resolving.tie_to_payment),
        _PaymentForm,
        tone="primary",
        initial=lambda match: _of(match.payment),
    ),
    RowAction(
        "tie_to_order",
        "payments.tie_billmatch",
        gettext_lazy("It was paid for this order"),
        _remedy(resolving.tie_to_order),
        _OrderForm,
        initial=lambda match: _of(match.payment.order if match.payment else None),
    ),
    RowAction(
        "tie_to_cards",
        "payments.tie_billmatch",
        gettext_lazy("It was paid for these gift cards"),
        _remedy(resolving.tie_to_cards),
        _CardsForm,
    ),
    RowAction(
        "tie_to_refund",
        "payments.tie_billmatch",
        gettext_lazy("It is this refund"),
        _remedy(resolving.tie_to_refund),
        _RefundForm,
        tone="primary",
        initial=lambda match: _of(match.refund),
    ),
    RowAction(
        "tie_as_goodwill",
        "payments.tie_billmatch",
        gettext_lazy("It was goodwill, of this payment"),
        _remedy(resolving.tie_as_goodwill),
        _GoodwillForm,
        initial=lambda match: {"number": match.row.of_number if match.row else ""},
    ),
    RowAction(
        "accept_fee",
        "payments.accept_fee_billmatch",
        gettext_lazy("Accept the fee"),
        _remedy(resolving.accept_fee),
        tone="primary",
    ),
    RowAction(
        "write_off",
        "payments.write_off_billmatch",
        gettext_lazy("Write off"),
        _remedy(resolving.write_off),
        _ReasonForm,
        tone="danger-line",
    ),
    RowAction("note", "payments.note_billmatch", gettext_lazy("I looked at it"), _remedy(resolving.note), _ReasonForm),
)


@admin.register(BillMatch)
class BillMatchAdmin(RowActions):
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
    shown_by = {"resolution": "ended"}
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
        ("missed_by",),
        ("shared_with",),
        ("row_text", "counterpart"),
        ("ended", "reason"),
        ("resolved_by", "resolved_at"),
    )
    readonly_fields = sum(fields, ())
    row_actions = _REMEDIES

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

    @display(description=gettext_lazy("and of the same parcel"))
    def shared_with(self, match: BillMatch) -> str:
        """The payments of other orders that one parcel's cash covers, too, with what was taken for each."""
        shares = match.shares.select_related("payment").order_by("pk")
        of_each = [f"{one.payment} (¥{one.payment.captured_amount})" for one in shares]
        return _(", ").join(of_each) or "–"

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

    def fitting_actions(self, row: BillMatch) -> Collection[str]:
        """The remedies that may help."""
        return _fitting(row)


def _fitting(match: BillMatch) -> list[str]:
    """The names of the remedies that may help."""
    if not match.is_open:
        return []
    names = []
    if resolving.is_paid_twice(match):
        names.append("send_back")
    if match.outcome in resolving.MONEY_IN and match.amount_fen > 0:
        names += ["tie_to_payment", "tie_to_order"]
    if match.outcome == Outcome.UNIDENTIFIED and match.amount_fen > 0 and match.source.form == BillForm.BANK:
        names.append("tie_to_cards")
    if match.outcome in resolving.MONEY_BACK and match.amount_fen < 0:
        names += ["tie_to_refund", *(["tie_as_goodwill"] if match.outcome == Outcome.REFUND_NOT_OURS else [])]
    is_freight = match.source.form == BillForm.FREIGHT and match.row_id is not None
    if match.outcome == Outcome.FEE_DIFFERS or (is_freight and match.outcome in resolving.FREIGHT_DIFFERS):
        names.append("accept_fee")
    if match.outcome not in resolving.WITHOUT_MONEY:
        names.append("write_off")
    return [*names, *([] if match.unexplained_fen else ["note"])]
