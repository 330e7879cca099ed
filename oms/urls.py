"""The address table of the whole project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from logistics.buyer.page import track_view
from logistics.routing.page import courier_view, stop_view
from logistics.virtual.page import good_view
from oms import merchant_admin, merchant_replenishing, merchant_settling  # noqa: F401 - the latter register pages
from oms.boards import order_panel  # noqa: F401 - registers it
from oms.checking import pages as checking_pages  # noqa: F401 - registers a page
from oms.doors import callbacks
from oms.portal import (  # noqa: F401 - they register pages
    calls,
    goods,
    invoices,
    notices,
    orders,
    people,
    refunds,
    refused,
    returns,
    sandboxes,
    shipping,
    starting,
    today,
    warehouses,
    webhooks,
)
from payments import pay_page
from payments.invoicing import buyer_page

handler403 = "oms.error_pages.refused"
handler404 = "oms.error_pages.not_found"
handler500 = "oms.error_pages.server_error"

urlpatterns = [
    path("api/", include("oms.api")),  # first, because it is asked most often
    path("callbacks/<slug:code>/", callbacks.callback, name="callback"),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("merchant/", merchant_admin.site.urls),
    path("pay/<str:token>/", pay_page.pay_view, name="pay"),
    path("pay/<str:token>/open/", pay_page.open_view, name="pay_open"),
    path("track/<str:token>/", track_view, name="track"),
    path("courier/<str:token>/", courier_view, name="courier"),
    path("courier/<str:token>/<int:stop_id>/", stop_view, name="courier_stop"),
    path("good/<str:token>/", good_view, name="good"),
    path("invoice/<str:token>/", buyer_page.invoice_view, name="invoice"),
    path("invoice/<str:token>/<slug:number>.pdf", buyer_page.document_view, name="invoice_document"),
    path("apply/", include("oms.merchants.joining.apply")),
    path("guides/", include("oms.guides")),
]
