from django.db import migrations

# What can be promised changes with the safety stock and the warehouses in use, too: the rows say when. The ledger says
# it of the rest.
_STAMP = """
    CREATE FUNCTION inventory_stamp_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.changed_at := clock_timestamp();
        RETURN NEW;
    END $$;
    CREATE TRIGGER stock_changed_at BEFORE UPDATE OF safety_stock ON inventory_stock
        FOR EACH ROW EXECUTE FUNCTION inventory_stamp_change();
    CREATE FUNCTION inventory_stamp_stock() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM id FROM inventory_stock WHERE warehouse_id = NEW.id ORDER BY warehouse_id, sku_id FOR NO KEY UPDATE;
        UPDATE inventory_stock SET changed_at = clock_timestamp() WHERE warehouse_id = NEW.id;
        RETURN NULL;
    END $$;
    CREATE TRIGGER warehouse_changes_stock AFTER UPDATE OF is_active ON inventory_warehouse
        FOR EACH ROW WHEN (OLD.is_active IS DISTINCT FROM NEW.is_active) EXECUTE FUNCTION inventory_stamp_stock();
"""


class Migration(migrations.Migration):
    """Leave room in the pages of rows that are updated often, so that updates need no new index entries; and rows of
    stock say when they changed."""

    dependencies = [("inventory", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE inventory_stock SET (fillfactor = 70)",
            "ALTER TABLE inventory_stock RESET (fillfactor)",
        ),
        migrations.RunSQL(
            _STAMP, "DROP FUNCTION inventory_stamp_change CASCADE; DROP FUNCTION inventory_stamp_stock CASCADE"
        ),
    ]
