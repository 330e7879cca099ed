"""Calling the API: signs each call, gives what creates something a key, and repeats what may safely be repeated."""

import http.client
import json
import random
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from oms.client import signing

# The server may have done it or not, or will do it later: the same call again finds out.
_PASSING = frozenset({429, 500, 502, 503, 504})
_KEY_IN_USE = "idempotency_key_in_use"
_ADDRESS = "%/?&=+:,;@~[]!$'()*"
_LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its status, headers, and decoded body (None where there is none)."""

    status: int
    headers: Message
    data: Any

    @property
    def was_replayed(self) -> bool:
        """Whether the call had been answered before, so that this one did nothing."""
        return self.headers.get("Idempotent-Replayed") == "true"


class ApiError(Exception):
    """The server refused the call. `errors` has what is wrong: `code`, `detail` and `attr` of each."""

    def __init__(self, status: int, data: Any, headers: Message) -> None:
        self.status = status
        self.data = data
        self.headers = headers
        self.errors: list[dict[str, Any]] = data.get("errors", []) if isinstance(data, dict) else []
        self.request_id = headers.get("X-Request-ID", "")
        told = "; ".join(
            f"{error.get('attr') or error.get('code')}: {error.get('detail')}" for error in self.errors
        ) or str(data)
        super().__init__(f"{status} {told}")

    @property
    def codes(self) -> set[str]:
        """The codes of what is wrong."""
        return {str(error.get("code")) for error in self.errors}


class Unreachable(Exception):
    """The server did not answer, also not when asked again; whether it did something is not known."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A signature is good for one address: a redirect is shown, not followed."""

    def redirect_request(self, *_args: object, **_options: object) -> None:
        return None


@dataclass
class Client:
    """One merchant's access to the OMS at `base_url`.

    A call that gets no answer, or one of a passing trouble, is repeated up to `attempts` times: reads, and POSTs, which
    carry the same Idempotency-Key each time. Other writes are sent once.
    """

    base_url: str
    app_key: str
    secret: str = field(repr=False)
    timeout_seconds: float = 15.0
    attempts: int = 4
    language: str = "en"

    def __post_init__(self) -> None:
        self.base_url = self.base_url.rstrip("/")
        if urlsplit(self.base_url).scheme not in ("http", "https"):
            raise ValueError(f"{self.base_url!r} is no address: it must begin with https:// or http://.")
        self._opener = urllib.request.build_opener(_NoRedirects)

    def create_order(self, order: Mapping[str, Any], *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Send one order and return it as the OMS keeps it. Raises ApiError, naming every wrong field."""
        return self.request("POST", "/api/v1/orders", body=order, idempotency_key=idempotency_key).data

    def create_orders(
        self, orders: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[dict[str, Any]]:
        """Send up to 1,000 orders; returns one result for each: `created`, `duplicate` or `refused`."""
        body = {"orders": list(orders)}
        answer = self.request("POST", "/api/v1/orders/bulk", body=body, idempotency_key=idempotency_key)
        return answer.data["results"]

    def get_order(self, number: str) -> dict[str, Any]:
        """One order with its lines, sub-orders, holds and timeline. Raises ApiError (404)."""
        return self.request("GET", f"/api/v1/orders/{number}").data

    def list_orders(self, **filters: str) -> Iterator[dict[str, Any]]:
        """The orders for which the filters hold, newest first, page after page."""
        return self.pages("/api/v1/orders", filters)

    def pages(self, path: str, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """The rows of a list, following `next`."""
        target: str | None = path + (f"?{urlencode(query)}" if query else "")
        while target:
            page = self.request("GET", target).data
            yield from page["results"]
            following = urlsplit(page["next"] or "")
            path = following.path.removeprefix(urlsplit(self.base_url).path)
            target = f"{path}?{following.query}" if page["next"] else None

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        idempotency_key: str | None = None,
        if_match: str = "",
    ) -> Answer:
        """Make a call. `body` is sent as JSON, bytes as they are.

        Raises ApiError for a refusal and Unreachable where no answer came.
        """
        method = method.upper()
        # Beyond ASCII is percent-encoded; what is so already stays.
        url = quote(self.base_url + path, safe=_ADDRESS) + (f"?{urlencode(query)}" if query else "")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if method == "POST":
            idempotency_key = idempotency_key or str(uuid.uuid4())
        attempts = self.attempts if method in ("GET", "HEAD", "POST") else 1
        for attempt in range(1, attempts + 1):
            try:
                return self._send(method, url, raw, idempotency_key or "", if_match)
            except ApiError as error:
                if attempt == attempts or not (error.status in _PASSING or _KEY_IN_USE in error.codes):
                    raise
                self._wait(attempt, error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException) as error:
                if attempt == attempts:
                    raise Unreachable(f"{method} {url}: {error}") from error
                self._wait(attempt, None)
        raise AssertionError("at least one attempt is made")

    def _send(self, method: str, url: str, body: bytes, idempotency_key: str, if_match: str) -> Answer:
        headers = {
            "Accept": "application/json",
            "Accept-Language": self.language,
            "Authorization": signing.authorization(
                self.app_key, self.secret, method, url, body, idempotency_key=idempotency_key, if_match=if_match
            ),
        }
        if body:
            headers["Content-Type"] = "application/json"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        if if_match:
            headers["If-Match"] = if_match
        call = urllib.request.Request(url, body or None, headers, method=method)  # noqa: S310 - checked above
        try:
            with self._opener.open(call, timeout=self.timeout_seconds) as answer:
                return Answer(answer.status, answer.headers, _decoded(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, _decoded(error.read()), error.headers) from None

    @staticmethod
    def _wait(attempt: int, retry_after: str | None) -> None:
        """As long as the server says, else a second, two, four …, and a little by chance."""
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else 0.5 * 2**attempt
        time.sleep(min(seconds, _LONGEST_WAIT_SECONDS) * random.uniform(0.75, 1.25))  # noqa: S311 - no secret


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode("utf-8", "replace")
