"""As much of WSGI as the peers need: requests, answers, and a server with threads."""

import html
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from oms.simulators.mischief import Mischief, Trick

MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What came: `path` without the peer's prefix, `target` the same with its query as it stood there."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path

    @property
    def query(self) -> dict[str, str]:
        """The query's fields."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The body's fields."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_dropped: bool = False  # the line breaks instead


def page(title: str, content: str) -> Response:
    """A page for people; `content` is HTML."""
    text = (
        '<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>body{{font:16px/1.6 system-ui,sans-serif;max-width:46rem;"
        "margin:2rem auto;padding:0 1rem}}table{{width:100%;border-collapse:collapse}}td,th{{text-align:left;"
        "padding:.3rem .5rem;border-bottom:1px solid #ddd}}button{{font:inherit;padding:.4rem 1rem}}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>{content}</body></html>"
    )
    return Response(text.encode(), headers={"content-type": "text/html; charset=utf-8"})


def redirect(address: str) -> Response:
    """Go on there."""
    return Response(status=303, headers={"location": address})


def tricked(
    mischief: Mischief, do: Callable[[], Response], otherwise: Mapping[Trick, Callable[[Response], Response]]
) -> Response:
    """The answer of `do`, with the next trick played on it; `otherwise` has those that depend on the protocol."""
    trick = mischief.next()
    if trick == Trick.ERROR_BEFORE:
        return Response(b"error", 500)
    response = do()
    if trick == Trick.SLOW:
        time.sleep(mischief.slow_seconds)
    if trick == Trick.ERROR_AFTER:
        return Response(b"error", 500)
    if trick == Trick.DROP_AFTER:
        return Response(is_dropped=True)
    return otherwise[trick](response) if trick is not None and trick in otherwise else response


Peer = Callable[[Request], Response]


def application(peers: Mapping[str, Peer]) -> Callable[[Mapping[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """The WSGI application of peers by the first part of the path."""

    def answer(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        _empty, prefix, *rest = str(environ.get("PATH_INFO", "/")).encode("latin-1").decode().split("/", 2)
        length = min(int(environ.get("CONTENT_LENGTH") or 0), MOST_BYTES)
        request = Request(
            method=environ["REQUEST_METHOD"],
            path=f"/{rest[0] if rest else ''}",
            query_string=environ.get("QUERY_STRING", ""),
            headers={
                name.removeprefix("HTTP_").replace("_", "-").lower(): value
                for name, value in environ.items()
                if name.startswith("HTTP_")
            },
            body=environ["wsgi.input"].read(length) if length else b"",
        )
        peer = peers.get(prefix)
        response = peer(request) if peer else _index(peers)
        if response.is_dropped:
            environ["oms.drop"]()
        headers = {"content-length": str(len(response.body)), **response.headers}
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", list(headers.items()))
        return [response.body]

    return answer


def _index(peers: Mapping[str, Peer]) -> Response:
    links = "".join(f'<li><a href="/{name}/">{name}</a></li>' for name in peers)
    return page("模拟的外部服务 · Simulated services", f"<ul>{links}</ul>")


class _Handler(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "oms.drop": self._drop}

    def _drop(self) -> None:
        self.connection.shutdown(2)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 256

    def server_bind(self) -> None:
        """Without asking for the machine's name, which may take seconds."""
        self.allow_reuse_address = True
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked may have gone, or the line was broken on purpose."""


def server(host: str, port: int) -> _Server:
    """A server; port 0: a free one."""
    return _Server((host, port), _Handler)


@contextmanager
def running(make_peers: Callable[[str], Mapping[str, Peer]]) -> Iterator[str]:
    """Within it, the peers (made of the server's address) answer on a free port; gives the address."""
    mine = server("127.0.0.1", 0)
    address = f"http://127.0.0.1:{mine.server_port}"
    mine.set_app(application(make_peers(address)))
    thread = Thread(target=mine.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        mine.shutdown()
        mine.server_close()
        thread.join()
