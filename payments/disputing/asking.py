"""Asking providers about complaints of which they only say that there is something new.

A complaint is known by the provider's number alone; of which payment it is, and how it stands, the provider answers.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from oms.common.copying import array
from oms.common.models import Connection
from oms.common.secrecy import seal
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue
from oms.common.work.facts import APPLIED, Fact, Verdict
from oms.common.work.singly import one_by_one
from orders.locking import lock_order, lock_orders_of
from payments import providers
from payments.disputing import telling
from payments.models import Dispute, DisputeKind, DisputeState, Payment
from payments.providers import Complaint, Question

QUEUE = Queue(Dispute, "q.ready_at IS NOT NULL")
# A complaint must be answered within so many hours, unless the connection's option `complaint_hours` says otherwise.
ANSWERED_WITHIN_HOURS = 24


def note_complaints(told: Sequence[Fact]) -> Mapping[int, Verdict]:
    """Complaints of which something was told are there, and are asked about; returns a verdict for each fact. One
    statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO payments_dispute (number, connection_id, kind, state, opened_at)
            SELECT DISTINCT ON (t.connection_id, t.number) t.number, t.connection_id, '{DisputeKind.COMPLAINT}',
                '{DisputeState.REPORTED}', t.at
            FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[]) AS t(number, connection_id, at)
            ORDER BY t.connection_id, t.number, t.at
            ON CONFLICT (connection_id, number) DO UPDATE SET ready_at = now(), attempts = 0, needs_person_since = NULL
            """,
            [
                [fact.subject for fact in told],
                array(fact.connection_id for fact in told),
                [fact.occurred_at for fact in told],
            ],
        )
    return {fact.id: APPLIED for fact in told}


def _questions(keys: Sequence[int]) -> dict[int, Question]:
    rows = Dispute.objects.filter(pk__in=keys).order_by().values_list("pk", "number", "version")
    return {key: Question(number, version=version) for key, number, version in rows}


def _ask(link: Connection, questions: Sequence[Question]) -> Mapping[str, Complaint]:
    provider = providers.get_answering(link.protocol)
    return one_by_one(questions, lambda question: provider.complaint(question, link))


def _lock_above(keys: Collection[int]) -> None:
    lock_orders_of(Dispute.objects.filter(pk__in=keys))


def _note(outcomes: Outcomes[Complaint]) -> None:
    rows = Dispute.objects.filter(pk__in=outcomes.taken).select_related("connection").order_by("pk")
    for dispute in rows.select_for_update(no_key=True, of=("self",)):
        _note_one(dispute, outcomes.taken[dispute.pk])


def _note_one(dispute: Dispute, said: Complaint) -> None:
    if dispute.payment_id is None:
        payment = Payment.objects.filter(number=said.payment, connection=dispute.connection_id).first()
        if payment:
            lock_order(payment.order_id)
            dispute.payment, dispute.order_id = payment, payment.order_id
    dispute.amount, dispute.opened_at = said.amount, said.complained_at
    dispute.due_at = dispute.due_at or said.complained_at + _time_to_answer(dispute.connection)
    dispute.content = seal(said.text) if said.text else dispute.content
    before = DisputeState(dispute.state)
    _move(dispute, said)
    dispute.ready_at = dispute.lease_until = None
    dispute.attempts, dispute.last_error = 0, ""
    dispute.save()
    telling.moved(dispute, before, by=dispute.connection.code)


def _time_to_answer(link: Connection) -> timedelta:
    return timedelta(hours=int(link.options.get("complaint_hours") or ANSWERED_WITHIN_HOURS))


def _move(dispute: Dispute, said: Complaint) -> None:
    if said.is_over:
        if dispute.state != DisputeState.ENDED:
            dispute.end()
    elif said.is_answered:
        if dispute.state != DisputeState.ANSWERED:
            dispute.answer()
    elif dispute.state != DisputeState.OPEN:
        if dispute.state != DisputeState.REPORTED:
            # The buyer came back: there is a new time to answer in.
            dispute.due_at = timezone.now() + _time_to_answer(dispute.connection)
        dispute.open()


STAGE = outside_stage("ask_disputes", Call(QUEUE, _questions, _ask, _note, lock_above=_lock_above))
