"""The API's addresses of SKUs."""

from django.urls import path, re_path

from inventory import views

urlpatterns = [
    path("skus", views.SkusView.as_view(), name="skus"),
    re_path(r"^skus/(?P<code>[^/\x00]{1,64})$", views.SkuView.as_view(), name="sku"),
]
