"""Calls that create something happen once, however often they are sent.

A call runs in one transaction with the record of its answer: both are there after a crash, or neither. While it runs
it holds an advisory lock on its key, so that a copy is told at once to come again, and a process that dies holds
nothing up. The unique constraint has the last word.

Keys belong to the merchant, not to its credential: a call that is repeated with a new credential is still the same.
Every answer below 500 is kept, refusals by the operation too; what refused the call before it began (who calls, how
often, without a key) is not.
"""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import DataError, IntegrityError, connection, transaction
from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from oms.common.api_errors import InvalidInput
from oms.common.errors import FieldError
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


def answer_once(
    view: APIView, request: Request, merchant_id: int, handler: Callable[[], Response | HttpResponse]
) -> HttpResponse:
    """The handler's answer, or the one that an earlier copy of the call got.

    What the database refuses is tried once more from the start, with `request.is_second_try` set: most likely another
    transaction did the same just now, and the handler finds it. So the handler needs no savepoint at its first try.

    Raises InvalidInput without a key, KeyUsedOtherwise, and KeyInUse while a copy is running.
    """
    key = _key(request)
    fingerprint = _fingerprint(request)
    seals = getattr(view, "answers_a_secret", False)
    request.is_second_try = False
    while True:
        try:
            with transaction.atomic():
                kept = _look(merchant_id, key, fingerprint)
                if kept is not None:
                    return kept
                answer = _rendered(request, handler())
                if answer.status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
                    transaction.set_rollback(True)
                else:
                    _keep(merchant_id, key, fingerprint, answer, seals=seals)
                return answer
        except (KeyInUse, KeyUsedOtherwise):
            raise
        except _Overtaken:
            continue
        except Exception as error:
            if isinstance(error, IntegrityError | DataError) and not request.is_second_try:
                request.is_second_try = True
                continue
            refusal = _rendered(request, view.handle_exception(error))
            if refusal.status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
                return refusal
            try:
                _keep(merchant_id, key, fingerprint, refusal)
            except _Overtaken:
                continue
            return refusal


def purge(batch: int = 1000) -> int:
    """Delete records that are older than the settings say, oldest first and at most `batch`; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM merchants_idempotencyrecord WHERE id IN (
                SELECT id FROM (
                    SELECT id, created_at FROM merchants_idempotencyrecord ORDER BY id LIMIT %s) AS oldest
                WHERE created_at < now() - %s)
            """,
            [batch, timedelta(seconds=settings.IDEMPOTENCY_KEPT_SECONDS)],
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


def _lock_number(merchant_id: int, key: str) -> int:
    digest = hashlib.blake2b(f"idempotency {merchant_id} {key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _look(merchant_id: int, key: str, fingerprint: bytes) -> HttpResponse | None:
    """The kept answer, or None with the key locked until the transaction ends. Raises KeyInUse, KeyUsedOtherwise.

    The statement sees what was committed before it began. An answer that is committed between that and its lock is
    met by `_keep`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.locked, r.fingerprint, r.status, r.headers::text, r.body
            FROM (SELECT pg_try_advisory_xact_lock(%s) AS locked) AS l
            LEFT JOIN merchants_idempotencyrecord r ON r.merchant_id = %s AND r.key = %s
            """,
            [_lock_number(merchant_id, key), merchant_id, key],
        )
        locked, known, answered, headers, body = cursor.fetchone()
    if known is None:
        if not locked:
            raise KeyInUse(_("A call with this idempotency key is running. Repeat it in a moment."))
        return None
    if bytes(known) != fingerprint:
        detail = _("This idempotency key belongs to a call of another address or body. Use a new key.")
        raise KeyUsedOtherwise(detail)
    kept = json.loads(headers)
    text = unseal(body) if kept.pop(_SEALED, False) else bytes(body)
    answer = HttpResponse(text, status=answered, headers=kept)
    answer[REPLAYED] = "true"
    return answer


def _keep(merchant_id: int, key: str, fingerprint: bytes, answer: HttpResponse, *, seals: bool = False) -> None:
    """Write the record of the answer, sealed where it holds a secret. Raises _Overtaken where the key has one."""
    headers: dict[str, object] = {name: answer[name] for name in ("Content-Type", *_KEPT) if name in answer}
    body = answer.content
    if seals:
        headers[_SEALED] = True
        body = seal(body.decode())
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO merchants_idempotencyrecord (merchant_id, key, fingerprint, status, headers, body)
            VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
            """,
            [merchant_id, key, fingerprint, answer.status_code, json.dumps(headers), body],
        )
        if not cursor.rowcount:
            raise _Overtaken


def _rendered(request: Request, response: Response | HttpResponse) -> HttpResponse:
    """The answer as it goes out, so that it can be kept."""
    if not isinstance(response, Response):
        return response
    body = request.accepted_renderer.render(response.data) if response.data is not None else b""
    answer = HttpResponse(body, status=response.status_code, headers=dict(response.items()))
    answer.headers.setdefault("Content-Language", get_language() or "")
    if body:
        answer["Content-Type"] = "application/json"
    else:
        del answer["Content-Type"]
    return answer
