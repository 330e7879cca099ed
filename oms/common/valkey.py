"""Talking to Valkey beside Celery."""

import redis
from django.conf import settings


def connect(timeout_seconds: float) -> redis.Redis:
    """A client of the server that REDIS_URL names; nothing is sent yet.

    Celery writes the address of a socket as redis+socket://, the client library as unix://.
    """
    url = settings.REDIS_URL
    if url.startswith("redis+socket://"):
        url = "unix://" + url.removeprefix("redis+socket://")
    return redis.Redis.from_url(url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds)
