"""How much personal data a person takes out by exports: a limit of rows a day, counted in the security log."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BigIntegerField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.access import log
from oms.common.errors import OmsError
from oms.common.models import SecurityEvent, SecurityEventKind

_LOCKS = 0x766F6C75  # the space of the advisory locks on what a person exported today


def midnight() -> datetime:
    """When the day began, in the site's time zone."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def left_today(user: Any) -> int:
    """How many rows with personal data the user may still export today."""
    today = SecurityEvent.objects.filter(
        user_key=user.pk, at__gte=midnight(), kind=SecurityEventKind.EXPORTED, values__personal=True
    )
    taken = today.aggregate(rows=Sum(Cast(KT("values__rows"), BigIntegerField()), default=0))["rows"]
    return max(0, settings.PERSONAL_ROWS_EXPORTED_A_DAY - taken)


def take(user: Any, job_id: int, title: str, rows: int, *, personal: bool) -> None:
    """Note in the log that a job exports so many rows; a job that begins anew is noted once. Raises OmsError, noted
    too, where they hold personal data and are more than the user may export today."""
    about = log.Subject("common.job", job_id, title)
    values = {"rows": rows, "personal": personal}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKS, user.pk % 2**31])
        counted = SecurityEvent.objects.filter(kind=SecurityEventKind.EXPORTED, user_key=user.pk)
        if counted.filter(subject_kind=about.kind, subject_id=job_id).exists():
            return
        left = left_today(user)
        if not personal or rows <= left:
            log.note(SecurityEventKind.EXPORTED, user, about=about, values=values)
            return
    log.note(SecurityEventKind.EXPORT_REFUSED, user, about=about, values=values)
    raise OmsError(
        _(
            "The file would hold %(rows)d rows with personal data; you may export %(left)d more today. Narrow the"
            " list, or export it without names, phones and addresses."
        )
        % {"rows": rows, "left": left}
    )
