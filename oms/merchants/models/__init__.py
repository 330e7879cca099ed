"""Who sells: merchants, the channels that their orders come from, their API credentials, and what they are told."""

from oms.merchants.models.credential import ApiCredential, CredentialSecret, IdempotencyRecord, SpentNonce
from oms.merchants.models.merchant import Channel, Merchant
from oms.merchants.models.webhook import (
    DeliveryState,
    DisabledBecause,
    EndpointState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)

__all__ = [
    "ApiCredential",
    "Channel",
    "CredentialSecret",
    "DeliveryState",
    "DisabledBecause",
    "EndpointState",
    "IdempotencyRecord",
    "Merchant",
    "SpentNonce",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
]
