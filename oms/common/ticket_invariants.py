"""What must always hold of tickets; the models must be loaded."""

from oms.common import stuck, tickets
from oms.common.invariants import Invariant
from oms.common.models import TicketEventKind, TicketState

_MARKED = " UNION ALL ".join(
    f"SELECT '{subject.kind}' AS kind, id FROM {model._meta.db_table} WHERE needs_person_since IS NOT NULL"
    for model, subject in stuck.marked_models()
)
_CODES = ", ".join(f"('{tickets.stuck_code(subject.kind)}')" for _model, subject in stuck.marked_models())

INVARIANTS = (
    Invariant(
        "rows_that_need_a_person_have_a_ticket",
        "Every row that does not go on by itself has an open ticket about it.",
        f"""
        SELECT m.kind, m.id FROM ({_MARKED}) AS m WHERE NOT EXISTS (
            SELECT FROM common_ticket t
            WHERE t.subject_id = m.id AND t.subject_kind = m.kind AND t.state = '{TicketState.OPEN}')
        """,
    ),
    Invariant(
        "tickets_of_stuck_rows_end_with_their_trouble",
        "An open ticket that says that a row is stuck is about a row that needs a person.",
        f"""
        SELECT t.id, t.kind, t.subject_id FROM common_ticket t
        JOIN (VALUES {_CODES}) AS stuck(kind) ON stuck.kind = t.kind
        WHERE t.state = '{TicketState.OPEN}'
          AND NOT EXISTS (SELECT FROM ({_MARKED}) AS m WHERE (m.kind, m.id) = (t.subject_kind, t.subject_id))
        """,
    ),
    Invariant(
        "closed_tickets_tell_who_closed_them",
        "The history of a closed ticket ends with who closed it and how.",
        f"""
        SELECT t.id FROM common_ticket t WHERE t.state = '{TicketState.CLOSED}' AND NOT EXISTS (
            SELECT FROM common_ticketevent e WHERE e.ticket_id = t.id AND e.kind = '{TicketEventKind.CLOSED}'
              AND e."values" ->> 'result' = t.result AND e."by" = t.closed_by)
        """,
    ),
)
