"""What the columns of a merchant's files mean."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from oms.merchants.models import Merchant


class ImportMapping(models.Model):
    """What staff last said the headers of a merchant's files mean: field by header, "" for "leave out"."""

    merchant = models.OneToOneField(
        Merchant, verbose_name=_("merchant"), on_delete=models.CASCADE, related_name="import_mapping"
    )
    fields = models.JSONField(_("fields"), default=dict)

    class Meta:
        verbose_name = _("import mapping")
        verbose_name_plural = _("import mappings")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.merchant)
