"""What a buyer gets in place of a repair that cannot be done: shown before anybody confirms it, and done."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from oms.common.errors import ChangedMeanwhile, OmsError
from orders.actors import Actor
from orders.models import ActorKind, ReturnKind, ReturnRequest
from orders.returning import repairing, serials
from orders.returning.locking import lock_return
from payments.exchanging import beginning
from payments.exchanging.beginning import Agreed, ExchangePreview
from payments.granting import previewing
from payments.returning import granting

_ACTOR = Actor(ActorKind.JOB, "preview")


@dataclass(frozen=True, slots=True)
class Instead:
    """What money in place of the repair comes to (as a calculation is stored), and what the same goods anew do; or why
    not. `asks_serials` are the lines (sub-order line, position, name) of which serial numbers are asked for."""

    refund: dict[str, Any] | None
    refund_not: str
    exchange: ExchangePreview | None
    exchange_not: str
    asks_serials: list[tuple[int, int, str]]


@transaction.atomic
def give_up(
    return_id: int,
    *,
    instead: str,
    reason: str,
    actor: Actor,
    version: int | None = None,
    named: serials.Serials | None = None,
    agreed: Agreed | None = None,
) -> ReturnRequest:
    """The goods cannot be repaired: `repairing.give_up`; an exchange for the same goods begins at once. Its money is
    granted by somebody as that of any return. Raises as `repairing.give_up` and `beginning.begin` do, and
    ChangedMeanwhile where an exchange comes out otherwise than was `agreed`."""
    row = repairing.give_up(return_id, instead=instead, reason=reason, actor=actor, version=version, named=named)
    if row.kind == ReturnKind.EXCHANGE:
        shown = beginning.begin(return_id, actor=actor)
        if agreed is not None and agreed != Agreed(shown.to_pay, shown.back):
            raise ChangedMeanwhile(_("It comes out otherwise by now. Look at it again and repeat what you wanted."))
    return ReturnRequest.objects.get(pk=return_id)


def confirm(return_id: int, data: dict[str, Any], *, actor: Actor) -> str:
    """As `give_up`, by the cleaned form of a page; returns what was done in words."""
    row = give_up(
        return_id,
        instead=data["instead"],
        reason=data["reason"],
        actor=actor,
        version=data["version"],
        named=data["serials"],
        agreed=data["agreed"],
    )
    return _("Return %(number)s is no repair any more: %(kind)s.") % {
        "number": row.number,
        "kind": row.get_kind_display(),
    }


def fits(row: ReturnRequest) -> bool:
    """Whether it is a repair that may still turn out to be impossible."""
    return row.kind == ReturnKind.REPAIR and row.state in repairing.BEFORE_ITS_END


def shown(row: ReturnRequest) -> Instead | None:
    """What either comes to now; nothing is changed. None where it is no repair, or is over."""
    if not fits(row):
        return None
    refund, refund_not = _tried(row.pk, ReturnKind.RETURN_AND_REFUND)
    exchange, exchange_not = _tried(row.pk, ReturnKind.EXCHANGE)
    lines = row.lines.filter(findings__isnull=False, sub_order_line__order_line__sku__wants_serials=True)
    names = ("sub_order_line", "sub_order_line__order_line__position", "sub_order_line__order_line__name")
    return Instead(refund, refund_not, exchange, exchange_not, list(lines.distinct().values_list(*names)))


def _tried(return_id: int, instead: ReturnKind) -> tuple[Any, str]:
    """What it would come to, done and taken back again; or why it cannot be done."""
    try:
        with transaction.atomic():
            undone = transaction.savepoint()
            try:
                repairing.give_up(return_id, instead=instead, reason="preview", actor=_ACTOR, wants_all_serials=False)
                if instead == ReturnKind.EXCHANGE:
                    return beginning.begin(return_id, actor=_ACTOR), ""
                row = lock_return(return_id)
                wanted = granting.wanted_of(row)
                return previewing.preview(row.order_id, wanted, granting.reason_of(row)).as_json(), ""
            finally:
                transaction.savepoint_rollback(undone)
    except OmsError as refusal:
        return None, str(refusal)
