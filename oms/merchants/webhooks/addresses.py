"""Which addresses webhooks may be sent to: public ones only, checked when saved and again whenever connecting."""

import asyncio
import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import httpcore
import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from oms.common.errors import OmsError

# Below them only the web's own: whatever else listens there is no shop.
_FREE_PORTS = range(1024, 65536)
# Public by the registry, but a way round to somewhere else: NAT64, its local prefix, Teredo, old IPv4-compatible ones.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NO_TARGETS = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b:1::/48", "2001::/32", "::/96", "fec0::/10", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24")
)


class BadAddress(OmsError):
    """Nothing may be sent to this address."""

    code = "bad_address"
    status_code = 400


class LookupUnfinished(OmsError):
    """The host's name was not looked up in time: the name server is slow, or others are being waited for."""

    code = "lookup_unfinished"
    status_code = 503


# One for all requests of a process: name servers that hang must not take its threads away one by one.
_lookups_left = threading.BoundedSemaphore(settings.WEBHOOKS_LOOKUPS_AT_ONCE)


def is_public(text: str) -> bool:
    """Whether the IP address is one of the open internet, also where IPv6 wraps up an IPv4 address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address.version == network.version and address in network for network in _NO_TARGETS)
    )


def check_url(url: str) -> None:
    """Raise BadAddress, saying what to change, unless the URL is one that webhooks may be sent to now.

    Raises LookupUnfinished after `settings.WEBHOOKS_LOOKUP_SECONDS`.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise BadAddress(_("This is no address such as https://shop.example/webhooks."), attr="url") from error
    schemes = ("https", "http") if settings.WEBHOOKS_ALLOW_HTTP else ("https",)
    if parsed.scheme not in schemes or not parsed.host:
        raise BadAddress(_("Give an address that begins with https://."), attr="url")
    if parsed.userinfo:
        raise BadAddress(_("Leave user name and password out of the address; messages are signed."), attr="url")
    if parsed.fragment:
        raise BadAddress(_("Leave out what follows #: it is never sent."), attr="url")
    if parsed.port not in (None, 80, 443) and parsed.port not in _FREE_PORTS:
        raise BadAddress(_("Use port 443, or one from 1024 on."), attr="url")
    try:
        found = _look_up(parsed.raw_host.decode(), port_of(parsed))
    except (OSError, UnicodeError) as error:
        raise _not_public() from error
    vetted([str(row[4][0]) for row in found])


def _look_up(host: str, port: int) -> list[Any]:
    """What `socket.getaddrinfo` finds, within the time. It cannot be broken off: the thread of one that hangs is left
    behind and keeps its place until the system gives up. Raises what it raises, and LookupUnfinished.
    """
    seconds = settings.WEBHOOKS_LOOKUP_SECONDS
    end = time.monotonic() + seconds
    if not _lookups_left.acquire(timeout=seconds):
        raise _unfinished()
    answer: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answer.set_exception(error)
        finally:
            _lookups_left.release()

    threading.Thread(target=ask, name="webhooks-check", daemon=True).start()
    try:
        return answer.result(max(end - time.monotonic(), 0))
    except TimeoutError:
        if answer.done():
            return answer.result()  # in the last moment, or the resolver's own time-out
        raise _unfinished() from None


def _unfinished() -> LookupUnfinished:
    seconds = settings.WEBHOOKS_LOOKUP_SECONDS
    return LookupUnfinished(
        _("The host's name could not be looked up within %(seconds)g seconds. Try again in a moment.")
        % {"seconds": seconds},
        attr="url",
        retry_after_seconds=max(round(seconds), 1),
    )


def _not_public() -> BadAddress:
    # In one and the same words, or they would tell which names are known inside, and where they lead.
    return BadAddress(_("The host is not known, or not one of the public internet."), attr="url")


def port_of(url: httpx.URL) -> int:
    """The port that is connected to."""
    return url.port or {"http": 80}.get(url.scheme, 443)


def vetted(found: Sequence[str]) -> Sequence[str]:
    """The IP addresses, all of them. Raises BadAddress if any of them is not public, or there is none."""
    if not found:
        raise BadAddress(_("The host name has no address."), attr="url")
    if not settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES:
        for address in found:
            if not is_public(address):
                raise _not_public()
    return found


class VettedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the very addresses that were checked, so that a name that changes meanwhile leads nowhere else.

    TLS still proves the host's name: that comes from the URL, not from what is connected to.
    """

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to one of the host's addresses. Raises BadAddress and httpcore.ConnectError."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the host name {host} is not known: {error}") from error
        refused: Exception | None = None
        for address in vetted(list(dict.fromkeys(str(row[4][0]) for row in found)))[:3]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
        assert refused is not None  # noqa: S101 - there is at least one address
        raise refused

    async def sleep(self, seconds: float) -> None:
        """Wait between tries, as the pool asks."""
        await self._inner.sleep(seconds)
