"""The staff's pages of grants: asking for one with a preview, deciding on it, reasons and limits."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from oms.common.access import roles
from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import KeysetAdmin, MomentDayFilter, RowColumns
from oms.common.desk.sums import Summed
from oms.common.errors import OmsError
from orders.actors import Actor
from orders.admin.actions import check_part_of, posted
from orders.admin.staff import staff_actor
from orders.changing import followed_gifts
from orders.changing.followed_gifts import FollowedGift
from orders.models import Order, OrderLine
from orders.models.amounts import Bearer
from payments import exporting
from payments.granting import deciding, previewing
from payments.granting.deciding import Seen
from payments.granting.previewing import Calculation, Wanted, followed_label
from payments.models import GrantKind, GrantLimit, GrantReason, GrantState, RefundGrant

RIGHT = "payments.grant_refund"
_INPUT = {"class": "oms-input"}


class GrantForm(forms.Form):
    """Asks for what is granted and why; the reason says of which kind it is."""

    reason = forms.ChoiceField(label=gettext_lazy("Reason"), widget=forms.Select(attrs=_INPUT))
    amount = forms.DecimalField(
        label=gettext_lazy("Amount in yuan (not for returns)"),
        required=False,
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        widget=forms.NumberInput(attrs={**_INPUT, "step": "0.01"}),
    )
    line = forms.TypedChoiceField(
        label=gettext_lazy("Line whose price is protected"),
        required=False,
        coerce=int,
        empty_value=None,
        widget=forms.Select(attrs=_INPUT),
    )
    bearer = forms.ChoiceField(
        label=gettext_lazy("Who bears it"),
        required=False,
        choices=[("", gettext_lazy("As usual for the reason")), *Bearer.choices],
        widget=forms.Select(attrs=_INPUT),
    )
    note = forms.CharField(
        label=gettext_lazy("Note"), max_length=200, widget=forms.Textarea(attrs={**_INPUT, "rows": 2})
    )

    def __init__(
        self, *args: Any, lines: Sequence[OrderLine], followed: Sequence[FollowedGift] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._reasons = {reason.code: reason for reason in GrantReason.objects.filter(is_active=True)}
        self.fields["reason"].choices = [  # type: ignore[attr-defined]
            (kind.label, [(reason.code, str(reason)) for reason in self._reasons.values() if reason.kind == kind])
            for kind in GrantKind
        ]
        self.fields["line"].choices = [  # type: ignore[attr-defined]
            ("", "–"),
            *((line.position, f"{line.position} · {line.name}") for line in lines),
        ]
        self._lines = lines
        for line in lines:
            self.fields[f"units_{line.position}"] = self._units(
                _("Units that came back: %(position)d · %(name)s (ordered: %(quantity)d)"), line
            )
            if line.is_gift:
                self.fields[f"gifts_{line.position}"] = self._units(
                    _("Gifts that did not come back: %(position)d · %(name)s (ordered: %(quantity)d)"), line
                )

        self._followed = followed
        for gift in followed:
            self.fields[f"followed_{gift.part}"] = forms.IntegerField(
                label=followed_label(gift), required=False, min_value=0, max_value=gift.units,
                widget=forms.NumberInput(_INPUT),
            )  # fmt: skip

    @staticmethod
    def _units(label: str, line: OrderLine) -> forms.IntegerField:
        values = {"position": line.position, "name": line.name, "quantity": line.quantity}
        return forms.IntegerField(
            label=label % values, required=False, min_value=0, max_value=line.quantity, widget=forms.NumberInput(_INPUT)
        )

    @property
    def chosen_reason(self) -> GrantReason:
        """The reason that was chosen."""
        return self._reasons[self.cleaned_data["reason"]]

    @property
    def wanted(self) -> Wanted:
        """What the person wants granted."""
        kind = GrantKind(self.chosen_reason.kind)
        if kind == GrantKind.RETURN:
            kept = {gift.part: self.cleaned_data.get(f"followed_{gift.part}") for gift in self._followed}
            return Wanted(
                kind,
                units=self._counts("units"),
                gifts_kept=self._counts("gifts"),
                followed_kept={part: count for part, count in kept.items() if count},
            )
        return Wanted(kind, self.cleaned_data["amount"] or Decimal(0), self.cleaned_data["line"])

    def _counts(self, name: str) -> dict[int, int]:
        counts = {line.position: self.cleaned_data.get(f"{name}_{line.position}") for line in self._lines}
        return {position: count for position, count in counts.items() if count}


class ShownForm(forms.Form):
    """Carries what the person was shown, and the version of the order."""

    cash = forms.DecimalField(max_digits=12, decimal_places=2)
    gift_card = forms.DecimalField(max_digits=12, decimal_places=2)
    points = forms.DecimalField(max_digits=12, decimal_places=2)
    version = forms.IntegerField()


class RowForm(forms.Form):
    """Names a grant."""

    row = forms.IntegerField(min_value=1)


class DeclineForm(RowForm):
    """Names a grant and says why it is declined."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200)


