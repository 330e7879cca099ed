"""What can be sold, where it lies, how much is on hand and promised, and the ledger that explains it."""

from collections.abc import Iterable

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.models import Connection, Versioned, money
from oms.merchants.models import LegalEntity, Merchant
from oms.merchants.models.legal_entity import tax_code_field, tax_data_is_whole, tax_mark_field, tax_rate_field


class StorageClass(models.TextChoices):
    """How goods must be kept; lines of different classes travel in different sub-orders."""

    AMBIENT = "ambient", _("Ambient")
    GENERAL = "general", _("General goods")
    BULKY = "bulky", _("Bulky")
    CHILLED = "chilled", _("Chilled")
    FROZEN = "frozen", _("Frozen")
    CONSTANT_TEMPERATURE = "constant_temperature", _("Constant temperature")
    VIRTUAL = "virtual", _("Virtual")


class Region(models.Model):
    """A county-level division of China (GB/T 2260) with a point that stands for it."""

    class Precision(models.TextChoices):
        DISTRICT = "district", _("District")
        CITY = "city", _("City")
        PROVINCE = "province", _("Province")

    code = models.CharField(_("code"), max_length=6, primary_key=True)
    province = models.CharField(_("province"), max_length=30)
    city = models.CharField(_("city"), max_length=60)
    district = models.CharField(_("district"), max_length=60)
    longitude = models.FloatField(_("longitude"), help_text=_("Degrees east."))
    latitude = models.FloatField(_("latitude"), help_text=_("Degrees north."))
    precision = models.CharField(
        _("precision"), max_length=10, choices=Precision.choices, help_text=_("What the point is the centre of.")
    )
    is_served = models.BooleanField(
        _("served"),
        default=True,
        db_default=True,
        help_text=_("Whether warehouses and carriers send there; orders to other regions wait for a person."),
    )

    class Meta:
        verbose_name = _("region")
        verbose_name_plural = _("regions")
        ordering = ["code"]

    def __str__(self) -> str:
        city = "" if self.city == self.province else self.city
        return f"{self.province}{city}{self.district}"


# The code of the SKU that stands for goods nobody has named yet: one for each merchant, and never a real SKU's.
UNKNOWN_GOODS = "?"


class SkuQuerySet(models.QuerySet["Sku"]):
    """Named queries over SKUs."""

    def visible_to(self, merchant: Merchant) -> "SkuQuerySet":
        """The merchant's own SKUs; the one place that decides it."""
        return self.filter(merchant=merchant)


class SkuManager(models.Manager["Sku"]):
    """Real SKUs only: what stands for goods that nobody has named yet is listed and offered nowhere."""

    def get_queryset(self) -> models.QuerySet["Sku"]:
        """All but the placeholders."""
        return super().get_queryset().exclude(code=UNKNOWN_GOODS)


