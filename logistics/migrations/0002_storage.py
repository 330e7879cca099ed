from django.db import migrations


class Migration(migrations.Migration):
    """Leave room in the pages of rows that are leased before they move, so that a lease needs no new index entries."""

    dependencies = [("logistics", "0001_initial")]
    operations = [
        migrations.RunSQL(
            """
            ALTER TABLE logistics_warehouseorder SET (fillfactor = 60);
            ALTER TABLE logistics_shipment SET (fillfactor = 60);
            """,
            """
            ALTER TABLE logistics_warehouseorder RESET (fillfactor);
            ALTER TABLE logistics_shipment RESET (fillfactor);
            """,
        )
    ]
