"""The floor of warehouses that are run on this site: what is to be picked, in which wave, and what was checked."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from inventory.models import StorageClass, Warehouse
from inventory.models.serials import MOST_OF_A_SERIAL
from logistics.models.carrier import Carrier
from logistics.models.warehouse_order import WarehouseOrder
from orders.models import SubOrderLine

MOST_TASKS = 500


class WaveKind(models.TextChoices):
    """What the orders of a wave have in common."""

    HOT = "hot", _("Hot item")
    SINGLE = "single", _("Single item")
    MULTI = "multi", _("Several items")


class WaveRule(models.Model):
    """Which released warehouse orders are gathered into a wave (波次). A lower `priority` is asked first.

    A wave is gathered once it is full, once one of its orders waits for `waits_minutes`, or at a cut-off. A hot-item
    wave has orders of one SKU only, the same in all of them.
    """

    name = models.CharField(_("name"), max_length=60, unique=True)
    is_active = models.BooleanField(_("active"), default=True)
    priority = models.PositiveSmallIntegerField(_("priority"), default=100, help_text=_("The lowest is asked first."))
    kind = models.CharField(_("kind"), max_length=6, choices=WaveKind.choices)
    warehouse = models.ForeignKey(
        Warehouse,
        verbose_name=_("warehouse"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Empty: every warehouse that is run here."),
    )
    carrier = models.ForeignKey(
        Carrier,
        verbose_name=_("carrier"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Only orders whose parcel goes by it. Empty: each carrier in waves of its own."),
    )
    storage_class = models.CharField(
        _("storage class"), max_length=20, choices=StorageClass.choices, blank=True, default=""
    )
    zone = models.CharField(
        _("zone"),
        max_length=20,
        blank=True,
        default="",
        help_text=_("Beginning of the bins; only orders all of whose goods lie there."),
    )
    most_skus = models.PositiveSmallIntegerField(
        _("SKUs at most"), null=True, blank=True, help_text=_("In one order. Empty: as many as there are.")
    )
    at_least = models.PositiveSmallIntegerField(_("orders at least"), default=1)
    at_most = models.PositiveSmallIntegerField(_("orders at most"), default=50)
    waits_minutes = models.PositiveSmallIntegerField(
        _("waits at most (minutes)"), default=30, help_text=_("Then a wave is gathered that is not full.")
    )
    cut_offs = models.CharField(
        _("cut-offs"), max_length=60, blank=True, default="", help_text=_("Times of day in China, as 11:00 16:30.")
    )
    starts_on = models.DateField(_("from"), null=True, blank=True)
    ends_on = models.DateField(_("to"), null=True, blank=True)

    class Meta:
        verbose_name = _("wave rule")
        verbose_name_plural = _("wave rules")
        ordering = ["priority", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=WaveKind.values), name="wave_rule_kind_is_known"),
            models.CheckConstraint(
                condition=Q(at_least__gte=1, at_most__gte=F("at_least"), at_most__lte=MOST_TASKS),
                name="wave_rule_sizes_are_sound",
                violation_error_message=_(
                    "A wave has at least 1 and at most 500 orders, and the most is not below the least."
                ),
            ),
            models.CheckConstraint(
                condition=Q(starts_on__isnull=True) | Q(ends_on__isnull=True) | Q(ends_on__gte=F("starts_on")),
                name="wave_rule_ends_after_it_starts",
                violation_error_message=_("The last day is not before the first."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Times of day are such."""
        try:
            self.times()
        except ValueError as error:
            raise ValidationError({"cut_offs": _("Write times of day as 11:00 16:30.")}) from error

    def times(self) -> list[tuple[int, int]]:
        """The cut-offs as hours and minutes. Raises ValueError for what is no time of day."""
        found = []
        for word in self.cut_offs.replace(",", " ").split():
            hour, minute = (int(part) for part in word.split(":"))
            if not (0 <= hour < 24 and 0 <= minute < 60):
                raise ValueError(word)
            found.append((hour, minute))
        return found


class DropReason(models.TextChoices):
    """Why a warehouse order is not picked, or does not go."""

    STOPPED = "stopped", _("Asked to stop")
    ENDED = "ended", _("Not wanted any more")
    MISSING = "missing", _("Goods are missing")


