from django.db import migrations

from oms.common.rule_sets import FIXED_TABLE, FIXES_ROWS

_NAME = "inventory_rules_are_fixed"


class Migration(migrations.Migration):
    """Rules that decided anything stay as they were, so that every decision can be explained."""

    dependencies = [("inventory", "0003_promise_version")]
    operations = [
        migrations.RunSQL(FIXES_ROWS.format(name=_NAME, versions="inventory_sourcingruleset"), f"DROP FUNCTION {_NAME}"),
        *(
            migrations.RunSQL(
                FIXED_TABLE.format(table=f"inventory_{table}", name=_NAME),
                f"DROP TRIGGER rules_are_fixed ON inventory_{table}",
            )
            for table in ("sourcingrule", "splitrule")
        ),
    ]
