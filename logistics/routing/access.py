"""How couriers get to their page: by a link that staff give out, and a PIN that goes with it.

The link names the courier and its own number; a new one ends the one before. With the right PIN a browser is believed
for a working day.
"""

import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.core import signing
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.buyer.checking import TooManyTries
from logistics.models import Courier
from oms.common.errors import OmsError

VALID = timedelta(days=90)
DIGITS = 6
# Of 1,000,000 PINs so many may be tried in the time.
MOST_TRIES, WITHIN = 5, timedelta(minutes=15)
_COOKIE, _SALT, _BELIEVED = "oms_courier", "logistics.courier.known", timedelta(hours=14)
_SIGNER = signing.TimestampSigner(salt="logistics.courier")


class WrongPin(OmsError):
    """That is not the courier's PIN."""

    code = "wrong_pin"
    status_code = 403


@transaction.atomic
def give_link(courier_id: int) -> tuple[str, str]:
    """A new link (its whole address where this site knows its own, else the path) and PIN of a courier; those before
    open nothing any more. Raises Courier.DoesNotExist."""
    courier = Courier.objects.select_for_update(no_key=True).get(pk=courier_id)
    pin = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    courier.link_number += 1
    courier.pin = make_password(pin)
    courier.tries = 0
    courier.save(update_fields=["link_number", "pin", "tries"])
    return f"{settings.PUBLIC_URL}{path_of(courier)}", pin


def path_of(courier: Courier) -> str:
    """The path of the courier's page by the link that was given out last."""
    return reverse("courier", args=[_SIGNER.sign(_name(courier))])


def courier_of(token: str) -> Courier | None:
    """Whose link it is; None for one that was made up, is over, or was followed by a newer one, and for a courier who
    does not work here any more."""
    try:
        name = _SIGNER.unsign(token, max_age=VALID)
    except signing.BadSignature:
        return None
    key, _dot, number = name.partition(".")
    found = Courier.objects.select_related("station", "vehicle").filter(pk=key, link_number=number, is_active=True)
    return found.exclude(pin="").first()


def check(courier: Courier, pin: str) -> None:
    """Whether it is the courier's PIN. Each try counts before it is looked at. Raises WrongPin and TooManyTries."""
    if _tries(courier.pk) > MOST_TRIES:
        minutes = int(WITHIN.total_seconds() // 60)
        text = _("That was tried too often. Wait %(minutes)d minutes.") % {"minutes": minutes}
        raise TooManyTries(text, attr="pin")
    if not check_password(pin.strip(), courier.pin):
        raise WrongPin(_("That is not the PIN of this link."), attr="pin")
    Courier.objects.filter(pk=courier.pk).update(tries=0)


def _tries(courier_id: int) -> int:
    """Count a try; how many there were in the time, this one included. One statement, so that none slips by."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_courier SET
                tries = CASE WHEN tries = 0 OR tries_since < %(first)s THEN 1 ELSE least(tries + 1, 1000000) END,
                tries_since = CASE WHEN tries = 0 OR tries_since < %(first)s THEN %(now)s ELSE tries_since END
            WHERE id = %(id)s RETURNING tries
            """,
            {"id": courier_id, "now": now, "first": now - WITHIN},
        )
        return int(cursor.fetchone()[0])


def believe(response: HttpResponse, courier: Courier, path: str) -> None:
    """Let the browser see the courier's pages, below this path, for a working day."""
    response.set_signed_cookie(
        *(_COOKIE, _name(courier), _SALT),
        max_age=int(_BELIEVED.total_seconds()),
        path=path,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def is_believed(request: HttpRequest, courier: Courier) -> bool:
    """Whether the browser gave the PIN of this link."""
    seconds = int(_BELIEVED.total_seconds())
    return request.get_signed_cookie(_COOKIE, "", _SALT, max_age=seconds) == _name(courier)


def _name(courier: Courier) -> str:
    return f"{courier.pk}.{courier.link_number}"
