"""The API's addresses of parcels and of codes for sale."""

from django.urls import path, re_path

from logistics import moving_api, views
from logistics.by_merchant import api as by_merchant
from logistics.virtual.views import SkuCodesView

_WORK = "^warehouse-orders/(?P<number>[0-9A-Z-]{18,40})"

urlpatterns = [
    path("me", by_merchant.MeView.as_view(), name="me"),
    path("warehouses", by_merchant.WarehousesView.as_view(), name="warehouses"),
    re_path(r"^warehouses/(?P<code>[^/\x00]{1,32})$", by_merchant.WarehouseView.as_view(), name="warehouse"),
    path("channels", by_merchant.ChannelsView.as_view(), name="channels"),
    path("carriers", by_merchant.CarriersView.as_view(), name="carriers"),
    path("regions", by_merchant.RegionsView.as_view(), name="regions"),
    path("warehouse-orders", by_merchant.WorksView.as_view(), name="warehouse-orders"),
    re_path(f"{_WORK}/stop-answer$", by_merchant.StopAnswerView.as_view(), name="warehouse-order-stop-answer"),
    path("shipping-reports", by_merchant.ReportsView.as_view(), name="shipping-reports"),
    re_path(r"^skus/(?P<code>[^/\x00]{1,64})/codes$", SkuCodesView.as_view(), name="sku-codes"),
    path("shipments", views.ShipmentsView.as_view(), name="shipments"),
    path("waybill-shares", views.WaybillSharesView.as_view(), name="waybill-shares"),
    re_path("^shipments/(?P<number>[0-9A-Z-]{20,32})$", views.ShipmentView.as_view(), name="shipment"),
    re_path("^shipments/(?P<number>[0-9A-Z-]{20,32})/recalls$", views.RecallsView.as_view(), name="shipment-recalls"),
    re_path("^orders/(?P<number>[0-9]{16})/shipments$", views.OrderShipmentsView.as_view(), name="order-shipments"),
    re_path(
        "^sub-orders/(?P<number>[0-9]{16}[0-9-]{1,16})/warehouses$",
        moving_api.SubOrderWarehousesView.as_view(),
        name="sub-order-warehouses",
    ),
    re_path(
        "^sub-orders/(?P<number>[0-9]{16}[0-9-]{1,16})/shipments$",
        views.SubOrderShipmentsView.as_view(),
        name="sub-order-shipments",
    ),
]
