"""What our own books have of payments and refunds, for comparing. Each function is one statement; amounts in fen."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection

from oms.common.copying import array, text_array
from oms.common.money import to_fen
from payments.models import BalanceMovement, Means, MovementKind, Outcome, Payment, PaymentState, RefundState
from payments.models.balance import CARDS_BEGIN_WITH
from payments.owing import owed

# A row that stands for a payment or refund: others only name it.
_STANDS_FOR = f"m.row_id IS NOT NULL AND m.outcome NOT IN ('{Outcome.DUPLICATE_ROW}', '{Outcome.MALFORMED_ROW}')"
# SQL for the matches and the payments that they are about: one each, but where a parcel's cash paid for several orders.
PAYMENTS_OF_MATCHES = """(
    SELECT id AS match_id, payment_id FROM payments_billmatch WHERE payment_id IS NOT NULL
    UNION ALL SELECT match_id, payment_id FROM payments_billshare)"""


@dataclass(frozen=True, slots=True)
class Held:
    """A payment or refund of ours: `asked_fen` is what was asked for, `moved_fen` what our books say has moved, signed
    as bills are (a refund's is negative)."""

    id: int
    number: str
    transaction_number: str
    order_id: int
    asked_fen: int
    moved_fen: int
    at: datetime | None
    is_over: bool

    @property
    def is_refund(self) -> bool:
        """Whether it is money that went back."""
        return self.asked_fen < 0

    def with_more(self, other: "Held") -> "Held":
        """This one with the amounts of both."""
        asked, moved = self.asked_fen + other.asked_fen, self.moved_fen + other.moved_fen
        return replace(self, asked_fen=asked, moved_fen=moved, is_over=self.is_over and other.is_over)


_PAYMENT = f"""SELECT p.id, p.number, p.transaction_number, p.order_id, p.amount, p.captured_amount,
    coalesce(p.captured_at, p.created_at), p.state = '{PaymentState.CAPTURED}' FROM payments_payment p"""
_REFUND = f"""SELECT r.id, r.number, r.transaction_number, r.order_id, -r.amount, -r.refunded_amount,
    coalesce(r.succeeded_at, r.created_at), r.state = '{RefundState.SUCCEEDED}' FROM payments_refund r"""


def _held(sql: str, values: Sequence[Any]) -> list[Held]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [
            Held(key, number, transaction, order_id, to_fen(asked), to_fen(moved), at, is_over)
            for key, number, transaction, order_id, asked, moved, at, is_over in cursor.fetchall()
        ]


def payments_by_number(connection_id: int, numbers: Collection[str]) -> dict[str, Held]:
    """Payments over the connection, by their numbers."""
    sql = f"{_PAYMENT} WHERE p.connection_id = %s AND p.number = ANY(%s::text[])"
    return {held.number: held for held in _held(sql, [connection_id, text_array(numbers)])} if numbers else {}


def refunds_by_number(connection_id: int, numbers: Collection[str]) -> dict[str, Held]:
    """Refunds over the connection, by their numbers."""
    sql = f"{_REFUND} WHERE r.connection_id = %s AND r.number = ANY(%s::text[])"
    return {held.number: held for held in _held(sql, [connection_id, text_array(numbers)])} if numbers else {}


def payments_by_transaction(connection_id: int, numbers: Collection[str]) -> dict[str, Held]:
    """Payments over the connection, by the provider's numbers."""
    sql = f"{_PAYMENT} WHERE p.connection_id = %s AND p.transaction_number = ANY(%s::text[])"
    found = _held(sql, [connection_id, text_array(numbers)]) if numbers else []
    return {held.transaction_number: held for held in found}


def refunds_by_transaction(connection_id: int, numbers: Collection[str]) -> dict[str, Held]:
    """Refunds over the connection, by the provider's numbers."""
    sql = f"{_REFUND} WHERE r.connection_id = %s AND r.transaction_number = ANY(%s::text[])"
    found = _held(sql, [connection_id, text_array(numbers)]) if numbers else []
    return {held.transaction_number: held for held in found}


def transfers(numbers: Collection[str]) -> list[Held]:
    """Payments by bank transfer, by the bank's serials or their own numbers."""
    sql = f"{_PAYMENT} WHERE {BY_TRANSFER} AND (p.transaction_number = ANY(%s::text[]) OR p.number = ANY(%s::text[]))"
    return _held(sql, [text_array(numbers)] * 2) if numbers else []


def payments_near(connection_id: int, amounts: Collection[int], since: datetime, until: datetime) -> list[Held]:
    """Captured payments over the connection of these amounts and that time, which no bill has."""
    return _held(
        f"""{_PAYMENT} WHERE p.connection_id = %s AND p.state = '{PaymentState.CAPTURED}'
            AND (p.captured_amount * 100)::bigint = ANY(%s::bigint[]) AND p.captured_at BETWEEN %s AND %s
            AND NOT EXISTS (SELECT FROM payments_billmatch m WHERE m.payment_id = p.id AND {_STANDS_FOR})""",
        [connection_id, array(amounts), since, until],
    )


def paid_by_hand(numbers: Collection[str]) -> dict[str, list[Held]]:
    """Refunds that people pay, or paid, by the numbers under which a bank's statement may show them: the bank's own as
    it was recorded, the refund's, and those of its order. Two statements."""
    if not numbers:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT r.id, n.number, coalesce(o.amount, r.amount),
                CASE WHEN o.id IS NOT NULL AND r.state = '{RefundState.SUCCEEDED}' THEN o.amount
                    ELSE r.refunded_amount END
            FROM payments_refund r JOIN orders_order d ON d.id = r.order_id
            LEFT JOIN LATERAL (
                SELECT p.* FROM payments_payout p WHERE p.refund_id = r.id ORDER BY p.id DESC LIMIT 1) AS o ON true
            CROSS JOIN LATERAL (VALUES (r.number), (o.serial), (d.number), (d.external_number)) AS n(number)
            WHERE (r.connection_id IS NULL OR o.id IS NOT NULL) AND n.number = ANY(%(numbers)s::text[])
              AND r.id IN (
                SELECT id FROM payments_refund WHERE number = ANY(%(numbers)s::text[])
                UNION SELECT refund_id FROM payments_payout WHERE serial = ANY(%(numbers)s::text[])
                UNION SELECT f.id FROM payments_refund f JOIN orders_order w ON w.id = f.order_id
                    WHERE w.number = ANY(%(numbers)s::text[]) OR w.external_number = ANY(%(numbers)s::text[]))
            """,
            {"numbers": text_array(numbers)},
        )
        named = cursor.fetchall()
    held = refunds({key for key, *_rest in named})
    found: dict[str, list[Held]] = {}
    for key, number, asked, moved in named:
        one = replace(held[key], asked_fen=-to_fen(asked), moved_fen=-to_fen(moved))
        found.setdefault(number, []).append(one)
    return found


def payments(ids: Collection[int]) -> dict[int, Held]:
    """These payments, by id."""
    return {held.id: held for held in _held(f"{_PAYMENT} WHERE p.id = ANY(%s::bigint[])", [array(ids)])} if ids else {}


def refunds(ids: Collection[int]) -> dict[int, Held]:
    """These refunds, by id."""
    return {held.id: held for held in _held(f"{_REFUND} WHERE r.id = ANY(%s::bigint[])", [array(ids)])} if ids else {}


def over(connection_id: int) -> str:
    """SQL on a payment `p`: it goes over the connection."""
    return f"p.connection_id = {int(connection_id)}"


# SQL on a payment `p`: how it comes in.
BY_TRANSFER = f"p.means = '{Means.OFFLINE}'"
IN_CASH = f"p.means = '{Means.CASH}'"
BY_MERCHANT = f"p.means = '{Means.EXTERNAL}'"


def of_orders(which: str, numbers: Collection[str]) -> dict[str, list[Held]]:
    """Payments that fulfil the condition, by a number of their order: its own, its shop's, or a sub-order's. Two
    statements."""
    found: dict[str, list[Held]] = {}
    if not numbers:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, number FROM orders_order WHERE number = ANY(%(numbers)s::text[])
            UNION SELECT id, external_number FROM orders_order WHERE external_number = ANY(%(numbers)s::text[])
            UNION SELECT order_id, number FROM orders_suborder WHERE number = ANY(%(numbers)s::text[])
            """,
            {"numbers": text_array(numbers)},
        )
        named = cursor.fetchall()
    held = _held(
        f"{_PAYMENT} WHERE {which} AND p.order_id = ANY(%s::bigint[]) ORDER BY p.id",
        [array(order_id for order_id, _number in named)],
    )
    by_order: dict[int, list[Held]] = {}
    for one in held:
        by_order.setdefault(one.order_id, []).append(one)
    for order_id, number in named:
        found.setdefault(number, []).extend(by_order.get(order_id, ()))
    return found


