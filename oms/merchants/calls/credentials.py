"""Making, changing and withdrawing what a merchant's programs call the API with."""

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import secrecy
from oms.common.errors import OmsError
from oms.merchants.calls.scopes import ALL, OF_PLATFORM, READING
from oms.merchants.models import ApiCredential, CredentialSecret, Merchant

logger = logging.getLogger(__name__)


class TooManySecrets(OmsError):
    """Both places for secrets are taken."""

    code = "too_many_secrets"


class TooManyCredentials(OmsError):
    """The merchant has as many credentials in force as it may have."""

    code = "too_many_credentials"


class Revoked(OmsError):
    """The credential was revoked; that is for ever."""

    code = "credential_revoked"


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential with what nobody can read again: its secret, and its token if it has one."""

    credential: ApiCredential
    secret: str
    token: str | None


@transaction.atomic
def issue(
    merchant: Merchant,
    name: str,
    *,
    scopes: Iterable[str] = ALL,
    allowed_networks: Iterable[str] = (),
    calls_per_minute: int | None = None,
    with_token: bool = False,
) -> Issued:
    """Make a credential with a secret, and with a bearer token where asked for.

    Raises ValidationError for a scope or a network that is none, and for scopes that the merchant cannot have; and
    TooManyCredentials.
    """
    check_scopes_of(merchant, scopes := sorted(set(scopes)))
    # Whoever sees a key knows whether what it does is real.
    test = "test_" if merchant.is_sandbox else ""
    token = f"oms_{test}{secrets.token_urlsafe(32)}" if with_token else None
    credential = ApiCredential(
        merchant=merchant,
        name=name,
        app_key=f"ak_{test}{secrets.token_hex(12)}",
        prefix=token[:8] if token else "",
        token_hash=ApiCredential.hash_token(token) if token else None,
        scopes=scopes,
        allowed_networks=list(allowed_networks),
        calls_per_minute=calls_per_minute,
    )
    credential.clean_fields()
    # One at a time, so that two do not both take the last place.
    Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
    most = settings.CREDENTIALS_PER_MERCHANT
    if merchant.credentials.filter(revoked_at=None).count() >= most:
        raise TooManyCredentials(
            _("A merchant has at most %(most)d credentials in force. Revoke one that is not used any more.")
            % {"most": most}
        )
    credential.save()
    return Issued(credential, _put_secret(credential, 1), token)


def check_scopes_of(merchant: Merchant, scopes: Iterable[str]) -> None:
    """Raises ValidationError for scopes that only programs of the platform's own may have, and for any but reading ones
    beside them."""
    if merchant.kind != Merchant.Kind.SELF_OPERATED and set(scopes) & set(OF_PLATFORM):
        detail = _("Only credentials of the self-operated merchant can have %(scopes)s.")
        raise ValidationError(detail % {"scopes": ", ".join(OF_PLATFORM)})
    beside = sorted(set(scopes) - set(READING))
    if set(scopes) & set(OF_PLATFORM) and beside:
        detail = _("A credential that reads what is all merchants' may do nothing but read: leave out %(scopes)s.")
        raise ValidationError(detail % {"scopes": ", ".join(beside)})


@transaction.atomic
def add_secret(credential_id: int) -> str:
    """Give the credential a second secret and return it; both work until one is retired.

    Raises TooManySecrets where it has two, and Revoked.
    """
    credential = _locked(credential_id)
    taken = set(credential.secrets.filter(retired_at=None).values_list("slot", flat=True))
    free = [slot for slot in CredentialSecret.SLOTS if slot not in taken]
    if not free:
        raise TooManySecrets(_("This credential has two secrets. Retire one before you add another."))
    return _put_secret(credential, free[0])


@transaction.atomic
def retire_secret(credential_id: int, secret_id: int) -> None:
    """Let the secret work no more; one that was retired before stays so. Raises CredentialSecret.DoesNotExist."""
    credential = _locked(credential_id, even_revoked=True)
    secret = credential.secrets.get(pk=secret_id)
    if secret.retired_at is None:
        secret.retired_at = timezone.now()
        secret.save(update_fields=["retired_at"])


@transaction.atomic
def revoke(credential_id: int) -> None:
    """Let the credential work no more, neither its secrets nor its token."""
    credential = _locked(credential_id, even_revoked=True)
    now = timezone.now()
    credential.secrets.filter(retired_at=None).update(retired_at=now)
    if credential.revoked_at is None:
        credential.revoked_at = now
        credential.save(update_fields=["revoked_at"])


def _locked(credential_id: int, *, even_revoked: bool = False) -> ApiCredential:
    credential = ApiCredential.objects.select_for_update().get(pk=credential_id)
    if credential.revoked_at and not even_revoked:
        raise Revoked(_("This credential was revoked. Make a new one."))
    return credential


def _put_secret(credential: ApiCredential, slot: int) -> str:
    secret = f"sk_{secrets.token_urlsafe(32)}"
    CredentialSecret.objects.create(
        credential=credential, slot=slot, encrypted=secrecy.seal(secret).decode(), hint=secret[-4:]
    )
    return secret


@lru_cache(maxsize=4096)
def readable(encrypted: str) -> str | None:
    """The secret as text, kept in memory since every call needs it; None where no key of the settings opens it."""
    try:
        return secrecy.unseal(encrypted)
    except InvalidToken:
        logger.error("a secret of a credential cannot be read: is its key missing in OMS_CREDENTIAL_KEYS?")
        return None


def messages_of(error: ValidationError) -> str:
    """What is wrong, in one line."""
    return " ".join(error.messages)
