"""What a person does with a fact that a stage could not settle: let it be worked on again, or count for nothing."""

from django.db import connection as database
from django.db import transaction
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import FactState, InboundFact, TicketResult, Topic
from oms.common.work import nudging
from oms.common.work.facts import FACT_DIFFERS, FACT_FAILED, MESSAGE_UNREADABLE, STAGES, UNKNOWN_SUBJECT


def replay(fact_id: int, *, by: str = "") -> None:
    """Let the stage work on the fact once more, with a full number of tries; its tickets are done.

    Raises OmsError for a fact that waits and was not given up.
    """
    with transaction.atomic():
        fact = InboundFact.objects.select_for_update(no_key=True).get(pk=fact_id)
        if fact.state == FactState.PENDING and fact.needs_person_since is None:
            raise OmsError(_("This message is waiting for its turn already."))
        close_tickets_of(fact_id, by)
        _reset(fact_id)
    nudging.nudge(STAGES[Topic(fact.topic)])


def discard(fact_id: int, *, by: str = "") -> None:
    """Let the fact count for nothing; its tickets are done. Raises OmsError unless it is waiting."""
    with transaction.atomic(), database.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE common_inboundfact SET state = '{FactState.DISCARDED}', settled_at = now(), needs_person_since = NULL
            WHERE id = %s AND state = '{FactState.PENDING}'
            """,
            [fact_id],
        )
        if not cursor.rowcount:
            raise OmsError(_("This message is settled already."))
        close_tickets_of(fact_id, by)


def _reset(fact_id: int) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE common_inboundfact SET state = '{FactState.PENDING}', settled_at = NULL, outcome = '', attempts = 0,
                ready_at = now(), needs_person_since = NULL
            WHERE id = %s
            """,
            [fact_id],
        )


def close_tickets_of(fact_id: int, by: str) -> None:
    """A person of this name saw to the fact."""
    kinds = [UNKNOWN_SUBJECT, FACT_FAILED, FACT_DIFFERS, MESSAGE_UNREADABLE]
    tickets.close_tickets(kinds, [fact_id], result=TicketResult.DONE, closed_by=by)
