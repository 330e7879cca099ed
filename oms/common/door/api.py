"""The API's plumbing, which knows no business: the base of its views, reading bodies, pages."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
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
from oms.common.door.hiding import hidden
from oms.common.door.requests import request_id
from oms.common.door.schema import ApiSchema
from oms.common.errors import ChangedMeanwhile, FieldError, VersionRequired, unknown_field


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
    """The body, checked by the serializer. Raises ValidationError, and InvalidInput for fields that it has not, also in
    its lines."""
    if request.data is None:  # which the serializers refuse in English, whatever the language
        raise InvalidInput([FieldError("", "null", _("Give %(kind)s here.") % {"kind": _("an object")})])
    body = form(data=request.data)
    body.is_valid(raise_exception=True)
    if unknown := list(unknown_fields(body, request.data)):
        raise InvalidInput(unknown)
    return body


def unknown_fields(form: serializers.BaseSerializer, given: Any, place: str = "") -> Iterator[FieldError]:
    """The fields that were given and mean nothing to the serializer, also in the lines within: a slip in a name must
    not pass for something that was left out."""
    if isinstance(form, serializers.ListSerializer) and isinstance(given, list):
        for index, one in enumerate(given):
            yield from unknown_fields(form.child, one, f"{place}{index}.")
    elif isinstance(form, serializers.Serializer) and isinstance(given, Mapping):
        for name in sorted(str(key) for key in given.keys() - form.fields.keys()):
            yield unknown_field(f"{place}{name}", list(form.fields))
        for name, field in form.fields.items():
            if isinstance(field, serializers.BaseSerializer) and name in given:
                yield from unknown_fields(field, given[name], f"{place}{name}.")


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


_kept = threading.local()


def represent(serializer_class: type[serializers.Serializer], row: object, request: Request) -> dict[str, Any]:
    """What the API shows of the row. Each thread keeps its serializers: making one costs more than using it."""
    if not hasattr(_kept, "serializers"):
        _kept.serializers = {}
    serializer = _kept.serializers.get(serializer_class)
    if serializer is None:
        serializer = _kept.serializers[serializer_class] = serializer_class()
    serializer._context = {"request": request}
    shown = serializer.to_representation(row)
    if getattr(request.user, "reads_platform", False):
        shown = hidden(shown)
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
