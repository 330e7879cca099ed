"""What must always hold of merchants and of what they are told."""

from oms.common.invariants import Invariant
from oms.common.models import SystemKind
from oms.merchants.models import DeliveryState, NewsKind

INVARIANTS = (
    Invariant(
        "nothing_was_sent_while_stopped",
        "No message was sent to an endpoint while what goes out was stopped, but for those on their way already.",
        """
        SELECT t.delivery_id, t.started_at FROM common_outboundstop stop
        JOIN merchants_webhookattempt t ON t.started_at > stop.stopped_at + interval '1 minute'
          AND t.started_at < coalesce(stop.resumed_at, 'infinity')
        """,
    ),
    Invariant(
        "webhooks_stay_with_their_merchant",
        "A delivery is of an event of the merchant whose endpoint it goes to.",
        """
        SELECT d.public_id, v.merchant_id, e.merchant_id AS told FROM merchants_webhookdelivery d
        LEFT JOIN merchants_webhookevent v ON v.id = d.event_id
        LEFT JOIN merchants_webhookendpoint e ON e.id = d.endpoint_id
        WHERE v.merchant_id IS DISTINCT FROM e.merchant_id OR v.id IS NULL
        """,
    ),
    Invariant(
        "webhook_events_have_a_delivery",
        "Every webhook event was written for at least one endpoint.",
        """
        SELECT v.message_id FROM merchants_webhookevent v
        WHERE NOT EXISTS (SELECT FROM merchants_webhookdelivery d WHERE d.event_id = v.id)
        """,
    ),
    Invariant(
        "webhook_tries_are_counted",
        "A delivered message was tried, and its last try was answered with success.",
        f"""
        SELECT d.public_id FROM merchants_webhookdelivery d
        WHERE d.state = '{DeliveryState.DELIVERED}' AND NOT EXISTS (
            SELECT FROM merchants_webhookattempt t
            WHERE t.delivery_id = d.id AND t.response_status BETWEEN 200 AND 299)
        """,
    ),
    Invariant(
        "merchant_news_is_in_a_message_of_its_receiver",
        "What is new for a receiver is in one of its own messages, which go over its own connection.",
        """
        SELECT n.receiver_id, n.kind, n.key FROM merchants_merchantnews n
        LEFT JOIN merchants_merchanttelling t ON t.id = n.telling_id
        LEFT JOIN merchants_merchantreceiver r ON r.id = n.receiver_id
        WHERE t.receiver_id IS DISTINCT FROM n.receiver_id OR t.connection_id IS DISTINCT FROM r.connection_id
        """,
    ),
    Invariant(
        "merchant_receivers_are_told_of_what_they_chose",
        "A receiver is reached over a connection for messages, and chose among what there is.",
        f"""
        SELECT r.id, r.name FROM merchants_merchantreceiver r LEFT JOIN common_connection c ON c.id = r.connection_id
        WHERE NOT r.kinds <@ ARRAY[{", ".join(f"'{kind}'" for kind in NewsKind.values)}]::varchar[]
           OR c.kind <> '{SystemKind.ROBOT}' OR c.protocol <> r.means
        """,
    ),
)
