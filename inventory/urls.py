"""The API's addresses of SKUs, of what is bought and of what is moved."""

from django.urls import path, re_path

from inventory import purchase_api, transfer_api, views
from inventory.replenishing import api as replenishing

_PURCHASE = r"^purchase-orders/(?P<number>[^/\x00]{1,40})"
_TRANSFER = r"^transfers/(?P<reference>[^/\x00]{1,64})"

urlpatterns = [
    path("skus", views.SkusView.as_view(), name="skus"),
    re_path(r"^skus/(?P<code>[^/\x00]{1,64})$", views.SkuView.as_view(), name="sku"),
    path("purchase-orders", purchase_api.PurchaseOrdersView.as_view(), name="purchase-orders"),
    re_path(rf"{_PURCHASE}$", purchase_api.PurchaseOrderView.as_view(), name="purchase-order"),
    re_path(rf"{_PURCHASE}/approval$", purchase_api.PurchaseApprovalView.as_view(), name="purchase-order-approval"),
    re_path(rf"{_PURCHASE}/receipts$", purchase_api.ReceiptsView.as_view(), name="purchase-order-receipts"),
    path("transfers", transfer_api.TransfersView.as_view(), name="transfers"),
    re_path(rf"{_TRANSFER}$", transfer_api.TransferView.as_view(), name="transfer"),
    re_path(rf"{_TRANSFER}/cancel$", transfer_api.TransferCancelView.as_view(), name="transfer-cancel"),
    path("replenishment/policies", replenishing.PoliciesView.as_view(), name="replenishment-policies"),
    path("replenishment/suggestions", replenishing.SuggestionsView.as_view(), name="replenishment-suggestions"),
]
