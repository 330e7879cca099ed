"""The one story of an order that staff read."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.secrecy import SealedField
from orders.models.order import Order


class ActorKind(models.TextChoices):
    """Who caused a change."""

    STAFF = "staff", _("Staff")
    MERCHANT = "merchant", _("Merchant")
    BUYER = "buyer", _("Buyer")
    JOB = "job", _("System")
    RULE = "rule", _("Rule")
    WAREHOUSE = "warehouse", _("Warehouse")
    CARRIER = "carrier", _("Carrier")
    PROVIDER = "provider", _("Payment provider")


class OrderEvent(models.Model):
    """One change of an order or of something that belongs to it. Only ever appended.

    `kind` and `data` say what happened; `orders.kinds` puts them into words in the reader's language. `sealed` holds
    what was changed, where that is personal (`orders.telling.timeline.changes_of`).
    """

    # Without a foreign key's cost: events are only added, by statements that read the order; orders are never deleted.
    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        on_delete=models.PROTECT,
        related_name="events",
        db_constraint=False,
        db_index=False,
    )
    sub_order = models.ForeignKey(
        "orders.SubOrder",
        verbose_name=_("sub-order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=40)
    actor_kind = models.CharField(_("actor"), max_length=10, choices=ActorKind.choices)
    actor = models.CharField(_("by"), max_length=80)
    from_state = models.CharField(_("from"), max_length=20, db_default="", blank=True)
    to_state = models.CharField(_("to"), max_length=20, db_default="", blank=True)
    data = models.JSONField(_("data"), null=True, blank=True)
    sealed = SealedField(_("old and new values"), null=True, editable=False)
    created_at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("timeline event")
        verbose_name_plural = _("timeline events")
        ordering = ["id"]
        indexes = [
            models.Index(fields=["order", "id"], name="order_event_of_order"),
            # Events are only added, in the order of time: a BRIN finds those since a moment and costs next to nothing.
            BrinIndex(fields=["created_at"], autosummarize=True, pages_per_range=32, name="order_event_by_time"),
        ]

    def __str__(self) -> str:
        return self.kind
