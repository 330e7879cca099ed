"""What warehouse systems are told to expect, or to send, beside orders."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from inventory.models import PurchaseOrder, Transfer, Warehouse
from oms.common.models import Connection, Team, TicketSubject, Versioned, WorkItem
from orders.models import ReturnRequest


class StockOrderKind(models.TextChoices):
    """Which way the goods go."""

    IN = "in", _("Goods in")
    OUT = "out", _("Goods out")


class StockOrderState(models.TextChoices):
    """How far it is."""

    INTENDED = "intended", pgettext_lazy("stock order", "To be sent")
    SENT = "sent", pgettext_lazy("stock order", "Sent")
    DONE = "done", pgettext_lazy("stock order", "Done")
    REFUSED = "refused", pgettext_lazy("stock order", "Refused")
    CANCELLED = "cancelled", pgettext_lazy("stock order", "Cancelled")


S = StockOrderState


class StockOrder(WorkItem, Versioned):
    """A purchase order or return that a warehouse is told to expect, or a transfer that it is to send or to expect.

    Its number is the key under which the warehouse's system knows it. `told` are units by SKU code of parts that it
    said left, until it says that nothing more will. Once the goods are expected no more it is stopped:
    `stop_requested_at` is set until it answers.
    """

    ticket_subject = TicketSubject("stock_order", team=Team.LOGISTICS)

    number = models.CharField(_("stock order number"), max_length=40, editable=False)
    kind = models.CharField(_("kind"), max_length=4, choices=StockOrderKind.choices)
    warehouse = models.ForeignKey(Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey(Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="+")
    purchase_order = models.ForeignKey(
        PurchaseOrder, verbose_name=_("purchase order"), null=True, on_delete=models.PROTECT, related_name="+"
    )
    transfer = models.ForeignKey(
        Transfer, verbose_name=_("transfer"), null=True, on_delete=models.PROTECT, related_name="+"
    )
    return_request = models.ForeignKey(
        ReturnRequest, verbose_name=_("return request"), null=True, on_delete=models.PROTECT, related_name="+"
    )
    waybill = models.CharField(
        _("waybill of the way back"),
        max_length=40,
        db_default="",
        default="",
        blank=True,
        help_text=_("As the warehouse is told it; where it turns out to be another one, the warehouse is told anew."),
    )
    state = FSMField(_("state"), choices=S.choices, default=S.INTENDED, db_default=S.INTENDED)
    their_number = models.CharField(_("the warehouse's own number"), max_length=60, db_default="", blank=True)
    reason = models.CharField(_("reason"), max_length=300, db_default="", blank=True)
    told = models.JSONField(_("told so far"), db_default={}, default=dict, blank=True, editable=False)
    stop_requested_at = models.DateTimeField(_("asked to stop at"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("stock order")
        verbose_name_plural = _("stock orders")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["number"], name="stock_order_number_is_unique"),
            models.UniqueConstraint(
                fields=["purchase_order"],
                condition=Q(purchase_order__isnull=False),
                name="stock_order_of_a_purchase_order_is_one",
            ),
            models.UniqueConstraint(
                fields=["transfer", "kind"],
                condition=Q(transfer__isnull=False),
                name="stock_order_of_a_transfer_is_one_a_kind",
            ),
            models.UniqueConstraint(
                fields=["return_request", "warehouse", "waybill"],
                condition=Q(return_request__isnull=False, state__in=[S.INTENDED, S.SENT]),
                name="stock_order_of_a_return_is_one_a_waybill",
            ),
            models.CheckConstraint(condition=Q(state__in=S.values), name="stock_order_state_is_known"),
            models.CheckConstraint(condition=Q(kind__in=StockOrderKind.values), name="stock_order_kind_is_known"),
            models.CheckConstraint(
                condition=Q(purchase_order__isnull=False, transfer=None, return_request=None, kind=StockOrderKind.IN)
                | Q(purchase_order=None, transfer__isnull=False, return_request=None)
                | Q(purchase_order=None, transfer=None, return_request__isnull=False, kind=StockOrderKind.IN),
                name="stock_order_is_of_one_document",
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "ready_at"],
                condition=Q(state=S.INTENDED) | Q(state=S.SENT, stop_requested_at__isnull=False),
                name="stock_order_queue",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=S.INTENDED, target=S.SENT)
    def send(self) -> None:
        """The warehouse has it."""

    @transition(state, source=[S.INTENDED, S.SENT, S.CANCELLED], target=S.DONE)
    def finish(self) -> None:
        """Nothing more will come or go, said the warehouse; also of what it was told to stop."""

    @transition(state, source=[S.INTENDED, S.SENT], target=S.REFUSED)
    def refuse(self) -> None:
        """The warehouse will not do it."""

    @transition(state, source=[S.INTENDED, S.SENT], target=S.CANCELLED)
    def cancel(self) -> None:
        """It is expected no more."""

    @transition(state, source=S.REFUSED, target=S.INTENDED)
    def try_again(self) -> None:
        """What the warehouse did not like was mended."""
