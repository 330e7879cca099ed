"""Who sells: merchants, their channels, people and API credentials, and those who want to become merchants."""

from oms.merchants.models.application import (
    ApplicationDocument,
    ApplicationState,
    MerchantApplication,
    MerchantEvent,
    MerchantUser,
)
from oms.merchants.models.credential import ApiCredential, CredentialSecret, IdempotencyRecord, SpentNonce
from oms.merchants.models.merchant import Channel, Merchant

__all__ = [
    "ApiCredential",
    "ApplicationDocument",
    "ApplicationState",
    "Channel",
    "CredentialSecret",
    "IdempotencyRecord",
    "Merchant",
    "MerchantApplication",
    "MerchantEvent",
    "MerchantUser",
    "SpentNonce",
]
