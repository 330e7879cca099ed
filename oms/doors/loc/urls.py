"""Addresses of the LOC interface that orders and stock answer by themselves."""

from django.urls import path

from oms.doors.loc import views

urlpatterns = [
    path("inventory/update", views.InventoryUpdateView.as_view(), name="loc-inventory-update"),
    path("notification/send", views.NotificationSendView.as_view(), name="loc-notification-send"),
    path("order/confirm_receipt", views.ConfirmReceiptView.as_view(), name="loc-confirm-receipt"),
    path("order/update_status", views.UpdateStatusView.as_view(), name="loc-update-status"),
]
