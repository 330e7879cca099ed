"""The backend, where Django looks for it."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Kept connections are looked at before each request without a round trip to the server."""

    def is_usable(self) -> bool:
        """Whether the connection can be used.

        A server that ends a connection says so, or closes it: either way there is something to read. Only then is it
        asked; a quiet connection is a good one.
        """
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0) or super().is_usable()
