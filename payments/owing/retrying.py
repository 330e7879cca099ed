"""Giving a payment or refund that needs a person back to its stage."""

from django.db import transaction

from oms.common import stuck
from oms.common.work import nudging
from orders import timeline
from orders.actors import Actor
from payments.models import Payment, PaymentState, Refund, RefundState

# The model of each kind of row, the state in which its stage takes it, and that stage.
_KINDS: dict[str, tuple[type[Payment] | type[Refund], str, str]] = {
    "payment": (Payment, PaymentState.INTENDED, "send_payment"),
    "refund": (Refund, RefundState.INTENDED, "send_refund"),
}


@transaction.atomic
def retry(row_kind: str, row_id: int, *, actor: Actor) -> None:
    """Let the stage try the payment or refund ("payment", "refund") again, with a full number of attempts; its ticket
    is done.

    A refund that failed, or of which its provider says nothing, is sent once more under the same number. A payment
    that is captured already only loses its mark: somebody looked at it. Raises OmsError if it needs no person.
    """
    model, state, stage = _KINDS[row_kind]
    row = stuck.lock_marked(model, row_id)
    if row.state != PaymentState.CAPTURED:
        model._default_manager.filter(pk=row_id).update(state=state)
    stuck.give_back(model, row_id, by=actor.name)
    timeline.record(row.order_id, "retried", actor, number=row.number, error=row.last_error)
    nudging.nudge(stage)
