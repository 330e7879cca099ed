"""The API's addresses of orders and sub-orders."""

from django.urls import path, re_path

from orders.api import (
    actions,
    amounts,
    bulk,
    cancelling,
    catching_up,
    changing,
    following,
    matching,
    merging,
    orders,
    promise,
    promises,
    rejected,
    reservations,
    returns,
    sellable,
    splitting,
    stock,
    sub_orders,
)

urlpatterns = [
    path("orders", orders.OrdersView.as_view(), name="orders"),
    path("orders/bulk", bulk.BulkView.as_view(), name="orders-bulk"),
    path("orders/cancel", cancelling.CancelManyView.as_view(), name="orders-cancel"),
    re_path("^orders/(?P<number>[0-9]{16})$", orders.OrderView.as_view(), name="order"),
    re_path("^orders/(?P<number>[0-9]{16})/timeline$", orders.TimelineView.as_view(), name="order-timeline"),
    re_path("^orders/(?P<number>[0-9]{16})/recipient$", actions.RecipientView.as_view(), name="order-recipient"),
    re_path("^orders/(?P<number>[0-9]{16})/cancel$", cancelling.CancelView.as_view(), name="order-cancel"),
    path("orders/changes", changing.ChangeManyView.as_view(), name="orders-changes"),
    re_path("^orders/(?P<number>[0-9]{16})/changes$", changing.ChangesView.as_view(), name="order-changes"),
    re_path("^orders/(?P<number>[0-9]{16})/split$", splitting.SplitView.as_view(), name="order-split"),
    re_path("^orders/(?P<number>[0-9]{16})/reissues$", following.ReissuesView.as_view(), name="order-reissues"),
    re_path("^orders/(?P<number>[0-9]{16})/gifts$", following.GiftGrantsView.as_view(), name="order-gifts"),
    re_path("^orders/(?P<number>[0-9]{16})/mergeable$", merging.MergeableView.as_view(), name="order-mergeable"),
    re_path("^orders/(?P<number>[0-9]{16})/unmerge$", merging.UnmergeView.as_view(), name="order-unmerge"),
    path("merges", merging.MergesView.as_view(), name="merges"),
    re_path("^orders/(?P<number>[0-9]{16})/marks$", actions.MarksView.as_view(), name="order-marks"),
    re_path("^orders/(?P<number>[0-9]{16})/notes$", actions.NotesView.as_view(), name="order-notes"),
    re_path("^orders/(?P<number>[0-9]{16})/amounts$", amounts.AmountsView.as_view(), name="order-amounts"),
    path("events", catching_up.EventsView.as_view(), name="events"),
    path("amounts", amounts.AmountsFeedView.as_view(), name="amounts"),
    path("rejected-orders", rejected.RejectedOrdersView.as_view(), name="rejected-orders"),
    re_path("^rejected-orders/(?P<pk>[0-9]{1,18})$", rejected.RejectedOrderView.as_view(), name="rejected-order"),
    re_path("^rejected-orders/(?P<pk>[0-9]{1,18})/replay$", rejected.ReplayView.as_view(), name="replay"),
    path("promise", promise.PromiseView.as_view(), name="promise"),
    path("promises", promises.PromisesView.as_view(), name="promises"),
    path("reservations", reservations.ReservationsView.as_view(), name="reservations"),
    re_path("^reservations/(?P<number>[0-9]{12})$", reservations.ReservationView.as_view(), name="reservation"),
    re_path(
        "^reservations/(?P<number>[0-9]{12})/release$", reservations.GiveBackView.as_view(), name="reservation-release"
    ),
    re_path(
        "^reservations/(?P<number>[0-9]{12})/extend$", reservations.ExtendView.as_view(), name="reservation-extend"
    ),
    path("returns", returns.ReturnsView.as_view(), name="returns"),
    re_path("^returns/(?P<number>[0-9]{16}-T[0-9]{1,4})$", returns.ReturnView.as_view(), name="return"),
    re_path(
        "^returns/(?P<number>[0-9]{16}-T[0-9]{1,4})/decision$",
        returns.ReturnDecisionView.as_view(),
        name="return-decision",
    ),
    re_path(
        "^returns/(?P<number>[0-9]{16}-T[0-9]{1,4})/waybill$",
        returns.ReturnWaybillView.as_view(),
        name="return-waybill",
    ),
    re_path(
        "^returns/(?P<number>[0-9]{16}-T[0-9]{1,4})/escalation$",
        returns.ReturnEscalationView.as_view(),
        name="return-escalation",
    ),
    path("inventory", stock.InventoryView.as_view(), name="inventory"),
    path("stock/counts", stock.CountsView.as_view(), name="stock-counts"),
    re_path(
        r"^inventory/(?P<warehouse>[^/\x00]{1,32})/(?P<sku>[^/\x00]{1,64})$", stock.StockView.as_view(), name="stock"
    ),
    path("stock", sellable.ChannelStockView.as_view(), name="channel-stock"),
    path("stock/shares", sellable.SharesView.as_view(), name="channel-shares"),
    path("unmatched-codes", matching.UnmatchedCodesView.as_view(), name="unmatched-codes"),
    path("sku-matches", matching.SkuMatchesView.as_view(), name="sku-matches"),
    # The code comes last: it may hold anything.
    re_path(
        r"^sku-matches/(?P<channel>[^/\x00]{1,40})/(?P<code>[^\x00-\x1f]{1,64})$",
        matching.SkuMatchView.as_view(),
        name="sku-match",
    ),
    path("sub-orders", sub_orders.SubOrdersView.as_view(), name="sub-orders"),
    re_path("^sub-orders/(?P<number>[0-9]{16}[0-9-]{1,16})$", sub_orders.SubOrderView.as_view(), name="sub-order"),
]
