"""Locking a return: its order first, as everywhere; and writing it down."""

import re
from typing import Any

from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.work import nudging
from orders import kinds
from orders.actors import Actor
from orders.kinds import EventKind
from orders.locking import lock_order
from orders.models import Exchange, OrderEvent, ReturnKind, ReturnLine, ReturnRequest
from orders.telling import timeline

# The stage above that follows exchanges.
EXCHANGES = "exchanges"


class NotNow(OmsError):
    """The return is not where that could be done."""

    code = "not_now"


def lock_return(return_id: int, *, version: int | None = None) -> ReturnRequest:
    """The return, locked with its order. Needs an open transaction. Raises ReturnRequest.DoesNotExist, and
    ChangedMeanwhile if a `version` is given and is not the return's any more."""
    lock_order(ReturnRequest.objects.values_list("order_id", flat=True).get(pk=return_id))
    rows = ReturnRequest.objects.select_related("reason", "sub_order__warehouse", "sub_order__merchant", "warehouse")
    row = rows.select_for_update(no_key=True, of=("self",)).get(pk=return_id)
    if version is not None and row.version != version:
        raise ChangedMeanwhile(_what_happened(row))
    return row


def _what_happened(row: ReturnRequest) -> str:
    """What somebody else did to the return last, for who looked at it before that."""
    event = OrderEvent.objects.filter(order_id=row.order_id, data__number=row.number).order_by("-pk").first()
    said = kinds.tell(event) if event else row.get_state_display()
    text = _("Somebody else changed this meanwhile: %(what)s Look at it again, and repeat if need be.")
    return text % {"what": said}


def lines_of(row: ReturnRequest) -> list[ReturnLine]:
    """The lines of the return with what they are of, in their order. One statement."""
    return list(row.lines.select_related("sub_order_line__order_line__sku").order_by("pk"))


def require(row: ReturnRequest, *states: str) -> None:
    """Raises NotNow where the return is in none of the states."""
    if row.state not in states:
        text = _("That cannot be done with a return in this state: %(state)s.")
        raise NotNow(text % {"state": row.get_state_display()})


def read_waybill(typed: str) -> str:
    """A waybill number as somebody typed it: letters, digits, and hyphens as some carriers have. Raises OmsError for
    what is none."""
    number = "".join(typed.split()).upper()[:40]
    if not re.fullmatch("[A-Z0-9][A-Z0-9-]*", number):
        raise OmsError(_("Give the waybill number: letters and digits."), attr="waybill")
    return number


def save(row: ReturnRequest, kind: EventKind, actor: Actor, **data: Any) -> None:
    """Write the locked return down, and tell it on the order's timeline."""
    row.updated_at = timezone.now()
    row.save()
    # The database counts it.
    row.refresh_from_db(fields=["version"])
    mark_exchange(row)
    timeline.record(row.order_id, kind, actor, sub_order_id=row.sub_order_id, number=row.number, **data)


def mark_exchange(row: ReturnRequest) -> None:
    """Where the return is exchanged, have its exchange looked at: something of it changed."""
    if row.kind == ReturnKind.EXCHANGE:
        Exchange.objects.filter(return_request=row).update(due_since=Coalesce("due_since", Now()))
        nudging.nudge(EXCHANGES)
