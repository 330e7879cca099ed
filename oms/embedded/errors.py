"""What the embedded servers can refuse."""


class EmbeddedError(Exception):
    """An embedded server cannot be used; the one-line message says why and what to do."""
