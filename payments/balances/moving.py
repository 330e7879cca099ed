"""Changing balances: by movements, each written once; the database carries them into the accounts.

A movement that would leave less than nothing is refused by the account's own constraint, whoever writes it and however
many at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oms.common.postgresql.appending import append_only
from orders.actors import Actor
from payments.ledger import posting
from payments.ledger.chart import Code
from payments.ledger.posting import Entry, Line
from payments.models import BalanceAccount, BalanceKind, BalanceMovement, EntryKind, MovementKind

_MOVES, _GUARD = "payments_balance_moves", "payments_balance_guard"
_K = MovementKind
# What each kind does to what is available and to what is held.
_SIGNS = {
    _K.SOLD: (1, 0),
    _K.GIVEN: (1, 0),
    _K.HELD: (-1, 1),
    _K.CAPTURED: (0, -1),
    _K.RELEASED: (1, -1),
    _K.GIVEN_BACK: (1, 0),
    _K.EARNED: (1, 0),
    _K.TAKEN_BACK: (-1, 0),
    _K.EXPIRED: (-1, 0),
    _K.ADJUSTED: (1, 0),
}
# The account in which what a balance of this kind has stands as owed.
LIABILITY = {BalanceKind.GIFT_CARD: Code.GIFT_CARDS, BalanceKind.POINTS: Code.POINTS}
# What movements without an order are booked against, where that is not the cost of points.
_AGAINST = {
    _K.SOLD: (EntryKind.BALANCE_ISSUED, Code.BANK),
    _K.GIVEN: (EntryKind.BALANCE_ISSUED, Code.PLATFORM_OFFERS),
    _K.EXPIRED: (EntryKind.BALANCE_EXPIRED, Code.OTHER_INCOME),
    _K.ADJUSTED: (EntryKind.BALANCE_ADJUSTED, Code.COMPENSATION),
}


@dataclass(frozen=True, slots=True)
class Move:
    """How much of an account moves (fen, positive; signed for adjustments), why, and the fact that it comes of. Of
    points taken back, `short` are those that were spent already, or, below 0, paid now."""

    account: BalanceAccount
    kind: MovementKind
    fen: int
    key: str
    order_id: int | None = None
    short: int = 0
    reason: str = ""


def move(moves: Iterable[Move], *, actor: Actor) -> list[BalanceMovement]:
    """Write the movements, by account, and book those that belong to no order. The accounts should be locked.

    Raises IntegrityError for one that was written before, and where an account would have less than nothing.
    """
    movements = BalanceMovement.objects.bulk_create(
        BalanceMovement(
            account=one.account,
            kind=one.kind,
            key=one.key,
            available_change=_SIGNS[one.kind][0] * one.fen,
            held_change=_SIGNS[one.kind][1] * one.fen,
            short_change=one.short,
            order_id=one.order_id,
            reason=one.reason[:200],
            actor_kind=actor.kind,
            actor=actor.name,
        )
        for one in sorted(moves, key=lambda one: one.account.pk)
    )
    _book([movement for movement in movements if movement.order_id is None])
    return movements


def party_of(account_id: int) -> str:
    """How the ledger names a balance."""
    return f"balance:{account_id}"


def _book(movements: Sequence[BalanceMovement]) -> None:
    entries = []
    for movement in movements:
        account, change = movement.account, movement.available_change
        kind, against = _AGAINST[_K(movement.kind)]
        if account.kind == BalanceKind.POINTS:
            against = Code.POINTS_GRANTED
        lines = (
            Line(against, change),
            Line(LIABILITY[BalanceKind(account.kind)], -change, party_of(account.pk)),
        )
        entries.append(
            Entry(
                key=f"movement:{movement.pk}",
                kind=kind,
                lines=lines,
                subject=party_of(account.pk),
                reason=movement.reason,
                actor=movement.actor,
            )
        )
    posting.post(entries)


def trigger_sql() -> str:
    """The SQL that (re)creates the triggers: movements change their accounts and are never changed; accounts are
    changed by nothing else."""
    columns = ("available", "held", "short")
    changes = ", ".join(f"{name} = {name} + NEW.{name}_change" for name in columns)
    after = ", ".join(f"NEW.{name}_after" for name in columns)
    return f"""
        CREATE OR REPLACE FUNCTION {_MOVES}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE payments_balanceaccount SET {changes} WHERE id = NEW.account_id
            RETURNING {", ".join(columns)} INTO {after};
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER {_MOVES} BEFORE INSERT ON payments_balancemovement
            FOR EACH ROW EXECUTE FUNCTION {_MOVES}();
        CREATE OR REPLACE FUNCTION {_GUARD}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF pg_trigger_depth() > 1 OR (TG_OP = 'INSERT' AND (NEW.available, NEW.held, NEW.short) = (0, 0, 0)) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'balance % changes by movements only', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = '{_GUARD}', TABLE = TG_TABLE_NAME,
                    HINT = 'Add a row to payments_balancemovement.';
        END $$;
        CREATE OR REPLACE TRIGGER {_GUARD} BEFORE INSERT OR UPDATE OF {", ".join(columns)} ON payments_balanceaccount
            FOR EACH ROW EXECUTE FUNCTION {_GUARD}();
        {append_only("payments_balancemovement")}
    """