class Wave(models.Model):
    """Warehouse orders that are picked together. It is over once each of them was checked or dropped."""

    number = models.CharField(_("wave number"), max_length=24, unique=True, editable=False)
    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="+", editable=False
    )
    # Its words as they were; the rule may change.
    rule = models.CharField(_("rule"), max_length=60, editable=False)
    kind = models.CharField(_("kind"), max_length=6, choices=WaveKind.choices, editable=False)
    carrier = models.ForeignKey(
        Carrier,
        verbose_name=_("carrier"),
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        db_index=False,
    )
    created_at = models.DateTimeField(_("gathered at"), db_default=Now(), editable=False)
    picking_at = models.DateTimeField(_("picked from"), null=True, editable=False)
    over_at = models.DateTimeField(_("over at"), null=True, editable=False)

    class Meta:
        verbose_name = _("wave")
        verbose_name_plural = _("waves")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("gather_wave", _("Can gather waves, start and dissolve them"))]
        indexes = [models.Index(fields=["warehouse", "id"], condition=Q(over_at__isnull=True), name="wave_open")]

    def __str__(self) -> str:
        return self.number


class PickTask(models.Model):
    """A warehouse order on the floor of its warehouse: waits for a wave, is picked in one, checked, and handed over; or
    dropped: then what was picked of it is put back.

    It is what a warehouse run here knows of the order: asked to stop it, the warehouse answers by it.
    """

    warehouse_order = models.OneToOneField(
        WarehouseOrder, verbose_name=_("warehouse order"), on_delete=models.PROTECT, related_name="pick_task"
    )
    wave = models.ForeignKey(
        Wave, verbose_name=_("wave"), null=True, on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    # The box of the trolley that its goods are put in.
    slot = models.PositiveSmallIntegerField(_("slot"), null=True)
    created_at = models.DateTimeField(_("came at"), db_default=Now(), editable=False)
    checking_by = models.CharField(_("checked by"), max_length=80, db_default="", editable=False)
    checking_since = models.DateTimeField(_("checked since"), null=True, editable=False)
    checked_at = models.DateTimeField(_("checked at"), null=True, editable=False)
    weight_g = models.PositiveIntegerField(_("weight (g)"), null=True, editable=False)
    expected_g = models.PositiveIntegerField(_("expected weight (g)"), null=True, editable=False)
    is_short = models.BooleanField(_("too little"), db_default=False, editable=False)
    handed_over_at = models.DateTimeField(_("handed over at"), null=True, editable=False)
    dropped_at = models.DateTimeField(_("dropped at"), null=True, editable=False)
    dropped_why = models.CharField(
        _("why"), max_length=10, choices=DropReason.choices, db_default="", blank=True, editable=False
    )

    class Meta:
        verbose_name = _("pick task")
        verbose_name_plural = _("pick tasks")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("check_picktask", _("Can check goods, weigh parcels and hand them over")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["wave", "slot"], condition=Q(wave__isnull=False), name="pick_task_has_its_slot"
            ),
            models.CheckConstraint(
                condition=Q(wave__isnull=True, slot__isnull=True) | Q(wave__isnull=False, slot__isnull=False),
                name="pick_task_has_a_slot_in_a_wave",
            ),
            models.CheckConstraint(
                condition=Q(checked_at__isnull=True) | Q(checking_since__isnull=False),
                name="pick_task_check_has_begun",
            ),
            models.CheckConstraint(
                condition=Q(handed_over_at__isnull=True) | Q(checked_at__isnull=False, dropped_at__isnull=True),
                name="pick_task_goes_once_checked",
            ),
            models.CheckConstraint(
                condition=Q(dropped_at__isnull=True, dropped_why="")
                | (Q(dropped_at__isnull=False) & ~Q(dropped_why="")),
                name="pick_task_says_why_it_was_dropped",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["created_at"],
                condition=Q(wave__isnull=True, checked_at__isnull=True, dropped_at__isnull=True),
                name="pick_task_waits",
            ),
            models.Index(
                fields=["checked_at"],
                condition=Q(checked_at__isnull=False, handed_over_at__isnull=True, dropped_at__isnull=True),
                name="pick_task_to_hand_over",
            ),
        ]

    def __str__(self) -> str:
        return str(self.warehouse_order)


class PickTaskLine(models.Model):
    """Units of a line that a check wants, and those that were scanned. Never more than wanted."""

    pk = models.CompositePrimaryKey("task_id", "sub_order_line_id")
    task = models.ForeignKey(
        PickTask, verbose_name=_("pick task"), on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    sub_order_line = models.ForeignKey(
        SubOrderLine, verbose_name=_("sub-order line"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    quantity = models.PositiveIntegerField(_("quantity"))
    scanned = models.PositiveIntegerField(_("scanned"), db_default=0)
    serials = ArrayField(
        models.CharField(max_length=MOST_OF_A_SERIAL), verbose_name=_("serial numbers"), db_default=[], default=list
    )

    class Meta:
        verbose_name = _("line of a pick task")
        verbose_name_plural = _("lines of pick tasks")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, scanned__lte=F("quantity")), name="pick_task_line_is_never_exceeded"
            ),
            models.CheckConstraint(
                condition=Q(serials__len__lte=F("scanned")), name="pick_task_line_serials_are_of_scanned_units"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task_id}: {self.scanned}/{self.quantity}"
