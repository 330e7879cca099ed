from django.db import migrations


class Migration(migrations.Migration):
    """Leave room in the pages of rows that are updated often, so that updates need no new index entries."""

    dependencies = [("inventory", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE inventory_stock SET (fillfactor = 70)",
            "ALTER TABLE inventory_stock RESET (fillfactor)",
        )
    ]
