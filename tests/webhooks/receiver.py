"""A shop's web server for tests: real HTTP on a port of its own, which verifies what it gets."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """A message as it came, and when (monotonic seconds)."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def message_id(self) -> str:
        """The id under which it was sent."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """A server and what it got; `answer` decides what it says to each message: status, headers, body."""

    answer: Callable[[Received], tuple[int, dict[str, str], bytes]]
    received: list[Received] = field(default_factory=list)
    url: str = ""

    def wait_for(self, count: int, seconds: float = 10) -> bool:
        """Whether so many messages came in time."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(self.received) >= count


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[Received], tuple[int, dict[str, str], bytes]]:
    """An answer that is always the same."""
    return lambda _received: (status, {name.replace("_", "-"): text for name, text in headers.items()}, body)


def slowly(seconds: float) -> Callable[[Received], tuple[int, dict[str, str], bytes]]:
    """Takes its time, then accepts."""

    def answer(_received: Received) -> tuple[int, dict[str, str], bytes]:
        time.sleep(seconds)
        return 200, {}, b""

    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender may be killed in the middle."""


@contextmanager
def receiver(answer: Callable[[Received], tuple[int, dict[str, str], bytes]] | None = None) -> Iterator[Receiver]:
    """A server on a free port of this machine, which accepts everything unless told otherwise."""
    mine = Receiver(answer or says(204))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                # The sender was killed in the middle of it.
                self.close_connection = True
                return
            got = Received({name.lower(): value for name, value in self.headers.items()}, body, time.monotonic())
            mine.received.append(got)
            status, headers, content = mine.answer(got)
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if status not in (204, 304):
                    self.wfile.write(content)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    mine.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield mine
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silence() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        taken: list[socket.socket] = []
        listener.settimeout(0.1)
        stop = threading.Event()

        def take() -> None:
            while not stop.is_set():
                try:
                    taken.append(listener.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        finally:
            stop.set()
            thread.join()
            for connection in taken:
                connection.close()
