"""Having providers close payments that nobody wants any more.

The buyer may pay at the same moment: so the provider is asked, closes it, and is asked again. What was paid meanwhile
is money like any other; only what is closed for certain is over.
"""

from collections.abc import Collection, Mapping, Sequence

from django.db import connection

from oms.common.models import Connection
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue
from oms.common.work.singly import Unclear, one_by_one
from orders.locking import lock_orders_of
from payments import providers
from payments.models import Payment, PaymentState
from payments.owing import derived
from payments.providers import AnsweringProvider, Found, Question, Standing
from payments.taking import asking, switching

QUEUE = Queue(Payment, f"q.state = '{PaymentState.CLOSING}'", unless="q.ready_at > now()")
# A provider that says that it was paid has its money booked by the fact; it is asked again only if that fails.
PAID_SECONDS = 60


def _close(link: Connection, questions: Sequence[Question]) -> Mapping[str, Found]:
    provider = providers.get_answering(link.protocol)
    found = one_by_one(questions, lambda question: _close_one(provider, question, link))
    asking.keep(link, {number: one for number, one in found.items() if one.standing == Standing.DONE})
    return found


def _close_one(provider: AnsweringProvider, question: Question, link: Connection) -> Found:
    found = provider.find_payment(question, link)
    if found.standing in (Standing.WAITING, Standing.MISSING):
        provider.close(question, link)
        found = provider.find_payment(question, link)
    if found.standing == Standing.WAITING:
        raise Unclear("it was closed, and still waits for the buyer")
    return found


def _lock_above(keys: Collection[int]) -> None:
    lock_orders_of(Payment.objects.filter(pk__in=keys))


def _note(outcomes: Outcomes[Found]) -> None:
    paid = [key for key, found in outcomes.taken.items() if found.standing == Standing.DONE]
    over = [key for key, found in outcomes.taken.items() if found.standing != Standing.DONE]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE payments_payment SET lease_until = NULL, attempts = 0, last_error = '',
                state = CASE WHEN id = ANY(%(over)s) THEN '{PaymentState.EXPIRED}' ELSE state END,
                ready_at = CASE WHEN id = ANY(%(paid)s) THEN now() + make_interval(secs => {PAID_SECONDS}) END
            WHERE id = ANY(%(over)s) OR id = ANY(%(paid)s)
            RETURNING order_id
            """,
            {"over": over, "paid": paid},
        )
        orders = sorted({order_id for (order_id,) in cursor.fetchall()})
    derived.refresh(orders)
    switching.go_on(orders)


STAGE = outside_stage(
    "close_payments",
    Call(QUEUE, asking.payment_questions, _close, _note, lock_above=_lock_above),
    wakes=("payment_facts", "expire_unpaid", "send_payment"),
)
