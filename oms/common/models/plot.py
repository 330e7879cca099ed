"""What was staged for newcomers: troubles of a sample, for people to try the pages on."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class StagedTrouble(models.Model):
    """A trouble of the sample that a person can see to, by its code in `oms.plot`; it is ticked off once it is over.

    `subject_id` is the row that says whether it is (of which table, its code says), `page_id` the row on whose page one
    works on it, `values` what its sentence names.
    """

    code = models.CharField(_("code"), max_length=40, unique=True, editable=False)
    subject_id = models.BigIntegerField(_("subject's id"), editable=False)
    page_id = models.BigIntegerField(_("page's id"), editable=False)
    values = models.JSONField(_("values"), default=dict, db_default={}, editable=False)
    staged_at = models.DateTimeField(_("since"), db_default=Now(), editable=False)
    done_at = models.DateTimeField(_("done at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("staged trouble")
        verbose_name_plural = _("staged troubles")
        ordering = ["id"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.code
