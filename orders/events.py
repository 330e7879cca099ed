"""What merchants are told of orders: the catalogue of event types, and how they come from the timeline.

The timeline is written in many places, in bulk and by COPY. A trigger of its table turns each statement's new events
into news for webhooks, all at once and in the same transaction, so that no writer can forget to tell. Where nobody
listens that is one look at an index of no rows.
"""

from dataclasses import dataclass
from typing import Literal

from django.db.backends.base.base import BaseDatabaseWrapper

from oms.merchants.webhooks import telling

Subject = Literal["order", "payment", "refund", "sub_order", "shipment", "settlement"]


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of news: the timeline event that it comes from, and what its data is about.

    `moves` restricts it to timeline events that carry a new state (true) or none (false): a parcel's scan and the
    sub-order's own move share some names.
    """

    type: str
    kind: str
    subject: Subject
    meaning: str
    moves: bool | None = None


# The seller is told of its channels' orders with all that belongs to them; who fulfils a sub-order, of that alone.
CATALOGUE = (
    EventType("order.created", "received", "order", "The order was stored."),
    EventType("order.in_review", "review_started", "order", "Paid for; the review begins."),
    EventType("order.held", "held", "order", "A hold was opened: the order may not go on."),
    EventType("order.hold_released", "hold_released", "order", "A hold was released."),
    EventType("order.approved", "approved", "order", "The review is over; it may be split."),
    EventType("order.split", "split", "order", "It became sub-orders."),
    EventType("order.cancel_requested", "cancel_requested", "order", "The warehouses are asked to stop."),
    EventType("order.cancelled", "cancelled", "order", "It was cancelled."),
    EventType("order.completed", "completed", "order", "All that was not cancelled is completed."),
    EventType("order.closed", "closed", "order", "Everything was refused or came back."),
    EventType("payment.requested", "payment_requested", "payment", "The buyer was asked to pay."),
    EventType("payment.succeeded", "paid", "payment", "Money came in."),
    EventType("payment.failed", "payment_failed", "payment", "The payment failed."),
    EventType("payment.expired", "payment_expired", "payment", "The buyer is asked for it no longer."),
    EventType("refund.created", "refund_intended", "refund", "Money is to go back to the buyer."),
    EventType("refund.succeeded", "refunded", "refund", "Money went back."),
    EventType("refund.failed", "refund_failed", "refund", "The provider refused to send money back."),
    EventType("sub_order.created", "split", "sub_order", "It came to be, by splitting the order."),
    EventType("sub_order.created", "parted", "sub_order", "It was split off another one for a shortage."),
    EventType("sub_order.allocated", "allocated", "sub_order", "A warehouse was chosen and the stock reserved."),
    EventType("sub_order.backordered", "backordered", "sub_order", "It waits for stock."),
    EventType("sub_order.released", "released", "sub_order", "It was sent to the warehouse."),
    EventType("sub_order.refused", "warehouse_refused", "sub_order", "The warehouse refused it."),
    EventType("sub_order.accepted", "warehouse_accepted", "sub_order", "The warehouse took it."),
    EventType("sub_order.picking", "warehouse_picking", "sub_order", "Its goods are being collected."),
    EventType("sub_order.packed", "warehouse_packed", "sub_order", "The parcel is closed."),
    EventType("sub_order.shipped", "warehouse_shipped", "sub_order", "It left the warehouse."),
    EventType("sub_order.delivered", "delivered", "sub_order", "The buyer has it."),
    EventType("sub_order.delivered", "virtual_delivered", "sub_order", "The code was delivered."),
    EventType("sub_order.rejected", "rejected", "sub_order", "The buyer refused it.", moves=True),
    EventType("sub_order.returned", "returned", "sub_order", "It is back in the warehouse.", moves=True),
    EventType("sub_order.completed", "sub_order_completed", "sub_order", "Its receipt is certain."),
    EventType("sub_order.cancelled", "sub_order_cancelled", "sub_order", "It was cancelled."),
    EventType("shipment.waybill_issued", "waybill", "shipment", "The carrier issued a waybill."),
    EventType("shipment.collected", "collected", "shipment", "The carrier has the parcel."),
    EventType("shipment.in_transit", "in_transit", "shipment", "The parcel is on its way."),
    EventType("shipment.out_for_delivery", "out_for_delivery", "shipment", "A courier is bringing it."),
    EventType("shipment.failed_delivery", "failed_delivery", "shipment", "A delivery failed."),
    EventType("shipment.intercepting", "intercepting", "shipment", "The carrier is asked to stop it."),
    EventType("shipment.signed", "signed", "shipment", "It was signed for."),
    EventType("shipment.rejected", "rejected", "shipment", "The buyer refused it.", moves=False),
    EventType("shipment.returning", "returning", "shipment", "It is on its way back."),
    EventType("shipment.returned", "returned", "shipment", "It is back in the warehouse.", moves=False),
    EventType("shipment.lost", "lost", "shipment", "The carrier lost it."),
    EventType("settlement.opened", "settled", "settlement", "What is due to who fulfilled it was worked out."),
)
TYPES = frozenset(row.type for row in CATALOGUE)

TRIGGER = "orders_tell_webhooks"

# The sub-order that an event is about; for a split, all that came of it. Their states and versions are those after the
# statement that wrote the event, and the same transaction's earlier ones.
_NEWS = """
    SELECT t.id AS position, to_whom.merchant_id, c.type, t.created_at AS occurred_at,
        CASE c.subject
            WHEN 'order' THEN jsonb_build_object('order', o.number, 'external_number', o.external_number,
                'state', o.state, 'payment_state', o.payment_state, 'fulfilment_state', o.fulfilment_state,
                'version', o.version)
            WHEN 'sub_order' THEN jsonb_build_object('sub_order', s.number, 'state', s.state, 'version', s.version)
            WHEN 'shipment' THEN jsonb_build_object('sub_order', s.number, 'waybill', t.data->'waybill',
                'state', CASE t.kind WHEN 'waybill' THEN 'waybill_issued' ELSE t.kind END, 'version', s.version)
            WHEN 'settlement' THEN jsonb_build_object('sub_order', s.number, 'state', 'open', 'version', s.version)
            ELSE jsonb_build_object(c.subject, t.data->'number', 'order', o.number,
                'state', split_part(c.type, '.', 2), 'version', o.version)
        END AS data
    FROM told t
    JOIN (VALUES {catalogue}) AS c(type, kind, subject, moves)
      ON c.kind = t.kind AND (c.moves IS NULL OR c.moves = (t.to_state <> ''))
    JOIN orders_order o ON o.id = t.order_id
    JOIN merchants_channel shop ON shop.id = o.channel_id
    LEFT JOIN orders_suborder s ON c.subject IN ('sub_order', 'shipment', 'settlement') AND s.order_id = t.order_id
      AND CASE WHEN t.kind = 'split' THEN true
               WHEN t.kind = 'parted' THEN t.data->'parts' ? s.number
               ELSE s.id = t.sub_order_id END
    CROSS JOIN LATERAL (
        SELECT shop.merchant_id WHERE c.subject <> 'settlement'
        UNION SELECT s.merchant_id WHERE s.id IS NOT NULL
    ) AS to_whom
    WHERE s.id IS NOT NULL OR c.subject IN ('order', 'payment', 'refund')
"""


def trigger_sql() -> str:
    """The SQL that (re)creates the trigger on the timeline."""
    rows = ", ".join(
        f"('{row.type}', '{row.kind}', '{row.subject}', {'NULL::boolean' if row.moves is None else row.moves})"
        for row in CATALOGUE
    )
    return f"""
        CREATE OR REPLACE FUNCTION {TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {telling.NOBODY_LISTENS} THEN
                RETURN NULL;
            END IF;
            {telling.statement(_NEWS.replace("{catalogue}", rows))};
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT ON orders_orderevent
            REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION {TRIGGER}();
    """


def install_trigger(connection: BaseDatabaseWrapper) -> None:
    """Make the trigger anew, in step with the catalogue; does nothing before the tables are there."""
    tables = {"orders_orderevent", "merchants_webhookdelivery"}
    if tables <= set(connection.introspection.table_names()):
        with connection.cursor() as cursor:
            cursor.execute(trigger_sql())
