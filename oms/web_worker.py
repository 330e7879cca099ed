"""The worker of gunicorn: its threads, and a few beside them that only answer probes.

Requests that wait for a database that stands still hold every thread until they are given up, and so do clients that
begin a request and do not end it. Who asks meanwhile whether the process lives must not wait behind them.
"""

import selectors
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

# How long a client may take from connecting to the first byte of its request.
SILENT_SECONDS = 5.0
# Threads of their own by how a request begins, the first that fits. `live` asks nobody; the others may wait for up to
# two seconds, so they must not stand before it.
RESERVED = {b"GET /health/live": 1, b"GET /health/": 2, b"HEAD /health/": 1}
_LONGEST = max(map(len, RESERVED))


class Worker(ThreadWorker):
    """gunicorn's `gthread` with threads reserved for probes. A connection costs no thread before it asks something."""

    def init_process(self) -> None:
        """Make the reserved threads, then serve."""
        self.reserved = {
            beginning: ThreadPoolExecutor(threads, thread_name_prefix="probe")
            for beginning, threads in RESERVED.items()
        }
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        """Have a thread answer what the connection asks, once it does."""
        if not (conn.initialized or conn.data_ready):
            conn.timeout = time.monotonic() + SILENT_SECONDS
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))
            return
        answered = self._pool_for(conn).submit(self.handle, conn)
        answered.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def _pool_for(self, conn: Any) -> ThreadPoolExecutor:
        try:
            beginning = conn.sock.recv(_LONGEST, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:  # nothing there, or closed: the thread that reads on will see
            beginning = b""
        return next((pool for prefix, pool in self.reserved.items() if beginning.startswith(prefix)), self.tpool)
