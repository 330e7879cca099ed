"""Who sells, what its people and programs prove themselves with, what it is told, and who wants to become one."""

from oms.merchants.models.application import (
    ApplicationDocument,
    ApplicationState,
    MerchantApplication,
    MerchantEvent,
    MerchantUser,
)
from oms.merchants.models.credential import ApiCredential, CredentialSecret, IdempotencyRecord, SpentNonce
from oms.merchants.models.legal_entity import GiftCardPolicy, IssueWhen, LegalEntity
from oms.merchants.models.merchant import Channel, ExchangeLeaves, ExchangePrice, Merchant
from oms.merchants.models.refused_call import RefusedCall
from oms.merchants.models.telling import Means, MerchantNews, MerchantReceiver, MerchantTelling, NewsKind, Pace
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
    "ApplicationDocument",
    "ApplicationState",
    "Channel",
    "CredentialSecret",
    "DeliveryState",
    "DisabledBecause",
    "EndpointState",
    "ExchangeLeaves",
    "ExchangePrice",
    "GiftCardPolicy",
    "IdempotencyRecord",
    "IssueWhen",
    "LegalEntity",
    "Means",
    "Merchant",
    "MerchantApplication",
    "MerchantEvent",
    "MerchantNews",
    "MerchantReceiver",
    "MerchantTelling",
    "MerchantUser",
    "NewsKind",
    "Pace",
    "RefusedCall",
    "SpentNonce",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
]
