"""What merchants say about their statements, and what they are answered. A closed statement never changes: where a
merchant is right, a correction in the open period says so."""

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import ClockTime, TicketResult
from oms.common.tickets import Trouble
from orders.actors import Actor
from payments import troubles
from payments.models import Statement, StatementRemark

MOST_REMARKS = 50


@transaction.atomic
def dispute(statement_id: int, text: str, *, actor: Actor) -> StatementRemark:
    """The merchant says what is wrong with a statement: finance gets a ticket. Raises OmsError for an empty text, and
    where much was said already."""
    statement, remark = _say(statement_id, text, is_answer=False, actor=actor)
    values = {"number": statement.number, "text": remark.text[:200]}
    tickets.open_tickets(troubles.STATEMENT_DISPUTED, [Trouble(statement.pk, "", values)], opened_by=actor.name)
    return remark


@transaction.atomic
def answer(statement_id: int, text: str, *, actor: Actor) -> StatementRemark:
    """Staff answer, which closes the ticket. Raises OmsError for an empty text."""
    statement, remark = _say(statement_id, text, is_answer=True, actor=actor)
    tickets.close_tickets([troubles.STATEMENT_DISPUTED], [statement.pk], result=TicketResult.DONE, closed_by=actor.name)
    return remark


def _say(statement_id: int, text: str, *, is_answer: bool, actor: Actor) -> tuple[Statement, StatementRemark]:
    text = text.strip()[:1000]
    if not text:
        raise OmsError(_("Say what it is about."), attr="text")
    statement = Statement.objects.select_for_update(no_key=True).get(pk=statement_id)
    if not is_answer and statement.remarks.count() >= MOST_REMARKS:
        raise OmsError(_("Much was said about this statement already; wait for an answer."), attr="text")
    remark = StatementRemark.objects.create(statement=statement, text=text, is_answer=is_answer, actor=actor.name)
    # What is shown of the statement changed, which its guard does not see.
    Statement.objects.filter(pk=statement_id).update(changed_at=ClockTime(), version=F("version") + 1)
    return statement, remark
