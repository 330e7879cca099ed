"""What one warehouse ships in one go."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from inventory.models import StorageClass, Warehouse
from oms.common.models import TellsMoves, TicketSubject, Versioned, WorkItem
from oms.merchants.models import Merchant
from orders.models.merge import CanBeMerged
from orders.models.order import Order, PaymentMethod
from orders.models.shares import CarriesShares, shares_add_up


class SubOrderState(models.TextChoices):
    """Where a sub-order is, from sourcing to the buyer's hands."""

    AWAITING_ALLOCATION = "awaiting_allocation", _("Awaiting allocation")
    BACKORDERED = "backordered", _("Backordered")
    ALLOCATED = "allocated", _("Allocated")
    RELEASED = "released", _("Sent to warehouse")
    ACCEPTED = "accepted", _("Accepted by warehouse")
    PICKING = "picking", _("Picking")
    PACKED = "packed", _("Packed")
    SHIPPED = "shipped", _("Shipped")
    DELIVERED = "delivered", _("Delivered")
    COMPLETED = "completed", _("Completed")
    REJECTED = "rejected", _("Refused by buyer")
    RETURNED = "returned", _("Returned")
    CANCELLED = "cancelled", _("Cancelled")


UNALLOCATED_STATES = (SubOrderState.AWAITING_ALLOCATION, SubOrderState.BACKORDERED)
BEFORE_RELEASE = (*UNALLOCATED_STATES, SubOrderState.ALLOCATED)
# With a warehouse, which may still be asked to stop; and packed or not.
IN_WAREHOUSE = (SubOrderState.RELEASED, SubOrderState.ACCEPTED, SubOrderState.PICKING)
AT_WAREHOUSE = (*IN_WAREHOUSE, SubOrderState.PACKED)
# Still to be sent.
NOT_GONE = (*BEFORE_RELEASE, *AT_WAREHOUSE)
# Stock is promised to a sub-order in these states.
HOLDING_STOCK = (SubOrderState.ALLOCATED, *AT_WAREHOUSE)
# Its goods are no longer in the warehouse that it was sent from; or its code was delivered.
LEFT_WAREHOUSE = (
    SubOrderState.SHIPPED,
    SubOrderState.DELIVERED,
    SubOrderState.COMPLETED,
    SubOrderState.REJECTED,
    SubOrderState.RETURNED,
)
# Together with those of other orders, or gone together.
MAY_BE_MERGED = (*HOLDING_STOCK, *LEFT_WAREHOUSE)
# The buyer has it.
ARRIVED = (SubOrderState.DELIVERED, SubOrderState.COMPLETED)
# Nothing of it is, or will be, with the buyer.
UNDONE = (SubOrderState.CANCELLED, SubOrderState.RETURNED)


class ShippingProof(models.TextChoices):
    """What proved that a sub-order left its warehouse."""

    WAREHOUSE = "warehouse", _("The warehouse said so")
    SCAN = "scan", _("The carrier scanned it")


class SubOrderQuerySet(models.QuerySet["SubOrder"]):
    """Named queries over sub-orders."""

    def visible_to(self, merchant: Merchant) -> "SubOrderQuerySet":
        """Sub-orders that the merchant fulfils, whoever sold them; the one place that decides it.

        What others fulfil of its own channels' orders, the merchant sees as parts of those orders.
        """
        return self.filter(merchant=merchant)


