"""What the database itself sees to: the units of a stock row are its codes for sale, whoever changes them; and codes of
units which are not the buyer's any more are looked at (`settling`)."""

from logistics.models import CodeState
from oms.common.postgresql.appending import append_only
from oms.common.states import listed
from orders.models.sub_order import UNDONE

TABLES = ("logistics_virtualcode", "logistics_virtualdelivery", "logistics_reveal")


def trigger_sql() -> str:
    """The SQL that (re)creates the triggers."""
    return f"{_UNITS_ARE_CODES}{_TO_SETTLE}{append_only('logistics_reveal')}"


# At the end of the transaction, since units and codes change by two statements. Reserving changes no units.
_UNITS_ARE_CODES = f"""
    CREATE OR REPLACE FUNCTION logistics_units_are_codes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT s.on_hand FROM inventory_stock s WHERE s.id = NEW.id) <> (
            SELECT count(*) FROM logistics_virtualcode c WHERE c.stock_id = NEW.id AND c.state = '{CodeState.ON_SHELF}'
        ) THEN
            RAISE EXCEPTION 'the units of stock % are not its codes for sale', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'logistics_units_are_codes', TABLE = TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END $$;
    DROP TRIGGER IF EXISTS logistics_units_are_codes ON inventory_stock;
    CREATE CONSTRAINT TRIGGER logistics_units_are_codes AFTER UPDATE ON inventory_stock
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.keeps_codes AND NEW.on_hand <> OLD.on_hand)
        EXECUTE FUNCTION logistics_units_are_codes();
"""

_TO_SETTLE = f"""
    CREATE OR REPLACE FUNCTION logistics_goods_to_settle() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE logistics_virtualdelivery d SET to_settle_since = coalesce(d.to_settle_since, now())
        WHERE d.sub_order_id = CASE WHEN TG_TABLE_NAME = 'orders_suborder' THEN NEW.id
                                    ELSE (to_jsonb(NEW) ->> 'sub_order_id')::bigint END;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER logistics_goods_to_settle AFTER UPDATE OF state ON orders_suborder
        FOR EACH ROW WHEN (NEW.storage_class = 'virtual' AND NEW.state IN ({listed(UNDONE)}) AND NEW.state <> OLD.state)
        EXECUTE FUNCTION logistics_goods_to_settle();
    CREATE OR REPLACE TRIGGER logistics_goods_to_settle AFTER UPDATE OF returned_quantity ON orders_suborderline
        FOR EACH ROW WHEN (NEW.returned_quantity > OLD.returned_quantity)
        EXECUTE FUNCTION logistics_goods_to_settle();
"""
