"""The worker of gunicorn: its threads, and a few beside them for what must not wait behind pages.

Requests that wait for a database that stands still hold every thread until they are given up, and so do clients that
begin a request and do not end it. Who asks meanwhile whether the process lives must not wait behind them, so probes
have threads of their own. Callbacks of connected systems that came whole are answered by one thread, many at a time
(`oms.doors.counter`): threads that each take one wait for each other more than they work.
"""

import io
import logging
import queue
import re
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from gunicorn.http import wsgi
from gunicorn.workers.gthread import ThreadWorker

if TYPE_CHECKING:
    from oms.doors.counter import Answer

logger = logging.getLogger(__name__)

# How long a client may take from connecting to the first byte of its request.
SILENT_SECONDS = 5.0
# Threads of their own by how a request begins, the first that fits. `live` asks nobody; the others may wait for up to
# two seconds, so they must not stand before it.
RESERVED = {b"GET /health/live": 1, b"GET /health/": 2, b"HEAD /health/": 1}
CALLBACK = b"POST /callbacks/"
_LONGEST = max(map(len, [*RESERVED, CALLBACK]))
# Callbacks that are longer go the ordinary way, and so do those of which some is still to come.
LONGEST_CALLBACK = 64 * 1024
CALLBACKS_AT_ONCE = 100
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,6})\r\n", re.IGNORECASE)


class Worker(ThreadWorker):
    """gunicorn's `gthread` with threads reserved for probes and one for callbacks. A connection costs no thread before
    it asks something."""

    def init_process(self) -> None:
        """Make the reserved threads, then serve."""
        self.reserved = {
            beginning: ThreadPoolExecutor(threads, thread_name_prefix="probe")
            for beginning, threads in RESERVED.items()
        }
        self.counter = Counter(self)
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        """Have a thread answer what the connection asks, once it does."""
        if not (conn.initialized or conn.data_ready):
            conn.timeout = time.monotonic() + SILENT_SECONDS
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))
            return
        beginning = _beginning(conn.sock, _LONGEST)
        if beginning == CALLBACK and not self.cfg.is_ssl:
            self.counter.put(conn)
        else:
            self.submit(conn, beginning)

    def submit(self, conn: Any, beginning: bytes = b"") -> None:
        """Have one of the threads for requests that begin so answer, in the ordinary way."""
        pool = next((pool for prefix, pool in self.reserved.items() if beginning.startswith(prefix)), self.tpool)
        answered = pool.submit(self.handle, conn)
        answered.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def finish_all(self, conns: "Sequence[tuple[Any, bool]]") -> None:
        """Go on with connections that were answered, or close those that are not to be kept; in the main thread."""
        for conn, is_kept in conns:
            done: Future[bool] = Future()
            done.set_result(is_kept)
            self.finish_request(conn, done)

    def may_keep(self) -> bool:
        """Whether connections may stay open for another request."""
        return bool(self.alive and self.cfg.keepalive and len(self.keepalived_conns) < self.max_keepalived)


class _Call(NamedTuple):
    """A whole request: its connection, its bytes, and what gunicorn makes of it."""

    conn: Any
    raw: bytes
    response: Any
    environ: dict[str, Any]


class Counter:
    """One thread that answers the callbacks which wait, all at once; begun with the first."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.thread: threading.Thread | None = None

    def put(self, conn: Any) -> None:
        """Take a connection that has a callback to be read; in the main thread."""
        self.waiting.put(conn)
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name="counter", daemon=True)
            self.thread.start()

    def _run(self) -> None:
        while True:
            conns = [self.waiting.get()]
            while len(conns) < CALLBACKS_AT_ONCE and not self.waiting.empty():
                conns.append(self.waiting.get())
            # Each is answered, or left to the other threads, or closed.
            mine = dict.fromkeys(conns, False)
            try:
                self._serve(mine)
            except Exception:
                logger.exception("callbacks were not answered")
            self.worker.method_queue.defer(self.worker.finish_all, list(mine.items()))

    def _serve(self, mine: dict[Any, bool]) -> None:
        """Answer what is whole; afterwards `mine` has those that are done, and whether they may be kept."""
        from oms.doors import counter  # once the site is set up

        calls = [call for conn in list(mine) if (call := self._read(conn, mine)) is not None]
        for call, answer in zip(calls, counter.take([call.environ for call in calls]), strict=True):
            if answer is not None:
                mine[call.conn] = self._write(call, answer)
                continue
            # As if nobody had read it yet.
            call.conn.parser.mesg = None
            call.conn.parser.unreader.unread(call.raw)
            self._leave(call.conn, mine)

    def _read(self, conn: Any, mine: dict[Any, bool]) -> _Call | None:
        raw = _whole_request(conn.sock)
        if raw is None:
            self._leave(conn, mine)
            return None
        request = None
        try:
            conn.sock.setblocking(True)
            conn.init()
            request = next(conn.parser)
            request.body = io.BytesIO(request.body.read())
            return _Call(conn, raw, *wsgi.create(request, conn.sock, conn.client, conn.server, self.worker.cfg))
        except StopIteration:
            pass  # the connection is not to be used any more
        except Exception as error:
            self.worker.handle_error(request, conn.sock, conn.client, error)
        return None

    def _leave(self, conn: Any, mine: dict[Any, bool]) -> None:
        del mine[conn]
        self.worker.submit(conn)

    def _write(self, call: _Call, answer: "Answer") -> bool:
        """Send the answer; returns whether the connection may be kept. Who does not read what is sent is not waited
        for: the call is stored, and comes again."""
        response = call.response
        if not self.worker.may_keep():
            response.force_close()
        response.start_response(answer.status, list(answer.headers))
        lines = [*response.default_headers(), *(f"{name}: {value}\r\n" for name, value in response.headers)]
        text = "".join(lines).encode("latin-1") + b"\r\n" + answer.body
        try:
            sent = call.conn.sock.send(text, socket.MSG_DONTWAIT)
        except OSError:
            return False
        return sent == len(text) and not response.should_close()


def _beginning(sock: socket.socket, length: int) -> bytes:
    """What the connection says, without taking it."""
    try:
        return sock.recv(length, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:  # nothing there, or closed: the thread that reads on will see
        return b""


def _whole_request(sock: socket.socket) -> bytes | None:
    """The bytes of the first request, if all of them are there and it is plain to see where it ends."""
    there = _beginning(sock, LONGEST_CALLBACK)
    head = there.find(b"\r\n\r\n") + 2
    lengths = _LENGTH.findall(there, 0, head)
    if head < 2 or len(lengths) != 1:
        return None
    end = head + 2 + int(lengths[0])
    return there[:end] if len(there) >= end else None
