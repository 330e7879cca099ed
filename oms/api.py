"""The API's table of addresses: /api/v1/ for merchants, its schema and its documentation for everybody."""

from collections.abc import Callable

from django.conf import settings
from django.http import FileResponse, HttpRequest
from django.urls import include, path, re_path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from oms.api_schema import SchemaView
from oms.common.door.api import ApiView
from oms.doors.buyer_links import BuyerLinksView
from oms.doors.loc.creating import LocCreateView
from oms.doors.loc.parcels import LocStatusView, LocVirtualDeliveryView


class NoSuchAddressView(ApiView):
    """Answers addresses of the API that do not exist in the form of every other error."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Raises NotFound, whatever is asked."""
        super(ApiView, self).initial(request, *args, **kwargs)
        raise NotFound


def _guide(name: str) -> Callable[[HttpRequest], FileResponse]:
    """A view that shows one file of `docs/`, to read before there is a credential."""
    kind = "application/json" if name.endswith(".json") else "text/plain; charset=utf-8"

    def show(request: HttpRequest) -> FileResponse:
        return FileResponse((settings.BASE_DIR / "docs" / name).open("rb"), content_type=kind)

    return require_safe(show)


class DocumentationView(SpectacularSwaggerSplitView):
    """The documentation to look at in a browser, without scripts within the page."""

    authentication_classes = ()
    permission_classes = ()
    url_name = "api:schema"


GUIDES = ("api.md", "signing.md", "signature-vectors.json", "webhooks.md", "balances.md", "loc.md")

app_name = "api"
urlpatterns = [
    path("v1/", include("orders.api.urls")),
    re_path("^v1/orders/(?P<number>[0-9]{16})/links$", BuyerLinksView.as_view(), name="order-links"),
    path("v1/", include("inventory.urls")),
    path("v1/", include("payments.urls")),
    path("v1/", include("logistics.urls")),
    path("v1/", include("oms.merchants.webhooks.urls")),
    path("", RedirectView.as_view(pattern_name="api:docs")),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocumentationView.as_view(), name="docs"),
    *[path(f"docs/{name}", _guide(name), name=f"guide-{name}") for name in GUIDES],
    # The LOC interface of 京东入鼎 keeps its own addresses, beside the versions of ours.
    path("", include("oms.doors.loc.urls")),
    path("order/create", LocCreateView.as_view(), name="loc-create"),
    path("order/status", LocStatusView.as_view(), name="loc-status"),
    path("order/virtual_delivery", LocVirtualDeliveryView.as_view(), name="loc-virtual-delivery"),
    re_path("^", NoSuchAddressView.as_view()),
]
