"""The pages that buyers have of an order, for merchants who send the links to them in their own words."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from logistics.buyer import links as tracking
from orders.api.scoping import OrderScopedView
from payments.invoicing import links as invoicing
from payments.taking import differences
from payments.taking import links as paying


class BuyerLinksSerializer(serializers.Serializer):
    """Links that are signed and valid from now on."""

    track = serializers.CharField(
        allow_null=True, help_text="Where the goods are; to cancel, return and confirm them. Valid for 180 days."
    )
    pay = serializers.CharField(allow_null=True, help_text="null where nothing is to be paid. Valid for 3 days.")
    invoice = serializers.CharField(allow_null=True, help_text="Ask for invoices, and fetch them. Valid for 180 days.")


class BuyerLinksView(OrderScopedView):
    """The links of one order."""

    # By the page an order is cancelled and returned: to read orders is not enough.
    scopes = {"GET": "orders.write"}
    has_sparse_fields = False
    serializer_class = BuyerLinksSerializer

    @extend_schema(
        operation_id="read_order_links",
        summary="Read the links to the buyer's pages of an order",
        description=(
            "Signed anew for each call; earlier ones stay valid. Who has a link sees the order's goods and amounts, and"
            " names, phones and addresses masked: send it to the buyer alone. null where the order has no such page, as"
            " one that was read in as history."
        ),
        tags=["orders"],
        examples=[
            OpenApiExample(
                "To be paid",
                {name: f"https://oms.example.com/{name}/1100420260102001:1vXy2Z:8hQ…" for name in ("track", "pay")}
                | {"invoice": "https://oms.example.com/invoice/1100420260102001:1vXy2Z:8hQ…"},
                response_only=True,
            )
        ],
    )
    def get(self, request: Request, number: str) -> Response:
        """The links."""
        order = get_object_or_404(self.orders(), number=number)
        is_lived = not order.is_historical
        return Response(
            {
                "track": tracking.address_of(order) if is_lived else None,
                "pay": paying.address_of(order) if is_lived and differences.asks_for(order) else None,
                "invoice": invoicing.address_of(order) if is_lived else None,
            }
        )
