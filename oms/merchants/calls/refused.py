"""Keeping what was refused, for the merchant's page of refused calls.

Only refusals are written, by one statement each, so that calls that are answered pay nothing; a program that is refused
all the time is kept some times a second, and no merchant has more than the newest `MOST_OF_A_MERCHANT`.
"""

import json
import logging
import re
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from oms.common.door.requests import request_id
from oms.common.masking import mask_text
from oms.merchants.models import RefusedCall

logger = logging.getLogger(__name__)

MOST_OF_A_MERCHANT = 2000
_BURST, _A_SECOND = 20.0, 2.0
_MOST_KNOWN = 1000
_KEY = re.compile(r"key=([0-9A-Za-z_-]{1,64})")
_left: dict[str, tuple[float, float]] = {}


def note(request: HttpRequest, credential_id: int | None, status: int, answer: Any) -> None:
    """Keep a refused call of the credential; where nobody was admitted, of the one whose app key it names."""
    key = _KEY.search(request.META.get("HTTP_AUTHORIZATION", ""))
    who = ("c.id", credential_id) if credential_id is not None else ("c.app_key", key[1] if key else "")
    if not who[1] or not _may_keep(str(who[1])):
        return
    first, count = _first(answer)
    values = {
        "who": who[1],
        "method": (request.method or "")[:10],
        "path": _shown(request)[:200],
        "status": status,
        "code": str(first.get("code") or "")[:60],
        "attr": str(first.get("attr") or "")[:120],
        "detail": mask_text(str(first.get("detail") or ""))[:400],
        "errors": min(count, 32_000),
        "request": request_id(request),
    }
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO merchants_refusedcall
                    (merchant_id, credential_id, method, path, status, code, attr, detail, errors, request_id)
                SELECT c.merchant_id, c.id, %(method)s, %(path)s, %(status)s, %(code)s, %(attr)s, %(detail)s,
                    %(errors)s, %(request)s
                FROM merchants_apicredential c WHERE {who[0]} = %(who)s
                """,
                {
                    name: value.replace("\0", "\ufffd") if isinstance(value, str) else value
                    for name, value in values.items()
                },
            )
    except DatabaseError:
        # The answer is what counts.
        logger.warning("a refused call could not be kept", exc_info=True)


def data_of(answer: HttpResponse) -> Any:
    """What an answer says, decoded; None where that is no JSON."""
    if hasattr(answer, "data"):
        return answer.data
    try:
        return json.loads(answer.content)
    except (ValueError, AttributeError):
        return None


def _may_keep(who: str) -> bool:
    """Whether one more may be kept now: so many at once, then some a second, of each credential and process."""
    now = time.monotonic()
    left, at = _left.get(who, (_BURST, now))
    left = min(_BURST, left + (now - at) * _A_SECOND)
    if len(_left) > _MOST_KNOWN:
        _left.clear()
    _left[who] = (left - 1 if left >= 1 else left, now)
    return left >= 1


def _first(answer: Any) -> tuple[Mapping[str, Any], int]:
    """The first error of an answer, and how many there are; LOC's answers have a code and a message."""
    if not isinstance(answer, Mapping):
        return {}, 1
    errors = answer.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], Mapping):
        return errors[0], len(errors)
    return {"code": answer.get("code"), "detail": answer.get("message")}, 1


def _shown(request: HttpRequest) -> str:
    """The address, with the names of its parameters only: their values may be anybody's name or phone."""
    names = dict(parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True, max_num_fields=None))
    query = "&".join(f"{mask_text(name)}=…" for name in names)
    return mask_text(request.path) + (f"?{query}" if query else "")


def forget() -> int:
    """Delete what is older than `settings.API_REFUSALS_KEPT_DAYS` days, and what is beyond the newest of a merchant;
    returns how many."""
    old = timezone.now() - timedelta(days=settings.API_REFUSALS_KEPT_DAYS)
    deleted = RefusedCall.objects.filter(at__lt=old).delete()[0]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM merchants_refusedcall r USING (
                SELECT m.id AS merchant_id, (
                    SELECT c.id FROM merchants_refusedcall c WHERE c.merchant_id = m.id
                    ORDER BY c.id DESC OFFSET %s LIMIT 1) AS last
                FROM merchants_merchant m
            ) AS beyond
            WHERE r.merchant_id = beyond.merchant_id AND r.id <= beyond.last
            """,
            [MOST_OF_A_MERCHANT],
        )
        return deleted + cursor.rowcount
