"""Whether somebody with an order's link is its buyer: who knows the end of the recipient's or the buyer's phone.

A signed link is passed on, printed and photographed. So it alone tells nothing; a browser that gave the right four
digits is believed for a day.
"""

import re
from datetime import timedelta
from hmac import compare_digest

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from orders.models import Order

DIGITS = 4
# Of 10,000 possible ends so many may be tried in the time.
MOST_TRIES, WITHIN = 5, timedelta(hours=1)
_COOKIE, _SALT, _BELIEVED = "oms_track", "logistics.track.known", timedelta(days=1)


class WrongDigits(OmsError):
    """They are not the end of a phone of the order."""

    code = "wrong_digits"


class TooManyTries(OmsError):
    """Nobody may try again before a while has passed."""

    code = "too_many_tries"
    status_code = 429


def ends_of(order: Order) -> set[str]:
    """The ends of the order's phones; empty where it has none, and then nobody is believed. What is masked has no end
    that only the buyer knows, unless the mask leaves it: 138****8000 does."""
    found = set()
    for phone in (order.recipient_phone, order.buyer_phone):
        digits = re.sub(r"[^0-9*xX]", "", phone or "")[-DIGITS:]
        if len(digits) == DIGITS and digits.isdigit():
            found.add(digits)
    return found


def check(order: Order, digits: str) -> None:
    """Whether the digits are the end of a phone of the order. Each try counts before it is looked at.

    Raises WrongDigits and TooManyTries.
    """
    if _tries(order.pk) > MOST_TRIES:
        minutes = int(WITHIN.total_seconds() // 60)
        text = _("That was tried too often. Wait %(minutes)d minutes.") % {"minutes": minutes}
        raise TooManyTries(text, attr="digits")
    given = digits.strip()
    if not any(compare_digest(given.encode(), end.encode()) for end in ends_of(order)):
        raise WrongDigits(_("These are not the last four digits of the recipient's phone."), attr="digits")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM logistics_phonecheck WHERE order_id = %s", [order.pk])


def _tries(order_id: int) -> int:
    """Count a try; how many there were in the time, this one included. One statement, so that none slips by."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_phonecheck AS c (order_id, tries, since) VALUES (%(order)s, 1, %(now)s)
            ON CONFLICT (order_id) DO UPDATE SET
                tries = CASE WHEN c.since < %(first)s THEN 1 ELSE least(c.tries + 1, 1000000) END,
                since = CASE WHEN c.since < %(first)s THEN %(now)s ELSE c.since END
            RETURNING tries
            """,
            {"order": order_id, "now": now, "first": now - WITHIN},
        )
        return int(cursor.fetchone()[0])


def believe(response: HttpResponse, order: Order, path: str) -> None:
    """Let the browser see the order's page, at this path, for a day."""
    seconds = int(_BELIEVED.total_seconds())
    response.set_signed_cookie(
        *(_COOKIE, order.number, _SALT),
        max_age=seconds,
        path=path,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def is_believed(request: HttpRequest, order: Order) -> bool:
    """Whether the browser gave the right digits for this order within a day."""
    seconds = int(_BELIEVED.total_seconds())
    return request.get_signed_cookie(_COOKIE, "", _SALT, max_age=seconds) == order.number
