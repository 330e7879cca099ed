"""The page on which a merchant types an order: the staff's page, for the merchant's own channels and goods."""

from dataclasses import replace
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from oms.merchant_admin import actor_of, merchant_of, site
from oms.merchants.models import Channel, Merchant
from orders.actors import Actor
from orders.admin.entering import EntryForm, EntryPage
from orders.intake.entering import TypedLine, TypedOrder
from orders.models import PaymentMethod

ORDERS = "portal.orders"
_PAID_TO_US = "collected"


class OwnEntryForm(EntryForm):
    """The same; the money is mostly with the merchant already."""

    payment_method = forms.ChoiceField(
        label=gettext_lazy("Payment method"),
        choices=[
            (_PAID_TO_US, gettext_lazy("Paid to us already")),
            (PaymentMethod.PREPAID, gettext_lazy("The buyer is still to pay here")),
            (PaymentMethod.COD, PaymentMethod.COD.label),
        ],
        widget=forms.Select(attrs={"class": "oms-input"}),
    )


class OwnEntryPage(EntryPage):
    """For active merchants, by role."""

    form_class = OwnEntryForm

    def may(self, request: HttpRequest) -> bool:
        """By role."""
        merchant = merchant_of(request)
        is_active = merchant is not None and merchant.status == Merchant.Status.ACTIVE
        return is_active and request.user.has_perm(ORDERS)

    def channels(self, request: HttpRequest) -> QuerySet[Channel]:
        """The merchant's own."""
        return super().channels(request).filter(merchant=merchant_of(request), is_active=True)

    def actor(self, request: HttpRequest) -> Actor:
        """Who is logged in."""
        return actor_of(request)

    def order(self, form: EntryForm, lines: list[TypedLine]) -> TypedOrder:
        """What was typed, with whether the money is there."""
        order = super().order(form, lines)
        if order.payment_method == _PAID_TO_US:
            return replace(order, payment_method=PaymentMethod.PREPAID, is_collected=True)
        return order

    def _form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> EntryForm:
        form = super()._form(request, *args, **kwargs)
        # Whoever has one channel need not choose it.
        own = list(self.channels(request)[:2])
        if len(own) == 1:
            form.fields["channel"].empty_label = None  # type: ignore[attr-defined]
            form.fields["channel"].initial = own[0]
        return form


PAGE = OwnEntryPage(site)