class Sku(Versioned):
    """A sellable article of one merchant. A list price of 0 means that none is known.

    `UNKNOWN_GOODS` is no article: lines of orders point to it while nobody has said what a caller's code stands for. It
    is in none of `objects`; only the rows that point to it lead there.
    """

    merchant = models.ForeignKey(Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="skus")
    code = models.CharField(_("code"), max_length=64)
    name = models.CharField(_("name"), max_length=200)
    brand = models.CharField(_("brand"), max_length=80, blank=True, default="")
    department = models.CharField(_("department"), max_length=80, blank=True, default="")
    category = models.CharField(_("category"), max_length=120, blank=True, default="")
    storage_class = models.CharField(_("storage class"), max_length=24, choices=StorageClass.choices)
    weight_g = models.PositiveIntegerField(_("weight (g)"), default=0)
    list_price = money(_("list price"), default=0)
    floor_price = models.DecimalField(
        _("floor price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Yuan; no promotion, coupon or change of price of an order makes a unit cheaper. Empty: none."),
    )
    is_active = models.BooleanField(_("on sale"), db_default=True, default=True)
    tax_code = tax_code_field(_("tax class"))
    tax_name = models.CharField(_("short name of the tax class"), max_length=40, blank=True, default="", db_default="")
    tax_rate = tax_rate_field(_("rate of VAT"))
    tax_mark = tax_mark_field()

    objects = SkuManager.from_queryset(SkuQuerySet)()

    class Meta:
        verbose_name = _("SKU")
        verbose_name_plural = _("SKUs")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["code", "merchant"], name="sku_code_is_unique_in_merchant"),
            models.CheckConstraint(
                condition=Q(storage_class__in=StorageClass.values), name="sku_storage_class_is_known"
            ),
            models.CheckConstraint(condition=Q(list_price__gte=0), name="sku_list_price_is_not_negative"),
            models.CheckConstraint(condition=Q(floor_price__gte=0), name="sku_floor_price_is_not_negative"),
            models.CheckConstraint(
                condition=~Q(code=UNKNOWN_GOODS) | Q(is_active=False), name="sku_placeholder_is_not_sold"
            ),
            tax_data_is_whole("", "sku_tax_data_is_whole"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def is_placeholder(self) -> bool:
        """Whether it only stands for goods that nobody has named yet."""
        return self.code == UNKNOWN_GOODS


class Warehouse(models.Model):
    """A place that stores and sends goods. `serves` lists provinces; empty means the whole country."""

    class Kind(models.TextChoices):
        SELF_OPERATED = "self_operated", _("Self-operated")
        PARTNER = "partner", _("Partner")
        MERCHANT = "merchant", _("Merchant's own")
        VIRTUAL = "virtual", _("Virtual")

    class WaybillWhen(models.TextChoices):
        """When the parcel's waybill is bought."""

        AT_RELEASE = "at_release", _("Before it is sent to the warehouse")
        AT_ACCEPTANCE = "at_acceptance", _("When the warehouse accepted")
        WHEN_PACKED = "when_packed", _("When it is packed")
        OWN = "own", _("The warehouse brings its own")

    code = models.CharField(_("code"), max_length=32)
    name = models.CharField(_("name"), max_length=120)
    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="warehouses"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    storage_classes = ArrayField(models.CharField(max_length=24), verbose_name=_("storage classes"))
    region = models.ForeignKey(Region, verbose_name=_("region"), on_delete=models.PROTECT, related_name="+")
    longitude = models.FloatField(_("longitude"), help_text=_("Degrees east."))
    latitude = models.FloatField(_("latitude"), help_text=_("Degrees north."))
    daily_capacity = models.PositiveIntegerField(_("daily capacity"), default=0)
    cutoff_same_day = models.TimeField(_("cut-off for the same day"), null=True, blank=True)
    cutoff_next_day = models.TimeField(_("cut-off for the next day"), null=True, blank=True)
    serves = ArrayField(models.CharField(max_length=30), verbose_name=_("serves"), blank=True, default=list)
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="warehouses",
        help_text=_("The warehouse's system; without one, nothing can be sent there."),
    )
    legal_entity = models.ForeignKey(
        LegalEntity,
        verbose_name=_("legal entity"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="warehouses",
        db_index=False,
        help_text=_("In whose name its merchant's goods that it ships are invoiced; empty: the merchant's."),
    )
    waybill_when = models.CharField(
        _("waybill"), max_length=16, choices=WaybillWhen.choices, default=WaybillWhen.WHEN_PACKED
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("warehouse")
        verbose_name_plural = _("warehouses")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="warehouse_code_is_unique"),
            models.CheckConstraint(
                condition=Q(kind__in=["self_operated", "partner", "merchant", "virtual"]),
                name="warehouse_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(waybill_when__in=["at_release", "at_acceptance", "when_packed", "own"]),
                name="warehouse_waybill_when_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class StockQuerySet(models.QuerySet["Stock"]):
    """Named queries over stock."""

    def visible_to(self, merchant: Merchant) -> "StockQuerySet":
        """Stock of the merchant's own SKUs, wherever it lies; the one place that decides it."""
        return self.filter(sku__merchant=merchant)


class Stock(Versioned):
    """How many units of a SKU a warehouse has, and how many of them are promised to orders.

    `safety_stock` steers replenishment; it is not kept back from orders. `wakes_backorders_since` is when units last
    became available (read off the clock once the row is locked), until everybody who waits for them had a chance; see
    `orders.fulfilling.waking`. `version` counts the changes of
    `on_hand`, not those of promises: who counts goods does not mind that orders come in meanwhile.
    """

    version_counts = ("on_hand",)

    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="stock", db_index=False
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.PROTECT, related_name="stock", db_index=False)
    on_hand = models.IntegerField(_("on hand"), db_default=0, default=0)
    reserved = models.IntegerField(_("reserved"), db_default=0, default=0, editable=False)
    safety_stock = models.PositiveIntegerField(_("safety stock"), db_default=0, default=0)
    reorder_point = models.PositiveIntegerField(_("reorder point"), db_default=0, default=0)
    reorder_quantity = models.PositiveIntegerField(_("reorder quantity"), db_default=0, default=0)
    wakes_backorders_since = models.DateTimeField(_("wakes backorders since"), null=True, blank=True, editable=False)

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
        return self.on_hand - self.reserved


class DemandKind(models.TextChoices):
    """What units are promised to; `demand_id` is the id of such a row. The apps that the rows belong to are above this
    one, so there is no foreign key; their invariants prove that the two agree.
    """

    SUB_ORDER_LINE = "sub_order_line", _("Sub-order line")
    TRANSFER = "transfer", _("Transfer")
    HOLD = "hold", _("Set aside")


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


class StockMovement(models.Model):
    """One line of the ledger: why `on_hand` and `reserved` of a stock row are what they are. Never changed.

    The sums of both columns over a stock row are the row's figures; `check_invariants` proves it.
    """

    class Kind(models.TextChoices):
        OPENING = "opening", _("Opening stock")
        RECEIPT = "receipt", _("Goods received")
        STOCK_TAKE = "stock_take", _("Stock-take")
        RESERVE = "reserve", _("Reserved")
        RELEASE = "release", _("Reservation released")
        SHIP = "ship", _("Shipped")
        RETURN = "return", _("Returned")

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
                condition=~Q(on_hand_change=0, reserved_change=0), name="stock_movement_changes_something"
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
