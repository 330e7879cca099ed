"""The database's guard of merges: a sub-order that goes elsewhere than the others leaves them, whoever moves it, and
who is left with nobody goes by itself."""

from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from oms.common.states import listed
from orders.changing import kinds
from orders.models import ActorKind, SubOrderState
from orders.models.sub_order import MAY_BE_MERGED

_LEAVES = "orders_suborder_leaves_merge"
_LEFT_ALONE = "orders_suborder_left_alone"
_LEFT_ALONE_AT_ONCE = "orders_suborder_left_alone_at_once"
ACTOR = "merge"

# Why a sub-order `NEW` leaves; empty where it stays. Once released, all of them are one warehouse order.
_WHY = f"""
    CASE WHEN NEW.state NOT IN ({listed(MAY_BE_MERGED)}) THEN NEW.state
         WHEN NEW.state <> '{SubOrderState.ALLOCATED}' THEN ''
         WHEN NEW.warehouse_id IS DISTINCT FROM OLD.warehouse_id THEN 'moved'
         WHEN NEW.is_held THEN 'order_held' WHEN NEW.cancel_requested_at IS NOT NULL THEN 'cancelling'
         ELSE '' END
"""


def install_triggers(connection: BaseDatabaseWrapper, existing: Iterable[str]) -> None:
    """Make the trigger anew; does nothing before its tables are in `existing`."""
    if not {"orders_orderevent", "orders_suborder"} <= set(existing):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE OR REPLACE FUNCTION {_LEAVES}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state,
                    data)
                VALUES (NEW.order_id, NEW.id, '{kinds.UNMERGED}', '{ActorKind.JOB}', '{ACTOR}', '', '',
                    jsonb_build_object('number', NEW.number, 'why', {_WHY}));
                NEW.merge_group_id := NULL;
                RETURN NEW;
            END $$;
            CREATE OR REPLACE TRIGGER {_LEAVES} BEFORE UPDATE ON orders_suborder FOR EACH ROW
                WHEN (OLD.merge_group_id IS NOT NULL AND NEW.merge_group_id IS NOT NULL AND ({_WHY}) <> '')
                EXECUTE FUNCTION {_LEAVES}();

            -- It looks at once, and once more when the transaction ends, one after the other of those that leave at the
            -- same moment, which do not see each other before. Whom somebody else holds is skipped, or two would wait
            -- for each other: where that one changes it, that one looks itself.
            CREATE OR REPLACE FUNCTION {_LEFT_ALONE}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_NAME = '{_LEFT_ALONE_AT_ONCE}' THEN
                    PERFORM FROM orders_mergegroup WHERE id = OLD.merge_group_id FOR NO KEY UPDATE;
                END IF;
                IF (SELECT count(DISTINCT s.order_id) FROM orders_suborder s
                    WHERE s.merge_group_id = OLD.merge_group_id AND s.state = '{SubOrderState.ALLOCATED}') = 1 THEN
                    WITH alone AS (
                        UPDATE orders_suborder SET merge_group_id = NULL WHERE id IN (
                            SELECT s.id FROM orders_suborder s
                            WHERE s.merge_group_id = OLD.merge_group_id AND s.state = '{SubOrderState.ALLOCATED}'
                            ORDER BY s.id FOR NO KEY UPDATE SKIP LOCKED)
                        RETURNING id, order_id, number
                    )
                    INSERT INTO orders_orderevent
                        (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state, data)
                    SELECT order_id, id, '{kinds.UNMERGED}', '{ActorKind.JOB}', '{ACTOR}', '', '',
                        jsonb_build_object('number', number, 'why', 'left_alone')
                    FROM alone ORDER BY id;
                END IF;
                RETURN NULL;
            END $$;
            CREATE OR REPLACE TRIGGER {_LEFT_ALONE} AFTER UPDATE ON orders_suborder FOR EACH ROW
                WHEN (OLD.merge_group_id IS NOT NULL AND NEW.merge_group_id IS NULL)
                EXECUTE FUNCTION {_LEFT_ALONE}();
            DROP TRIGGER IF EXISTS {_LEFT_ALONE_AT_ONCE} ON orders_suborder;
            CREATE CONSTRAINT TRIGGER {_LEFT_ALONE_AT_ONCE} AFTER UPDATE ON orders_suborder
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
                WHEN (OLD.merge_group_id IS NOT NULL AND OLD.state = '{SubOrderState.ALLOCATED}')
                EXECUTE FUNCTION {_LEFT_ALONE}();
            """
        )
