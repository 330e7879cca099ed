"""The API's plumbing, which knows no business: the base of its views, reading bodies, pages, the schema."""

import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import BasePagination
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from oms.common import numbering
from oms.common.door.errors import InvalidInput
from oms.common.door.requests import request_id
from oms.common.errors import ChangedMeanwhile, FieldError, VersionRequired, unknown_field


class ErrorSerializer(serializers.Serializer):
    """One thing that is wrong."""

    code = serializers.CharField(help_text="What is wrong, for machines.")
    detail = serializers.CharField(help_text="What is wrong and what to do about it, in the language asked for.")
    attr = serializers.CharField(allow_null=True, help_text="Which field or parameter, such as `lines.0.quantity`.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Wrong fields",
            {
                "type": "validation_error",
                "errors": [
                    {"code": "required", "detail": "This field is required.", "attr": "buyer.phone"},
                    {"code": "unknown_sku", "detail": "Merchant POP01 sells no SKU P1.", "attr": "lines.0.sku"},
                ],
            },
            status_codes=["400"],
        ),
        OpenApiExample(
            "No such thing",
            {"type": "client_error", "errors": [{"code": "not_found", "detail": "Not found.", "attr": None}]},
            status_codes=["404"],
        ),
    ]
)
class ErrorsSerializer(serializers.Serializer):
    """The form of every answer that is no success."""

    type = serializers.ChoiceField(["validation_error", "client_error", "server_error"])
    errors = ErrorSerializer(many=True)


_FIELDS = OpenApiParameter(
    "fields", str, description="Only these fields of each thing, such as `number,state`; all without it."
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description='The `version` that was read, in quotes as the ETag has it: `"3"`. Stale: 409 `changed_meanwhile`.',
)

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    required=True,
    description=(
        "A text of your own for this call, such as a UUID. A call with the same key and body gets the same answer, with"
        " `Idempotent-Replayed: true`, and does nothing again."
    ),
    examples=[OpenApiExample("A UUID", "5f0c1f9e-5d0a-4a55-8a34-0f2b9f3f8f11")],
)


class ApiSchema(AutoSchema):
    """Describes the operations; adds the headers, parameters and errors that many of them share."""

    def get_override_parameters(self) -> list[Any]:
        """`fields` of what is read, `If-Match` of what is changed, the Idempotency-Key of what asks for one."""
        parameters = list(super().get_override_parameters())
        if self.method == "GET" and getattr(self.view, "has_sparse_fields", False):
            parameters.append(_FIELDS)
        if self._checks_version:
            parameters.append(_IF_MATCH)
        if self._needs_idempotency_key:
            parameters.append(_IDEMPOTENCY_KEY)
        return parameters

    @property
    def _needs_idempotency_key(self) -> bool:
        return self.method == "POST" and getattr(self.view, "requires_idempotency_key", False)

    @property
    def _checks_version(self) -> bool:
        return self.method in getattr(self.view, "checks_version", ())

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)  # type: ignore[arg-type]
        if direction == "response" and self.view.authentication_classes:
            errors = {
                "401": "Not signed, wrongly signed, or no valid token; the code says which.",
                "403": "The credential lacks the scope, or may not be used from this address.",
                "429": "Too many calls; repeat it after as many seconds as Retry-After says.",
                "500": "Something went wrong here.",
                "503": "The database is away or busy; repeat the call after as many seconds as Retry-After says.",
            }
            if self._checks_version:
                errors |= {"409": "Refused, or changed meanwhile.", "428": "The header If-Match is missing."}
            if self.method in {"POST", "PUT", "PATCH"}:
                errors |= {"400": "The body is wrong.", "413": "The body is too large.", "415": "Not JSON."}
            else:
                errors["400"] = "A parameter is wrong."
            if self._needs_idempotency_key:
                running = "A call with this Idempotency-Key is running; repeat it after Retry-After seconds."
                errors["409"] = f"{errors['409']} Or: {running}" if "409" in errors else running
                errors["422"] = "The Idempotency-Key belongs to a call of another address or body."
            errors |= getattr(self.view, "error_statuses", {})
            if "{" in self.path:
                errors["404"] = "There is no such thing, or it is not the merchant's."
            for status, description in errors.items():
                form = getattr(self.view, "errors_serializer", ErrorsSerializer)
                answer = self._get_response_for_code(form, status)
                if status not in responses:
                    responses[status] = {**answer, "description": description}
                elif status in ("409", "422"):
                    _allow_also(responses[status], answer, description)
        return dict(sorted(responses.items()))


def _allow_also(response: dict[str, Any], other: dict[str, Any], description: str) -> None:
    """Let the described response also be the other one."""
    response["description"] = f"{response['description']} Or: {description}"
    for media_type, content in response.get("content", {}).items():
        schema = other["content"][media_type]["schema"]
        if content["schema"] != schema:
            content["schema"] = {"anyOf": [content["schema"], schema]}


