from django.db import migrations

from oms.common.rule_sets import FIXED_TABLE, FIXES_ROWS

_NAME = "orders_review_rules_are_fixed"


class Migration(migrations.Migration):
    """Review rules that decided anything stay as they were, so that every decision can be explained."""

    dependencies = [("orders", "0002_storage")]
    operations = [
        migrations.RunSQL(FIXES_ROWS.format(name=_NAME, versions="orders_reviewruleset"), f"DROP FUNCTION {_NAME}"),
        migrations.RunSQL(
            FIXED_TABLE.format(table="orders_reviewrule", name=_NAME),
            "DROP TRIGGER rules_are_fixed ON orders_reviewrule",
        ),
    ]