def cash_of(sub_order_ids: Collection[int]) -> dict[int, Held]:
    """What carriers collect for these sub-orders, by the sub-order's id."""
    if not sub_order_ids:
        return {}
    held = _held(f"{_PAYMENT} WHERE p.sub_order_id = ANY(%s::bigint[])", [array(sub_order_ids)])
    owners = parts_of({one.id for one in held})
    return {owners[one.id]: one for one in held if one.id in owners}


def parts_of(payment_ids: Collection[int]) -> dict[int, int]:
    """Of which sub-order (id) each of these payments is, by the payment's id; others are left out."""
    of_parts = Payment.objects.filter(pk__in=payment_ids, sub_order__isnull=False)
    return {key: part for key, part in of_parts.values_list("pk", "sub_order_id") if part is not None}


def payments_of_matches(match_ids: Collection[int]) -> dict[int, Held]:
    """What these matches are about, by the match's id: the first payment, with the sums of all."""
    if not match_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT match_id, payment_id FROM {PAYMENTS_OF_MATCHES} AS x WHERE match_id = ANY(%s::bigint[])",
            [array(match_ids)],
        )
        pairs = cursor.fetchall()
    held = payments({payment for _match, payment in pairs})
    found: dict[int, Held] = {}
    for match, payment in sorted(pairs):
        one, sofar = held[payment], found.get(match)
        found[match] = one if sofar is None else sofar.with_more(one)
    return found


