"""The API's addresses of parcels and of codes for sale."""

from django.urls import path, re_path

from logistics import views
from logistics.virtual.views import SkuCodesView

urlpatterns = [
    re_path(r"^skus/(?P<code>[^/\x00]{1,64})/codes$", SkuCodesView.as_view(), name="sku-codes"),
    path("shipments", views.ShipmentsView.as_view(), name="shipments"),
    path("waybill-shares", views.WaybillSharesView.as_view(), name="waybill-shares"),
    re_path("^shipments/(?P<number>[0-9A-Z-]{20,32})$", views.ShipmentView.as_view(), name="shipment"),
    re_path("^shipments/(?P<number>[0-9A-Z-]{20,32})/recalls$", views.RecallsView.as_view(), name="shipment-recalls"),
    re_path("^orders/(?P<number>[0-9]{16})/shipments$", views.OrderShipmentsView.as_view(), name="order-shipments"),
    re_path(
        "^sub-orders/(?P<number>[0-9]{16}[0-9-]{1,16})/shipments$",
        views.SubOrderShipmentsView.as_view(),
        name="sub-order-shipments",
    ),
]
