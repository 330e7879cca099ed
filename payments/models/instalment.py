"""Orders that are paid in parts: a deposit, and the balance later (定金, 尾款)."""

from django.db import models
from django.db.models import Q
from django.db.models.expressions import F
from django.utils.translation import gettext_lazy as _

from oms.common.models import money
from orders.models import Order
from orders.models.terms import DepositTerms


class Instalment(models.Model):
    """A part of what is payable for an order: how much (yuan), by when, and from when on the buyer is asked."""

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="instalments", db_index=False
    )
    position = models.SmallIntegerField(_("position"))
    amount = money(_("amount"))
    opens_at = models.DateTimeField(_("asked for from"), null=True, blank=True)
    due_at = models.DateTimeField(_("pay by"))
    if_missed = models.CharField(
        _("if a later part is not paid"), max_length=10, choices=DepositTerms.choices, default=DepositTerms.RETURN
    )

    class Meta:
        verbose_name = _("instalment")
        verbose_name_plural = _("instalments")
        ordering = ["order", "position"]
        permissions = [("decide_deposit", _("Can decide whether deposits are kept or given back"))]
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="instalment_position_is_unique"),
            models.CheckConstraint(condition=Q(if_missed__in=DepositTerms.values), name="instalment_terms_are_known"),
            models.CheckConstraint(condition=Q(amount__gt=0, position__gt=0), name="instalment_is_an_amount"),
            models.CheckConstraint(
                condition=Q(opens_at=None) | Q(opens_at__lt=F("due_at")), name="instalment_opens_before_it_is_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.amount}"
