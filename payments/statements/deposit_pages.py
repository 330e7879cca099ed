"""The staff's pages of deposits and of what our warehouses cost merchants."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk.lists import KeysetAdmin, MomentDayFilter
from oms.common.desk.sums import Summed
from oms.common.errors import OmsError
from oms.common.templatetags.staff import badge
from oms.common.templatetags.staff import yuan as shown
from orders.admin.actions import staff_actor
from payments.models import Deposit, DepositKind, DepositMovement, ServiceTerm
from payments.models.deposit import GROWS
from payments.statements import deposits

# Which right each kind of movement needs.
_RIGHTS = dict.fromkeys(DepositKind, "payments.move_deposit") | {DepositKind.FINE: "payments.fine_merchant"}


@admin.register(Deposit)
class DepositAdmin(Summed, KeysetAdmin):
    """What merchants are to leave, and what they have left."""

    may_add = may_change = True
    search_fields = ("merchant__code",)
    search_help_text = gettext_lazy("Merchant's code")
    list_display = ("merchant", "due_amount", "held_amount", "missing", "blocks_payout")
    list_select_related = ("merchant",)
    summed = ("due_amount", "held_amount")
    autocomplete_fields = ("merchant",)
    fields = ("merchant", "due_amount", "held_amount", "missing", "blocks_payout")

    def get_readonly_fields(self, request: HttpRequest, obj: Deposit | None = None) -> tuple[str, ...]:
        """Movements alone change what is held."""
        return ("held_amount", "missing", "merchant") if obj else ("held_amount", "missing")

    @display(description=gettext_lazy("missing"))
    def missing(self, deposit: Deposit) -> str:
        """What is missing, in red."""
        amount = deposit.missing_amount if deposit.pk else Decimal(0)
        return badge(shown(amount), "danger", "warning") if amount else "0.00"


class _MovementForm(forms.ModelForm):
    class Meta:
        model = DepositMovement
        fields = ("deposit", "kind", "amount", "reason", "document")
        help_texts = {"document": gettext_lazy("The bank's serial, or the number of what proves it.")}

    def clean_amount(self) -> Decimal:
        """A positive amount: the kind says which way it goes."""
        amount: Decimal = self.cleaned_data["amount"]
        if amount <= 0:
            raise forms.ValidationError(_("Give a positive amount with at most two places."))
        return amount

    def _post_clean(self) -> None:
        """The row's constraints hold for the signed amount, which the service writes."""


@admin.register(DepositMovement)
class DepositMovementAdmin(Summed, KeysetAdmin):
    """How deposits moved: paid in and back, kept back from settlements, fines."""

    form = _MovementForm
    search_fields = ("deposit__merchant__code", "document")
    search_help_text = gettext_lazy("Merchant's code or document")
    list_display = ("deposit", "kind", "amount", "reason", "document", "actor", "created_at")
    list_select_related = ("deposit__merchant",)
    list_filter = (
        ("deposit", RelatedDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("created_at", MomentDayFilter),
    )
    summed = ("amount",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may record any kind."""
        return any(request.user.has_perm(right) for right in set(_RIGHTS.values()))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What a person says of a new row; everything of one that is there."""
        return self.form.Meta.fields if obj is None else super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A row is never changed."""
        return () if obj is None else super().get_readonly_fields(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Only kinds that the person may record."""
        form = super().get_form(request, obj, change, **kwargs)
        if obj is None and "kind" in form.base_fields:
            allowed = [(kind.value, kind.label) for kind, right in _RIGHTS.items() if request.user.has_perm(right)]
            form.base_fields["kind"].choices = [("", "–"), *allowed]
        return form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form; back to it with the reason where the service refuses."""
        try:
            return super().add_view(request, form_url, extra_context)
        except OmsError as refusal:
            messages.error(request, str(refusal))
            return redirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: DepositMovement, form: Any, change: bool) -> None:
        """Record it by the service, which books it too."""
        data = form.cleaned_data
        kind = DepositKind(data["kind"])
        token = request.POST.get("csrfmiddlewaretoken", "")[:32]
        movement = deposits.move(
            data["deposit"].merchant_id,
            kind,
            data["amount"],
            reason=data["reason"],
            document=data["document"],
            actor=staff_actor(request),
            key=f"{token}:{data['deposit'].pk}:{kind}:{data['amount']}",
        )
        obj.pk, obj.kind, obj.amount = movement.pk, movement.kind, movement.amount

    def get_queryset(self, request: HttpRequest) -> QuerySet[DepositMovement]:
        """With the merchants."""
        return super().get_queryset(request).select_related("deposit__merchant")


assert set(GROWS) < set(_RIGHTS)  # noqa: S101 - every kind has its right


@admin.register(ServiceTerm)
class ServiceTermAdmin(KeysetAdmin):
    """What our warehouses cost merchants; a new price is a new row, in force from its time on."""

    may_add = True
    autocomplete_fields = ("merchant",)
    search_fields = ("merchant__code",)
    list_display = ("merchant", "sub_order_fee", "unit_fee", "rate", "in_force_from")
    list_select_related = ("merchant",)
    list_filter = (("merchant", RelatedDropdownFilter),)
    fields = ("merchant", "sub_order_fee", "unit_fee", "rate")
