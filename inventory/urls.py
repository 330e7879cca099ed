"""The API's addresses of SKUs and of what is bought."""

from django.urls import path, re_path

from inventory import purchase_api, views
from inventory.replenishing import api as replenishing

_PURCHASE = r"^purchase-orders/(?P<number>[^/\x00]{1,40})"

urlpatterns = [
    path("skus", views.SkusView.as_view(), name="skus"),
    re_path(r"^skus/(?P<code>[^/\x00]{1,64})$", views.SkuView.as_view(), name="sku"),
    path("purchase-orders", purchase_api.PurchaseOrdersView.as_view(), name="purchase-orders"),
    re_path(rf"{_PURCHASE}$", purchase_api.PurchaseOrderView.as_view(), name="purchase-order"),
    re_path(rf"{_PURCHASE}/approval$", purchase_api.PurchaseApprovalView.as_view(), name="purchase-order-approval"),
    re_path(rf"{_PURCHASE}/receipts$", purchase_api.ReceiptsView.as_view(), name="purchase-order-receipts"),
    path("replenishment/policies", replenishing.PoliciesView.as_view(), name="replenishment-policies"),
    path("replenishment/suggestions", replenishing.SuggestionsView.as_view(), name="replenishment-suggestions"),
]
