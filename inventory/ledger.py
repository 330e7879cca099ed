"""The ledgers are the only writers of stock: a line changes its row, and nothing else does.

The triggers act once a statement, not once a row, and lock the rows that they change: whoever writes lines of several
rows has locked these before, in the one order (see `inventory.reserving.lock_stock`).
"""

from inventory import hosting
from inventory.models import Quality, StockMovement
from oms.common.postgresql.appending import append_only

_COLUMNS = ("on_hand", "reserved", "frozen")


def trigger_sql() -> str:
    """The SQL that (re)creates the triggers of the ledgers of stock and of batches, and of the story of transfers."""
    return f"""
        {_ledger("inventory_stock", "inventory_stockmovement", "stock_id", also=_WAKES, sums=_BECAME_FREE)}
        {_ledger("inventory_stocklot", "inventory_lotmovement", "lot_id")}
        {_KEEPS_LOTS}
        {_LOTS_ADD_UP}
        {_IS_KEPT}
        {append_only("inventory_transferstep")}
    """


# A stock row keeps batches, or codes, where its SKU wants them. The SKU is locked against changes: who switches them on
# follows in the rows that he sees, which a row that is not committed yet is none of.
_KEEPS_LOTS = """
        CREATE OR REPLACE FUNCTION inventory_stock_keeps_lots() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            SELECT k.wants_batches, k.sells_codes INTO NEW.keeps_lots, NEW.keeps_codes
            FROM inventory_sku k WHERE k.id = NEW.sku_id FOR SHARE;
            NEW.keeps_lots := coalesce(NEW.keeps_lots, false);
            NEW.keeps_codes := coalesce(NEW.keeps_codes, false);
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER inventory_stock_keeps_lots BEFORE INSERT ON inventory_stock
            FOR EACH ROW EXECUTE FUNCTION inventory_stock_keeps_lots();
"""

# At the end of a transaction the batches of a row that keeps them add up to it. Others are not asked.
_LOTS_ADD_UP = f"""
        CREATE OR REPLACE FUNCTION inventory_lots_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            row_id bigint := CASE WHEN TG_TABLE_NAME = 'inventory_stock' THEN NEW.id
                                  ELSE (to_jsonb(NEW) ->> 'stock_id')::bigint END;
        BEGIN
            IF EXISTS (
                SELECT FROM inventory_stock s WHERE s.id = row_id AND s.keeps_lots
                AND (s.on_hand, s.reserved, s.frozen) <> (
                    SELECT coalesce(sum(l.on_hand), 0), coalesce(sum(l.reserved), 0), coalesce(sum(l.frozen), 0)
                    FROM inventory_stocklot l WHERE l.stock_id = s.id AND l.quality = '{Quality.GOOD}'
                )
            ) THEN
                RAISE EXCEPTION 'the batches of stock % do not add up to it', row_id
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'inventory_lots_add_up', TABLE = TG_TABLE_NAME;
            END IF;
            RETURN NULL;
        END $$;
        DROP TRIGGER IF EXISTS inventory_lots_add_up ON inventory_stock;
        CREATE CONSTRAINT TRIGGER inventory_lots_add_up AFTER UPDATE ON inventory_stock
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.keeps_lots) EXECUTE FUNCTION inventory_lots_add_up();
        DROP TRIGGER IF EXISTS inventory_lots_add_up ON inventory_stocklot;
        CREATE CONSTRAINT TRIGGER inventory_lots_add_up AFTER UPDATE ON inventory_stocklot
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            WHEN (NEW.quality = '{Quality.GOOD}') EXECUTE FUNCTION inventory_lots_add_up();
"""


# Units come in only where goods of their merchant are kept. Whoever brings some in holds the guest's row, so that its
# stay does not end meanwhile.
_IS_KEPT = f"""
        CREATE OR REPLACE FUNCTION inventory_stock_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            row_id bigint := CASE WHEN TG_TABLE_NAME = 'inventory_stock' THEN NEW.id
                                  ELSE (to_jsonb(NEW) ->> 'stock_id')::bigint END;
        BEGIN
            PERFORM FROM inventory_warehouseguest g JOIN inventory_stock s ON s.warehouse_id = g.warehouse_id
                JOIN inventory_sku k ON k.id = s.sku_id AND k.merchant_id = g.merchant_id
                WHERE s.id = row_id AND g.ended_at IS NULL FOR SHARE OF g;
            IF NOT EXISTS (
                SELECT FROM inventory_stock s JOIN inventory_sku k ON k.id = s.sku_id
                JOIN inventory_warehouse w ON w.id = s.warehouse_id
                WHERE s.id = row_id AND {hosting.kept_sql("w", "k")}
            ) THEN
                RAISE EXCEPTION 'the warehouse of stock % keeps no goods of their merchant', row_id
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'inventory_stock_is_kept', TABLE = TG_TABLE_NAME;
            END IF;
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER inventory_stock_is_kept AFTER UPDATE OF on_hand ON inventory_stock
            FOR EACH ROW WHEN (NEW.on_hand > OLD.on_hand) EXECUTE FUNCTION inventory_stock_is_kept();
        CREATE OR REPLACE TRIGGER inventory_stock_is_kept AFTER UPDATE OF on_hand ON inventory_stocklot
            FOR EACH ROW WHEN (NEW.on_hand > OLD.on_hand AND NEW.quality <> '{Quality.GOOD}')
            EXECUTE FUNCTION inventory_stock_is_kept();
"""


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
