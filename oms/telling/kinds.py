"""Where each kind of news is found, and the page of the merchant that has it.

Each query answers (merchant_id, key, name, at) of what is news now for the merchants %(merchants)s since %(since)s.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from logistics.by_merchant.speaker import PROTOCOL
from logistics.models import WarehouseOrderState
from logistics.models.warehouse_order import OVER
from oms.common.states import listed
from oms.merchants.models import DisabledBecause, EndpointState, NewsKind
from orders.models import PromiseOutcome, RejectedOrder, SubOrderState

_OF_WORKS = f"""
    FROM logistics_warehouseorder w JOIN inventory_warehouse h ON h.id = w.warehouse_id
    JOIN common_connection c ON c.id = w.connection_id AND c.protocol = '{PROTOCOL}'
    WHERE h.merchant_id = ANY(%(merchants)s::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Source:
    """Where news of a kind comes from, and the address of the list that has it."""

    sql: str
    page: str


SOURCES: Mapping[NewsKind, Source] = {
    NewsKind.TO_SHIP: Source(
        f"""
        SELECT h.merchant_id, w.id::text AS key, w.number AS name, greatest(w.sent_at, w.created_at) AS at {_OF_WORKS}
        AND w.is_current AND w.state NOT IN ({listed([*OVER, WarehouseOrderState.INTENDED])})
        AND w.created_at > %(since)s
        """,
        "merchant:logistics_warehouseorder_changelist",
    ),
    NewsKind.CANCEL_ASKED: Source(
        f"""
        SELECT h.merchant_id, w.id::text AS key, w.number AS name, w.stop_requested_at AS at {_OF_WORKS}
        AND w.stop_requested_at > %(since)s AND w.stop_answered_at IS NULL
        """,
        "merchant:logistics_warehouseorder_changelist",
    ),
    NewsKind.LATE_RISK: Source(
        f"""
        SELECT s.merchant_id, p.id::text AS key, s.number AS name, p.risk_since AS at
        FROM orders_deliverypromise p JOIN orders_suborder s ON s.id = p.sub_order_id
        WHERE p.outcome = '{PromiseOutcome.OPEN}' AND p.risk <> '' AND p.superseded_at IS NULL
          AND s.merchant_id = ANY(%(merchants)s::bigint[]) AND p.risk_since > %(since)s
        """,
        "merchant:orders_suborder_changelist",
    ),
    NewsKind.SHORTAGE: Source(
        f"""
        SELECT s.merchant_id, s.id::text AS key, s.number AS name, min(w.since) AS at
        FROM orders_stockwait w JOIN orders_suborder s ON s.id = w.sub_order_id
        WHERE s.state = '{SubOrderState.BACKORDERED}' AND s.merchant_id = ANY(%(merchants)s::bigint[])
          AND w.since > %(since)s
        GROUP BY s.merchant_id, s.id, s.number
        """,
        "merchant:orders_suborder_changelist",
    ),
    NewsKind.RETURN: Source(
        """
        SELECT s.merchant_id, r.id::text AS key, r.number AS name, r.created_at AS at
        FROM orders_returnrequest r JOIN orders_suborder s ON s.id = r.sub_order_id
        WHERE s.merchant_id = ANY(%(merchants)s::bigint[]) AND r.created_at > %(since)s
        """,
        "merchant:orders_returnrequest_changelist",
    ),
    NewsKind.REFUSED: Source(
        f"""
        SELECT r.merchant_id, r.id::text AS key, r.external_number AS name, r.last_at AS at
        FROM orders_rejectedorder r
        WHERE r.merchant_id = ANY(%(merchants)s::bigint[]) AND r.state = '{RejectedOrder.State.OPEN}'
          AND r.last_at > %(since)s
        """,
        "merchant:orders_rejectedorder_changelist",
    ),
    NewsKind.STATEMENT: Source(
        """
        SELECT t.merchant_id, t.id::text AS key, t.number AS name, t.closed_at AS at
        FROM payments_statement t
        WHERE t.merchant_id = ANY(%(merchants)s::bigint[]) AND t.closed_at > %(since)s
        """,
        "merchant:payments_statement_changelist",
    ),
    # Disabled again, it is news again.
    NewsKind.ENDPOINT: Source(
        f"""
        SELECT e.merchant_id, e.id::text || ':' || extract(epoch FROM e.disabled_at)::bigint::text AS key,
            left(e.url, 80) AS name, e.disabled_at AS at
        FROM merchants_webhookendpoint e
        WHERE e.merchant_id = ANY(%(merchants)s::bigint[]) AND e.state = '{EndpointState.DISABLED}'
          AND e.disabled_because IN ('{DisabledBecause.FAILING}', '{DisabledBecause.GONE}')
          AND e.disabled_at > %(since)s
        """,
        "merchant:merchants_webhookendpoint_changelist",
    ),
}
