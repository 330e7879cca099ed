"""Who sells: merchants, the channels that their orders come from, and their API credentials."""

from oms.merchants.models.credential import ApiCredential, CredentialSecret, IdempotencyRecord, SpentNonce
from oms.merchants.models.merchant import Channel, Merchant

__all__ = ["ApiCredential", "Channel", "CredentialSecret", "IdempotencyRecord", "Merchant", "SpentNonce"]
