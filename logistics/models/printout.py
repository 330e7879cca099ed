"""The log of what was printed."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from logistics.models.shipment import Shipment
from logistics.models.warehouse_order import WarehouseOrder


class Paper(models.TextChoices):
    """What is printed: labels are of parcels, the others of warehouse orders."""

    LABEL = "label", _("Waybill label")
    PICK_LIST = "pick_list", _("Pick list")
    PACKING_SLIP = "packing_slip", _("Packing slip")


class Printout(models.Model):
    """A parcel or warehouse order on a paper that was printed; only ever appended. `copy` 1 is the first print, later
    ones say why. What came in one PDF has one `run`."""

    paper = models.CharField(_("paper"), max_length=12, choices=Paper.choices)
    shipment = models.ForeignKey(
        Shipment,
        verbose_name=_("shipment"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="printouts",
        db_index=False,
    )
    warehouse_order = models.ForeignKey(
        WarehouseOrder,
        verbose_name=_("warehouse order"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="printouts",
        db_index=False,
    )
    copy = models.SmallIntegerField(_("print number"), help_text=_("1 is the first print, the others are copies."))
    reason = models.CharField(_("reason"), max_length=200, db_default="", blank=True)
    run = models.UUIDField(_("print run"), help_text=_("What was printed together."))
    printed_by = models.CharField(_("printed by"), max_length=80)
    printed_at = models.DateTimeField(_("printed at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("printout")
        verbose_name_plural = _("printouts")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("print_labels", _("Can print waybill labels")),
            ("print_lists", _("Can print pick lists and packing slips")),
            ("print_again", _("Can print again what was printed")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["shipment", "paper", "copy"],
                condition=Q(shipment__isnull=False),
                name="printout_counts_the_prints_of_a_shipment",
            ),
            models.UniqueConstraint(
                fields=["warehouse_order", "paper", "copy"],
                condition=Q(warehouse_order__isnull=False),
                name="printout_counts_the_prints_of_a_warehouse_order",
            ),
            models.CheckConstraint(
                condition=Q(paper=Paper.LABEL, shipment__isnull=False, warehouse_order__isnull=True)
                | Q(
                    paper__in=[Paper.PICK_LIST, Paper.PACKING_SLIP],
                    shipment__isnull=True,
                    warehouse_order__isnull=False,
                ),
                name="printout_is_of_what_its_paper_is_for",
            ),
            models.CheckConstraint(
                condition=Q(copy=1) | (Q(copy__gt=1) & ~Q(reason="")), name="printout_copy_says_why"
            ),
            models.CheckConstraint(condition=~Q(printed_by=""), name="printout_names_who_printed"),
        ]

    def __str__(self) -> str:
        return f"{self.get_paper_display()} {self.shipment or self.warehouse_order} ({self.copy})"
