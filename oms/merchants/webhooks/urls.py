"""The API's addresses of webhook endpoints and deliveries."""

from django.urls import path, re_path

from oms.merchants.webhooks import views

_ENDPOINT = "^webhook-endpoints/(?P<public_id>ep_[0-9a-f]{20})"
_DELIVERY = "^webhook-deliveries/(?P<public_id>dlv_[0-9a-f]{24})"

urlpatterns = [
    path("webhook-endpoints", views.EndpointsView.as_view(), name="webhook-endpoints"),
    re_path(f"{_ENDPOINT}$", views.EndpointView.as_view(), name="webhook-endpoint"),
    re_path(f"{_ENDPOINT}/ping$", views.PingView.as_view(), name="webhook-endpoint-ping"),
    re_path(f"{_ENDPOINT}/rotate-secret$", views.RotateSecretView.as_view(), name="webhook-endpoint-rotate-secret"),
    path("webhook-deliveries", views.DeliveriesView.as_view(), name="webhook-deliveries"),
    re_path(f"{_DELIVERY}$", views.DeliveryView.as_view(), name="webhook-delivery"),
    re_path(f"{_DELIVERY}/resend$", views.ResendView.as_view(), name="webhook-delivery-resend"),
]
