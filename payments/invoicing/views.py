"""The API's operations on invoices: merchants ask for them, read and download them."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent
from oms.common.door.errors import InvalidInput
from oms.common.door.places import NewestOrByChange
from oms.common.errors import FieldError
from oms.merchants.calls.scopes import INVOICES_READ, INVOICES_REQUEST
from orders.api.scoping import OrderScopedView
from orders.api.serializers.terms import InvoiceRequestSerializer, WishSerializer
from orders.intake.bodies import InvoiceBody
from payments.invoicing import asking, buyer_page, wishes
from payments.invoicing.serializers import InvoiceFilter, InvoiceSerializer
from payments.models import ISSUED_INVOICES, Invoice


class InvoiceScopedView(OrderScopedView):
    """A view on invoices of the calling merchant's orders and of its own commission."""

    scopes = {"GET": INVOICES_READ}
    whose = "order__channel__merchant__code"  # null where it is for a merchant's commission
    serializer_class = InvoiceSerializer

    def get_queryset(self) -> QuerySet[Invoice]:
        """The invoices that the merchant sees."""
        return InvoiceSerializer.prepare(self.reach(Invoice))


class OrderInvoicesView(InvoiceScopedView):
    """The invoices of one order."""

    scopes = {"GET": INVOICES_READ, "POST": INVOICES_REQUEST}

    @extend_schema(
        operation_id="list_order_invoices",
        summary="List an order's invoices",
        description="Blue and red ones, those that failed too, oldest first.",
        tags=["invoices"],
        responses=InvoiceSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The invoices."""
        invoices = self.get_queryset().filter(order=self.order_id(number)).order_by("pk")
        return Response([represent(InvoiceSerializer, invoice, request) for invoice in invoices])

    @extend_schema(
        operation_id="request_invoice",
        summary="Ask for an invoice, or correct its title",
        description=(
            "It is issued once the goods are there and everything is paid (`invoice.issued`). Another title takes back"
            " what was issued by red invoices, and new ones are issued. What comes back or is granted later is taken"
            " back by itself (`invoice.red_issued`)."
        ),
        tags=["invoices"],
        request=WishSerializer,
        responses={201: OpenApiResponse(InvoiceRequestSerializer, "It is asked for.")},
    )
    def post(self, request: Request, number: str) -> Response:
        """Ask for it."""
        order_id = self.order_id(number)
        data = read_body(WishSerializer, request).validated_data
        try:
            asked = asking.ask(order_id, InvoiceBody(**data), actor=self.actor)
        except wishes.Wrong as wrong:
            errors = [FieldError(error.attr.rpartition(".")[2], error.code, error.detail) for error in wrong.errors]
            raise InvalidInput(errors) from wrong
        shown = {"kind": asked.kind, "title_type": asked.title_type, **asked.details}
        return Response(represent(InvoiceRequestSerializer, shown, request), status.HTTP_201_CREATED)


class InvoicesView(InvoiceScopedView):
    """The merchant's invoices."""

    filter_backends = [DjangoFilterBackend]
    filterset_class = InvoiceFilter
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters | InvoiceFilter.base_filters.keys()

    @extend_schema(
        operation_id="list_invoices",
        summary="List invoices",
        description="Invoices of the merchant's orders, and of its commission, newest first.",
        tags=["invoices"],
        responses=InvoiceSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of invoices."""
        return self.page()


class InvoiceView(InvoiceScopedView):
    """One invoice."""

    @extend_schema(
        operation_id="read_invoice", summary="Read an invoice", description="One invoice.", tags=["invoices"]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The invoice."""
        return self.one()


class InvoiceDocumentView(InvoiceScopedView):
    """The document of one invoice."""

    @extend_schema(
        operation_id="download_invoice",
        summary="Download an invoice",
        description="The PDF as the invoice service gave it; 404 before it is there.",
        tags=["invoices"],
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        """The PDF."""
        invoice = self.get_queryset().filter(number=number, state__in=ISSUED_INVOICES).first()
        answer = buyer_page.download(invoice)
        if answer is None:
            raise Http404
        return answer
