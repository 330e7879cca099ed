"""Bodies that come in chunks, without a Content-Length: Django and REST framework take them for empty.

They are read before Django sees the call, up to the size that it takes at most.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from django.conf import settings

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


def with_length(application: Application) -> Application:
    """The WSGI application, called with the length of every body that the server can tell the end of."""

    def measured(environ: Environ, start_response: Any) -> Iterable[bytes]:
        is_chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if is_chunked and environ.get("wsgi.input_terminated") and not environ.get("CONTENT_LENGTH"):
            _read(environ)
        return application(environ, start_response)

    return measured


def _read(environ: Environ) -> None:
    try:
        # A byte more than is taken: it is refused for its length, as it would be with a Content-Length.
        body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    except Exception:  # each server has errors of its own for chunks that are none
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = _Unreadable(), "1"
    else:
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))


class _Unreadable(io.RawIOBase):
    """Says that it cannot be read where Django is ready to hear it."""

    def read(self, size: int = -1) -> NoReturn:
        raise OSError("The body ended within a chunk.")

    def readline(self, size: int | None = -1) -> NoReturn:
        self.read()
