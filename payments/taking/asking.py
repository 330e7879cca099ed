"""Asking providers what became of payments and refunds of which they told nothing.

Notices get lost; so what is open is asked after, soon at first and then ever more rarely. What a provider answers is a
fact like what it tells by itself, under the same key.
"""

from collections.abc import Callable, Mapping, Sequence

from django.db import connection

from oms.common.models import Connection, Topic
from oms.common.work import facts
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue
from oms.common.work.singly import one_by_one
from payments import providers
from payments.models import Payment, PaymentState, Refund, RefundState
from payments.providers import Found, Question

# A question is repeated when as long again has passed as the thing is old, within these bounds.
SHORTEST_SECONDS, LONGEST_SECONDS = 30, 1800

# Time does not pass for these where waits are skipped: the provider's clock is its own.
PAYMENT_QUEUE = Queue(
    Payment, f"q.state = '{PaymentState.PENDING}' AND q.ready_at IS NOT NULL", unless="q.ready_at > now()"
)
REFUND_QUEUE = Queue(
    Refund, f"q.state = '{RefundState.REQUESTED}' AND q.ready_at IS NOT NULL", unless="q.ready_at > now()"
)


def payment_questions(keys: Sequence[int]) -> dict[int, Question]:
    """What is asked about the payments of these ids."""
    rows = Payment.objects.filter(pk__in=keys).order_by().values_list("pk", "number", "version")
    return {key: Question(number, version=version) for key, number, version in rows}


def _refund_questions(keys: Sequence[int]) -> dict[int, Question]:
    rows = Refund.objects.filter(pk__in=keys).order_by().select_related("payment__doubles")
    of_payment = ("number", "transaction_number", "doubles__number")
    rows = rows.only("number", "version", *(f"payment__{name}" for name in of_payment))
    found = {}
    for row in rows:
        of, transaction = row.payment.at_provider
        found[row.pk] = Question(row.number, of, row.version, transaction)
    return found


def _ask_after_payments(link: Connection, questions: Sequence[Question]) -> Mapping[str, Found]:
    provider = providers.get_answering(link.protocol)
    return keep(link, one_by_one(questions, lambda question: provider.find_payment(question, link)))


def _ask_after_refunds(link: Connection, questions: Sequence[Question]) -> Mapping[str, Found]:
    provider = providers.get_answering(link.protocol)
    return keep(link, one_by_one(questions, lambda question: provider.find_refund(question, link)))


def keep(link: Connection, found: Mapping[str, Found]) -> Mapping[str, Found]:
    """Store the news of what was found as facts; returns what was found."""
    facts.receive(link.pk, Topic.PAYMENT, [one.news for one in found.values() if one.news])
    return found


def _note(queue: Queue) -> Callable[[Outcomes[Found]], None]:
    def note(outcomes: Outcomes[Found]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE {queue.table} SET lease_until = NULL, attempts = 0, last_error = '',
                    ready_at = now() + make_interval(secs => least(greatest(
                        extract(epoch FROM now() - created_at)::float8, {SHORTEST_SECONDS}), {LONGEST_SECONDS}))
                WHERE id = ANY(%s)
                """,
                [list(outcomes.taken)],
            )

    return note


PAYMENT_STAGE = outside_stage(
    "ask_payments",
    Call(PAYMENT_QUEUE, payment_questions, _ask_after_payments, _note(PAYMENT_QUEUE)),
    wakes=("payment_facts",),
)
REFUND_STAGE = outside_stage(
    "ask_refunds",
    Call(REFUND_QUEUE, _refund_questions, _ask_after_refunds, _note(REFUND_QUEUE)),
    wakes=("payment_facts",),
)
