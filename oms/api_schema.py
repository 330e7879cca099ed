"""The API's OpenAPI schema for everybody: built once a process for each language and format, and kept as bytes.

Building takes up to a second of the processor, and drf-spectacular cannot build twice at a time.
"""

import gzip
import hashlib
import threading
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation.trans_real import get_supported_language_variant
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


@dataclass(frozen=True, slots=True)
class _Document:
    plain: bytes
    compressed: bytes
    digest: str


_building = threading.Lock()
_documents: dict[tuple[str, str], _Document] = {}  # by language and format


@extend_schema(exclude=True)
class SchemaView(SpectacularAPIView):
    """The schema as YAML or JSON, in the language asked for; `?lang=en` asks without a header."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request, *args: object, **kwargs: object) -> HttpResponse:
        """The document, or 304 where the caller has it already."""
        renderer = request.accepted_renderer
        document = _document(_language(request), renderer)
        http: HttpRequest = request._request
        is_compressed = "gzip" in http.headers.get("Accept-Encoding", "")
        etag = f'"{document.digest}{"-gzip" if is_compressed else ""}"'
        answer = HttpResponse(
            document.compressed if is_compressed else document.plain,
            content_type=f"{request.accepted_media_type}; charset=utf-8",
            headers={
                "ETag": etag,
                "Cache-Control": "no-cache",  # may be kept, and is asked about before it is used
                "Content-Disposition": f'inline; filename="OMS API.{renderer.format}"',
            },
        )
        if is_compressed:
            answer["Content-Encoding"] = "gzip"
        patch_vary_headers(answer, ["Accept-Encoding"])
        return get_conditional_response(http, etag=etag, response=answer) or answer


def _language(request: Request) -> str:
    """One of the site's languages, so that no more documents are built than there are."""
    try:
        return get_supported_language_variant(request.query_params.get("lang", ""))
    except LookupError:
        return translation.get_language()


def _document(language: str, renderer: BaseRenderer) -> _Document:
    wanted = (language, renderer.format)
    if wanted not in _documents:
        with _building:
            if wanted not in _documents:
                _documents[wanted] = _build(language, renderer)
    return _documents[wanted]


def _build(language: str, renderer: BaseRenderer) -> _Document:
    with translation.override(language):
        plain = renderer.render(SchemaGenerator().get_schema(request=None, public=True), renderer_context={})
    return _Document(plain, gzip.compress(plain, mtime=0), hashlib.sha256(plain).hexdigest()[:32])