def matched(column: str, ids: Collection[int]) -> dict[int, str]:
    """Which of these payments or refunds (`column`: "payment", "refund") a row stands for already, with the provider's
    number in that row."""
    if not ids:
        return {}
    shared = "UNION ALL SELECT payment_id, match_id FROM payments_billshare WHERE payment_id = ANY(%(ids)s::bigint[])"
    too = shared if column == "payment" else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT held.id, b.transaction_number FROM (
                    SELECT {column}_id AS id, id AS match_id FROM payments_billmatch
                    WHERE {column}_id = ANY(%(ids)s::bigint[]) {too}) AS held
                JOIN payments_billmatch m ON m.id = held.match_id JOIN payments_billrow b ON b.id = m.row_id
                WHERE {_STANDS_FOR}""",
            {"ids": array(ids)},
        )
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale of a gift card (a movement of its) that no row of a bank statement paid yet."""

    id: int
    fen: int


def unpaid_sales(numbers: Collection[str]) -> dict[str, list[Sale]]:
    """What was sold of gift cards and no row paid yet, by the cards' numbers, oldest first."""
    found: dict[str, list[Sale]] = {}
    named = [number for number in numbers if number.startswith(CARDS_BEGIN_WITH)]
    if named:
        rows = BalanceMovement.objects.filter(account__number__in=named, kind=MovementKind.SOLD, bill_sale__isnull=True)
        for number, key, fen in rows.order_by("pk").values_list("account__number", "pk", "available_change"):
            found.setdefault(number, []).append(Sale(key, fen))
    return found


def paid_again(order_ids: Collection[int]) -> set[int]:
    """Captured payments of these orders before which all was paid that the orders had been billed for; not those of
    which a person said so already, nor the balances of changes, which say what they are for."""
    if not order_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT p.id FROM (
                SELECT p.id, p.order_id, p.change_set_id, sum(p.captured_amount) OVER earlier AS before,
                    count(*) OVER earlier AS place
                FROM payments_payment p
                WHERE p.order_id = ANY(%s::bigint[]) AND p.state = '{PaymentState.CAPTURED}'
                  AND p.doubles_id IS NULL
                WINDOW earlier AS (PARTITION BY p.order_id ORDER BY p.captured_at, p.id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            ) AS p JOIN orders_order o ON o.id = p.order_id
            WHERE p.place > 0 AND p.change_set_id IS NULL AND p.before >= {owed.EXPECTED}
            """,
            [array(order_ids)],
        )
        return {key for (key,) in cursor.fetchall()}
