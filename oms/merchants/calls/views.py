"""What every view of the merchants' API stands on."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied, Throttled
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import ApiView, etag, represent
from oms.merchants.calls import idempotency, rate_limits
from oms.merchants.calls.authentication import ApiUser
from oms.merchants.models import Merchant


class TooManyCalls(Throttled):
    """The credential made more calls than it may. Answered with 429 and Retry-After."""

    default_code = "too_many_calls"


class MerchantView(ApiView, GenericAPIView):
    """A view on what is the calling merchant's.

    `scopes` says for each method which scope the credential needs; a method that it does not name cannot be called,
    and the check `merchants.E001` finds it before that. POST needs an Idempotency-Key and is answered once (see
    `oms.merchants.calls.idempotency`) unless `requires_idempotency_key` is False; `answers_a_secret` keeps the answer
    sealed. Where a view has a `plan_post`, the calls that it has a plan for are written by one statement, without its
    `post`.
    """

    scopes: ClassVar[dict[str, str]] = {}
    requires_idempotency_key = True
    answers_a_secret = False
    plan_post: Callable[[Request], idempotency.PlannedAnswer | None] | None = None
    lookup_field = "number"
    filter_backends: list[type] = []
    _allowance: rate_limits.Allowance | None = None

    @cached_property
    def caller(self) -> ApiUser:
        """The merchant and its credential."""
        return self.request.user

    @cached_property
    def merchant(self) -> Merchant:
        """The merchant that calls."""
        return self.caller.merchant

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """What DRF does, but a POST happens once; DRF has no place of its own to wrap a handler."""
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            self.initial(self.request, *args, **kwargs)
            answer = self._handle(self.request, *args, **kwargs)
        except Exception as error:
            answer = self.handle_exception(error)
        self.response = self.finalize_response(self.request, answer, *args, **kwargs)
        return self.response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse calls beyond the credential's limit or scopes."""
        self.perform_authentication(request)
        if request.user is not None:
            self._count(request)
            self._check_scope(request)
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Tell how many calls are left."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if self._allowance is not None:
            for name, value in self._allowance.headers().items():
                response[name] = value
        return response

    def scope_for(self, method: str) -> str:
        """The scope that this call needs."""
        if method not in self.scopes:
            raise ImproperlyConfigured(f"{type(self).__name__}.scopes names no scope for {method}.")
        return self.scopes[method]

    def page(self) -> Response:
        """A page of the view's list."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([represent(self.serializer_class, row, self.request) for row in rows])

    def one(self) -> Response:
        """The row that the address names. Raises Http404."""
        row = self.get_object()
        headers = etag(row.version) if hasattr(row, "version") else None
        return Response(represent(self.serializer_class, row, self.request), headers=headers)

    def _count(self, request: Request) -> None:
        credential = request.user.credential
        self._allowance = rate_limits.take(credential.pk, credential.calls_per_minute)
        if self._allowance is not None and self._allowance.wait_seconds:
            detail = _("This credential may make %(limit)d calls a minute. Repeat the call after %(wait)d s.")
            wait = self._allowance.wait_seconds
            error = TooManyCalls(detail=detail % {"limit": self._allowance.limit, "wait": wait})
            error.wait = wait
            raise error

    def _check_scope(self, request: Request) -> None:
        method = "GET" if request.method == "HEAD" else request.method or ""
        if not hasattr(self, method.lower()) or method.lower() not in self.http_method_names or method == "OPTIONS":
            return  # answered with 405
        scope = self.scope_for(method)
        if scope not in request.user.credential.scopes:
            detail = _("This credential lacks the scope %(scope)s. Have it added, or use another credential.")
            raise PermissionDenied(detail % {"scope": scope}, "scope_missing")

    def _handle(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        name = (request.method or "").lower()
        handler = getattr(self, name, None) if name in self.http_method_names else None
        if handler is None:
            return self.http_method_not_allowed(request, *args, **kwargs)
        call = partial(handler, request, *args, **kwargs)
        if request.method == "POST" and self.requires_idempotency_key:
            return idempotency.answer_once(self, request, self.merchant.pk, call)
        return call()
