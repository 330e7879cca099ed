from django.db import migrations

_REFUSE = """
    CREATE FUNCTION inventory_rules_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        is_fixed boolean;
    BEGIN
        -- Who switches the set on has its row locked: no rule slips in meanwhile.
        SELECT bool_or(s.state <> 'draft') INTO is_fixed FROM (
            SELECT state FROM inventory_sourcingruleset WHERE id IN (OLD.rule_set_id, NEW.rule_set_id) FOR SHARE
        ) AS s;
        IF is_fixed THEN
            RAISE EXCEPTION 'rules of a set that was switched on are never changed' USING ERRCODE = 'check_violation';
        END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
"""


class Migration(migrations.Migration):
    """Rules that decided anything stay as they were, so that every decision can be explained."""

    dependencies = [("inventory", "0003_promise_version")]
    operations = [
        migrations.RunSQL(_REFUSE, "DROP FUNCTION inventory_rules_are_fixed"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER rules_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON inventory_{table}"
                " FOR EACH ROW EXECUTE FUNCTION inventory_rules_are_fixed()",
                f"DROP TRIGGER rules_are_fixed ON inventory_{table}",
            )
            for table in ("sourcingrule", "splitrule")
        ),
    ]