def grant_view(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask for a refund or compensation: first what it would give, then the confirmation of just that."""
    if not request.user.has_perms(["orders.view_order", RIGHT]):
        raise PermissionDenied
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        raise Http404(_("There is no such order."))
    user = request.user
    assert user.is_authenticated  # noqa: S101 - for the type checker: the right was asked for
    return asking_page(request, order, GrantForm, site=admin.site, actor=staff_actor(request), user=user)


def asking_page(
    request: HttpRequest,
    order: Order,
    form_class: type[GrantForm],
    *,
    site: AdminSite,
    actor: Actor,
    user: AbstractBaseUser | None,
) -> HttpResponse:
    """The form in which a grant is asked for by `actor`, with what it would give, on the pages of `site`; `user` is who
    of staff may grant it, None for others. Once it is confirmed, back to the order's page."""
    page = reverse(f"{site.name}:orders_order_change", args=[order.pk])
    lines = list(OrderLine.objects.filter(order=order).order_by("position"))
    form = form_class(request.POST or None, lines=lines, followed=followed_gifts.of_order(order.pk))
    calculation: Calculation | None = None
    if request.method == "POST" and form.is_valid():
        try:
            if "confirm" in request.POST:
                messages.success(request, _confirm(request, order, form, actor, user))
                return redirect(page)
            calculation = previewing.preview(order.pk, form.wanted, form.chosen_reason)
        except OmsError as refusal:
            form.add_error(None, str(refusal))
    context = {
        **site.each_context(request),
        "title": _("Refund or compensation"),
        "order": order,
        "page": page,
        "form": form,
        "calculation": calculation.as_json() if calculation else None,
    }
    return TemplateResponse(request, "admin/payments/grant_form.html", context)


def _confirm(request: HttpRequest, order: Order, form: GrantForm, actor: Actor, user: AbstractBaseUser | None) -> str:
    seen = ShownForm(request.POST)
    if not seen.is_valid():
        raise OmsError(_("Look at what it gives first."))
    data = seen.cleaned_data
    bearer = form.cleaned_data.get("bearer")
    grant = deciding.propose(
        order.pk,
        form.wanted,
        reason=form.cleaned_data["reason"],
        note=form.cleaned_data["note"],
        actor=actor,
        bearer=Bearer(bearer) if bearer else None,
        seen=Seen(data["cash"], data["gift_card"], data["points"]),
        user=user,
        version=data["version"],
    )
    if grant.state == GrantState.APPROVED:
        return _("%(number)s is granted.") % {"number": grant.number}
    return _("%(number)s waits for somebody who may grant it.") % {"number": grant.number}


@posted(RIGHT, RowForm)
def approve_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Agree to a proposed grant of the order."""
    check_part_of(order_id, RefundGrant, data["row"])
    user = request.user
    assert user.is_authenticated  # noqa: S101 - for the type checker: the right was asked for
    grant = deciding.approve(data["row"], user=user, actor=staff_actor(request))
    return _("%(number)s is granted.") % {"number": grant.number}


@posted(RIGHT, DeclineForm)
def decline_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Decline a proposed grant of the order."""
    check_part_of(order_id, RefundGrant, data["row"])
    grant = deciding.decline(data["row"], reason=data["reason"], actor=staff_actor(request))
    return _("%(number)s is declined.") % {"number": grant.number}


@admin.register(RefundGrant)
class RefundGrantAdmin(Summed, ExportMixin, RowColumns, KeysetAdmin):
    """What was asked to be given back, granted or declined. It is decided on the order's page."""

    search_fields = ("number", "order__number")
    search_help_text = gettext_lazy("Number of the grant or of the order")
    list_display = (
        *("number", "order_link", "state_label", "kind", "reason", "amount", "bearer", "proposed_by", "proposed_at"),
        *("decided_by", "decided_at"),
    )
    list_select_related = ("order", "reason")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("reason", RelatedDropdownFilter),
        ("bearer", ChoicesDropdownFilter),
        ("proposed_at", MomentDayFilter),
    )
    summed = ("amount", "granted_amount")
    export = exporting.GRANTS
    readonly_fields = fields = (
        *("number", "order_link", "state_label", "kind", "reason", "note", "bearer", "line", "amount", "cash_amount"),
        *("gift_card_amount", "points_amount", "granted_amount", "needs_second", "proposed_by", "proposed_at"),
        *("decided_by", "decided_at", "decline_reason", "rules_version"),
    )

    def get_urls(self) -> list[Any]:
        """The addresses of what staff do about grants from the order's page."""
        site = self.admin_site
        return [
            path("of/<int:order_id>/", site.admin_view(grant_view), name="payments_grant"),
            path("of/<int:order_id>/approve/", site.admin_view(approve_view), name="payments_grant_approve"),
            path("of/<int:order_id>/decline/", site.admin_view(decline_view), name="payments_grant_decline"),
            *super().get_urls(),
        ]


@admin.register(GrantReason)
class GrantReasonAdmin(KeysetAdmin):
    """Reasons of grants; one that was ever used is switched off instead of deleted."""

    may_add = may_change = may_delete = True
    list_display = ("__str__", "code", "kind", "bearer", "gives_freight_back", "is_active")
    list_filter = (("kind", ChoicesDropdownFilter),)


@admin.register(GrantLimit)
class GrantLimitAdmin(KeysetAdmin):
    """What the members of groups may grant."""

    may_add = may_change = may_delete = True
    list_display = ("__str__", "single_amount", "daily_amount", "alone_up_to")
    list_select_related = ("group",)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The groups as people call them."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "group":
            field.label_from_instance = roles.named
        return field
