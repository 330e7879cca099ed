"""What channels may sell of the stock: the SKUs that changed, and the shares of channels."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from inventory import selling, sharing
from inventory.models import ChannelShare, Sku
from inventory.sharing import NewShare, Share, SkuStock
from oms.common.door.api import NewestFirst, represent
from oms.common.door.places import Place, limit_of, start
from oms.common.door.rows import Checked, as_written, read_rows
from oms.common.errors import FieldError
from oms.common.postgresql.horizon import settled_until
from oms.merchants.models import Channel
from orders.api.results import shown
from orders.api.scoping import OrderScopedView
from orders.api.serializers.sellable import (
    SHARE,
    STOCK,
    ChannelStockPageSerializer,
    NewSharesSerializer,
    ShareResultsSerializer,
    ShareSerializer,
)

MOST_SKUS = 1_000
FORMULA = "max(0, min(cap, floor((available + ahead × presale_percent / 100) × percent / 100) − kept_back))"


class ChannelStockView(OrderScopedView):
    """The merchant's SKUs whose stock changed."""

    scopes = {"GET": "inventory.read"}
    serializer_class = ChannelStockPageSerializer
    query_parameters = frozenset({"updated_since", "cursor", "limit"})

    @extend_schema(
        operation_id="list_channel_stock",
        summary="List what channels may sell of SKUs that changed",
        description=(
            "Of each of the merchant's SKUs that has stock, the units in all warehouses, and what each of its open"
            f" channels may sell: {FORMULA}; the rest is all. In the order of the changes: begin with `updated_since`,"
            " then go on with `cursor`, also after the last page (`next` is null). It never passes a change that is"
            " still being written, so nothing is left out however transactions overtake each other. A SKU that changes"
            " again comes again: keep the newest."
        ),
        tags=["inventory"],
        parameters=[
            OpenApiParameter("updated_since", OpenApiTypes.DATETIME, description="Changed then or later."),
            OpenApiParameter("cursor", str, description="Where to go on."),
            OpenApiParameter("limit", int, description="How many SKUs at most: 1 to 1,000, 50 without it."),
        ],
        examples=[
            OpenApiExample(
                "A page",
                {"next": None, "cursor": "01767316800123456403958221604", "results": [STOCK]},
                response_only=True,
            )
        ],
        responses=OpenApiResponse(ChannelStockPageSerializer, "The SKUs, and where to go on."),
    )
    def get(self, request: Request) -> Response:
        """A page."""
        limit, place = limit_of(request, MOST_SKUS), start(request)
        until = settled_until(0)
        found = sharing.changed(self.merchant.pk, (place.at, place.row_id), until, limit + 1)
        is_last = len(found) <= limit
        rows = found[:limit]
        if not is_last:
            place = Place(rows[-1].changed_at, rows[-1].sku_id)
        elif place.at < until:
            place = Place(until)
        cursor = place.text()
        address = replace_query_param(request.build_absolute_uri(request.path), "cursor", cursor)
        following = None if is_last else replace_query_param(address, "limit", str(limit))
        page = {"next": following, "cursor": cursor, "results": self._with_channels(rows)}
        return Response(represent(ChannelStockPageSerializer, page, request))

    def _with_channels(self, rows: Sequence[SkuStock]) -> list[dict[str, Any]]:
        open_channels = Channel.objects.filter(merchant=self.merchant, is_active=True)
        channels = dict(open_channels.order_by("code").values_list("pk", "code"))
        skus = [row.sku_id for row in rows]
        shares = {channel: sharing.shares(channel, skus) for channel in channels}
        return [
            {
                **{name: getattr(row, name) for name in SkuStock.__slots__},
                "channels": [
                    {
                        "channel": code,
                        "sellable": sharing.sellable(
                            row.available, shares[channel].get(row.sku_id, sharing.ALL), row.ahead
                        ),
                    }
                    for channel, code in channels.items()
                ],
            }
            for row in rows
        ]


class SharesView(OrderScopedView):
    """The shares of the merchant's channels."""

    scopes = {"GET": "inventory.read", "POST": "inventory.write"}
    has_sparse_fields = True
    serializer_class = ShareSerializer
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters

    def get_queryset(self) -> QuerySet[ChannelShare]:
        """What a page of the list is taken from."""
        return self.channel_shares().select_related("channel", "sku")

    @extend_schema(
        operation_id="list_channel_shares",
        summary="List channels' shares of the stock",
        description="What somebody said about how much a channel may sell; where nothing is said, all of it.",
        tags=["inventory"],
        examples=[OpenApiExample("A share", SHARE, response_only=True)],
        responses=ShareSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of shares."""
        return self.page()

    @extend_schema(
        operation_id="change_channel_shares",
        summary="Say how much channels may sell",
        description=(
            "Up to 5,000 shares, each taken or refused for itself. A channel may sell"
            f" {FORMULA} of a SKU, by the SKU's own share, else by that of all. It bounds what is shown and set aside;"
            " an order that came is filled from all of the stock. A share of 100 % without more says that all is sold."
        ),
        tags=["inventory"],
        request=NewSharesSerializer,
        examples=[
            OpenApiExample(
                "Results",
                {"results": [{"index": 0, "channel": "shop-1", "sku": None, "status": "changed"}]},
                response_only=True,
            )
        ],
        responses=ShareResultsSerializer,
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Say it, row by row."""
        body, read = read_rows(NewSharesSerializer, "shares", request)
        channels = dict(Channel.objects.filter(merchant=self.merchant).values_list("code", "pk"))
        named = {self._place(row) for row in read if isinstance(row, dict) and row.get("sku")}
        skus = selling.sold_by(self.merchant, named)
        wanted: list[NewShare] = []
        results: list[dict[str, Any]] = []
        for index, (row, written) in enumerate(zip(read, body["shares"], strict=True)):
            named_by = as_written(written, "channel", "sku")
            result = {"index": index, "channel": named_by["channel"], "sku": named_by["sku"] or None}
            sku = skus.get(self._place(row)) if isinstance(row, dict) and row.get("sku") else None
            if errors := self._faults(row, channels, sku):
                result |= {"status": "refused", "errors": [shown(error) for error in errors]}
            elif isinstance(row, dict):
                result["status"] = "changed"
                share = Share(row["percent"], row["kept_back"], row.get("cap"), row["presale_percent"])
                wanted.append(NewShare(channels[row["channel"]], sku.pk if sku else None, share))
            results.append(result)
        sharing.set_shares(wanted, actor=self.actor.name)
        return Response({"results": results})

    def _place(self, row: dict[str, Any]) -> tuple[str, str]:
        return row.get("merchant", self.merchant.code), row["sku"]

    def _faults(self, row: Checked, channels: dict[str, int], sku: Sku | None) -> list[FieldError]:
        if not isinstance(row, dict):
            return row
        if row["channel"] not in channels:
            detail = _("Merchant %(merchant)s has no channel %(code)s.")
            values = {"merchant": self.merchant.code, "code": row["channel"]}
            return [FieldError("channel", "unknown_channel", detail % values)]
        if row.get("sku") and sku is None:
            merchant, code = self._place(row)
            detail = _("Merchant %(merchant)s sells no SKU %(sku)s.") % {"merchant": merchant, "sku": code}
            return [FieldError("sku", "unknown_sku", detail)]
        return []
