"""Orders that are paid in parts by dates of their own, such as a deposit and a balance (定金, 尾款).

The buyer is asked for one part after the other; the order waits for its payment until the date of the part that is
next, and is cancelled like any other where that is over. Rows exist only for such orders.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from decimal import Decimal

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.states import listed
from oms.common.work import nudging
from orders.intake.checking import CheckedOrder
from orders.intake.refusals import Refusals
from orders.intake.storing import StoredOrder
from orders.models import Order, OrderState, PaymentMethod
from orders.models.terms import DepositTerms
from payments.models import OPEN_PAYMENTS, Instalment, PaymentState
from payments.owing.owed import NEXT_PART
from payments.taking import requesting
from payments.taking.forfeiting import terms_of

FEWEST, MOST = 2, 12
LONGEST = timedelta(days=730)


def check(order: CheckedOrder, wrong: Refusals) -> None:
    """Note what is wrong with the instalments of an order."""
    parts = order.body.instalments
    if not parts:
        return
    if not FEWEST <= len(parts) <= MOST:
        detail = _("Give %(fewest)d to %(most)d instalments.") % {"fewest": FEWEST, "most": MOST}
        wrong.add("instalments", "wrong_number", detail)
        return
    if order.body.payment_method != PaymentMethod.PREPAID or order.body.collected:
        detail = _("Only what is paid to us before delivery can be paid in instalments.")
        wrong.add("instalments", "not_prepaid", detail)
    total, before = 0, timezone.now()
    latest = before + LONGEST
    for place, part in enumerate(parts):
        if part.if_missed:
            wrong.choice(f"instalments.{place}.if_missed", part.if_missed, DepositTerms.values)
        fen = wrong.amount(f"instalments.{place}.amount", part.amount)
        total += fen
        if not fen:
            wrong.add(f"instalments.{place}.amount", "invalid_amount", _("Give an amount of more than 0."))
        for name in ("due_at", "opens_at"):
            moment = getattr(part, name)
            if moment is not None and moment.tzinfo is None:
                detail = _("Give a time with its zone, such as 2026-01-02T09:00:00+08:00.")
                wrong.add(f"instalments.{place}.{name}", "no_time_zone", detail)
                return
        if not before < part.due_at < latest:
            detail = _("Instalments are due one after the other, and all of them within the next two years.")
            wrong.add(f"instalments.{place}.due_at", "out_of_range", detail)
        if part.opens_at is not None and part.opens_at >= part.due_at:
            detail = _("An instalment is asked for before it is due.")
            wrong.add(f"instalments.{place}.opens_at", "out_of_range", detail)
        before = part.due_at
    if total != order.payable_amount:
        wrong.add("instalments", "does_not_add_up", _("The instalments do not add up to the payable amount."))


def store(orders: Sequence[StoredOrder]) -> None:
    """Keep the instalments of these orders, which were checked."""
    Instalment.objects.bulk_create(
        Instalment(
            order_id=order.id,
            position=place,
            amount=part.amount,
            opens_at=part.opens_at,
            due_at=part.due_at,
            # The first is the deposit; of the others nothing is kept unless the order says so.
            if_missed=part.if_missed or (terms_of(order.checked.source) if place == 1 else DepositTerms.RETURN),
        )
        for order in orders
        for place, part in enumerate(order.checked.body.instalments, 1)
    )


def ask_for_next(order_ids: Collection[int]) -> None:
    """Where a part was paid of locked orders that wait for more, ask for the next one, unless somebody is asked or is
    still being dealt with; the order waits until that is due. One statement where no order is paid in parts."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT o.id, n.due_at, EXISTS (
                SELECT FROM payments_payment a
                WHERE a.order_id = o.id AND a.state IN ({listed((*OPEN_PAYMENTS, PaymentState.CLOSING))}))
            FROM orders_order o CROSS JOIN LATERAL ({NEXT_PART}) AS n
            WHERE o.id = ANY(%s) AND o.state = '{OrderState.AWAITING_PAYMENT}' AND o.paid_amount > 0
            """,
            [list(order_ids)],
        )
        found = cursor.fetchall()
        for order_id, due_at, _is_asked in found:
            Order.objects.filter(pk=order_id).exclude(pay_by=due_at).update(pay_by=due_at)
        unasked = [order_id for order_id, _due_at, is_asked in found if not is_asked]
        if unasked:
            requesting.write_intents(cursor, unasked)
            nudging.nudge("send_payment")


def asked_now(order: Order) -> Decimal:
    """What the buyer of the order is asked for now, in yuan: the part that is next, or all that is not paid."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT n.until_then FROM orders_order o, LATERAL ({NEXT_PART}) AS n WHERE o.id = %s", [order.pk]
        )
        row = cursor.fetchone()
    return (row[0] if row else order.payable_amount) - order.paid_amount
