from django.db import migrations


class Migration(migrations.Migration):
    """Leave room in the pages of rows that are updated often."""

    dependencies = [("orders", "0001_initial")]
    operations = [
        migrations.RunSQL(
            """
            ALTER TABLE orders_order SET (fillfactor = 80);
            ALTER TABLE orders_suborder SET (fillfactor = 60);
            """,
            """
            ALTER TABLE orders_order RESET (fillfactor);
            ALTER TABLE orders_suborder RESET (fillfactor);
            """,
        )
    ]
