"""Rows that were refused on their way in, kept so that the merchant can correct and replay them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from oms.common.models import Versioned
from oms.common.secrecy import SealedField, unseal
from oms.merchants.models import Merchant
from orders.models.order import Order


class RejectedOrderQuerySet(models.QuerySet["RejectedOrder"]):
    """Named queries over refused rows."""

    def visible_to(self, merchant: Merchant) -> "RejectedOrderQuerySet":
        """The merchant's own refused rows; the one place that decides it."""
        return self.filter(merchant=merchant)


class RejectedOrder(Versioned):
    """A row that was refused: what came, why not, by which door. Its body, which tells who people are and where they
    live, is sealed, and forgotten after `keep_until`."""

    class Door(models.TextChoices):
        SINGLE = "single", _("One order by API")
        BULK = "bulk", _("Many orders by API")
        IMPORT = "import", _("File")

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("refused row", "Open")
        REPLAYED = "replayed", _("Replayed")
        DISCARDED = "discarded", _("Discarded")

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="rejected_orders", db_index=False
    )
    door = models.CharField(_("came by"), max_length=10, choices=Door.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, db_default=State.OPEN)
    external_number = models.CharField(_("external number"), max_length=64, blank=True, default="")
    body = SealedField(_("body"), null=True, editable=False, help_text=_("As it came; none once discarded."))
    body_digest = models.BinaryField(_("digest of the body"), max_length=32, editable=False)
    errors = models.JSONField(_("errors"))
    times = models.PositiveIntegerField(_("times"), db_default=1, help_text=_("How often the same row came."))
    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    created_at = models.DateTimeField(_("first refused at"), db_default=Now(), editable=False)
    last_at = models.DateTimeField(_("last refused at"), db_default=Now(), editable=False)
    keep_until = models.DateTimeField(_("kept until"))

    objects = RejectedOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("refused row")
        verbose_name_plural = _("refused rows")
        ordering = ["-id"]
        permissions = [("replay_rejectedorder", _("Can replay and discard refused rows"))]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "body_digest"], name="rejected_order_is_kept_once"),
            models.CheckConstraint(
                condition=Q(state__in=["open", "replayed", "discarded"]), name="rejected_order_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state="replayed", order__isnull=False) | (~Q(state="replayed") & Q(order__isnull=True)),
                name="rejected_order_names_its_order_once_replayed",
            ),
            models.CheckConstraint(
                condition=Q(state="discarded", body__isnull=True) | (~Q(state="discarded") & Q(body__isnull=False)),
                name="rejected_order_forgets_its_body_once_discarded",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "-id"], name="rejected_order_of_merchant"),
            models.Index(fields=["keep_until"], name="rejected_order_by_retention"),
            models.Index(fields=["id"], condition=Q(state="open"), name="rejected_order_open"),
            # What staff look rows up by, and the page of the order that a row became.
            models.Index(fields=["external_number"], name="rejected_order_by_number"),
            models.Index(fields=["order"], condition=Q(order__isnull=False), name="rejected_order_of_order"),
        ]

    def __str__(self) -> str:
        return self.external_number or str(self.pk)

    def opened(self) -> str:
        """The row as it came; empty once it is discarded. Raises cryptography.fernet.InvalidToken."""
        return unseal(self.body) if self.body is not None else ""
