"""How much is on hand and promised, and the ledger that explains it."""

from collections.abc import Iterable

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory import availability
from inventory.models.catalogue import Sku, Warehouse
from oms.common.models import ClockTime, Versioned
from oms.merchants.models import Merchant


class StockQuerySet(models.QuerySet["Stock"]):
    """Named queries over stock."""

    def visible_to(self, merchant: Merchant) -> "StockQuerySet":
        """Stock of the merchant's own SKUs, wherever it lies; the one place that decides it."""
        return self.filter(sku__merchant=merchant)


class Stock(Versioned):
    """How many units of a SKU a warehouse has, and how many of them are promised to orders.

    What can be promised of it is said by `inventory.availability`. `on_hand` and `frozen` (held back for their quality
    or by law) count units of good quality. `on_hand`, `reserved` and `frozen` are written by the ledger alone, which
    the database sees to (`inventory.ledger`). `wakes_backorders_since` is when units last became free (read off the
    clock once the row is locked), until everybody who waits for them had a chance; see `orders.fulfilling.waking`.
    `version` counts the changes of `on_hand`, not those of promises: who counts goods does not mind that orders come
    in meanwhile. `changed_at` is kept by the ledger and a trigger, for readers that ask what changed; no index has it,
    or every promise would write one.
    """

    version_counts = ("on_hand",)

    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="stock", db_index=False
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="stock", db_index=False)
    on_hand = models.IntegerField(_("on hand"), db_default=0, default=0)
    reserved = models.IntegerField(_("reserved"), db_default=0, default=0, editable=False)
    frozen = models.IntegerField(_("frozen"), db_default=0, default=0, editable=False)
    # Follows `Sku.wants_batches`; here it costs those nothing that want none.
    keeps_lots = models.BooleanField(_("keeps batches"), db_default=False, default=False, editable=False)
    # Follows `Sku.sells_codes`: the units are the codes for sale, which the app that delivers them sees to.
    keeps_codes = models.BooleanField(_("keeps codes"), db_default=False, default=False, editable=False)
    safety_stock = models.PositiveIntegerField(_("safety stock"), db_default=0, default=0)
    bin = models.CharField(
        _("bin"), max_length=20, db_default="", default="", blank=True, help_text=_("Where it is picked, as A-03-2.")
    )
    reorder_point = models.PositiveIntegerField(_("reorder point"), db_default=0, default=0)
    reorder_quantity = models.PositiveIntegerField(_("reorder quantity"), db_default=0, default=0)
    wakes_backorders_since = models.DateTimeField(_("wakes backorders since"), null=True, blank=True, editable=False)
    changed_at = models.DateTimeField(_("changed at"), db_default=ClockTime(), editable=False)

    objects = StockQuerySet.as_manager()

    class Meta:
        verbose_name = _("stock")
        verbose_name_plural = _("stock")
        ordering = ["-id"]
        permissions = [("import_stock", _("Can import counted stock from files"))]
        constraints = [
            # SKU first: sourcing asks "who has this SKU", and the pair is unique either way round.
            models.UniqueConstraint(fields=["sku", "warehouse"], name="stock_is_unique_in_warehouse"),
            models.CheckConstraint(
                condition=Q(reserved__gte=0, reserved__lte=F("on_hand")), name="stock_reserved_within_on_hand"
            ),
            # More may be frozen than is there: what a count missed but a warehouse still has orders for.
            models.CheckConstraint(condition=Q(frozen__gte=0), name="stock_frozen_is_not_negative"),
        ]
        indexes = [
            models.Index(
                fields=["wakes_backorders_since"],
                condition=Q(wakes_backorders_since__isnull=False),
                name="stock_wakes_backorders",
            ),
            models.Index(fields=["warehouse", "id"], name="stock_by_warehouse"),
        ]

    def __str__(self) -> str:
        return f"{self.warehouse.code} {self.sku.code}"

    @property
    def available(self) -> int:
        """Units that can still be promised."""
        return availability.available(
            on_hand=self.on_hand, reserved=self.reserved, frozen=self.frozen, safety_stock=self.safety_stock
        )


