"""Moving warehouse orders and their sub-orders on, and telling the timeline. One statement each, for many."""

from collections.abc import Mapping, Sequence

from django.db import connection

from logistics import kinds
from logistics.models import WarehouseOrderState
from logistics.watching import planning
from oms.common.copying import array, text_array
from oms.common.states import listed
from orders.actors import Actor
from orders.models import SubOrderState
from orders.models.sub_order import ShippingProof

S = WarehouseOrderState
# Where its sub-orders are while a warehouse order is current; those of which all units left are shipped.
SUB_ORDERS_AT = {
    S.INTENDED: SubOrderState.RELEASED,
    S.SENT: SubOrderState.RELEASED,
    S.ACCEPTED: SubOrderState.ACCEPTED,
    S.PICKING: SubOrderState.PICKING,
    S.PACKED: SubOrderState.PACKED,
    S.PARTLY_SHIPPED: SubOrderState.PACKED,
}


_ORDER = (SubOrderState.RELEASED, SubOrderState.ACCEPTED, SubOrderState.PICKING, SubOrderState.PACKED)


_TOLD = {
    SubOrderState.ACCEPTED: kinds.WAREHOUSE_ACCEPTED,
    SubOrderState.PICKING: kinds.WAREHOUSE_PICKING,
    SubOrderState.PACKED: kinds.WAREHOUSE_PACKED,
    SubOrderState.SHIPPED: kinds.WAREHOUSE_SHIPPED,
}


def is_before(state: SubOrderState, target: SubOrderState) -> bool:
    """Whether a sub-order in a warehouse's hands has not come as far as `target`."""
    return state in _ORDER and _ORDER.index(state) < _ORDER.index(target)


def move_works(states: Mapping[int, WarehouseOrderState]) -> None:
    """Bring locked warehouse orders (by id) to these states."""
    if not states:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_warehouseorder w SET state = n.state, sent_at = coalesce(w.sent_at, now()),
                packed_at = CASE WHEN n.state IN ({listed([S.PACKED, S.PARTLY_SHIPPED, S.SHIPPED])})
                                 THEN coalesce(w.packed_at, now()) ELSE w.packed_at END,
                shipped_at = CASE WHEN n.state = '{S.SHIPPED}' THEN coalesce(w.shipped_at, now())
                                  ELSE w.shipped_at END,
                state_since = CASE WHEN w.state = n.state THEN w.state_since ELSE now() END,
                -- What is to be stopped waits for its turn all the same.
                ready_at = CASE WHEN w.stop_requested_at IS NOT NULL AND w.stop_answered_at IS NULL THEN w.ready_at END
            FROM unnest(%s::bigint[], %s::text[]) AS n(id, state) WHERE w.id = n.id
            """,
            [array(states), text_array(states.values())],
        )
    planning.plan_works(states)


def move_sub_orders(
    moves: Sequence[tuple[int, SubOrderState, SubOrderState]], actor: Actor, *, proof: ShippingProof | None = None
) -> None:
    """Bring locked sub-orders, given as (id, from, to), to where their goods are; `proof` is needed for `shipped`."""
    if not moves:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH news AS (
                SELECT * FROM unnest(%(ids)s::bigint[], %(from)s::text[], %(to)s::text[], %(kinds)s::text[])
                    AS n(id, from_state, state, kind)
            ), moved AS (
                UPDATE orders_suborder s SET state = n.state, attempts = 0, last_error = '',
                    packed_at = CASE WHEN n.state IN ('{SubOrderState.PACKED}', '{SubOrderState.SHIPPED}')
                                     THEN coalesce(s.packed_at, now()) ELSE s.packed_at END,
                    shipped_at = CASE WHEN n.state = '{SubOrderState.SHIPPED}' THEN now() ELSE s.shipped_at END,
                    shipping_proof = CASE WHEN n.state = '{SubOrderState.SHIPPED}' THEN %(proof)s
                                          ELSE s.shipping_proof END
                FROM news n WHERE s.id = n.id
                RETURNING s.id, s.order_id, s.number, s.warehouse_id, n.from_state, n.state, n.kind
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state,
                data)
            SELECT m.order_id, m.id, m.kind, %(actor_kind)s, %(actor)s, m.from_state, m.state,
                jsonb_build_object('number', m.number, 'warehouse', h.code)
            FROM moved m JOIN inventory_warehouse h ON h.id = m.warehouse_id ORDER BY m.id
            """,
            {
                "ids": array(key for key, _from, _to in moves),
                "from": text_array(state for _key, state, _to in moves),
                "to": text_array(state for _key, _from, state in moves),
                "kinds": text_array(str(_TOLD[state]) for _key, _from, state in moves),
                "proof": proof or "",
                "actor_kind": actor.kind,
                "actor": actor.name,
            },
        )
