"""The API's addresses of orders and sub-orders."""

from django.urls import path, re_path

from orders.views import bulk, orders, sub_orders

urlpatterns = [
    path("orders", orders.OrdersView.as_view(), name="orders"),
    path("orders/bulk", bulk.BulkView.as_view(), name="orders-bulk"),
    re_path("^orders/(?P<number>[0-9]{16})$", orders.OrderView.as_view(), name="order"),
    re_path("^orders/(?P<number>[0-9]{16})/timeline$", orders.TimelineView.as_view(), name="order-timeline"),
    path("sub-orders", sub_orders.SubOrdersView.as_view(), name="sub-orders"),
    re_path("^sub-orders/(?P<number>[0-9]{16}[0-9-]{1,16})$", sub_orders.SubOrderView.as_view(), name="sub-order"),
]