class Negotiation(DefaultContentNegotiation):
    """Who takes anything, as nearly every program does, gets the first format without a comparison of media types."""

    def select_renderer(
        self, request: Request, renderers: Sequence[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer and its media type. Raises NotAcceptable."""
        if request.META.get("HTTP_ACCEPT", "*/*") == "*/*" and not format_suffix:
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)


class ApiView(APIView):
    """What every view of the API does: it carries a request id, and refuses parameters that it does not know.

    The request id comes from `oms.common.door.requests`.
    """

    schema: ApiSchema | None = ApiSchema()
    content_negotiation_class = Negotiation
    metadata_class = None
    query_parameters: frozenset[str] = frozenset()
    has_sparse_fields = False
    checks_version: frozenset[str] = frozenset()  # the methods that must name the version which they change

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Take over the request's id."""
        self.request_id = request_id(request)
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse unknown parameters: a filter with a slip in its name must not answer with everything."""
        super().initial(request, *args, **kwargs)
        allowed = self.query_parameters
        if self.has_sparse_fields and request.method == "GET":
            allowed |= {"fields"}
        unknown = sorted(name for name in request.query_params.keys() - allowed if not self.takes_parameter(name))
        if unknown:
            known = ", ".join(sorted(allowed)) or "–"
            detail = _("There is no such parameter here. Known ones: %(known)s.") % {"known": known}
            raise InvalidInput([FieldError(name, "unknown_parameter", detail) for name in unknown])

    def takes_parameter(self, name: str) -> bool:
        """Whether a parameter that `query_parameters` cannot name is one all the same."""
        return False

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Repeat the request id, also where no middleware does. Personal data is not for caches."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["X-Request-ID"] = self.request_id
        response["Cache-Control"] = "no-store"
        return response


def json_answer(shown: object, status: int, headers: Mapping[str, str]) -> HttpResponse:
    """An answer of plain values, made in a fraction of the time that rendering one takes."""
    return HttpResponse(
        msgspec.json.encode(shown), content_type="application/json", status=status, headers=dict(headers)
    )


_ETAG = re.compile(r'(?:W/)?"([1-9][0-9]{0,8})"|([1-9][0-9]{0,8})', re.ASCII)


def version_of(request: Request) -> int:
    """The version that the caller looked at, from If-Match.

    Raises VersionRequired where it is missing, and InvalidInput where it is no version.
    """
    given = request.headers.get("If-Match", "").strip()
    if not given:
        raise VersionRequired(_('Send the version that you read in the header If-Match, such as If-Match: "3".'))
    match = _ETAG.fullmatch(given)
    if match is None:
        detail = _('Give one version in quotes, as the ETag has it, such as "3".')
        raise InvalidInput([FieldError("If-Match", "invalid", detail)])
    return int(match[1] or match[2])


def etag(version: int) -> dict[str, str]:
    """The header that names the version of what is answered."""
    return {"ETag": f'"{version}"'}


def check_version(row: Any, version: int) -> None:
    """Raises ChangedMeanwhile if the locked row is of another version than the caller looked at."""
    if row.version != version:
        raise ChangedMeanwhile(_("Somebody else changed this meanwhile. Read it again and repeat if need be."))


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class LineField(serializers.CharField):
    """A line of text that the database can hold: no control characters, no halves of characters."""

    def run_validators(self, value: str) -> None:
        """Raises ValidationError."""
        if _UNPRINTABLE.search(value):
            raise serializers.ValidationError(_("Remove the control characters."), "control_character")
        super().run_validators(value)


class TextField(serializers.CharField):
    """A text of several lines that the database can hold."""

    def run_validators(self, value: str) -> None:
        """Raises ValidationError."""
        if _UNPRINTABLE.search(value.replace("\n", "").replace("\t", "").replace("\r", "")):
            raise serializers.ValidationError(_("Remove the control characters."), "control_character")
        super().run_validators(value)


def read_json(request: Request) -> bytes:
    """The body as it came, for msgspec to decode.

    Raises UnsupportedMediaType unless it says that it is JSON in UTF-8, and RequestDataTooBig.
    """
    http: HttpRequest = request._request
    charset = (http.content_params or {}).get("charset", "utf-8").lower()
    if http.content_type != "application/json" or charset != "utf-8":
        detail = _("Send JSON in UTF-8 with the header Content-Type: application/json.")
        raise UnsupportedMediaType(http.content_type, detail)
    if http.META.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise UnsupportedMediaType(http.content_type, _("Send the body without Content-Encoding."))
    return http.body


_Body = TypeVar("_Body", bound=serializers.Serializer)


def read_body(form: type[_Body], request: Request) -> _Body:
    """The body, checked by the serializer. Raises ValidationError, and InvalidInput for a field that it has not."""
    body = form(data=request.data)
    body.is_valid(raise_exception=True)
    unknown = sorted(request.data.keys() - body.fields.keys())
    if unknown:
        raise InvalidInput([unknown_field(name, list(body.fields)) for name in unknown])
    return body


class NewestFirst(BasePagination):
    """Pages by keyset: newest first, from where the page before ended, however many rows came meanwhile.

    A cursor is the permuted id of the page's last row, so that it tells nothing about volume.
    """

    default_limit = 50
    max_limit = 200
    query_parameters = frozenset({"cursor", "limit"})

    def paginate_queryset(self, queryset: QuerySet, request: Request, view: APIView | None = None) -> list[Any]:
        """The rows of one page. Raises InvalidInput for a cursor or limit that is none."""
        limit = self._limit(request.query_params)
        after = self._after(request.query_params)
        if after is not None:
            queryset = queryset.filter(pk__lt=after)
        rows = list(queryset.order_by("-pk")[: limit + 1])
        self.next_url = None
        if len(rows) > limit:
            rows.pop()
            cursor = f"{numbering.permute(rows[-1].pk):012d}"
            self.next_url = replace_query_param(request.build_absolute_uri(), "cursor", cursor)
        return rows

    def get_paginated_response(self, data: Sequence[object]) -> Response:
        """The page with the address of the next one."""
        return Response({"next": self.next_url, "results": data})

    def _limit(self, parameters: Mapping[str, str]) -> int:
        text = parameters.get("limit", str(self.default_limit))
        if not re.fullmatch("[0-9]{1,6}", text) or not 1 <= int(text) <= self.max_limit:
            detail = _("Give a number from 1 to %(most)d.") % {"most": self.max_limit}
            raise InvalidInput([FieldError("limit", "invalid", detail)])
        return int(text)

    def _after(self, parameters: Mapping[str, str]) -> int | None:
        text = parameters.get("cursor")
        if text is None:
            return None
        if not re.fullmatch("[0-9]{12}", text):
            detail = _("This is no cursor; use the address in `next` as it is.")
            raise InvalidInput([FieldError("cursor", "invalid", detail)])
        return numbering.recover(int(text))

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """How a page looks."""
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {
                "next": {
                    "type": ["string", "null"],
                    "format": "uri",
                    "example": "https://oms.example/api/v1/orders?cursor=403958221604&limit=50",
                    "description": "The address of the next page; null on the last one.",
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """The parameters that pages take."""
        return [
            {
                "name": "cursor",
                "in": "query",
                "description": "Where the page begins; part of the address in `next`.",
                "schema": {"type": "string"},
            },
            {
                "name": "limit",
                "in": "query",
                "description": "How many at most.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": self.max_limit,
                    "default": self.default_limit,
                },
            },
        ]


_serializers = threading.local()


def represent(
    serializer_class: type[serializers.Serializer], row: Model | Mapping[str, Any], request: Request
) -> dict[str, Any]:
    """What the API shows of the row. Each thread keeps its serializers: making one costs more than using it."""
    serializer = getattr(_serializers, serializer_class.__name__, None)
    if serializer is None:
        serializer = serializer_class()
        setattr(_serializers, serializer_class.__name__, serializer)
    serializer._context = {"request": request}
    shown = serializer.to_representation(row)
    wanted = request.query_params.get("fields") if request.method == "GET" else None
    return shown if wanted is None else _only(shown, wanted)


def _only(shown: dict[str, Any], wanted: str) -> dict[str, Any]:
    """The fields asked for. Raises InvalidInput for one that there is not."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = sorted(set(names) - shown.keys())
    if unknown or not names:
        detail = _("There is no field %(unknown)s. Known ones: %(known)s.") % {
            "unknown": ", ".join(unknown)[:200] or "–",
            "known": ", ".join(shown),
        }
        raise InvalidInput([FieldError("fields", "unknown_field", detail)])
    return {name: shown[name] for name in names}


_msgspec_components: dict[str, Any] = {}


def schema_of(body: type) -> dict[str, Any]:
    """The JSON schema of a body that msgspec decodes, as a reference into the OpenAPI schema's components."""
    (reference,), components = msgspec.json.schema_components([body], ref_template="#/components/schemas/{name}")
    _msgspec_components.update(components)
    return reference


def add_msgspec_components(result: dict[str, Any], **_context: object) -> dict[str, Any]:
    """Hook of drf-spectacular: put what `schema_of` referred to into the schema."""
    schemas = result["components"]["schemas"]
    schemas.update(_msgspec_components)
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result
