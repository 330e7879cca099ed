"""By what a code is known that came in before: a keyed digest, since few digits could be tried on a plain one."""

import hashlib
import hmac
import secrets
from collections.abc import Callable

from logistics.models import FingerprintKey
from oms.common import secrecy

_BYTES = 32


def of_merchant(merchant_id: int) -> Callable[[str], bytes]:
    """The fingerprint of each of the merchant's codes. The key is made with the first code of the installation."""
    key = _key()
    return lambda code: hmac.new(key, f"{merchant_id}:{code}".encode(), hashlib.sha256).digest()


def _key() -> bytes:
    known = FingerprintKey.objects.filter(pk=1).first()
    if known is None:
        sealed = secrecy.seal(secrets.token_hex(_BYTES))
        # Whoever comes second takes the first one's.
        FingerprintKey.objects.bulk_create([FingerprintKey(pk=1, key=sealed)], ignore_conflicts=True)
        known = FingerprintKey.objects.get(pk=1)
    return bytes.fromhex(secrecy.unseal(known.key))
