"""The API's addresses of orders and sub-orders."""

from django.urls import path, re_path

from orders import views

urlpatterns = [
    path("orders", views.OrdersView.as_view(), name="orders"),
    path("orders/bulk", views.BulkView.as_view(), name="orders-bulk"),
    re_path("^orders/(?P<number>[0-9]{16})$", views.OrderView.as_view(), name="order"),
    re_path("^orders/(?P<number>[0-9]{16})/timeline$", views.TimelineView.as_view(), name="order-timeline"),
    path("sub-orders", views.SubOrdersView.as_view(), name="sub-orders"),
    re_path("^sub-orders/(?P<number>[0-9]{16}[0-9-]{1,16})$", views.SubOrderView.as_view(), name="sub-order"),
]
