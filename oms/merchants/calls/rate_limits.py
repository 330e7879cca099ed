"""How many calls a credential may make: a token bucket for each in Valkey, filled evenly, as large as one minute.

A call takes one round trip. Where Valkey is down or slow, calls are let through and it is left alone for a while: the
limit protects the OMS from a shop's runaway program, and must not stop it itself.
"""

import logging
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings

from oms.common import valkey

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.25
REST_SECONDS = 5.0

# KEYS[1] the bucket; ARGV[1] calls a minute, ARGV[2] what this call costs.
# Returns whether it may go on, what is left, and the milliseconds until the bucket is full, and until the call fits.
_TAKE = """
local limit, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local bucket = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, at = tonumber(bucket[1]), tonumber(bucket[2])
if left == nil or at == nil then left, at = limit, now end
left = math.min(limit, left + math.max(0, now - at) * limit / 60000)
local allowed = 0
if left >= cost then
    left = left - cost
    allowed = 1
end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', now)
redis.call('PEXPIRE', KEYS[1], 61000)
local wait = 0
if allowed == 0 then wait = math.ceil((cost - left) * 60000 / limit) end
return {allowed, math.floor(left), math.ceil((limit - left) * 60000 / limit), wait}
"""

_silent_until = 0.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a credential may still do: `limit` calls a minute, `remaining` at once, full again after `reset_seconds`.

    `wait_seconds` is 0 where the call may go on.
    """

    limit: int
    remaining: int
    reset_seconds: int
    wait_seconds: int

    def headers(self) -> dict[str, str]:
        """The usual headers."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }


def take(credential_id: int, calls_per_minute: int | None) -> Allowance | None:
    """Count a call of the credential; None where there is no limit, or nobody to count."""
    global _silent_until
    limit = settings.API_CALLS_PER_MINUTE if calls_per_minute is None else calls_per_minute
    if not limit or time.monotonic() < _silent_until:
        return None
    try:
        allowed, left, full_ms, wait_ms = _script()(keys=[f"oms:calls:{credential_id}"], args=[limit, 1])
    except redis.RedisError as error:
        _silent_until = time.monotonic() + REST_SECONDS
        logger.warning("calls are not counted for %s s: %s", REST_SECONDS, error)
        return None
    return Allowance(limit, left, -(-full_ms // 1000), 0 if allowed else max(1, -(-wait_ms // 1000)))


@lru_cache(maxsize=1)
def _script() -> Any:
    return valkey.connect(TIMEOUT_SECONDS).register_script(_TAKE)


def forget_server() -> None:
    """Connect anew at the next call, to what the settings name then."""
    global _silent_until
    _silent_until = 0.0
    _script.cache_clear()
