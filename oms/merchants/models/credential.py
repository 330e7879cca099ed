"""What a merchant's programs prove themselves with."""

import hashlib

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from oms.common.networks import validate_network
from oms.common.secrecy import SealedField, SealedTextField
from oms.merchants.calls import scopes
from oms.merchants.models.merchant import Merchant


def validate_scope(text: str) -> None:
    """Raises ValidationError for a scope that no operation asks for."""
    if text not in scopes.LABELS:
        detail = gettext("There is no scope %(text)s. Known ones: %(known)s.")
        raise ValidationError(detail % {"text": text, "known": ", ".join(scopes.ALL)})


def every_scope() -> list[str]:
    """All scopes: what a credential has unless told otherwise."""
    return list(scopes.ALL)


class ApiCredential(models.Model):
    """A key with which a merchant's program calls the API.

    It proves itself by signing with a secret (`app_key`, see `CredentialSecret`), or by a bearer token, of which only
    the SHA-256 is kept. Services make and change it: see `oms.merchants.calls.credentials`.
    """

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="credentials"
    )
    name = models.CharField(_("name"), max_length=80)
    app_key = models.CharField(_("app key"), max_length=64, editable=False)
    prefix = models.CharField(_("token prefix"), max_length=12, blank=True, editable=False)
    token_hash = models.CharField(_("token hash"), max_length=64, null=True, editable=False)  # noqa: DJ001 - unique
    scopes = ArrayField(
        models.CharField(max_length=40, validators=[validate_scope]), verbose_name=_("scopes"), default=every_scope
    )
    allowed_networks = ArrayField(
        models.CharField(max_length=49, validators=[validate_network]),
        verbose_name=_("allowed addresses"),
        default=list,
        blank=True,
        help_text=_("Addresses or networks that may call, such as 203.0.113.0/24; empty: any."),
    )
    calls_per_minute = models.PositiveIntegerField(
        _("calls a minute"), null=True, blank=True, help_text=_("Empty: as many as the installation allows.")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API credential")
        verbose_name_plural = _("API credentials")
        ordering = ["merchant", "name"]
        permissions = [("grant_platform_scopes", _("Can let credentials read what is all merchants'"))]
        constraints = [
            models.UniqueConstraint(fields=["app_key"], name="credential_app_key_is_unique"),
            models.UniqueConstraint(fields=["token_hash"], name="credential_token_is_unique"),
            models.CheckConstraint(
                condition=~Q(scopes__overlap=list(scopes.OF_PLATFORM)) | Q(scopes__contained_by=list(scopes.READING)),
                name="credential_of_the_platform_only_reads",
                violation_error_message=_(
                    "A credential of the platform only reads: choose no scope that writes beside it."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merchant.code} {self.name} ({self.app_key})"

    @property
    def is_active(self) -> bool:
        """Whether it was not revoked."""
        return self.revoked_at is None

    @staticmethod
    def hash_token(token: str) -> str:
        """The form in which a token is kept and looked up."""
        return hashlib.sha256(token.encode()).hexdigest()


class CredentialSecret(models.Model):
    """A secret that a credential signs with, kept encrypted; at most two work at a time, so that one can be changed.

    `slot` is what makes the database refuse a third one.
    """

    SLOTS = (1, 2)

    credential = models.ForeignKey(
        ApiCredential, verbose_name=_("API credential"), on_delete=models.CASCADE, related_name="secrets"
    )
    slot = models.SmallIntegerField(_("slot"))
    encrypted = SealedTextField(_("encrypted secret"), editable=False)
    hint = models.CharField(_("ends in"), max_length=4)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    retired_at = models.DateTimeField(_("retired at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        ordering = ["credential", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(slot__in=[1, 2]), name="credential_has_two_slots_for_secrets"),
            models.UniqueConstraint(
                fields=["credential", "slot"],
                condition=Q(retired_at__isnull=True),
                name="credential_slot_holds_one_live_secret",
            ),
        ]

    def __str__(self) -> str:
        return f"…{self.hint}"


class SpentNonce(models.Model):
    """A nonce that a signed request carried. The unique constraint is what refuses a replay."""

    credential = models.ForeignKey(
        ApiCredential, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    nonce = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = _("spent nonce")
        verbose_name_plural = _("spent nonces")
        constraints = [models.UniqueConstraint(fields=["credential", "nonce"], name="nonce_is_spent_once")]

    def __str__(self) -> str:
        return self.nonce


class IdempotencyRecord(models.Model):
    """The answer to a call that a merchant made under an idempotency key; see `oms.merchants.calls.idempotency`."""

    merchant = models.ForeignKey(
        Merchant, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.SmallIntegerField()
    headers = models.JSONField(default=dict)
    body = SealedField(only_if="headers ? 'sealed'")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("idempotency record")
        verbose_name_plural = _("idempotency records")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "key"], name="idempotency_key_answers_once"),
            models.CheckConstraint(
                condition=Q(status__gte=200, status__lt=500), name="idempotency_record_keeps_no_server_error"
            ),
        ]

    def __str__(self) -> str:
        return self.key
