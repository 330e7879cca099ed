from django.db import migrations

_TABLES = (
    "servicelevel", "cutoff", "calendarday", "workschedule", "suspension", "lane", "remotearea", "carrierservice",
    "freightrate", "freightsurcharge", "appointmentslot", "warehouse", "warehouseguest", "region",
    "sourcingruleset", "sourcingrule", "splitrule",
)

_RAISE = """
    CREATE SEQUENCE inventory_promise_version;
    CREATE FUNCTION inventory_raise_promise_version() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        -- A sequence never comes back, whatever is rolled back or emptied: a version means the same tables for ever.
        INSERT INTO inventory_promisetables (id, version) VALUES (1, nextval('inventory_promise_version'))
        ON CONFLICT (id) DO UPDATE SET version = nextval('inventory_promise_version');
        RETURN NULL;
    END $$;
"""

# Days of which somebody took of a room already follow when there is more or less of it, but for those of which staff
# said something else. Locked in the order of who takes.
_FOLLOW = """
    CREATE FUNCTION inventory_capacity_follows() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        is_slot boolean := TG_TABLE_NAME = 'inventory_appointmentslot';
        former integer;
        now_ integer;
    BEGIN
        IF is_slot THEN
            former := OLD.capacity;
            now_ := NEW.capacity;
        ELSE
            former := OLD.daily_capacity;
            now_ := NEW.daily_capacity;
        END IF;
        UPDATE inventory_capacitybucket b SET capacity = greatest(now_, b.taken) WHERE b.id IN (
            SELECT id FROM inventory_capacitybucket
            WHERE day >= (now() AT TIME ZONE 'Asia/Shanghai')::date AND capacity = greatest(former, taken)
              AND CASE WHEN is_slot THEN slot_id = NEW.id ELSE warehouse_id = NEW.id AND slot_id IS NULL END
            ORDER BY day, warehouse_id, coalesce(slot_id, 0) FOR NO KEY UPDATE);
        RETURN NULL;
    END $$;
    CREATE TRIGGER days_follow_capacity AFTER UPDATE OF daily_capacity ON inventory_warehouse
        FOR EACH ROW WHEN (NEW.daily_capacity > 0 AND OLD.daily_capacity <> NEW.daily_capacity)
        EXECUTE FUNCTION inventory_capacity_follows();
    CREATE TRIGGER days_follow_capacity AFTER UPDATE OF capacity ON inventory_appointmentslot
        FOR EACH ROW WHEN (OLD.capacity <> NEW.capacity) EXECUTE FUNCTION inventory_capacity_follows();
"""


class Migration(migrations.Migration):
    """Whoever keeps the promise's tables in memory sees by one number that they changed; days follow the room that
    warehouses and slots have."""

    dependencies = [("inventory", "0002_storage")]
    operations = [
        migrations.RunSQL(_RAISE, "DROP FUNCTION inventory_raise_promise_version; DROP SEQUENCE inventory_promise_version"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER promise_version AFTER INSERT OR UPDATE OR DELETE ON inventory_{table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION inventory_raise_promise_version()",
                f"DROP TRIGGER promise_version ON inventory_{table}",
            )
            for table in _TABLES
        ),
        migrations.RunSQL(_FOLLOW, "DROP FUNCTION inventory_capacity_follows CASCADE"),
    ]
