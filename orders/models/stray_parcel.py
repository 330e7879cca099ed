"""Parcels that came to a warehouse and that nobody can name (无头件)."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from inventory.models import Sku, Warehouse
from inventory.models.serials import MOST_OF_A_SERIAL
from oms.common.models import Versioned
from orders.models.event import ActorKind
from orders.models.return_request import RESTOCKED, Found, ReturnRequest


class StrayState(models.TextChoices):
    """What became of a parcel that nobody could name."""

    UNKNOWN = "unknown", _("Nobody knows whose")
    MATCHED = "matched", _("Is of a return")
    KEPT = "kept", _("Taken into stock")
    DISPOSED = "disposed", _("Disposed of")


class StrayParcel(Versioned):
    """A parcel that came to a warehouse without anybody knowing of what order it is, with what was found in it.

    Nothing of it is in the books of stock until it is matched with a return, which books its units as any other, or
    taken into stock as it is.
    """

    warehouse = models.ForeignKey(
        Warehouse, verbose_name=_("warehouse"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    state = FSMField(_("state"), choices=StrayState.choices, default=StrayState.UNKNOWN, protected=True)
    waybill_number = models.CharField(_("waybill number"), max_length=40, blank=True, default="", db_default="")
    phone_tail = models.CharField(
        _("end of the sender's phone"), max_length=4, blank=True, default="", db_default="", help_text=_("Four digits.")
    )
    remark = models.CharField(_("note"), max_length=300, blank=True, default="", db_default="")
    return_request = models.ForeignKey(
        ReturnRequest,
        verbose_name=_("return request"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="strays",
    )
    noted_by_kind = models.CharField(_("kind of actor"), max_length=12, choices=ActorKind.choices)
    noted_by = models.CharField(_("noted by"), max_length=80)
    noted_at = models.DateTimeField(_("noted at"), db_default=Now(), editable=False)
    ended_by = models.CharField(_("ended by"), max_length=80, blank=True, default="", db_default="")
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)
    end_reason = models.CharField(_("why it ended"), max_length=200, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("parcel that nobody knows")
        verbose_name_plural = _("parcels that nobody knows")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=Q(state__in=StrayState.values), name="stray_state_is_known"),
            models.CheckConstraint(
                condition=Q(state=StrayState.MATCHED, return_request__isnull=False)
                | (~Q(state=StrayState.MATCHED) & Q(return_request=None)),
                name="stray_matched_names_its_return",
            ),
            models.CheckConstraint(
                condition=Q(state=StrayState.UNKNOWN, ended_at=None)
                | (~Q(state=StrayState.UNKNOWN) & Q(ended_at__isnull=False)),
                name="stray_ends_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["waybill_number"],
                condition=Q(state=StrayState.UNKNOWN) & ~Q(waybill_number=""),
                name="stray_waybill_is_noted_once",
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(state=StrayState.UNKNOWN), name="stray_unknown")]

    def __str__(self) -> str:
        return self.waybill_number or f"#{self.pk}"

    @transition(state, source=StrayState.UNKNOWN, target=StrayState.MATCHED)
    def match(self) -> None:
        """It is of a return."""

    @transition(state, source=StrayState.UNKNOWN, target=StrayState.KEPT)
    def keep(self) -> None:
        """Nobody came for it: its units are stock."""

    @transition(state, source=StrayState.UNKNOWN, target=StrayState.DISPOSED)
    def dispose(self) -> None:
        """It is worth nothing, or not ours."""


class StrayUnit(models.Model):
    """Units of a SKU in one condition that were found in such a parcel; without a SKU, what they seem to be."""

    parcel = models.ForeignKey(
        StrayParcel, verbose_name=_("parcel"), on_delete=models.PROTECT, related_name="units", db_index=False
    )
    sku = models.ForeignKey(
        Sku, verbose_name=_("SKU"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    description = models.CharField(_("what it seems to be"), max_length=120, blank=True, default="", db_default="")
    found = models.CharField(
        _("found"), max_length=12, choices=[(code.value, code.label) for code in RESTOCKED], default=Found.GOOD
    )
    quantity = models.PositiveIntegerField(_("units"))
    serials = ArrayField(
        models.CharField(max_length=MOST_OF_A_SERIAL), verbose_name=_("serial numbers"), db_default=[], default=list
    )

    class Meta:
        verbose_name = _("units in a parcel that nobody knows")
        verbose_name_plural = _("units in parcels that nobody knows")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["parcel", "sku", "found", "description"], nulls_distinct=False, name="stray_unit_is_said_once"
            ),
            models.CheckConstraint(condition=Q(found__in=[*RESTOCKED]), name="stray_unit_is_there"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0) & (Q(sku__isnull=False) | ~Q(description="")),
                name="stray_unit_is_something",
            ),
            models.CheckConstraint(
                condition=Q(serials__len__lte=F("quantity")), name="stray_unit_serials_are_of_units"
            ),
        ]
        indexes = [GinIndex(fields=["serials"], name="stray_unit_by_serial")]

    def __str__(self) -> str:
        return f"{self.sku or self.description} × {self.quantity}"


def _photo_path(photo: "StrayPhoto", name: str) -> str:
    return f"strays/{photo.parcel_id}/{name}"


class StrayPhoto(models.Model):
    """A photo of such a parcel, or of what was in it."""

    parcel = models.ForeignKey(StrayParcel, verbose_name=_("parcel"), on_delete=models.PROTECT, related_name="photos")
    file = models.FileField(_("photo"), upload_to=_photo_path, max_length=200)
    media_type = models.CharField(_("type"), max_length=40)
    added_at = models.DateTimeField(_("added at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("photo of a parcel that nobody knows")
        verbose_name_plural = _("photos of parcels that nobody knows")
        ordering = ["id"]
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.file)
