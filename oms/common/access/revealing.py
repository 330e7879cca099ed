"""Looking at personal data that pages mask: with a reason, in the security log, counted for each person.

Many looks in an hour call a supervisor by a ticket; above a number a day no more are given. What somebody looked at
stays open to them for some minutes, so that work on it needs no second look.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import tickets
from oms.common.access import log, volume
from oms.common.access.words import REASONS
from oms.common.errors import OmsError
from oms.common.models import SecurityEvent, SecurityEventKind, Team
from oms.common.tickets import Shown

OTHER = "other"
WHY = {
    "on_the_phone": gettext_lazy("The buyer is on the phone"),
    "delivery": gettext_lazy("To clear up the delivery"),
    "address": gettext_lazy("To check the address"),
    "after_sales": gettext_lazy("Complaint or return"),
    "payment": gettext_lazy("Payment, refund or invoice"),
    "fraud": gettext_lazy("Suspicion of fraud"),
    OTHER: gettext_lazy("Another reason, named beside"),
}
REASONS.add(WHY)
_LOCKS = 0x6C6F6F6B  # the space of the advisory locks on a person's looks
_OPENED_BY = "security_log"


def _shown(keys: Collection[int]) -> Mapping[int, Shown]:
    names = dict(User.objects.filter(pk__in=keys).values_list("pk", "username"))
    address = reverse("admin:common_securityevent_changelist")
    return {key: Shown(name, f"{address}?q={name}") for key, name in names.items()}


tickets.register_subject("user", _shown)
MANY_LOOKS = tickets.register_kind(
    tickets.TicketKind(
        "many_looks",
        gettext_lazy("Many looks at personal data"),
        "user",
        team=Team.SERVICE,
        due_within=timedelta(hours=4),
        reasons={"": gettext_lazy("%(person)s looked at the personal data of %(count)s orders within an hour.")},
        remedies=gettext_lazy(
            "See in the security log what was looked at and why. Ask the person; if nobody can explain it, switch the"
            " user off."
        ),
        can_retry=False,
    )
)


class TooManyLooks(OmsError):
    """The person has looked at as much today as anybody may."""

    code = "too_many_looks"
    status_code = 403


def reveal(request: HttpRequest, about: log.Subject, *, reason: str, remark: str = "") -> None:
    """Open what is masked of the row to the person for some minutes. In the running transaction. Raises OmsError
    for a reason that there is not and another one that is not named, and TooManyLooks."""
    if reason not in WHY:
        raise OmsError(_("Choose a reason."), attr="reason")
    if reason == OTHER and not remark.strip():
        raise OmsError(_("Name the reason."), attr="note")
    user: Any = request.user
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKS, user.pk % 2**31])
    looks = SecurityEvent.objects.filter(kind=SecurityEventKind.REVEALED, user_key=user.pk)
    if looks.filter(at__gte=volume.midnight()).count() >= settings.PERSONAL_DATA_LOOKS_A_DAY:
        raise TooManyLooks(
            _("You have looked at the personal data of %(count)d orders today; nobody may look at more in a day.")
            % {"count": settings.PERSONAL_DATA_LOOKS_A_DAY}
        )
    log.note(SecurityEventKind.REVEALED, user, request=request, about=about, reason=reason, remark=remark.strip()[:200])
    recent = looks.filter(at__gt=timezone.now() - timedelta(hours=1)).count()
    if recent >= settings.PERSONAL_DATA_LOOKS_ALERT_AN_HOUR:
        trouble = tickets.Trouble(user.pk, "", {"person": user.get_username(), "count": recent})
        tickets.open_tickets(MANY_LOOKS, [trouble], opened_by=_OPENED_BY)


def note_refusal(request: HttpRequest, about: log.Subject) -> None:
    """Keep that a look was refused; after the transaction that refused it."""
    log.note(SecurityEventKind.REVEAL_REFUSED, request.user, request=request, about=about)


def is_open(user: Any, kind: str, key: int) -> bool:
    """Whether the person has looked at the row just now. One statement."""
    since = timezone.now() - timedelta(seconds=settings.PERSONAL_DATA_OPEN_SECONDS)
    looks = SecurityEvent.objects.filter(kind=SecurityEventKind.REVEALED, user_key=user.pk, at__gt=since)
    return looks.filter(subject_kind=kind, subject_id=key).exists()
