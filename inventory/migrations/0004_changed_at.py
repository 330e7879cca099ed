from django.db import migrations

_STAMP = """
    CREATE FUNCTION inventory_stamp_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.changed_at := clock_timestamp();
        RETURN NEW;
    END $$;
    CREATE TRIGGER stock_changed_at BEFORE UPDATE OF safety_stock ON inventory_stock
        FOR EACH ROW EXECUTE FUNCTION inventory_stamp_change();
"""


class Migration(migrations.Migration):
    """What can be promised changes with the safety stock, too: the row says when. The ledger says it of the rest."""

    dependencies = [("inventory", "0003_promise_version")]
    operations = [
        migrations.RunSQL(_STAMP, "DROP FUNCTION inventory_stamp_change CASCADE"),
    ]
