"""Giving a payment or refund that needs a person back to its stage."""

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.work import nudging
from orders import kinds, timeline
from orders.actors import Actor
from payments.models import Payment, PaymentState, Refund, RefundState

# The model of each kind of row, the state in which its stage takes it, and that stage.
_KINDS: dict[str, tuple[type[models.Model], str, str]] = {
    "payment": (Payment, PaymentState.INTENDED, "send_payment"),
    "refund": (Refund, RefundState.INTENDED, "send_refund"),
}


@transaction.atomic
def retry(row_kind: str, row_id: int, *, actor: Actor) -> None:
    """Let the stage try the payment or refund ("payment", "refund") again, with a full number of attempts.

    A refund that failed, or of which its provider says nothing, is sent once more under the same number. A payment
    that is captured already only loses its mark: somebody looked at it. Raises OmsError if it needs no person.
    """
    model, state, stage = _KINDS[row_kind]
    row = model._default_manager.select_for_update(no_key=True, of=("self",)).get(pk=row_id)
    if row.needs_person_since is None:  # type: ignore[attr-defined]
        raise OmsError(_("This goes on by itself; there is nothing to retry."))
    if row.state == PaymentState.CAPTURED:  # type: ignore[attr-defined]
        state = PaymentState.CAPTURED
    model._default_manager.filter(pk=row_id).update(
        state=state, attempts=0, needs_person_since=None, ready_at=timezone.now(), lease_until=None
    )
    number, error = row.number, row.last_error  # type: ignore[attr-defined]
    timeline.record(row.order_id, kinds.RETRIED, actor, number=number, error=error)  # type: ignore[attr-defined]
    nudging.nudge(stage)
