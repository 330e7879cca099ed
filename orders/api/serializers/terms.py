"""Wishes and terms of an order, and the invoice that is asked for."""

from datetime import datetime, tzinfo
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField
from orders.api.examples import INVOICE
from orders.intake.checking import CheckedOrder
from orders.intake.terms import MOMENTS
from orders.models import InvoiceRequest, Order, OrderTerms
from orders.models.order import FulfilmentState
from orders.models.terms import CarrierClass, Flag, InvoiceKind, TitleType, UnmetWish, late_deadlines

DEADLINES = ("ship_by", "collect_by", "sign_by")
# What is read for each row.
COLUMNS = (
    *(f"terms__{name}" for name in (*MOMENTS, "carrier", "carrier_class", "carrier_unmet")),
    "terms__warehouse__code",
    *("terms__receiver_token", "terms__seller_memo", "terms__flag", "terms__metadata"),
)
WISH = {"kind": "ordinary", "title_type": "company", "title": "示例科技有限公司", "tax_number": "91110000600037341L"}
_CARRIER_UNMET = "Why a parcel of the order goes by another carrier than wished; empty while the wish is kept."
_LATE = "Which of the platform's deadlines passed: the order is not shipped, or not signed for, yet."


@extend_schema_serializer(examples=[OpenApiExample("For a company", INVOICE, response_only=True)])
class InvoiceRequestSerializer(serializers.Serializer):
    """The invoice that the buyer asks for."""

    kind = serializers.ChoiceField(InvoiceKind.choices)
    title_type = serializers.ChoiceField(TitleType.choices)
    title = serializers.CharField()
    tax_number = serializers.CharField()
    bank_name = serializers.CharField()
    bank_account = serializers.CharField()
    address = serializers.CharField()
    phone = serializers.CharField()
    email = serializers.CharField()


@extend_schema_serializer(examples=[OpenApiExample("For a company", WISH, request_only=True)])
class WishSerializer(serializers.Serializer):
    """The invoice that a buyer asks for. A person's may lack the title; a company's has its tax number."""

    kind = serializers.ChoiceField(InvoiceKind.choices, default=InvoiceKind.ORDINARY)
    title_type = serializers.ChoiceField(TitleType.choices)
    title = LineField(max_length=120, default="", allow_blank=True)
    tax_number = LineField(max_length=40, default="", allow_blank=True)
    bank_name = LineField(max_length=80, default="", allow_blank=True)
    bank_account = LineField(max_length=40, default="", allow_blank=True)
    address = LineField(max_length=200, default="", allow_blank=True)
    phone = LineField(max_length=40, default="", allow_blank=True)
    email = LineField(max_length=120, default="", allow_blank=True)


class TermsFields(serializers.Serializer):
    """The fields of wishes and terms, for the serializers of orders; NAMES are theirs."""

    NAMES = (
        *("ship_not_before", "carrier", "carrier_class", "carrier_unmet", "warehouse", "delivery_from"),
        "delivery_until",
        *(*DEADLINES, "late", "has_receiver_token", "seller_memo", "flag", "metadata"),
    )

    ship_not_before = serializers.DateTimeField(
        source="terms.ship_not_before", default=None, allow_null=True, help_text="Presale: it is not shipped before."
    )
    carrier = serializers.CharField(source="terms.carrier", default="", help_text="The carrier that is wished for.")
    carrier_class = serializers.ChoiceField(
        CarrierClass.choices, source="terms.carrier_class", default="", allow_blank=True
    )
    carrier_unmet = serializers.ChoiceField(
        UnmetWish.choices, source="terms.carrier_unmet", default="", allow_blank=True, help_text=_CARRIER_UNMET
    )
    warehouse = serializers.CharField(
        source="terms.warehouse.code", default="", help_text="Code of the warehouse that is wished for; empty: none."
    )
    delivery_from = serializers.DateTimeField(source="terms.delivery_from", default=None, allow_null=True)
    delivery_until = serializers.DateTimeField(source="terms.delivery_until", default=None, allow_null=True)
    ship_by = serializers.DateTimeField(source="terms.ship_by", default=None, allow_null=True)
    collect_by = serializers.DateTimeField(source="terms.collect_by", default=None, allow_null=True)
    sign_by = serializers.DateTimeField(source="terms.sign_by", default=None, allow_null=True)
    late = serializers.SerializerMethodField(help_text=_LATE)
    has_receiver_token = serializers.BooleanField(
        source="terms.has_receiver_token", default=False, help_text="Whether the platform can be asked who receives it."
    )
    seller_memo = serializers.CharField(source="terms.seller_memo", default="")
    flag = serializers.ChoiceField(Flag.choices, source="terms.flag", default=0)
    metadata = serializers.DictField(child=serializers.CharField(), source="terms.metadata", default=dict)

    def to_representation(self, instance: Order) -> dict[str, Any]:
        """What there is; of an order without wishes and terms, that there is nothing."""
        shown = super().to_representation(instance)
        if terms_of(instance) is None:
            shown.update({name: value for name, value in _PLAIN.items() if name in shown})
        return shown

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(DEADLINES)))
    def get_late(self, order: Order) -> list[str]:
        """Which deadlines passed."""
        terms = terms_of(order)
        return terms.late(order.fulfilment_state, timezone.now()) if terms else []


def terms_of(order: Order) -> OrderTerms | None:
    """The order's wishes and terms, as far as it has any."""
    try:
        return order.terms
    except OrderTerms.DoesNotExist:
        return None


def invoice_of(order: Order) -> dict[str, str] | None:
    """The invoice that is asked for, or None."""
    try:
        asked = order.invoice_request
    except InvoiceRequest.DoesNotExist:
        return None
    return {"kind": asked.kind, "title_type": asked.title_type, **asked.details}


_PLAIN: dict[str, Any] = {
    **dict.fromkeys(TermsFields.NAMES),
    **dict.fromkeys(("carrier", "carrier_class", "carrier_unmet", "warehouse", "seller_memo"), ""),
    "late": [],
    "has_receiver_token": False,
    "flag": 0,
    "metadata": {},
}


def stored_terms(order: CheckedOrder, created_at: datetime, zone: tzinfo) -> dict[str, Any]:
    """What TermsFields show of an order that was only just stored."""
    if order.terms is None:
        return _PLAIN
    body = order.body
    moments = {name: _moment(getattr(body, name), zone) for name in MOMENTS}
    deadlines = (body.ship_by, body.collect_by, body.sign_by)
    values = {
        **moments,
        "carrier": body.carrier,
        "carrier_class": body.carrier_class,
        "late": late_deadlines(FulfilmentState.UNFULFILLED, deadlines, created_at),
        "has_receiver_token": bool(body.receiver_token),
        "seller_memo": body.seller_memo,
        "flag": body.flag,
        "metadata": body.metadata,
    }
    return {**_PLAIN, **values}


def stored_invoice(order: CheckedOrder) -> dict[str, Any] | None:
    """What InvoiceRequestSerializer shows of an order that was only just stored."""
    asked = order.invoice
    return None if asked is None else {"kind": asked.kind, "title_type": asked.title_type, **asked.details}


def _moment(moment: datetime | None, zone: tzinfo) -> str | None:
    return None if moment is None else moment.astimezone(zone).isoformat()
