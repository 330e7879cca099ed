"""The staff's pages of gift cards and points: lists with what is left, each with what happened, issuing, adjusting."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from oms.common.desk.bulk import run_for_each
from oms.common.desk.lists import KeysetAdmin, MomentDayFilter, RowColumns
from oms.common.errors import OmsError
from oms.common.money import to_fen
from oms.common.templatetags.staff import yuan as shown
from oms.merchants.models import Merchant
from orders.admin.staff import staff_actor
from payments.balances import adjusting, issuing, sheets
from payments.invoicing import cards
from payments.models import (
    AdjustmentState,
    BalanceAccount,
    BalanceAdjustment,
    BalanceKind,
    GiftCard,
    PointsAccount,
)

ISSUE, BLOCK = "payments.issue_giftcard", "payments.block_giftcard"
INVOICE = "payments.issue_invoice"
_INPUT = {"class": "oms-input"}
# Of what happened to a balance so much is shown.
MOST_MOVEMENTS = 200


class _AdjustForm(forms.Form):
    amount = forms.DecimalField(
        label=gettext_lazy("By so many yuan (below 0: less)"),
        max_digits=12,
        decimal_places=2,
        widget=forms.NumberInput(attrs={**_INPUT, "step": "0.01"}),
    )
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200, widget=forms.TextInput(attrs=_INPUT))


class _AdjustPointsForm(_AdjustForm):
    amount = forms.IntegerField(  # type: ignore[assignment]
        label=gettext_lazy("By so many points (below 0: less)"),
        min_value=-1_000_000_000,
        max_value=1_000_000_000,
        widget=forms.NumberInput(attrs=_INPUT),
    )


class _TopUpForm(forms.Form):
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"),
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        widget=forms.NumberInput(attrs={**_INPUT, "step": "0.01"}),
    )
    is_sold = forms.BooleanField(label=gettext_lazy("Somebody paid for it"), required=False)


class IssueForm(forms.Form):
    """Asks for the cards: of whom, sold or given away, a row each."""

    merchant = forms.ModelChoiceField(
        label=gettext_lazy("Merchant"),
        queryset=Merchant.objects.filter(kind=Merchant.Kind.SELF_OPERATED),
        widget=forms.Select(attrs=_INPUT),
    )
    batch = forms.CharField(
        label=gettext_lazy("Name of the batch (the same one is issued once)"),
        max_length=40,
        widget=forms.TextInput(attrs=_INPUT),
    )
    is_sold = forms.BooleanField(label=gettext_lazy("Somebody paid for them"), required=False)
    rows = forms.CharField(
        label=gettext_lazy("A row for each card: amount, number of cards, valid until, reference"),
        max_length=100_000,
        widget=forms.Textarea(attrs={**_INPUT, "rows": 8, "placeholder": "100.00, 10, 2028-12-31, 春节福利"}),
    )


class _BalanceAdmin(KeysetAdmin):
    """What gift cards and points have in common: each shows what happened to it, and what can be done."""

    kind: ClassVar[BalanceKind]
    adjust_right: ClassVar[str]
    adjust_form: ClassVar[type[forms.Form]] = _AdjustForm
    change_form_outer_after_template = "admin/payments/balance/act.html"
    list_select_related = ("merchant",)

    @display(description=gettext_lazy("available"))
    def available_yuan(self, account: BalanceAccount) -> str:
        """What can be spent, in yuan."""
        return shown(account.available_amount) or "0.00"

    @display(description=gettext_lazy("held for orders"))
    def held_yuan(self, account: BalanceAccount) -> str:
        """What orders hold, in yuan."""
        return shown(account.held_amount) or "0.00"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The balance, what happened to it, and what can be done with it."""
        account = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if account:
            may_adjust = request.user.has_perm(self.adjust_right)
            context = {
                "account": account,
                "movements": account.movements.select_related("order").order_by("-pk")[:MOST_MOVEMENTS],
                "most": MOST_MOVEMENTS,
                "adjust_form": self.adjust_form() if may_adjust else None,
                "adjust_url": reverse(f"admin:{self._name('adjust')}", args=[account.pk]),
                **self.offered(request, account),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def offered(self, request: HttpRequest, account: BalanceAccount) -> dict[str, Any]:
        """What else can be done with it."""
        return {}

    def _name(self, what: str) -> str:
        return f"payments_{self.model._meta.model_name}_{what}"

    def get_urls(self) -> list[Any]:
        """Adjusting."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:row_id>/adjust/", wrap(self.adjust_view), name=self._name("adjust")),
            *super().get_urls(),
        ]

    def adjust_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Adjust the balance, or propose it."""
        form = self._posted(request, row_id, self.adjust_right, self.adjust_form(request.POST))
        if form:
            self._do(request, lambda: self._adjust(request, row_id, form))
        return redirect(reverse(f"admin:{self._name('change')}", args=[row_id]))

    def _adjust(self, request: HttpRequest, row_id: int, form: forms.Form) -> str:
        user: Any = request.user
        adjustment = adjusting.propose(
            row_id,
            self.fen_of(form.cleaned_data["amount"]),
            reason=form.cleaned_data["reason"],
            user=user,
            actor=staff_actor(request),
        )
        if adjustment.state == AdjustmentState.APPROVED:
            return _("The balance is adjusted.")
        return _("The adjustment waits for somebody else who may approve it.")

    @staticmethod
    def fen_of(amount: Any) -> int:
        """What was typed, in fen."""
        return to_fen(amount)

    def _posted(self, request: HttpRequest, row_id: int, right: str, form: forms.Form) -> forms.Form | None:
        """The form that was sent, or None where something in it is wrong, which is shown then. Raises Http404."""
        if request.method != "POST":
            raise Http404
        if not request.user.has_perm(right):
            raise PermissionDenied
        if not BalanceAccount.objects.filter(pk=row_id, kind=self.kind).exists():
            raise Http404
        if form.is_valid():
            return form
        for errors in form.errors.get_json_data().values():
            messages.error(request, " ".join(error["message"] for error in errors))
        return None

    def _do(self, request: HttpRequest, work: Any) -> None:
        try:
            messages.success(request, work())
        except OmsError as refusal:
            messages.error(request, str(refusal))


@admin.register(GiftCard)
class GiftCardAdmin(_BalanceAdmin):
    """Gift cards: issued in bulk, topped up, blocked, adjusted."""

    kind = BalanceKind.GIFT_CARD
    adjust_right = "payments.adjust_giftcard"
    change_list_template = "admin/payments/giftcard/change_list.html"
    search_fields = ("number", "reference", "code_end")
    search_help_text = gettext_lazy("Number, reference or end of the code")
    list_display = (
        *("number", "masked", "merchant", "available_yuan", "held_yuan", "expires_at", "is_blocked", "reference"),
        *("created_by", "created_at"),
    )
    list_filter = (
        ("merchant", RelatedDropdownFilter),
        "is_blocked",
        ("expires_at", MomentDayFilter),
        ("created_at", MomentDayFilter),
    )
    readonly_fields = fields = (
        *("number", "masked", "merchant", "available_yuan", "held_yuan", "expires_at", "is_blocked", "reference"),
        *("created_by", "created_at"),
    )

    @display(description=gettext_lazy("end of the code"))
    def masked(self, card: GiftCard) -> str:
        """The end of the code."""
        return card.masked_code

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with a way to issue more."""
        context = {"may_issue": request.user.has_perm(ISSUE), **(extra_context or {})}
        return super().changelist_view(request, context)

    def offered(self, request: HttpRequest, account: BalanceAccount) -> dict[str, Any]:
        """Topping it up, blocking it."""
        return {
            "top_up_form": _TopUpForm() if request.user.has_perm(ISSUE) else None,
            "may_block": request.user.has_perm(BLOCK),
            "invoices": list(account.invoices.order_by("pk")),
            "may_invoice": request.user.has_perm(INVOICE),
            "no_invoice": cards.refusal_of(account),
        }

    def get_urls(self) -> list[Any]:
        """Issuing, topping up, blocking."""
        wrap = self.admin_site.admin_view
        return [
            path("issue/", wrap(self.issue_view), name="payments_giftcard_issue"),
            path("<int:row_id>/top-up/", wrap(self.top_up_view), name="payments_giftcard_top_up"),
            path("<int:row_id>/block/", wrap(self.block_view), name="payments_giftcard_block"),
            *super().get_urls(),
        ]

    def issue_view(self, request: HttpRequest) -> HttpResponse:
        """Issue cards; their codes are shown this once."""
        if not request.user.has_perm(ISSUE):
            raise PermissionDenied
        form = IssueForm(request.POST or None)
        outcomes: list[sheets.Outcome] = []
        if request.method == "POST" and form.is_valid():
            try:
                outcomes = sheets.issue(
                    form.cleaned_data["merchant"],
                    form.cleaned_data["rows"],
                    is_sold=form.cleaned_data["is_sold"],
                    batch=form.cleaned_data["batch"],
                    actor=staff_actor(request),
                )
            except OmsError as refusal:
                form.add_error(None, str(refusal))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Issue gift cards"),
            "form": form,
            "outcomes": outcomes,
        }
        return TemplateResponse(request, "admin/payments/giftcard/issue.html", context)

    def top_up_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Put more on a card."""
        form = self._posted(request, row_id, ISSUE, _TopUpForm(request.POST))
        if form:
            self._do(request, lambda: self._top_up(request, row_id, form))
        return redirect(reverse("admin:payments_giftcard_change", args=[row_id]))

    def _top_up(self, request: HttpRequest, row_id: int, form: forms.Form) -> str:
        issuing.top_up(
            row_id,
            form.cleaned_data["amount"],
            is_sold=form.cleaned_data["is_sold"],
            # The same form sent twice counts once.
            key=request.POST.get("csrfmiddlewaretoken", "")[:32],
            actor=staff_actor(request),
        )
        return _("The gift card is topped up.")

    def block_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Block a card, or let it be used again."""
        form = self._posted(request, row_id, BLOCK, forms.Form(request.POST))
        if form:
            is_blocked = request.POST.get("is_blocked") == "1"
            issuing.block(row_id, is_blocked=is_blocked)
            messages.success(request, _("The gift card is blocked.") if is_blocked else _("It can be used again."))
        return redirect(reverse("admin:payments_giftcard_change", args=[row_id]))


@admin.register(PointsAccount)
class PointsAccountAdmin(_BalanceAdmin):
    """The points of members."""

    kind = BalanceKind.POINTS
    adjust_right = "payments.adjust_pointsaccount"
    adjust_form = _AdjustPointsForm
    search_fields = ("number", "member")
    search_help_text = gettext_lazy("Number or member")
    list_display = ("number", "member", "merchant", "available", "held", "short", "expires_at", "created_at")
    list_filter = (("merchant", RelatedDropdownFilter), ("expires_at", MomentDayFilter))
    readonly_fields = fields = (
        *("number", "member", "merchant", "available", "held", "short", "expires_at", "created_by", "created_at"),
    )

    @staticmethod
    def fen_of(amount: Any) -> int:
        """A point is worth one fen."""
        return int(amount)


@admin.register(BalanceAdjustment)
class BalanceAdjustmentAdmin(RowColumns, KeysetAdmin):
    """What people adjust of gift cards and points; above their limits a second person decides here."""

    search_fields = ("account__number",)
    search_help_text = gettext_lazy("Number of the gift card or points")
    list_display = (
        *("account", "state_label", "amount", "reason", "needs_second", "proposed_by", "proposed_at"),
        *("decided_by", "decided_at"),
    )
    list_select_related = ("account",)
    list_filter = (("state", ChoicesDropdownFilter), ("proposed_at", MomentDayFilter))
    readonly_fields = fields = (
        *("account", "state_label", "amount", "reason", "needs_second", "proposed_by", "proposed_at"),
        *("decided_by", "decided_at"),
    )
    actions = ("approve_selected", "decline_selected")

    @display(description=gettext_lazy("amount (yuan)"))
    def amount(self, adjustment: BalanceAdjustment) -> str:
        """By how much, in yuan."""
        return shown(adjustment.amount)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Who may adjust may decide; what of which kind is asked row by row."""
        return request.user.has_perm("payments.adjust_giftcard") or request.user.has_perm(
            "payments.adjust_pointsaccount"
        )

    @action(description=gettext_lazy("Approve the selected adjustments"), permissions=["decide"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[BalanceAdjustment]) -> None:
        """A second person approves them."""
        user: Any = request.user
        rows = self._allowed(request, queryset)
        work = lambda key: adjusting.approve(key, user=user, actor=staff_actor(request))  # noqa: E731
        run_for_each(request, rows, work, _("%(row)s is approved."))

    @action(description=gettext_lazy("Decline the selected adjustments"), permissions=["decide"])
    def decline_selected(self, request: HttpRequest, queryset: QuerySet[BalanceAdjustment]) -> None:
        """Nothing changes."""
        rows = self._allowed(request, queryset)
        run_for_each(
            request, rows, lambda key: adjusting.decline(key, actor=staff_actor(request)), _("%(row)s is declined.")
        )

    def _allowed(self, request: HttpRequest, rows: QuerySet[BalanceAdjustment]) -> QuerySet[BalanceAdjustment]:
        rights = {kind.kind: kind.adjust_right for kind in (GiftCardAdmin, PointsAccountAdmin)}
        return rows.filter(account__kind__in=[kind for kind, right in rights.items() if request.user.has_perm(right)])
