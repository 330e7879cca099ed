"""Exchanges (换货): which goods a buyer gets for those that come back, and what of their price these pay."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.models import money
from oms.merchants.models import ExchangeLeaves
from orders.models.order import Order
from orders.models.return_request import ReturnRequest


class ExchangeEnd(models.TextChoices):
    """Why an exchange was given up."""

    UNPAID = "unpaid", _("The difference was not paid in time.")
    ORDER_CANCELLED = "order_cancelled", _("The order of the new goods was cancelled.")
    RETURN_ENDED = "return_ended", _("The goods do not come back.")
    NOT_POSSIBLE = "not_possible", _("The new goods cannot be sent.")


class Exchange(models.Model):
    """What a return of the kind `exchange` gives the buyer: an order of new goods, linked to the original one.

    `wish` are the new goods by the codes of merchant and SKU, none: the same again. Once it is begun, `credit` (yuan)
    of the new order is paid by the goods that come back; what it costs beyond that the buyer pays first, what the goods
    are worth beyond it is granted with the return. When their money is granted, what they really gave by each tender
    is kept in `granted` (fen), and `kept` says which of their units and fen, by order line, still count for the
    promotions of the original order. Given up (`ended_at`), the return goes on by itself.
    """

    return_request = models.OneToOneField(
        ReturnRequest,
        verbose_name=_("return request"),
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="exchange",
    )
    wish = models.JSONField(_("new goods"), default=list, blank=True)
    new_order = models.OneToOneField(
        Order,
        verbose_name=_("order of the new goods"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="exchange",
    )
    leaves = models.CharField(_("the new goods leave"), max_length=12, choices=ExchangeLeaves.choices)
    credit = money(_("paid by the goods that come back"), default=0, db_default=0)
    new_amount = money(_("price of the new goods"), default=0, db_default=0)
    granted = models.JSONField(_("what the goods gave"), null=True, blank=True, editable=False)
    kept = models.JSONField(_("counts for promotions"), default=dict, blank=True, editable=False)
    written_off = money(_("written off"), default=0, db_default=0)
    begun_at = models.DateTimeField(_("begun at"), null=True, blank=True, editable=False)
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(_("given up at"), null=True, blank=True, editable=False)
    end_reason = models.CharField(
        _("why it was given up"), max_length=16, choices=ExchangeEnd.choices, blank=True, default="", db_default=""
    )
    due_since = models.DateTimeField(_("to be looked at since"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("exchange")
        verbose_name_plural = _("exchanges")
        ordering = ["-return_request"]
        default_permissions = ("view",)
        permissions = [("write_off_exchange", _("Can write off what exchanges left unpaid"))]
        constraints = [
            models.CheckConstraint(condition=Q(leaves__in=ExchangeLeaves.values), name="exchange_leaves_is_known"),
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="")
                | Q(ended_at__isnull=False, end_reason__in=ExchangeEnd.values),
                name="exchange_is_given_up_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(begun_at=None, new_order=None, credit=0, new_amount=0, settled_at=None, granted=None)
                | Q(begun_at__isnull=False, new_order__isnull=False),
                name="exchange_begins_with_an_order",
            ),
            models.CheckConstraint(
                condition=Q(settled_at=None, granted=None) | Q(settled_at__isnull=False, granted__isnull=False),
                name="exchange_is_settled_by_what_was_granted",
            ),
            models.CheckConstraint(
                condition=Q(credit__gte=0, credit__lte=F("new_amount"), written_off__gte=0),
                name="exchange_pays_no_more_than_the_new_goods",
            ),
        ]
        indexes = [
            models.Index(fields=["due_since"], condition=Q(due_since__isnull=False), name="exchange_queue"),
            models.Index(
                fields=["new_order"],
                condition=Q(begun_at__isnull=False, settled_at__isnull=True, ended_at__isnull=True),
                name="exchange_open",
            ),
        ]

    def __str__(self) -> str:
        return str(self.return_request_id)

    @property
    def is_open(self) -> bool:
        """Whether its new order stands for the goods that come back."""
        return self.begun_at is not None and self.ended_at is None
