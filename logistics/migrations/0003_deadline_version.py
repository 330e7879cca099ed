from django.db import migrations

_TABLES = ("deadlinerule", "deadlinestretch", "learneddeadline")


class Migration(migrations.Migration):
    """Whoever keeps the deadlines in memory sees by the number of the promise's tables that they changed."""

    dependencies = [("logistics", "0002_storage"), ("inventory", "0003_promise_version")]
    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER promise_version AFTER INSERT OR UPDATE OR DELETE ON logistics_{table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION inventory_raise_promise_version()",
            f"DROP TRIGGER promise_version ON logistics_{table}",
        )
        for table in _TABLES
    ]
