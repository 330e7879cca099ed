"""What merchants are owed."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import Versioned, money
from oms.merchants.models import Merchant
from orders.models import SubOrder


class SettlementState(models.TextChoices):
    """Where a settlement is."""

    OPEN = "open", _("Open")
    PAID = "paid", _("Paid")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class Settlement(Versioned):
    """What a marketplace merchant is owed for a completed sub-order: gross less commission, due after its days."""

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="settlements", db_index=False
    )
    sub_order = models.ForeignKey(
        SubOrder, verbose_name=_("sub-order"), on_delete=models.PROTECT, related_name="settlements", db_index=False
    )
    state = FSMField(_("state"), choices=SettlementState.choices, default=SettlementState.OPEN, protected=True)
    gross_amount = money(_("gross"))
    commission_amount = money(_("commission"))
    net_amount = money(_("net"))
    currency = models.CharField(_("currency"), max_length=3, db_default="CNY", editable=False)
    due_on = models.DateField(_("due on"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("settlement")
        verbose_name_plural = _("settlements")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["sub_order"], name="settlement_settles_a_sub_order_once"),
            models.CheckConstraint(
                condition=Q(
                    gross_amount__gte=0,
                    commission_amount__gte=0,
                    net_amount=F("gross_amount") - F("commission_amount"),
                ),
                name="settlement_amounts_add_up",
            ),
            models.CheckConstraint(condition=Q(state__in=SettlementState.values), name="settlement_state_is_known"),
        ]
        indexes = [models.Index(fields=["merchant", "due_on"], name="settlement_of_merchant")]

    def __str__(self) -> str:
        return f"{self.sub_order_id}: {self.net_amount}"

    @transition(state, source=SettlementState.OPEN, target=SettlementState.PAID)
    def pay(self) -> None:
        """The merchant has the money."""

    @transition(state, source=SettlementState.OPEN, target=SettlementState.WITHDRAWN)
    def withdraw(self) -> None:
        """The goods came back before it was paid."""
