"""The balance of changes that make paid orders dearer: asked for, and once it is there the change is carried out.

A change waits for its balance as a whole, until its time is over. Its payment names it, so that money which comes for
another reason carries nothing out; what comes too late is too much, and goes back.
"""

from collections.abc import Collection

from django.db import connection, transaction

from oms.common.models import FactState, Topic
from oms.common.states import listed
from oms.common.work.claiming import Stage
from orders import actors
from orders.changing import choosing
from orders.changing.sets import drafting
from orders.locking import lock_orders
from orders.models import ChangeSet, ChangeSetState, Order, OrderState
from orders.models.order import OVER
from payments.models import OPEN_PAYMENTS, Means, NoticeKind, Payment, PaymentState
from payments.owing import derived
from payments.providers import defaults

REQUEST, END = "request_balance", drafting.STAGE_NAME
# So often a buyer is asked anew where a provider refused.
MOST_PAYMENTS = 10
_WAITS = f"c.state = '{ChangeSetState.AWAITING_BALANCE}'"
_UNASKED = f"""
    FROM orders_changeset c JOIN orders_order o ON o.id = c.order_id
    WHERE {_WAITS} AND c.pay_by > now() AND o.state NOT IN ({listed(OVER)})
      AND NOT EXISTS (SELECT FROM payments_payment p WHERE p.order_id = c.order_id AND p.change_set_id = c.id
            AND p.state IN ({listed((*OPEN_PAYMENTS, PaymentState.CLOSING, PaymentState.CAPTURED))}))
      AND (SELECT count(*) FROM payments_payment p WHERE p.order_id = c.order_id AND p.change_set_id = c.id)
            < {MOST_PAYMENTS}
"""
# A fact that is stored but not applied yet is money: the change stays until it is applied.
_OVER = f"""
    FROM orders_changeset c JOIN orders_order o ON o.id = c.order_id
    WHERE {_WAITS} AND (c.pay_by < now() OR o.state IN ({listed(OVER)}))
      AND NOT EXISTS (
        SELECT FROM payments_payment p JOIN common_inboundfact f ON f.subject = p.number
        WHERE p.order_id = c.order_id AND p.change_set_id = c.id AND f.topic = '{Topic.PAYMENT}'
          AND f.kind = '{NoticeKind.CAPTURED}' AND f.state = '{FactState.PENDING}')
"""


def waiting(order: Order) -> ChangeSet | None:
    """The order's change that waits for its payment."""
    return ChangeSet.objects.filter(order=order, state=ChangeSetState.AWAITING_BALANCE).first()


def asks_for(order: Order) -> ChangeSet | bool | None:
    """Whether its buyer is, or will be, asked to pay: the order, or the balance of a change, which is returned then."""
    return order.state == OrderState.AWAITING_PAYMENT or waiting(order)


def request(limit: int) -> int:
    """Write the payment intents of up to `limit` changes that wait and of which nobody is asked; returns how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT c.order_id {_UNASKED} ORDER BY c.pay_by LIMIT %s", [limit])
        locked = lock_orders([key for (key,) in cursor.fetchall()])
        if not locked:
            return 0
        # Looked at once more under the lock.
        cursor.execute(
            f"""
            INSERT INTO payments_payment
                (number, order_id, change_set_id, means, connection_id, state, amount, ready_at)
            SELECT o.number || '-P' || (SELECT count(*) + 1 FROM payments_payment p WHERE p.order_id = o.id),
                o.id, c.id, '{Means.ONLINE}',
                {defaults.connection_of("o", "taken.turns[1 + o.id %% cardinality(taken.turns)]")},
                '{PaymentState.INTENDED}', c.balance_amount, now()
            FROM (SELECT c.id {_UNASKED} AND c.order_id = ANY(%(ids)s::bigint[])) AS due
            JOIN orders_changeset c ON c.id = due.id JOIN orders_order o ON o.id = c.order_id
            CROSS JOIN (SELECT %(connections)s::bigint[] AS turns) AS taken
            """,
            {"ids": locked, "connections": defaults.connections_of_new_orders()},
        )
        derived.refresh(locked)
    return len(locked)


def request_backlog() -> str:
    """Changes that wait for a payment which nobody was asked for."""
    return f"SELECT c.created_at AS due, false AS needs_person {_UNASKED} ORDER BY c.pay_by"


def carry_out(paid: Collection[Payment]) -> None:
    """Carry out the changes whose balances these payments, of locked orders, brought in full."""
    of_sets = {payment.change_set_id: payment for payment in paid if payment.change_set_id is not None}
    if not of_sets:
        return
    orders = {payment.order_id for payment in of_sets.values()}
    choosing.lock_all(orders)
    for set_id, payment in sorted(of_sets.items()):
        drafting.carry_out_paid(set_id, payment.captured_amount, actor=actors.job("payment"))
    derived.refresh(sorted(orders))


def end(limit: int) -> int:
    """End up to `limit` changes whose balance was not paid in time, or whose order is over; returns how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT c.order_id {_OVER} ORDER BY c.pay_by LIMIT %s", [min(limit, 100)])
        locked = lock_orders([key for (key,) in cursor.fetchall()])
        cursor.execute(f"SELECT c.id {_OVER} AND c.order_id = ANY(%s::bigint[])", [locked])
        due = [key for (key,) in cursor.fetchall()]
        drafting.expire(due, actor=actors.job(END))
    return len(locked)


def end_backlog() -> str:
    """Changes whose balance was not paid in time, or whose order is over."""
    return f"SELECT least(c.pay_by, now()) AS due, false AS needs_person {_OVER} ORDER BY c.pay_by"


REQUEST_STAGE = Stage(REQUEST, request, wakes=("send_payment",), backlog=request_backlog)
END_STAGE = Stage(END, end, wakes=("owing", "allocate"), backlog=end_backlog)
