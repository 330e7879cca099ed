"""Messages to buyers that merchants asked for."""

import re
from typing import Annotated, Any

import msgspec
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common import secrecy
from oms.merchants.models import Merchant

# Codes, accounts, passwords and addresses of the web are of these.
_SECRETIVE = re.compile(r"[!-~]+")


class NotificationContent(msgspec.Struct):
    """What the buyer is told."""

    message: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    delivery_info: dict[str, Any] | str | None = None
    confirm_url: Annotated[str, msgspec.Meta(max_length=500)] = ""


class BuyerNotification(models.Model):
    """A message to a buyer that a merchant asked for. It waits for a sender: no channel to buyers is connected yet.

    What it says may hold codes and passwords, so it is kept sealed; `hint` is its beginning without them.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="notifications", db_index=False
    )
    buyer_reference = models.CharField(_("buyer"), max_length=64)
    kind = models.CharField(_("kind"), max_length=40)
    hint = models.CharField(_("hint"), max_length=80, blank=True, default="", editable=False)
    content = secrecy.SealedField(_("content"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, db_default=State.QUEUED)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("message to a buyer")
        verbose_name_plural = _("messages to buyers")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "sent", "failed"]), name="buyer_notification_state_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "-id"], name="notification_of_merchant"),
            models.Index(fields=["buyer_reference", "-id"], name="notification_of_buyer"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @classmethod
    def sealed(cls, content: NotificationContent, **values: Any) -> "BuyerNotification":
        """A new message of that content, not saved yet; `values` are the other fields."""
        return cls(content=secrecy.seal(msgspec.json.encode(content).decode()), hint=_hint(content.message), **values)

    def opened(self) -> NotificationContent:
        """What the buyer is told; for the way to the buyer only. Raises cryptography.fernet.InvalidToken."""
        return msgspec.json.decode(secrecy.unseal(self.content), type=NotificationContent)


def _hint(message: str) -> str:
    """The message's beginning without what may be a code, an account, a password or an address of the web."""
    return _SECRETIVE.sub("…", message)[:60]
