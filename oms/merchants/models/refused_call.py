"""Calls of the API that were refused, kept for the merchants to see what was wrong."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.merchants.models.credential import ApiCredential
from oms.merchants.models.merchant import Merchant


class RefusedCall(models.Model):
    """A call of a merchant's program that was refused: what was called, and the first thing that was wrong. Neither
    body nor values of the query are kept."""

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    credential = models.ForeignKey(
        ApiCredential, verbose_name=_("credential"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    at = models.DateTimeField(_("at"), db_default=Now(), editable=False)
    method = models.CharField(_("method"), max_length=10)
    path = models.CharField(_("address"), max_length=200)
    status = models.PositiveSmallIntegerField(_("status"))
    code = models.CharField(_("error code"), max_length=60, blank=True, db_default="")
    attr = models.CharField(_("field"), max_length=120, blank=True, db_default="")
    detail = models.CharField(_("what was wrong"), max_length=400, blank=True, db_default="")
    errors = models.PositiveSmallIntegerField(_("errors"), db_default=1)
    request_id = models.CharField(_("request"), max_length=128, blank=True, db_default="")

    class Meta:
        verbose_name = _("refused call")
        verbose_name_plural = _("refused calls")
        ordering = ["-id"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["merchant", "-id"], name="refused_call_of_merchant"),
            models.Index(fields=["at"], name="refused_call_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"
