"""The API's addresses of parcels."""

from django.urls import path, re_path

from logistics import views

urlpatterns = [
    path("shipments", views.ShipmentsView.as_view(), name="shipments"),
    path("waybill-shares", views.WaybillSharesView.as_view(), name="waybill-shares"),
    re_path("^shipments/(?P<number>[0-9A-Z-]{20,32})$", views.ShipmentView.as_view(), name="shipment"),
    re_path("^orders/(?P<number>[0-9]{16})/shipments$", views.OrderShipmentsView.as_view(), name="order-shipments"),
    re_path(
        "^sub-orders/(?P<number>[0-9]{16}[0-9-]{1,16})/shipments$",
        views.SubOrderShipmentsView.as_view(),
        name="sub-order-shipments",
    ),
]
