"""What carriers' protocols call what happens to a parcel, and what we make of it."""

import time
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from logistics.models.shipment import ShipmentState, WaitingPlace

# What a scan can say of a parcel.
SCAN_STATES = [
    (state.value, state.label)
    for state in ShipmentState
    if state not in (ShipmentState.CREATED, ShipmentState.WAYBILL_ISSUED, ShipmentState.CANCELLED)
]


class ScanWord(models.Model):
    """A protocol's code for what happened, with our state for it; without one the scan is kept, but moves nothing.

    `told` is the protocol's own text, the others are what we show for it. A code that nobody knew is added as it comes,
    marked `is_new`, until a person says what it means.
    """

    protocol = models.CharField(_("protocol"), max_length=20)
    code = models.CharField(_("carrier's code"), max_length=20)
    told = models.CharField(_("carrier's text"), max_length=60, blank=True, default="")
    state = models.CharField(
        _("state"),
        max_length=20,
        choices=SCAN_STATES,
        blank=True,
        default="",
        help_text=_("Empty: the scan is kept, but says nothing of where the parcel is."),
    )
    stop = models.CharField(
        _("waits"),
        max_length=10,
        choices=WaitingPlace.choices,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "Where a parcel waits that such a scan is the last one of; empty: it is moving, or nobody can say."
        ),
    )
    shown_zh = models.CharField(
        _("shown in Chinese"), max_length=60, blank=True, default="", help_text=_("Empty: what the state is called.")
    )
    shown_en = models.CharField(
        _("shown in English"), max_length=60, blank=True, default="", help_text=_("Empty: what the state is called.")
    )
    is_kept = models.BooleanField(
        _("kept"), default=True, help_text=_("Switched off, such a scan is left out: it says that nothing is known.")
    )
    for_buyer = models.BooleanField(_("shown to buyers"), default=True)
    is_new = models.BooleanField(_("nobody said yet what it means"), default=False)
    stamp = models.BigIntegerField(default=time.time_ns, editable=False)

    class Meta:
        verbose_name = _("carriers' word for a scan")
        verbose_name_plural = _("carriers' words for scans")
        ordering = ["protocol", "code"]
        constraints = [
            models.UniqueConstraint(fields=["protocol", "code"], name="scan_word_stands_once"),
            models.CheckConstraint(
                condition=Q(state="") | Q(state__in=[state for state, _label in SCAN_STATES]),
                name="scan_word_state_is_of_a_scan",
            ),
            models.CheckConstraint(
                condition=Q(stop="")
                | Q(stop=WaitingPlace.BRANCH, state=ShipmentState.IN_TRANSIT)
                | Q(stop=WaitingPlace.LOCKER, state=ShipmentState.OUT_FOR_DELIVERY),
                name="scan_word_waits_as_its_state_allows",
                violation_error_message=_(
                    "What waits at a branch is on its way, and what waits in a locker is out for delivery."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.protocol} {self.code}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Stamp the row, by which processes see that what they remember is old."""
        self.stamp = time.time_ns()
        super().save(*args, **kwargs)
