"""Calls that create something happen once, however often they are sent.

A call runs in one transaction with the record of its answer: both are there after a crash, or neither. A call that is
known to need no more than a few rows is one statement. While the transaction or the statement runs it holds an advisory
lock on its key, so that a copy is told at once to come again, and a process that dies holds nothing up. The unique
constraint has the last word.

Keys belong to the merchant, not to its credential: a call that is repeated with a new credential is still the same.
Every answer below 500 is kept, refusals by the operation too; what refused the call before it began (who calls, how
often, without a key) is not.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings
from django.db import DataError, IntegrityError, connection, transaction
from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.copying import Rows, write_at_once, write_new
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from oms.common.postgresql.preparing import fetch_prepared
from oms.common.secrecy import seal, unseal

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
RETRY_SECONDS = 1
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
# Headers that belong to the answer and not to the call that gets it.
_KEPT = ("Location", "ETag", "Content-Language")
# Stands among the kept headers of an answer whose body is sealed, and goes out with none.
_SEALED = "sealed"


class KeyInUse(APIException):
    """Another copy of the call is running now."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "idempotency_key_in_use"
    wait = RETRY_SECONDS


class KeyUsedOtherwise(APIException):
    """The key answered a call of another method, address or body."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"


class _Overtaken(Exception):
    """A copy of the call was answered while this one ran; what this one did is undone."""


@dataclass(frozen=True, slots=True)
class PlannedAnswer:
    """The answer to a call of which it is known what it writes; `announce` is called once that is written."""

    answer: HttpResponse
    tables: Sequence[Rows]
    announce: Callable[[], None]


class AnsweringView(Protocol):
    """What answering once needs to know of a view: see `calls.views.MerchantView`."""

    answers_a_secret: bool

    @property
    def plan_post(self) -> Callable[[Request], PlannedAnswer | None] | None:
        """Works out what the call writes and answers, where that is known beforehand."""

    def handle_exception(self, error: Exception) -> Response | HttpResponse:
        """The answer to what went wrong."""


@dataclass(frozen=True, slots=True)
class _Call:
    merchant_id: int
    key: str
    fingerprint: bytes
    answers_a_secret: bool

    @property
    def lock(self) -> int:
        """The number of the advisory lock that a running call holds."""
        digest = hashlib.blake2b(f"idempotency {self.merchant_id} {self.key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)

    def record(self, answer: HttpResponse) -> Rows:
        """The row that keeps the answer, sealed where it holds a secret."""
        headers: dict[str, object] = {name: answer[name] for name in ("Content-Type", *_KEPT) if name in answer}
        body = answer.content
        if self.answers_a_secret:
            headers[_SEALED] = True
            body = seal(body.decode())
        kept = {
            "merchant_id": self.merchant_id,
            "key": self.key,
            "fingerprint": _bytea(self.fingerprint),
            "status": answer.status_code,
            "headers": headers,
            "body": _bytea(body),
        }
        return Rows("merchants_idempotencyrecord", [kept])


def answer_once(
    view: AnsweringView, request: Request, merchant_id: int, handler: Callable[[], Response | HttpResponse]
) -> HttpResponse:
    """The handler's answer, or the one that an earlier copy of the call got.

    Where the view has a plan for the call (`plan_post`), that is carried out instead. What the database refuses is
    tried once more from the start: most likely another transaction did the same just now, and the handler finds it.

    Raises InvalidInput without a key, KeyUsedOtherwise, and KeyInUse while a copy is running.
    """
    call = _Call(merchant_id, _key(request), _fingerprint(request), view.answers_a_secret)
    tries = 2
    has_plan = view.plan_post is not None
    while True:
        try:
            if has_plan:
                has_plan = False
                answer = _carry_out(view, request, call)
                if answer is not None:
                    return answer
            with transaction.atomic():
                kept = _look(call)
                if kept is not None:
                    return kept
                answer = _rendered(request, handler())
                if answer.status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
                    transaction.set_rollback(True)
                else:
                    _keep(call, answer)
                return answer
        except (KeyInUse, KeyUsedOtherwise):
            raise
        except _Overtaken:
            continue
        except Exception as error:
            tries -= 1
            if isinstance(error, IntegrityError | DataError) and tries:
                continue
            refusal = _rendered(request, view.handle_exception(error))
            if refusal.status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
                return refusal
            try:
                _keep(call, refusal)
            except _Overtaken:
                continue
            return refusal


def _carry_out(view: AnsweringView, request: Request, call: _Call) -> HttpResponse | None:
    """The answer to a call that the view has a plan for, or the kept one; None where there is no plan.

    Raises KeyInUse, KeyUsedOtherwise, and what the database refuses.
    """
    kept = _look(call)
    if kept is not None:
        return kept
    planned = view.plan_post(request) if view.plan_post else None
    if planned is None:
        return None
    answer = _rendered(request, planned.answer)
    if not write_at_once(*planned.tables, call.record(answer), lock=call.lock):
        raise _in_use()
    planned.announce()
    return answer


def purge(batch: int = 1000) -> int:
    """Delete records that are older than the settings say, oldest first and at most `batch`; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM merchants_idempotencyrecord WHERE id IN (
                SELECT id FROM (
                    SELECT id, created_at FROM merchants_idempotencyrecord ORDER BY id LIMIT %s) AS oldest
                WHERE created_at < now() - make_interval(secs => %s))
            """,
            [batch, settings.IDEMPOTENCY_KEPT_SECONDS],
        )
        return cursor.rowcount


def _key(request: Request) -> str:
    key = request.META.get("HTTP_IDEMPOTENCY_KEY", "")
    if not key:
        detail = _(
            "Send the header Idempotency-Key: a text of your own for this call, such as a UUID, and the same one when"
            " you repeat the call."
        )
        raise InvalidInput([FieldError(HEADER, "idempotency_key_required", detail)])
    if not _KEY.fullmatch(key):
        detail = _("Use 1 to 255 printable ASCII characters without spaces.")
        raise InvalidInput([FieldError(HEADER, "invalid_idempotency_key", detail)])
    return key


def _fingerprint(request: Request) -> bytes:
    """What makes two calls the same: method, address and body. Raises RequestDataTooBig."""
    http = request._request
    head = f"{http.method}\n{http.path}\n{http.META.get('QUERY_STRING', '')}\n{http.META.get('CONTENT_TYPE', '')}\n"
    return hashlib.sha256(head.encode("utf-8", "surrogatepass") + http.body).digest()


def _look(call: _Call) -> HttpResponse | None:
    """The kept answer, or None, with the key locked until the transaction ends where there is one.

    Raises KeyInUse and KeyUsedOtherwise. The statement sees what was committed before it began. An answer that is
    committed between that and its lock is met when the record is written.
    """
    ((locked, known, answered, headers, body),) = fetch_prepared(
        """
        SELECT l.locked, r.fingerprint, r.status, r.headers::text, r.body
        FROM (SELECT pg_try_advisory_xact_lock(%s) AS locked) AS l
        LEFT JOIN merchants_idempotencyrecord r ON r.merchant_id = %s AND r.key = %s
        """,
        [call.lock, call.merchant_id, call.key],
    )
    if known is None:
        if not locked:
            raise _in_use()
        return None
    if bytes(known) != call.fingerprint:
        detail = _("This idempotency key belongs to a call of another address or body. Use a new key.")
        raise KeyUsedOtherwise(detail)
    kept = json.loads(headers)
    text = unseal(body) if kept.pop(_SEALED, False) else bytes(body)
    answer = HttpResponse(text, status=answered, headers=kept)
    answer[REPLAYED] = "true"
    return answer


def _keep(call: _Call, answer: HttpResponse) -> None:
    """Write the record of the answer. Raises _Overtaken where the key has one."""
    if not write_new(call.record(answer)):
        raise _Overtaken


def _in_use() -> KeyInUse:
    return KeyInUse(_("A call with this idempotency key is running. Repeat it in a moment."))


def _bytea(content: bytes) -> str:
    """As PostgreSQL reads it from a text."""
    return f"\\x{content.hex()}"


def _rendered(request: Request, response: Response | HttpResponse) -> HttpResponse:
    """The answer as it goes out, so that it can be kept."""
    answer = response
    if isinstance(response, Response):
        body = request.accepted_renderer.render(response.data) if response.data is not None else b""
        answer = HttpResponse(body, status=response.status_code, headers=dict(response.items()))
        if body:
            answer["Content-Type"] = "application/json"
        else:
            del answer["Content-Type"]
    answer.headers.setdefault("Content-Language", get_language() or "")
    return answer
