"""The switch of everything that goes out: calls to other systems, webhooks, e-mail.

It is a row and not a setting, so that a restore can put it down in the same transaction as the data: what the backup's
instance did since nobody here knows, and only a person can say that it must happen (again). Whoever sends something
asks here: by `MAY_GO_OUT` in the statement that claims it, or by `is_stopped`.
"""

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.models import OutboundStop

# An SQL condition; the partial index that it reads is empty or has one row.
MAY_GO_OUT = "NOT EXISTS (SELECT FROM common_outboundstop stop WHERE stop.resumed_at IS NULL)"


class AlreadySo(OmsError):
    """It is stopped, or goes out, already."""

    code = "already_so"


def open_stop() -> OutboundStop | None:
    """The stop that is in force, if one is."""
    return OutboundStop.objects.filter(resumed_at=None).first()


def is_stopped() -> bool:
    """Whether nothing may go out."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT NOT {MAY_GO_OUT}")
        return cursor.fetchone()[0]


@transaction.atomic
def stop(*, by: str, note: str) -> OutboundStop:
    """Let nothing go out any more; what is on its way now still ends. Raises AlreadySo."""
    _lock()
    if open_stop():
        raise AlreadySo(_("What goes out is stopped already."))
    return OutboundStop.objects.create(reason=OutboundStop.Reason.BY_HAND, stopped_by=by, note=note)


@transaction.atomic
def resume(*, by: str) -> OutboundStop:
    """Let everything that waits go out; the row keeps who said so. Raises AlreadySo."""
    _lock()
    stopped = open_stop()
    if stopped is None:
        raise AlreadySo(_("What goes out is not stopped."))
    stopped.resumed_at, stopped.resumed_by = timezone.now(), by
    stopped.save(update_fields=["resumed_at", "resumed_by"])
    return stopped


def _lock() -> None:
    """One change at a time; who only asks is not kept waiting."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE common_outboundstop IN SHARE ROW EXCLUSIVE MODE")
