"""Stock of the merchant's SKUs. Here, not with the stock itself, because a count may take promises from orders."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import Stock, Warehouse
from oms.common.door.api import etag, read_body, represent, version_of
from oms.common.door.places import NewestOrByChange
from oms.common.door.rows import as_written, read_rows
from oms.common.door.schema import ErrorsSerializer
from oms.common.errors import FieldError, OmsError, WrongFields
from orders.api.filters import StockFilter
from orders.api.results import shown
from orders.api.scoping import OrderScopedView
from orders.api.serializers.stock import (
    CountResultsSerializer,
    NewCountSerializer,
    StockChangeSerializer,
    StockChangesSerializer,
    StockResultsSerializer,
    StockSerializer,
)
from orders.stock import changes as stock_changes
from orders.stock import counts
from orders.stock.changes import Change
from orders.stock.counts import Counted

_STOCK = {
    "sku": "P1095275",
    "warehouse": "POP01-WH",
    "url": "https://oms.example/api/v1/inventory/POP01-WH/P1095275",
    "version": 4,
    "on_hand": 40,
    "reserved": 6,
    "frozen": 1,
    "safety_stock": 2,
    "available": 31,
    "writable": True,
}
# Of what stands in the list, results of changes leave this out.
_NOT_TOLD = ("url", "writable", "frozen", "safety_stock")
_RESULTS = {
    "results": [
        {"index": 0, "status": "changed", **{key: _STOCK[key] for key in _STOCK if key not in _NOT_TOLD}},
        {
            "index": 1,
            "sku": "P1095276",
            "warehouse": "POP01-WH",
            "status": "refused",
            "errors": [{"code": "changed_meanwhile", "detail": "Somebody else changed this meanwhile.", "attr": None}],
        },
    ]
}

_COUNTED = {
    "results": [
        {"index": 0, "sku": "P1095275", "status": "counted", "expected": 40, "counted": 38, "missing": 0},
        {
            "index": 1,
            "sku": "6901234567892",
            "status": "refused",
            "errors": [{"code": "not_found", "detail": "There is no SKU 6901234567892.", "attr": "sku"}],
        },
    ]
}
# What rows of a count are called by the API.
_ATTRS = {"code": "sku", "units": "units"}


class InventoryView(OrderScopedView):
    """The stock of the merchant's SKUs."""

    whose = "sku__merchant__code"
    scopes = {"GET": "inventory.read", "POST": "inventory.write"}
    has_sparse_fields = True
    serializer_class = StockSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = StockFilter
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters | StockFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[Stock]:
        """What a page of the list is taken from."""
        return StockSerializer.prepare(self.stock())

    @extend_schema(
        operation_id="list_inventory",
        summary="List stock",
        description=(
            "Units of the merchant's SKUs by warehouse. Available is what can be promised: on hand, less reserved, less"
            " frozen, less safety stock."
        ),
        tags=["inventory"],
        examples=[OpenApiExample("Stock", _STOCK, response_only=True)],
        responses=StockSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of stock."""
        return self.page()

    @extend_schema(
        operation_id="change_inventory",
        summary="Change the stock of many SKUs",
        description=(
            "Up to 5,000 changes, each done or refused for itself, also for a figure that is none: `on_hand` sets what"
            " was counted, `change` adds or takes away. A count below what is reserved takes away the newest promises;"
            " their sub-orders wait for stock again. `version` counts changes of `on_hand`; where a row gives one that"
            " is stale, it is refused."
        ),
        tags=["inventory"],
        request=StockChangesSerializer,
        examples=[OpenApiExample("One of each", _RESULTS, response_only=True)],
        responses=StockResultsSerializer,
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Change stock, row by row."""
        body, read = read_rows(StockChangesSerializer, "changes", request)
        changes = [
            Change(
                row["sku"],
                row["warehouse"],
                row.get("on_hand"),
                row.get("change"),
                row.get("version"),
                row.get("note", ""),
            )
            for row in read
            if isinstance(row, dict)
        ]
        came = iter(stock_changes.change_many(self.merchant, changes, actor=self.actor))
        results: list[dict[str, Any]] = []
        for index, (row, written) in enumerate(zip(read, body["changes"], strict=True)):
            result: dict[str, Any] = {"index": index, **as_written(written, "sku", "warehouse")}
            outcome = next(came) if isinstance(row, dict) else row
            match outcome:
                case Stock():
                    figures = ("version", "on_hand", "reserved", "available")
                    result |= {"status": "changed", **{name: getattr(outcome, name) for name in figures}}
                case OmsError():
                    error = FieldError(outcome.attr or "", outcome.code, str(outcome))
                    result |= {"status": "refused", "errors": [shown(error)]}
                case _:
                    result |= {"status": "refused", "errors": [shown(error) for error in outcome]}
            results.append(result)
        return Response({"results": results})


class StockView(OrderScopedView):
    """The stock of one SKU in one warehouse."""

    scopes = {"GET": "inventory.read", "PATCH": "inventory.write"}
    has_sparse_fields = True
    checks_version = frozenset({"PATCH"})
    serializer_class = StockSerializer

    def get_object(self) -> Stock:
        """Raises Http404."""
        stock = StockSerializer.prepare(self.stock())
        return get_object_or_404(stock, warehouse__code=self.kwargs["warehouse"], sku__code=self.kwargs["sku"])

    @extend_schema(
        operation_id="read_stock",
        summary="Read the stock of a SKU in a warehouse",
        description="Units on hand, reserved and available.",
        tags=["inventory"],
        examples=[OpenApiExample("Stock", _STOCK, response_only=True)],
    )
    def get(self, request: Request, warehouse: str, sku: str) -> Response:
        """The stock."""
        return self.one()

    @extend_schema(
        operation_id="change_stock",
        summary="Change the stock of a SKU in a warehouse",
        description="`on_hand` sets what was counted, `change` adds or takes away.",
        tags=["inventory"],
        request=StockChangeSerializer,
        examples=[
            OpenApiExample("A count", {"on_hand": 40, "note": "stock-take of May"}, request_only=True),
            OpenApiExample("Stock", _STOCK, response_only=True),
        ],
        responses=StockSerializer,
    )
    def patch(self, request: Request, warehouse: str, sku: str) -> Response:
        """Change it."""
        version = version_of(request)
        stock = self.get_object()
        body = read_body(StockChangeSerializer, request)
        given = body.validated_data
        if not StockSerializer().get_writable(stock):
            raise stock_changes.NotOwnWarehouse(_("The warehouse counts these goods itself: it is not yours."))
        stock_changes.change_one(
            stock.pk, given.get("on_hand"), given.get("change"), version, given.get("note", ""), actor=self.actor
        )
        stock = self.get_object()
        return Response(represent(StockSerializer, stock, request), headers=etag(stock.version))


class CountsView(OrderScopedView):
    """Stock-takes of the merchant's own warehouses."""

    scopes = {"POST": "inventory.write"}

    @extend_schema(
        operation_id="create_stock_count",
        summary="Book a stock-take",
        description=(
            "Up to 5,000 rows, each counted or refused for itself, also for a figure that is none. What was counted is"
            " a fact: the difference to the books is booked, and promises that it breaks are taken away, the youngest"
            " first; units that sub-orders at the warehouse still have promised are frozen (`missing`), and a person is"
            " told. Told again by the same `reference` it is booked no second time."
        ),
        tags=["inventory"],
        request=NewCountSerializer,
        examples=[OpenApiExample("One of each", _COUNTED, response_only=True)],
        responses={200: CountResultsSerializer, 409: OpenApiResponse(ErrorsSerializer, "The reference is taken.")},
    )
    def post(self, request: Request) -> Response:
        """Book it, row by row."""
        body, read = read_rows(NewCountSerializer, "rows", request)
        warehouse = Warehouse.objects.filter(code=body["warehouse"], merchant=self.merchant).first()
        if warehouse is None:
            detail = _("You have no warehouse %(code)s.") % {"code": body["warehouse"]}
            raise WrongFields([FieldError("warehouse", "not_found", detail)])
        errors = {index: row for index, row in enumerate(read) if not isinstance(row, dict)}
        rows = {index: Counted(row["sku"], row["units"]) for index, row in enumerate(read) if isinstance(row, dict)}
        places = list(rows)
        told = counts.tell(
            self.merchant,
            warehouse,
            list(rows.values()),
            reference=body["reference"],
            reason=body["reason"],
            actor=self.actor,
        )
        for error in told.wrong:
            _rows, place, attr = error.attr.split(".")
            errors.setdefault(places[int(place)], []).append(FieldError(_ATTRS[attr], error.code, error.detail))
        lines = {places[place]: line for place, line in told.lines.items()}
        results: list[dict[str, Any]] = []
        for index, row in enumerate(body["rows"]):
            result: dict[str, Any] = {"index": index, **as_written(row, "sku")}
            if line := lines.get(index):
                figures = {name: getattr(line, name) for name in ("expected", "counted", "missing")}
                result |= {"status": "counted", **figures}
            else:
                result |= {"status": "refused", "errors": [shown(error) for error in errors[index]]}
            results.append(result)
        return Response({"results": results})