class SubOrder(WorkItem, Versioned, TellsMoves, CarriesShares, CanBeMerged):
    """The part of an order that one warehouse ships in one go, with its share of the money (yuan).

    It is `released` as soon as there is a warehouse order for it, of which `release_count` says how many it has had.
    Warehouses that are in `refused_by` (ids) are no candidates for it any more; those in `avoids` only where no other
    one has all of it.
    """

    # Parts that are split off another one begin where their warehouse or its lack, or their cancellation, puts them.
    initial_states = (SubOrderState.ALLOCATED, SubOrderState.BACKORDERED, SubOrderState.CANCELLED)
    ticket_subject = TicketSubject("sub_order", "NEW.order_id")

    number = models.CharField(_("sub-order number"), max_length=32, editable=False)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="sub_orders")
    parent = models.ForeignKey(
        "self",
        verbose_name=_("split from"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="parts",
        db_index=False,
    )
    part_count = models.SmallIntegerField(_("parts split off"), db_default=0, editable=False)
    # No foreign keys to the few merchants and warehouses: each check would lock the same few rows in every worker.
    # Both are taken from rows that the same statement or plan read; `check_invariants` proves it.
    merchant = models.ForeignKey(
        Merchant,
        verbose_name=_("merchant"),
        on_delete=models.PROTECT,
        related_name="sub_orders",
        db_index=False,
        db_constraint=False,
    )
    storage_class = models.CharField(_("storage class"), max_length=24, choices=StorageClass.choices)
    payment_method = models.CharField(_("payment method"), max_length=10, choices=PaymentMethod.choices)
    state = FSMField(
        _("state"), choices=SubOrderState.choices, default=SubOrderState.AWAITING_ALLOCATION, protected=True
    )
    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("warehouse"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="sub_orders",
        db_index=False,
        db_constraint=False,
    )
    sourcing = models.JSONField(
        _("sourcing"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Which warehouses were candidates and why each lost."),
    )
    shortage = models.JSONField(
        _("shortage"), null=True, blank=True, editable=False, help_text=_("Which SKUs are short, by how many units.")
    )
    release_count = models.SmallIntegerField(_("times sent to a warehouse"), db_default=0, editable=False)
    refused_by = ArrayField(
        models.BigIntegerField(), verbose_name=_("refused by warehouses"), null=True, blank=True, editable=False
    )
    # A person, or a cut-off that was missed, took it from a warehouse: what allocation prefers then.
    avoids = ArrayField(
        models.BigIntegerField(), verbose_name=_("taken from warehouses"), null=True, blank=True, editable=False
    )
    wished_warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("wished warehouse"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    moving_since = models.DateTimeField(
        _("being moved since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Its warehouse was asked to stop, so that another one sends it."),
    )
    cancel_short_at = models.DateTimeField(
        _("cancelled if short at"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("A sourcing rule cancels it then, unless all of it came in."),
    )
    shipping_proof = models.CharField(
        _("proof of shipping"),
        max_length=10,
        choices=ShippingProof.choices,
        db_default="",
        blank=True,
        editable=False,
    )

    total_quantity = models.IntegerField(_("units"))
    weight_g = models.IntegerField(_("weight (g)"), db_default=0)

    is_held = models.BooleanField(
        _("held"), db_default=False, default=False, editable=False, help_text=_("Its order has an open hold.")
    )
    waiting_since = models.DateTimeField(
        _("waiting since"),
        db_default=Now(),
        editable=False,
        help_text=_("Its place among those that wait for goods; what is split off keeps it."),
    )
    ship_not_before = models.DateTimeField(
        _("not shipped before"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Presale: it is sent to a warehouse then."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    allocated_at = models.DateTimeField(_("allocated at"), null=True, blank=True, editable=False)
    released_at = models.DateTimeField(_("sent to warehouse at"), null=True, blank=True, editable=False)
    packed_at = models.DateTimeField(_("packed at"), null=True, blank=True, editable=False)
    shipped_at = models.DateTimeField(_("shipped at"), null=True, blank=True, editable=False)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True, editable=False)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True, editable=False)
    cancel_requested_at = models.DateTimeField(_("cancellation requested at"), null=True, blank=True, editable=False)

    objects = SubOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("sub-order")
        verbose_name_plural = _("sub-orders")
        ordering = ["-id"]
        permissions = [
            ("move_suborder", _("Can move sub-orders to other warehouses")),
            ("merge_suborder", _("Can split and merge sub-orders")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="sub_order_number_is_unique"),
            models.CheckConstraint(condition=Q(state__in=SubOrderState.values), name="sub_order_state_is_known"),
            models.CheckConstraint(
                condition=Q(warehouse__isnull=False) | Q(state__in=[*UNALLOCATED_STATES, SubOrderState.CANCELLED]),
                name="sub_order_warehouse_set_once_allocated",
            ),
            shares_add_up("sub_order_shares_add_up"),
            models.CheckConstraint(condition=Q(total_quantity__gt=0), name="sub_order_is_not_empty"),
            models.CheckConstraint(
                condition=~Q(state=SubOrderState.CANCELLED) | Q(cancelled_at__isnull=False),
                name="sub_order_cancelled_at_set_once_cancelled",
            ),
            models.CheckConstraint(
                condition=~Q(state=SubOrderState.CANCELLED)
                | Q(delivered_at__isnull=True)
                | Q(storage_class=StorageClass.VIRTUAL),
                name="sub_order_cancelled_before_it_arrives_unless_virtual",
            ),
            models.CheckConstraint(
                condition=Q(merge_group__isnull=True) | Q(state__in=MAY_BE_MERGED),
                name="sub_order_is_merged_while_its_warehouse_has_it",
            ),
            models.CheckConstraint(
                condition=Q(cancel_short_at__isnull=True) | Q(state=SubOrderState.BACKORDERED),
                name="sub_order_cancelled_short_while_it_waits",
            ),
            # What each move needs.
            models.CheckConstraint(
                condition=~Q(state__in=HOLDING_STOCK) | Q(allocated_at__isnull=False),
                name="sub_order_allocated_at_set_once_allocated",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=AT_WAREHOUSE) | Q(released_at__isnull=False),
                name="sub_order_released_at_set_once_released",
            ),
            models.CheckConstraint(
                condition=Q(ship_not_before__isnull=True)
                | Q(released_at__isnull=True)
                | Q(released_at__gte=F("ship_not_before")),
                name="sub_order_presale_is_not_released_early",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=LEFT_WAREHOUSE)
                | Q(released_at__isnull=False, shipped_at__isnull=False)
                | Q(storage_class=StorageClass.VIRTUAL),
                name="sub_order_ships_before_it_arrives_unless_virtual",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=ARRIVED) | Q(delivered_at__isnull=False),
                name="sub_order_delivered_at_set_once_delivered",
            ),
            models.CheckConstraint(
                condition=~Q(state=SubOrderState.COMPLETED) | Q(completed_at__isnull=False),
                name="sub_order_completed_at_set_once_completed",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=LEFT_WAREHOUSE)
                | Q(shipping_proof__in=ShippingProof.values)
                | Q(storage_class=StorageClass.VIRTUAL),
                name="sub_order_shipped_with_a_proof",
            ),
        ]
        indexes = [
            # The queues, oldest first; a row is in at most one of them. What is held is never walked over.
            models.Index(
                fields=["waiting_since", "id"],
                condition=Q(
                    state__in=UNALLOCATED_STATES,
                    is_held=False,
                    ready_at__isnull=False,
                    needs_person_since__isnull=True,
                ),
                name="sub_order_queue_allocate",
            ),
            models.Index(
                fields=["id"],
                condition=Q(state=SubOrderState.BACKORDERED, is_held=False, ready_at__isnull=True),
                name="sub_order_asleep",
            ),
            # Whose orders staff see as short of stock: few of all, counted on each page of the list.
            models.Index(fields=["order"], condition=Q(state=SubOrderState.BACKORDERED), name="sub_order_short"),
            models.Index(
                fields=["is_held", "ready_at"],
                condition=Q(state=SubOrderState.ALLOCATED),
                name="sub_order_queue_release",
            ),
            models.Index(fields=["lease_until"], condition=Q(lease_until__isnull=False), name="sub_order_leased"),
            models.Index(
                fields=["delivered_at"],
                condition=Q(state=SubOrderState.DELIVERED, needs_person_since__isnull=True),
                name="sub_order_queue_complete",
            ),
            models.Index(
                fields=["cancel_short_at"],
                condition=Q(cancel_short_at__isnull=False),
                name="sub_order_queue_cancel_short",
            ),
            models.Index(
                fields=["ready_at"],
                condition=Q(cancel_requested_at__isnull=False),
                name="sub_order_queue_cancel",
            ),
            models.Index(fields=["id"], condition=Q(needs_person_since__isnull=False), name="sub_order_queue_person"),
            models.Index(
                fields=["merge_group"], condition=Q(merge_group__isnull=False), name="sub_order_by_merge_group"
            ),
            # What is still to be sent, by warehouse: few of all.
            models.Index(fields=["warehouse"], condition=Q(state__in=NOT_GONE), name="sub_order_not_gone"),
            # What a merchant fulfils.
            models.Index(fields=["merchant", "-id"], name="sub_order_of_merchant"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_virtual(self) -> bool:
        """Whether nothing is packed: a code is delivered instead."""
        return self.storage_class == StorageClass.VIRTUAL

    @transition(state, source=list(UNALLOCATED_STATES), target=SubOrderState.ALLOCATED)
    def allocate(self) -> None:
        """A warehouse is chosen and every unit reserved there."""

    @transition(
        state,
        source=[SubOrderState.AWAITING_ALLOCATION, SubOrderState.ALLOCATED],
        target=SubOrderState.BACKORDERED,
    )
    def backorder(self) -> None:
        """No warehouse can fill it, or a stock-take took its reservation away."""

    @transition(
        state,
        source=[SubOrderState.ALLOCATED, *AT_WAREHOUSE],
        target=SubOrderState.AWAITING_ALLOCATION,
    )
    def source_anew(self) -> None:
        """The warehouse refused it, at once or when it could not find the goods, or dropped it."""

    @transition(state, source=SubOrderState.ALLOCATED, target=SubOrderState.RELEASED)
    def release(self) -> None:
        """There is a warehouse order for it, which is sent to the warehouse."""

    # A warehouse's notices may come late or not at all: a later one implies the earlier ones.
    @transition(state, source=SubOrderState.RELEASED, target=SubOrderState.ACCEPTED)
    def accept(self) -> None:
        """The warehouse will do it."""

    @transition(state, source=[SubOrderState.RELEASED, SubOrderState.ACCEPTED], target=SubOrderState.PICKING)
    def pick(self) -> None:
        """Goods are being collected."""

    @transition(state, source=list(IN_WAREHOUSE), target=SubOrderState.PACKED)
    def pack(self) -> None:
        """The parcel is closed; it can no longer be cancelled."""

    @transition(state, source=list(AT_WAREHOUSE), target=SubOrderState.SHIPPED)
    def ship(self) -> None:
        """The parcel left the warehouse, and with it the stock."""

    @transition(
        state,
        source=[SubOrderState.SHIPPED, SubOrderState.REJECTED, SubOrderState.ALLOCATED],
        target=SubOrderState.DELIVERED,
    )
    def deliver(self) -> None:
        """The buyer has it, be it after a refusal at first. Virtual goods go there straight from allocated."""

    @transition(state, source=SubOrderState.DELIVERED, target=SubOrderState.COMPLETED)
    def complete(self) -> None:
        """Receipt was confirmed, or the time to object is over."""

    @transition(state, source=SubOrderState.SHIPPED, target=SubOrderState.REJECTED)
    def reject(self) -> None:
        """The buyer refused the parcel."""

    @transition(
        state,
        source=[SubOrderState.SHIPPED, SubOrderState.REJECTED, SubOrderState.DELIVERED, SubOrderState.COMPLETED],
        target=SubOrderState.RETURNED,
    )
    def take_back(self) -> None:
        """The parcel is back in the warehouse, even if it was signed for, perhaps long ago: its sender did."""

    @transition(state, source=[*BEFORE_RELEASE, *AT_WAREHOUSE, SubOrderState.DELIVERED], target=SubOrderState.CANCELLED)
    def cancel(self) -> None:
        """Nobody asks for it once it is packed; after release it takes the warehouse's word, packed or not. Virtual
        goods can be cancelled until somebody looked at them."""
