"""The ledgers are the only writers of stock: a line changes its row, and nothing else does.

The triggers act once a statement, not once a row, and lock the rows that they change: whoever writes lines of several
rows has locked these before, in the one order (see `inventory.reserving.lock_stock`).
"""

from inventory.models import StockMovement
from oms.common.postgresql.appending import append_only

_COLUMNS = ("on_hand", "reserved", "frozen")


def trigger_sql() -> str:
    """The SQL that (re)creates the triggers of the ledger of stock."""
    return _ledger("inventory_stock", "inventory_stockmovement", "stock_id", also=_WAKES, sums=_BECAME_FREE)


# Units became free: who waits for them is to be looked at. Nobody can wait for what was there from the beginning.
_BECAME_FREE = f""",
                sum(on_hand_change - reserved_change - frozen_change)
                    FILTER (WHERE kind <> '{StockMovement.Kind.OPENING}') AS became_free"""
_WAKES = """,
                wakes_backorders_since = CASE WHEN b.became_free > 0 THEN clock_timestamp()
                                              ELSE s.wakes_backorders_since END,
                changed_at = clock_timestamp()"""


def _ledger(table: str, lines: str, key: str, *, also: str = "", sums: str = "") -> str:
    sums = ", ".join(f"sum({name}_change) AS {name}" for name in _COLUMNS) + sums
    changes = ", ".join(f"{name} = s.{name} + b.{name}" for name in _COLUMNS)
    old, new = (", ".join(f"{row}.{name}" for name in _COLUMNS) for row in ("OLD", "NEW"))
    return f"""
        CREATE OR REPLACE FUNCTION {lines}_book() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE {table} s SET {changes}{also}
            FROM (SELECT {key} AS id, {sums} FROM booked GROUP BY {key}) AS b WHERE s.id = b.id;
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER {lines}_book AFTER INSERT ON {lines} REFERENCING NEW TABLE AS booked
            FOR EACH STATEMENT EXECUTE FUNCTION {lines}_book();
        CREATE OR REPLACE FUNCTION {table}_by_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% % changes by its ledger only', TG_TABLE_NAME, NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = '{table}_by_ledger', TABLE = TG_TABLE_NAME,
                    HINT = 'Add a row to {lines}.';
        END $$;
        CREATE OR REPLACE TRIGGER {table}_by_ledger BEFORE UPDATE OF {", ".join(_COLUMNS)} ON {table} FOR EACH ROW
            WHEN (pg_trigger_depth() = 0 AND ({old}) IS DISTINCT FROM ({new}))
            EXECUTE FUNCTION {table}_by_ledger();
        CREATE OR REPLACE TRIGGER {table}_begins_empty AFTER INSERT ON {table} FOR EACH ROW
            WHEN ((NEW.on_hand, NEW.reserved, NEW.frozen) <> (0, 0, 0)) EXECUTE FUNCTION {table}_by_ledger();
        {append_only(lines)}
    """
