"""The HTTP client of the adapters: one a process, since making one reads all certificates of the machine."""

import os
from functools import lru_cache

import httpx


def client() -> httpx.Client:
    """This process's client; several threads may use it at once. Each request names its own time-out."""
    return _client_of(os.getpid())


@lru_cache(maxsize=1)
def _client_of(_process: int) -> httpx.Client:
    return httpx.Client(limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=20))
