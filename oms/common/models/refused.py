"""Messages that were not taken."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.models.connection import Connection
from oms.common.secrecy import SealedField


class RefusedMessage(models.Model):
    """A message to a connection that was not told genuine: forged, too old, from somewhere else, or signed by a key
    that we do not know yet. It counts for nothing; the newest of each connection are kept for who looks into it.

    `message` has body, headers and parameters, sealed. Why it was refused is worked out when somebody asks.
    """

    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    address = models.CharField(_("came from"), max_length=64, editable=False)
    message = SealedField(_("message"), editable=False)
    received_at = models.DateTimeField(_("received at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("refused message")
        verbose_name_plural = _("Refused messages")
        ordering = ["-id"]
        default_permissions = ("view",)
        indexes = [models.Index(fields=["connection", "id"], name="refused_message_of_connection")]

    def __str__(self) -> str:
        return f"{self.connection.code} {self.pk}"
