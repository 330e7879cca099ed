"""What the API takes and shows of invoices."""

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.filters import MomentFilter
from oms.common.tax import TaxMark
from orders.api.serializers.money import money_field
from payments.models import Invoice, InvoiceLine, InvoiceState, LineProperty

LINE = {
    "position": 1,
    "property": 0,
    "order_line": 1,
    "name": "*日用杂品*牙膏",
    "tax_code": "1060408990000000000",
    "tax_rate": "0.130",
    "tax_mark": "",
    "quantity": 2,
    "net_amount": "17.70",
    "tax_amount": "2.30",
    "amount": "20.00",
}
INVOICE = {
    "number": "1364935748662587-I1",
    "order": "1364935748662587",
    "statement": None,
    "gift_card": None,
    "version": 3,
    "state": "issued",
    "kind": "ordinary",
    "title_type": "personal",
    "is_red": False,
    "of_invoice": None,
    "red_reason": "",
    "official_number": "26000001123456789012",
    "issuer": "示例商贸有限公司",
    "issuer_tax_number": "91110000MA00AAAA0A",
    "net_amount": "23.36",
    "tax_amount": "2.64",
    "amount": "26.00",
    "currency": "CNY",
    "created_at": "2026-01-09T09:00:02+08:00",
    "issued_at": "2026-01-09T09:00:12+08:00",
    "lines": [LINE],
}


class InvoiceLineSerializer(serializers.ModelSerializer):
    """A line; a discount stands directly below its line, a red invoice takes lines back by amounts below 0."""

    property = serializers.ChoiceField(LineProperty.choices, help_text="0 a line, 1 a discount, 2 a discounted line.")
    order_line = serializers.IntegerField(source="order_line.position", default=None, allow_null=True)
    tax_mark = serializers.ChoiceField(TaxMark.choices, allow_blank=True)
    net_amount = money_field(help_text="Yuan, without tax.")

    class Meta:
        model = InvoiceLine
        fields = list(LINE)


@extend_schema_serializer(examples=[OpenApiExample("An invoice", INVOICE, response_only=True)])
class InvoiceSerializer(serializers.ModelSerializer):
    """A tax document: of an order, (with `statement`) of the merchant's commission, or of the sale of a `gift_card`."""

    order = serializers.CharField(source="order.number", default=None, allow_null=True)
    statement = serializers.CharField(source="statement.number", default=None, allow_null=True)
    gift_card = serializers.CharField(source="card.number", default=None, allow_null=True)
    of_invoice = serializers.CharField(
        source="of_invoice.number", default=None, allow_null=True, help_text="Of a red one: which it takes back."
    )
    issuer = serializers.CharField(source="issuer.name")
    issuer_tax_number = serializers.CharField(source="issuer.tax_number")
    lines = InvoiceLineSerializer(many=True)

    class Meta:
        model = Invoice
        fields = list(INVOICE)

    @staticmethod
    def prepare(invoices: QuerySet[Invoice]) -> QuerySet[Invoice]:
        """The query with all that is shown, in two statements."""
        return invoices.select_related("order", "statement", "card", "of_invoice", "issuer").prefetch_related(
            "lines__order_line"
        )


class InvoiceFilter(FilterSet):
    """Narrows the list of invoices."""

    order = CharFilter("order__number", max_length=16, help_text="The number of the order.")
    number = CharFilter(max_length=32)
    official_number = CharFilter(max_length=20)
    state = ChoiceFilter(choices=InvoiceState.choices)
    created_after = MomentFilter("created_at", "gte", help_text="Asked for then or later.")
    created_before = MomentFilter("created_at", "lt", help_text="Asked for earlier.")

    class Meta:
        model = Invoice
        fields: list[str] = []
