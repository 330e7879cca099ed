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


class Migration(migrations.Migration):
    """Whoever keeps the promise's tables in memory sees by one number that they changed."""

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
    ]
