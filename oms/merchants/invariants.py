"""What must always hold of merchants and of what they are told."""

from oms.common.invariants import Invariant
from oms.merchants.models import DeliveryState

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
)
