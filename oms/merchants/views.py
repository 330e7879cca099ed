"""What every view of the merchants' API stands on."""

from rest_framework.generics import GenericAPIView
from rest_framework.response import Response

from oms.common.api import ApiView, etag, represent
from oms.merchants.authentication import ApiUser
from oms.merchants.models import Merchant


class MerchantView(ApiView, GenericAPIView):
    """A view on what is the calling merchant's."""

    lookup_field = "number"
    filter_backends: list[type] = []
    scopes: dict[str, str] = {}

    @property
    def caller(self) -> ApiUser:
        """The merchant and its credential."""
        return self.request.user

    @property
    def merchant(self) -> Merchant:
        """The merchant that calls."""
        return self.caller.merchant

    def page(self) -> Response:
        """A page of the view's list."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([represent(self.serializer_class, row, self.request) for row in rows])

    def one(self) -> Response:
        """The row that the address names. Raises Http404."""
        row = self.get_object()
        headers = etag(row.version) if hasattr(row, "version") else None
        return Response(represent(self.serializer_class, row, self.request), headers=headers)
