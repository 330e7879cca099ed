"""Booking facts: what is missing in the ledger of what happened, in the transaction in which it happened.

What a fact comes to follows from its row (`payments.ledger.sources`), and what is booked already from the ledger; the
difference is the next entry. So no writer of payments, refunds or sub-orders books anything itself, nothing is booked
twice however often it is told, and a fact that goes on (granted, sent, arrived; completed, came back) gets an entry a
step. What has no order (bills, statements, money that nobody knows) is booked by `post`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils import timezone

from oms.common.copying import array, copy_rows, next_ids, text_array
from oms.common.postgresql.appending import append_only
from oms.merchants import sandboxes
from payments.ledger import sources
from payments.ledger.chart import Code
from payments.models import EntryKind

# The constraint trigger that looks, when a transaction ends, whether its entries add up.
BALANCES = "payments_ledger_balances"
_FACTS = " UNION ALL ".join(
    (
        sources.CAPTURED,
        sources.REFUNDS,
        sources.DISPUTED,
        sources.COMPLETED,
        sources.SETTLED,
        sources.KEPT,
        sources.GIVEN_BESIDE,
        sources.CHANGED,
        sources.WITHHELD,
        sources.SERVICE,
        sources.WAY_BACK,
        sources.FORFEITED,
        sources.EXCHANGED,
        sources.BALANCES,
    )
)
# Orders of sandboxes: no money of theirs is anybody's.
_TESTS = f"""
    SELECT o.id FROM orders_order o WHERE o.id = ANY(%(orders)s::bigint[]) AND o.channel_id IN {sandboxes.CHANNELS}
"""
# What is not booked yet of the orders' facts: (order_id, subject, kind, account, party, fen).
MISSING = f"""
    WITH every(order_id, subject, kind, account, party, fen) AS MATERIALIZED ({_FACTS}),
    facts AS MATERIALIZED (SELECT * FROM every WHERE order_id NOT IN ({_TESTS})),
    target AS (
        SELECT * FROM facts UNION ALL {sources.RECEIVABLE}
    ), booked AS (
        SELECT e.order_id, e.subject, l.account_id AS account, l.party, sum(l.debit_fen - l.credit_fen) AS fen
        FROM payments_ledgerentry e JOIN payments_ledgerline l ON l.entry_id = e.id
        WHERE e.order_id = ANY(%(orders)s::bigint[])
        GROUP BY e.order_id, e.subject, l.account_id, l.party
    ), wanted AS (
        SELECT order_id, subject, max(kind) AS kind, account, party, sum(fen) AS fen FROM target
        GROUP BY order_id, subject, account, party
    )
    SELECT coalesce(w.order_id, b.order_id) AS order_id, coalesce(w.subject, b.subject) AS subject,
        coalesce(max(w.kind) OVER (PARTITION BY coalesce(w.subject, b.subject)), '{EntryKind.CAME_BACK}') AS kind,
        coalesce(w.account, b.account) AS account, coalesce(w.party, b.party) AS party,
        coalesce(w.fen, 0) - coalesce(b.fen, 0) AS fen
    FROM wanted w FULL JOIN booked b
      ON b.order_id = w.order_id AND b.subject = w.subject AND b.account = w.account AND b.party = w.party
"""
# Stands for the ids of all orders, in `MISSING`.
ALL_ORDERS = "array(SELECT id FROM orders_order)"


def post_missing(order_ids: Iterable[int]) -> None:
    """Book what is missing of the facts of these orders, which must be locked. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH missing AS MATERIALIZED (SELECT * FROM ({MISSING}) AS m WHERE fen <> 0), entry AS (
                INSERT INTO payments_ledgerentry (key, kind, order_id, subject)
                SELECT subject || '/' || (
                        SELECT count(*) + 1 FROM payments_ledgerentry e
                        WHERE e.order_id = m.order_id AND e.subject = m.subject),
                    max(kind), order_id, subject
                FROM missing m GROUP BY order_id, subject ORDER BY order_id, subject
                RETURNING id, order_id, subject
            )
            INSERT INTO payments_ledgerline (entry_id, account_id, party, debit_fen, credit_fen)
            SELECT e.id, m.account, m.party, greatest(m.fen, 0), greatest(-m.fen, 0)
            FROM missing m JOIN entry e USING (order_id, subject) ORDER BY e.id, m.account
            """,
            {"orders": array(order_ids)},
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A side of an entry: fen positive in debit, negative in credit."""

    account: Code
    fen: int
    party: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact that follows from no row of an order: `key` names it for ever, `subject` what it is about. It names no
    order: the entries that do are those of `post_missing`."""

    key: str
    kind: EntryKind
    lines: Sequence[Line]
    subject: str = ""
    reason: str = ""
    actor: str = ""
    occurred_at: datetime | None = None


def post(entries: Sequence[Entry]) -> int:
    """Book these facts, each once: those whose key is booked already are left out. Returns how many were booked.

    Raises ValueError for an entry that does not add up to 0. A few statements, however many entries.
    """
    for entry in entries:
        if sum(line.fen for line in entry.lines) != 0:
            raise ValueError(f"{entry.key} does not add up")
    known = _booked([entry.key for entry in entries])
    fresh = list({entry.key: entry for entry in entries if entry.key not in known}.values())
    ids = next_ids("payments_ledgerentry", len(fresh)) if fresh else []
    now = timezone.now()
    copy_rows(
        "payments_ledgerentry",
        ("id", "key", "kind", "subject", "reason", "actor", "occurred_at"),
        (
            (
                *(key, entry.key, entry.kind.value, entry.subject or entry.key[:60]),
                *(entry.reason, entry.actor, entry.occurred_at or now),
            )
            for key, entry in zip(ids, fresh, strict=True)
        ),
    )
    copy_rows(
        "payments_ledgerline",
        ("entry_id", "account_id", "party", "debit_fen", "credit_fen"),
        (
            (key, line.account.value, line.party, max(line.fen, 0), max(-line.fen, 0))
            for key, entry in zip(ids, fresh, strict=True)
            for line in entry.lines
            if line.fen
        ),
    )
    return len(fresh)


def _booked(keys: Sequence[str]) -> set[str]:
    """Which of these facts are booked already."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM payments_ledgerentry WHERE key = ANY(%s::text[])", [text_array(keys)])
        return {key for (key,) in cursor.fetchall()}


def trigger_sql() -> str:
    """The SQL that (re)creates the triggers: entries add up to 0 when their transaction ends, and are never changed."""
    return f"""
        CREATE OR REPLACE FUNCTION {BALANCES}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT sum(debit_fen - credit_fen) FROM payments_ledgerline WHERE entry_id = NEW.entry_id) <> 0 THEN
                RAISE EXCEPTION 'ledger entry % does not add up', NEW.entry_id
                    USING ERRCODE = 'check_violation', CONSTRAINT = '{BALANCES}', TABLE = TG_TABLE_NAME,
                        HINT = 'Debit and credit of an entry must be equal.';
            END IF;
            RETURN NULL;
        END $$;
        DROP TRIGGER IF EXISTS {BALANCES} ON payments_ledgerline;
        CREATE CONSTRAINT TRIGGER {BALANCES} AFTER INSERT ON payments_ledgerline
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {BALANCES}();
        {append_only("payments_ledgerentry")}
        {append_only("payments_ledgerline")}
    """
