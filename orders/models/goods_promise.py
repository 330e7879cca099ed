"""When goods that sub-orders wait for should come, and what was said of it before."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import Warehouse
from orders.models.sub_order import SubOrder


class GoodsPromise(models.Model):
    """What a backordered sub-order is told while its goods are on order: on which day they should come, and by when the
    buyer has them then. Where the day moves, the next one takes its place; it ends when the sub-order waits no longer.
    """

    # The statement that writes it read the rows which it names.
    sub_order = models.ForeignKey(
        SubOrder,
        verbose_name=_("sub-order"),
        on_delete=models.PROTECT,
        related_name="goods_promises",
        db_index=False,
        db_constraint=False,
    )
    number = models.PositiveSmallIntegerField(_("number"))
    expected_on = models.DateField(_("expected on"))
    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    deliver_by = models.DateTimeField(
        _("promised by"), null=True, blank=True, help_text=_("Empty: no lane goes there, or no level is sold.")
    )
    made_at = models.DateTimeField(_("made at"), db_default=Now(), editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("promise of goods on order")
        verbose_name_plural = _("promises of goods on order")
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["sub_order", "number"], name="goods_promise_is_numbered_in_sub_order"),
            models.UniqueConstraint(
                fields=["sub_order"], condition=Q(ended_at__isnull=True), name="goods_promise_stands_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sub_order_id}/{self.number}"
