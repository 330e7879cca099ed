"""What can be sold, and where it lies."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oms.common.models import Connection, TellsChanges, Versioned, money
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
# No side of an article is longer.
MOST_MM = 20_000
MOST_G = 2_000_000_000
MOST_OF_A_BARCODE = 64
MOST_BARCODES = 20


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


class Sku(Versioned, TellsChanges):
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
    length_mm = models.PositiveIntegerField(_("length (mm)"), null=True, blank=True)
    width_mm = models.PositiveIntegerField(_("width (mm)"), null=True, blank=True)
    height_mm = models.PositiveIntegerField(_("height (mm)"), null=True, blank=True)
    unit_of_measure = models.CharField(
        _("unit of measure"), max_length=20, blank=True, default="", db_default="", help_text=_("Such as 件 or 箱.")
    )
    wants_batches = models.BooleanField(
        _("keeps batches"),
        default=False,
        db_default=False,
        help_text=_("Units are told apart by batch and best-before; what expires first is sent first."),
    )
    wants_serials = models.BooleanField(
        _("has serial numbers"), default=False, db_default=False, help_text=_("Each unit has a number of its own.")
    )
    sells_codes = models.BooleanField(
        _("sells codes"),
        default=False,
        db_default=False,
        editable=False,
        help_text=_("Its units are codes that were imported; nothing else brings any."),
    )
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
            models.CheckConstraint(
                condition=Q(list_price__gte=0),
                name="sku_list_price_is_not_negative",
                violation_error_message=_("The list price is 0 or more."),
            ),
            models.CheckConstraint(
                condition=Q(floor_price__gte=0),
                name="sku_floor_price_is_not_negative",
                violation_error_message=_("The floor price is 0 or more."),
            ),
            models.CheckConstraint(
                condition=~Q(code=UNKNOWN_GOODS) | Q(is_active=False),
                name="sku_placeholder_is_not_sold",
                violation_error_message=_("The SKU “?” stands for goods that are not known; it is not sold."),
            ),
            models.CheckConstraint(
                condition=Q(length_mm__isnull=True, width_mm__isnull=True, height_mm__isnull=True)
                # Told apart from nothing first: what is compared with nothing is neither true nor false.
                | Q(length_mm__isnull=False, width_mm__isnull=False, height_mm__isnull=False)
                & Q(length_mm__range=(1, MOST_MM), width_mm__range=(1, MOST_MM), height_mm__range=(1, MOST_MM)),
                name="sku_size_is_whole",
                violation_error_message=_("Give length, width and height together, each from 1 to 20000 mm."),
            ),
            tax_data_is_whole("", "sku_tax_data_is_whole"),
            models.CheckConstraint(
                condition=Q(sells_codes=False) | Q(storage_class=StorageClass.VIRTUAL, wants_batches=False),
                name="sku_sells_codes_only_of_what_is_virtual",
                violation_error_message=_("What sells codes is virtual and keeps no batches."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def volume_mm3(self) -> int | None:
        """What a unit takes up; None where its size is not known."""
        if self.length_mm is None or self.width_mm is None or self.height_mm is None:
            return None
        return self.length_mm * self.width_mm * self.height_mm

    @property
    def longest_side_mm(self) -> int | None:
        """The longest side of a unit; None where its size is not known."""
        if self.length_mm is None or self.width_mm is None or self.height_mm is None:
            return None
        return max(self.length_mm, self.width_mm, self.height_mm)

    @property
    def is_placeholder(self) -> bool:
        """Whether it only stands for goods that nobody has named yet."""
        return self.code == UNKNOWN_GOODS


class SkuBarcode(models.Model):
    """A code that is printed on the goods (条码); a SKU may have several, and no other of its merchant the same."""

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    sku = models.ForeignKey(Sku, verbose_name=_("SKU"), on_delete=models.CASCADE, related_name="barcodes")
    code = models.CharField(_("barcode"), max_length=MOST_OF_A_BARCODE)

    class Meta:
        verbose_name = _("barcode")
        verbose_name_plural = _("barcodes")
        ordering = ["id"]
        constraints = [
            # The code leads: a scan knows nothing but the code.
            models.UniqueConstraint(fields=["code", "merchant"], name="sku_barcode_is_unique_in_merchant"),
            models.CheckConstraint(condition=~Q(code=""), name="sku_barcode_is_not_empty"),
        ]

    def __str__(self) -> str:
        return self.code


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
    address = models.CharField(
        _("address"), max_length=200, blank=True, default="", help_text=_("Stands on labels as the sender's.")
    )
    contact_name = models.CharField(_("contact person"), max_length=60, blank=True, default="")
    contact_phone = models.CharField(_("contact phone"), max_length=20, blank=True, default="")
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
