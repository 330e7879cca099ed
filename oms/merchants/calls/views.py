"""What every view of the merchants' API stands on."""

from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured, MultipleObjectsReturned
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import PermissionDenied, Throttled
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import ApiView, etag, represent
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from oms.merchants import sandboxes
from oms.merchants.calls import idempotency, platform, rate_limits, refused
from oms.merchants.calls.authentication import ApiUser
from oms.merchants.calls.deprecating import Deprecated
from oms.merchants.calls.scopes import INCLUDED_IN, OF_PLATFORM
from oms.merchants.models import Merchant

_MERCHANT = "merchant"  # the parameter of programs of the platform's own


class TooManyCalls(Throttled):
    """The credential made more calls than it may. Answered with 429 and Retry-After."""

    default_code = "too_many_calls"


class MerchantView(ApiView, GenericAPIView):
    """A view on what is the calling merchant's.

    `scopes` says for each method which scope the credential needs; a method that it does not name cannot be called,
    and the check `merchants.E001` finds it before that. POST needs an Idempotency-Key and is answered once (see
    `oms.merchants.calls.idempotency`) unless `requires_idempotency_key` is False; `answers_a_secret` keeps the answer
    sealed. Where a view has a `plan_post`, the calls that it has a plan for are written by one statement, without its
    `post`. One that is to go is `deprecated`, and says so in each answer.

    A program of the platform's own that reads (`reads_platform`) sees with GET what is everybody's where the view takes
    its rows from `reach`, each told with the merchant whose it is (`whose`, a path of the row), and elsewhere what is
    the merchant's that its parameter `merchant` names; `reads_by_post` lets it POST as well.
    """

    scopes: ClassVar[dict[str, str]] = {}
    requires_idempotency_key = True
    answers_a_secret = False
    reads_by_post = False
    whose = ""
    deprecated: ClassVar[Deprecated | None] = None
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
        """The merchant that calls; where a program of the platform's own reads, the one that it names. Raises
        InvalidInput for one that there is not."""
        code = self.request.query_params.get(_MERCHANT) if self.caller.reads_platform else None
        if code is None:
            return self.caller.merchant
        named = None if "\0" in code else Merchant.objects.filter(code=code).first()
        if named is None:
            detail = _("There is no merchant %(code)s.") % {"code": code[:40]}
            raise InvalidInput([FieldError(_MERCHANT, "not_found", detail)])
        return named

    @property
    def reads_all(self) -> bool:
        """Whether the call reads what is everybody's."""
        if getattr(self, "swagger_fake_view", False) or not self.caller.reads_platform:
            return False
        return self._only_reads and _MERCHANT not in self.request.query_params

    @property
    def _only_reads(self) -> bool:
        return self.request.method in ("GET", "HEAD") or (self.request.method == "POST" and self.reads_by_post)

    def reach(self, model: type[Model]) -> QuerySet[Any]:
        """The rows of the model that the call reaches: the merchant's, or all where it reads what is everybody's."""
        rows = model._default_manager
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        if not self.reads_all:
            return rows.visible_to(self.merchant)  # type: ignore[attr-defined, no-any-return]
        # What is tried out in sandboxes is no figure of anybody's.
        return rows.filter(sandboxes.without(self.whose.removesuffix("__code"))) if self.whose else rows.all()

    def takes_parameter(self, name: str) -> bool:
        """Programs of the platform's own name a merchant."""
        return name == _MERCHANT and self.caller.reads_platform and self._only_reads

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
            if request.user.reads_platform:
                platform.note(request, type(self).__name__)
        super().initial(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Tell how many calls are left, and keep what was refused."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if status.HTTP_400_BAD_REQUEST <= response.status_code < status.HTTP_503_SERVICE_UNAVAILABLE:
            self._note_refusal(request, response)
        for told in (self._allowance, self.deprecated):
            for name, value in told.headers().items() if told is not None else ():
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
        return self.get_paginated_response(self._shown(rows))

    def one(self) -> Response:
        """The row that the address names. Raises Http404."""
        row = self.get_object()
        headers = etag(row.version) if hasattr(row, "version") else None
        (shown,) = self._shown([row])
        return Response(shown, headers=headers)

    def handle_exception(self, error: Exception) -> Response:
        """What of a program of the platform's own is not clear: codes are each merchant's own."""
        if isinstance(error, MultipleObjectsReturned) and self.reads_all:
            detail = _("Several merchants have such a thing: say whose, by the parameter merchant.")
            error = InvalidInput([FieldError(_MERCHANT, "required", detail)])
        return super().handle_exception(error)

    def _shown(self, rows: Iterable[Any]) -> list[dict[str, Any]]:
        """What the API shows of the rows; to programs of the platform's own, whose they are as well."""
        rows = list(rows)
        shown = [represent(self.serializer_class, row, self.request) for row in rows]
        if self.reads_all and self.whose and rows:
            keys = [row.pk for row in rows]
            whose = dict(type(rows[0])._default_manager.filter(pk__in=keys).values_list("pk", self.whose))
            shown = [{"merchant": whose.get(row.pk), **one} for row, one in zip(rows, shown, strict=True)]
        return shown

    def _note_refusal(self, request: Request, response: Response) -> None:
        # Who was not admitted is not asked for again.
        if getattr(request._request, "is_only_tried", False):
            return
        caller = getattr(request, "_user", None)
        credential = caller.credential.pk if isinstance(caller, ApiUser) else None
        refused.note(request._request, credential, response.status_code, refused.data_of(response))

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
        scope, held = self.scope_for(method), request.user.credential.scopes
        if not set(OF_PLATFORM).isdisjoint(held) and not self._only_reads:
            raise PermissionDenied(_("This credential only reads. Use another one to change something."), "only_reads")
        if scope not in held and INCLUDED_IN.get(scope) not in held:
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
