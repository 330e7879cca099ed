"""A repair that cannot be done: its return goes on as one for which money, or the same goods anew, are given."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from orders.actors import Actor
from orders.models import ActorKind, MoneyState, PaysOn, ReturnFinding, ReturnKind, ReturnRequest, ReturnState
from orders.models.return_request import EXPECTED, RESTOCKED
from orders.returning import deciding, exchanging, inspecting, kinds, locking, serials
from orders.returning.locking import lines_of, lock_return, require
from orders.returning.trouble import REPAIR_TO_SEND

# What the buyer may get in its place.
INSTEAD = (ReturnKind.RETURN_AND_REFUND, ReturnKind.EXCHANGE)
# In these a repair may turn out to be impossible.
BEFORE_ITS_END = (*EXPECTED, ReturnState.RECEIVED, ReturnState.INSPECTED)


@transaction.atomic
def give_up(
    return_id: int,
    *,
    instead: str,
    reason: str,
    actor: Actor,
    version: int | None = None,
    named: serials.Serials | None = None,
    wants_all_serials: bool = True,
) -> ReturnRequest:
    """The goods cannot be repaired: the return becomes one of the kind `instead`. What inspection found goes into the
    warehouse's stock now, with the serial numbers that are `named` for it; and its money is due where it would be by
    now, had the return been of that kind from the beginning. An exchange is for the same goods, and still to be begun.

    Raises OmsError for an empty reason and another kind, WrongFields for serial numbers, NotNow where it is no repair,
    or it is over, and ChangedMeanwhile.
    """
    row = lock_return(return_id, version=version)
    why = deciding.given(reason)
    if instead not in INSTEAD:
        raise OmsError(_("In place of a repair there is money, or the same goods anew."), attr="instead")
    if row.kind != ReturnKind.REPAIR:
        raise locking.NotNow(_("This is no repair."))
    require(row, *BEFORE_ITS_END)
    row.kind = instead
    found = _found(row.pk)
    lines = {line.sub_order_line_id: line for line in lines_of(row)}
    if found:
        serials.note(row, lines, found, named or {}, wants_all=wants_all_serials)
        inspecting.restock(row, lines, found, actor)
    row.money_state = MoneyState.TO_GRANT if _is_due(row) else MoneyState.NOT_DUE
    if instead == ReturnKind.EXCHANGE:
        exchanging.keep_wish(row, [])
    by = actor.name if actor.kind == ActorKind.STAFF else ""
    tickets.close_tickets([REPAIR_TO_SEND], [row.pk], closed_by=by)
    locking.save(row, kinds.NOT_REPAIRED, actor, instead=str(instead), why=why)
    return row


def _is_due(row: ReturnRequest) -> bool:
    if row.state == ReturnState.INSPECTED:
        return True
    return row.pays_on == PaysOn.HANDED_OVER and row.state in (ReturnState.IN_TRANSIT, ReturnState.RECEIVED)


def _found(return_id: int) -> dict[int, Mapping[str, int]]:
    """What inspection found so far of units that are there, by sub-order line."""
    rows = ReturnFinding.objects.filter(line__return_request=return_id, found__in=[*RESTOCKED]).order_by()
    found: dict[int, dict[str, int]] = {}
    for key, code, units in rows.values_list("line__sub_order_line", "found").annotate(units=Sum("quantity")):
        found.setdefault(key, {})[code] = units
    return dict(found)
