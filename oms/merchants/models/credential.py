"""What a merchant's programs prove themselves with."""

import hashlib
import secrets

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.merchants.models.merchant import Merchant


class ApiCredential(models.Model):
    """A bearer token of a merchant. Only its SHA-256 is kept; the token itself is shown once."""

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="credentials"
    )
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=12, editable=False)
    token_hash = models.CharField(_("token hash"), max_length=64, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API credential")
        verbose_name_plural = _("API credentials")
        ordering = ["merchant", "name"]
        constraints = [models.UniqueConstraint(fields=["token_hash"], name="credential_token_is_unique")]

    def __str__(self) -> str:
        return f"{self.merchant.code} {self.name} ({self.prefix}…)"

    @staticmethod
    def hash_token(token: str) -> str:
        """The form in which a token is kept and looked up."""
        return hashlib.sha256(token.encode()).hexdigest()

    @classmethod
    def issue(cls, merchant: Merchant, name: str) -> tuple["ApiCredential", str]:
        """Make a credential; returns it with its token, which cannot be read again."""
        token = f"oms_{secrets.token_urlsafe(32)}"
        credential = cls.objects.create(
            merchant=merchant, name=name, prefix=token[:8], token_hash=cls.hash_token(token)
        )
        return credential, token
