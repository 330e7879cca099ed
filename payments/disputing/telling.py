"""Telling people how disputes go: the order's timeline, and finance's ticket."""

from oms.common import tickets
from oms.common.models import TicketResult
from oms.common.tickets import Trouble
from orders.actors import Actor
from orders.models import ActorKind
from orders.telling import timeline
from payments import kinds, troubles
from payments.models import Dispute, DisputeState


def opened(dispute: Dispute, actor: Actor) -> None:
    """There is a new dispute: of an order, its timeline has it; if it waits for our answer, finance has a ticket."""
    provider, amount = dispute.connection.code, str(dispute.amount)
    if dispute.order_id:
        timeline.record(
            dispute.order_id,
            kinds.DISPUTED,
            actor,
            number=dispute.number,
            dispute=dispute.kind,
            amount=amount,
            provider=provider,
        )
    if dispute.state == DisputeState.OPEN:
        values = {
            "number": dispute.number,
            "provider": provider,
            "amount": amount,
            "held": str(dispute.held_amount),
        }
        trouble = Trouble(dispute.pk, dispute.kind, values, about_id=dispute.order_id, due_at=dispute.due_at)
        tickets.open_tickets(troubles.DISPUTE_OPEN, [trouble], opened_by=actor.name)


def moved(dispute: Dispute, before: DisputeState, *, by: str) -> None:
    """A provider said how the dispute stands."""
    actor = Actor(ActorKind.PROVIDER, by)
    if before == DisputeState.REPORTED or (before == DisputeState.ENDED and dispute.state == DisputeState.OPEN):
        opened(dispute, actor)
    elif before != dispute.state:
        went_on(dispute, actor, note="")


def went_on(dispute: Dispute, actor: Actor, *, note: str) -> None:
    """The dispute was answered or decided: its ticket is done, unless it waits for our answer again."""
    if dispute.order_id:
        timeline.record(
            dispute.order_id,
            kinds.DISPUTE_MOVED,
            actor,
            number=dispute.number,
            dispute=dispute.kind,
            state=dispute.state,
            note=note,
        )
    if dispute.state == DisputeState.OPEN:
        opened(dispute, actor)
    else:
        is_person = actor.kind == ActorKind.STAFF
        result = TicketResult.DONE if is_person else TicketResult.RESOLVED
        tickets.close_tickets(
            [troubles.DISPUTE_OPEN], [dispute.pk], result=result, closed_by=actor.name if is_person else ""
        )
