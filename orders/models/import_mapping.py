"""What the columns of a merchant's files mean."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from oms.merchants.models import Merchant


class ImportMapping(models.Model):
    """What staff last said the headers of a merchant's files of a kind mean: field by header, "" for "leave out"."""

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=40)
    fields = models.JSONField(_("fields"), default=dict)

    class Meta:
        verbose_name = _("import mapping")
        verbose_name_plural = _("import mappings")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["merchant", "kind"], name="import_mapping_is_one_for_each_kind"),
        ]

    def __str__(self) -> str:
        return str(self.merchant)