class DemandKind(models.TextChoices):
    """What units are promised to; `demand_id` is the id of such a row. The apps that the rows belong to are above this
    one, so there is no foreign key; their invariants prove that the two agree.
    """

    SUB_ORDER_LINE = "sub_order_line", _("Sub-order line")
    TRANSFER = "transfer", _("Transfer")
    HOLD = "hold", _("Set aside")
    # Not promised to, but booked in for.
    RETURN_LINE = "return_line", _("Return line")
    STRAY_UNIT = "stray_unit", _("Parcel that nobody knows")


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Named queries over reservations."""

    def active(self) -> "ReservationQuerySet":
        """Those whose units are promised now."""
        return self.filter(state=Reservation.State.ACTIVE)

    def active_for(
        self, demand_ids: "Iterable[int] | models.QuerySet", kind: DemandKind = DemandKind.SUB_ORDER_LINE
    ) -> "ReservationQuerySet":
        """What is promised now to these demands of one kind."""
        return self.active().filter(demand_kind=kind, demand_id__in=demand_ids)


class Reservation(models.Model):
    """Units of a stock row promised to one demand, which `demand_kind` and `demand_id` name together."""

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        RELEASED = "released", _("Released")
        CONSUMED = "consumed", _("Consumed")

    # Written only by a statement that changes the stock row itself; checked by `check_invariants`.
    stock = models.ForeignKey(
        Stock,
        verbose_name=_("stock"),
        on_delete=models.PROTECT,
        related_name="reservations",
        db_index=False,
        db_constraint=False,
    )
    demand_kind = models.CharField(_("kind of demand"), max_length=16, choices=DemandKind.choices)
    demand_id = models.BigIntegerField(_("demand"))
    quantity = models.IntegerField(_("quantity"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, db_default=State.ACTIVE)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                # The id leads: it is what narrows the search.
                fields=["demand_id", "demand_kind"],
                condition=Q(state="active"),
                name="reservation_one_active_for_a_demand",
            ),
            models.CheckConstraint(
                condition=Q(demand_kind__in=DemandKind.values), name="reservation_demand_kind_is_known"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="reservation_quantity_is_positive"),
            models.CheckConstraint(
                condition=Q(state__in=["active", "released", "consumed"]), name="reservation_state_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["stock"], condition=Q(state="active"), name="reservation_active_of_stock"),
        ]

    def __str__(self) -> str:
        return f"{self.stock_id}: {self.quantity}"


class MovementNote(models.TextChoices):
    """What the system notes on a movement; people write theirs."""

    CANCELLED = "cancelled", _("Cancelled")
    PARTLY_SHIPPED = "partly_shipped", _("Shipped in part")
    AWAITING_ALLOCATION = "awaiting_allocation", _("Sourced anew")
    OTHER_REGION = "other_region", _("Goes to another region")
    STOCK_TAKE = "stock_take", _("Stock-take")
    REFUSED = "refused", _("Refused by the warehouse")
    ORDERED = "ordered", _("For its order")
    EXPIRED = "expired", _("Expired")
    GIVEN_BACK = "given_back", _("Given back")
    PARTED = "by_hand", _("Split by hand")


class StockMovement(models.Model):
    """One line of the ledger: why `on_hand`, `reserved` and `frozen` of a stock row are what they are. Never changed.

    Adding it changes the row (`inventory.ledger`); the sums of its columns over a stock row are the row's figures.
    """

    class Kind(models.TextChoices):
        OPENING = "opening", _("Opening stock")
        RECEIPT = "receipt", _("Goods received")
        STOCK_TAKE = "stock_take", _("Stock-take")
        RESERVE = "reserve", _("Reserved")
        RELEASE = "release", _("Reservation released")
        SHIP = "ship", _("Shipped")
        RETURN = "return", _("Returned")
        ADJUSTMENT = "adjustment", _("Adjusted")
        QUALITY = "quality", _("Quality changed")
        EXPIRY = "expiry", _("Expired")
        TRANSFER = "transfer", _("Received by transfer")

    # Written only by statements that read or change the stock row itself; checked by `check_invariants`.
    stock = models.ForeignKey(
        Stock,
        verbose_name=_("stock"),
        on_delete=models.PROTECT,
        related_name="movements",
        db_index=False,
        db_constraint=False,
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    on_hand_change = models.IntegerField(_("change of on hand"), db_default=0)
    reserved_change = models.IntegerField(_("change of reserved"), db_default=0)
    frozen_change = models.IntegerField(_("change of frozen"), db_default=0)
    demand_kind = models.CharField(
        _("kind of demand"), max_length=16, choices=DemandKind.choices, db_default="", blank=True
    )
    demand_id = models.BigIntegerField(_("demand"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=200, db_default="", blank=True)
    actor = models.CharField(_("actor"), max_length=80, db_default="", blank=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("stock movement")
        verbose_name_plural = _("stock movements")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(on_hand_change=0, reserved_change=0, frozen_change=0),
                name="stock_movement_changes_something",
            ),
            models.CheckConstraint(
                condition=Q(demand_kind="", demand_id__isnull=True)
                | Q(demand_kind__in=DemandKind.values, demand_id__isnull=False),
                name="stock_movement_names_a_known_demand",
            ),
        ]
        indexes = [models.Index(fields=["stock", "id"], name="stock_movement_of_stock")]

    def __str__(self) -> str:
        return f"{self.stock_id} {self.get_kind_display()} {self.on_hand_change:+d}/{self.reserved_change:+d}"
