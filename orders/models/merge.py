"""Sub-orders of several orders that go out together."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import Warehouse


class MergeGroup(models.Model):
    """Sub-orders of several orders (合单) that one warehouse sends as one warehouse order, while each order keeps its
    own money, invoice and state. `SubOrder.merge_group` says who belongs to it now: what goes elsewhere leaves it.
    """

    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("warehouse"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    is_automatic = models.BooleanField(_("by itself"), db_default=False, default=False)
    opened_at = models.DateTimeField(_("merged at"), db_default=Now(), editable=False)
    opened_by = models.CharField(_("merged by"), max_length=80)

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.pk)


class CanBeMerged(models.Model):
    """A row that may belong to a merge. Kept by a trigger (`orders.changing.merge_guard`), which takes out who goes
    elsewhere than the others."""

    merge_group = models.ForeignKey(
        MergeGroup,
        verbose_name=_("merge"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="sub_orders",
        db_index=False,
        db_constraint=False,
    )

    goes_alone = models.BooleanField(
        _("goes alone"),
        db_default=False,
        default=False,
        editable=False,
        help_text=_("A person split it off or parted it from others: nothing merges it by itself."),
    )

    class Meta:
        abstract = True
