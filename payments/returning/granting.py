"""The money of returns: what a return gives back by R1–R13, shown line by line, and granted as any other grant."""

from collections.abc import Mapping
from decimal import Decimal

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from orders.actors import Actor
from orders.changing import followed_gifts
from orders.models import Fault, Found, MoneyState, ReturnFinding, ReturnRequest
from orders.models.amounts import Bearer
from orders.returning.locking import NotNow, lines_of, lock_return
from payments.granting import deciding, previewing
from payments.granting.deciding import Seen
from payments.granting.previewing import Calculation, Wanted
from payments.models import GrantKind, GrantReason, RefundGrant

# Where an agreed amount takes the place of a return.
_AGREED = "buyer_complaint"


@transaction.atomic
def preview(
    return_id: int, units: Mapping[int, int] | None = None, followed_kept: Mapping[int, int] | None = None
) -> Calculation:
    """What granting the return's money would give now; nothing is changed. `units` (by sub-order line) are those that
    are paid for, all that it has unless told; `followed_kept` gifts that followed and did not come back, those of which
    it was said when it was asked for unless told. Raises
    OmsError for units that it does not have, and NotNow."""
    row = _due(return_id)
    return previewing.preview(row.order_id, wanted_of(row, units, followed_kept), reason_of(row))


@transaction.atomic
def grant(
    return_id: int,
    *,
    note: str,
    actor: Actor,
    user: AbstractBaseUser | None,
    units: Mapping[int, int] | None = None,
    followed_kept: Mapping[int, int] | None = None,
    seen: Seen | None = None,
    version: int | None = None,
) -> RefundGrant:
    """Grant it, within the person's limits, else propose it to a second person. Raises as `deciding.propose` does; and
    NotNow where no money is due."""
    row = _due(return_id, version=version)
    return deciding.propose(
        row.order_id,
        wanted_of(row, units, followed_kept),
        reason=reason_of(row).code,
        note=note or row.number,
        actor=actor,
        bearer=Bearer.PLATFORM if row.fault == Fault.PLATFORM else Bearer.MERCHANT,
        seen=seen,
        user=user,
    )


def _due(return_id: int, *, version: int | None = None) -> ReturnRequest:
    row = lock_return(return_id, version=version)
    if row.money_state != MoneyState.TO_GRANT:
        raise NotNow(_("No money is to be granted now."))
    return row


def wanted_of(
    row: ReturnRequest, units: Mapping[int, int] | None = None, followed_kept: Mapping[int, int] | None = None
) -> Wanted:
    """What is granted for the locked return: all that it has, or these units (by sub-order line), less gifts that
    followed and did not come back. Raises OmsError for units that it does not have."""
    if row.agreed_amount is not None:
        return Wanted(GrantKind.GOODWILL, Decimal(row.agreed_amount), return_id=row.pk)
    lines = lines_of(row)
    held = {line.sub_order_line_id: line.open_quantity for line in lines if line.open_quantity}
    chosen = held if units is None else {key: count for key, count in units.items() if count}
    if any(not 0 < count <= held.get(key, 0) for key, count in chosen.items()):
        raise OmsError(_("The return does not have so many units to pay for."), attr="lines")
    gifts = {line.pk: line.sub_order_line_id for line in lines if line.sub_order_line.order_line.is_gift}
    missing = ReturnFinding.objects.filter(line__in=gifts, found__in=[Found.MISSING, Found.WRONG])
    kept: dict[int, int] = {}
    for line_id, count in missing.values_list("line_id", "quantity"):
        kept[gifts[line_id]] = kept.get(gifts[line_id], 0) + count
    if followed_kept is None:
        followed_kept = followed_gifts.still_kept(row.order_id, said_to_be_kept(row))
    return Wanted(GrantKind.RETURN, return_id=row.pk, parts=chosen, parts_missing=kept, followed_kept=followed_kept)


def said_to_be_kept(row: ReturnRequest) -> list[followed_gifts.Named]:
    """Gifts that followed and stay with the buyer, as whoever asked for the return said."""
    return [followed_gifts.Named(**one) for one in row.followed_kept]


def reason_of(row: ReturnRequest) -> GrantReason:
    """The reason for which its money is granted. Raises OmsError where there is none."""
    kind, code = (
        (GrantKind.GOODWILL, _AGREED) if row.agreed_amount is not None else (GrantKind.RETURN, row.reason.grant_reason)
    )
    found = GrantReason.objects.filter(kind=kind, code=code, is_active=True).first()
    if found is None:
        text = _("There is no active reason of grants called %(code)s. Add it, or name another one in the reason.")
        raise OmsError(text % {"code": code}, attr="reason")
    return found
