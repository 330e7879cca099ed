"""What carriers are asked to pay for parcels that they lost, damaged or brought late."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from logistics.models.shipment import Shipment
from oms.common.models import Versioned, money


class ClaimState(models.TextChoices):
    """How far a claim has come."""

    OPEN = "open", _("To be filed")
    FILED = "filed", _("Filed at the carrier")
    AGREED = "agreed", _("Agreed")
    PAID = "paid", _("Paid by the carrier")
    REFUSED = "refused", _("Refused by the carrier")
    WITHDRAWN = "withdrawn", _("Withdrawn")


# Somebody still works on these.
CLAIM_RUNS = (ClaimState.OPEN, ClaimState.FILED, ClaimState.AGREED)


class ParcelClaim(Versioned):
    """A claim on a parcel: what is wanted, agreed and paid in yuan, until when it must be filed or answered, and what
    became of the buyer's goods meanwhile."""

    class Kind(models.TextChoices):
        LOST = "lost", _("Lost")
        DAMAGED = "damaged", pgettext_lazy("parcel", "Damaged")
        SHORT = "short", _("Goods missing")
        LATE = "late", _("Late")

    class Remedy(models.TextChoices):
        NONE = "", _("Nothing yet")
        REISSUED = "reissued", _("Sent again")
        COMPENSATED = "compensated", _("Compensated")

    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), on_delete=models.PROTECT, related_name="claims", db_index=False
    )
    kind = models.CharField(_("for"), max_length=8, choices=Kind.choices)
    state = FSMField(_("state"), choices=ClaimState.choices, default=ClaimState.OPEN, protected=True)
    wanted = money(_("wanted (yuan)"))
    agreed = money(_("agreed (yuan)"), null=True, blank=True)
    paid = money(_("paid (yuan)"), null=True, blank=True)
    due_on = models.DateField(_("deadline"))
    remedy = models.CharField(
        _("buyer's goods"), max_length=12, choices=Remedy.choices, blank=True, default="", db_default=""
    )
    remedy_text = models.CharField(_("how"), max_length=200, blank=True, default="", db_default="")
    opened_by = models.CharField(pgettext_lazy("claim", "opened by"), max_length=80)
    opened_at = models.DateTimeField(pgettext_lazy("claim", "opened at"), db_default=Now(), editable=False)
    ended_at = models.DateTimeField(pgettext_lazy("claim", "ended at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("claim on a parcel")
        verbose_name_plural = _("claims on parcels")
        ordering = ["-id"]
        permissions = [("work_parcelclaim", _("Can open claims on parcels and work on them"))]
        constraints = [
            models.UniqueConstraint(
                fields=["shipment", "kind"],
                condition=Q(state__in=["open", "filed", "agreed"]),
                name="parcel_claim_is_open_once",
            ),
            models.CheckConstraint(condition=Q(state__in=ClaimState.values), name="parcel_claim_state_is_known"),
            models.CheckConstraint(
                condition=Q(kind__in=["lost", "damaged", "short", "late"]), name="parcel_claim_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(remedy__in=["", "reissued", "compensated"]), name="parcel_claim_remedy_is_known"
            ),
            models.CheckConstraint(
                condition=Q(wanted__gt=0)
                & (Q(agreed__isnull=True) | Q(agreed__gt=0, agreed__lte=F("wanted")))
                & (Q(paid__isnull=True) | Q(paid__gt=0)),
                name="parcel_claim_amounts_are_sound",
            ),
            models.CheckConstraint(
                condition=(Q(agreed__isnull=False) | ~Q(state__in=["agreed", "paid"]))
                & (Q(paid__isnull=False, state="paid") | (Q(paid__isnull=True) & ~Q(state="paid"))),
                name="parcel_claim_amounts_fit_its_state",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, state__in=["open", "filed", "agreed"])
                | Q(ended_at__isnull=False, state__in=["paid", "refused", "withdrawn"]),
                name="parcel_claim_ends_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shipment} · {self.get_kind_display()}"

    @transition(state, source=ClaimState.OPEN, target=ClaimState.FILED)
    def file(self) -> None:
        """The carrier has it."""

    @transition(state, source=[ClaimState.OPEN, ClaimState.FILED], target=ClaimState.AGREED)
    def agree(self) -> None:
        """The carrier agreed to an amount."""

    @transition(state, source=ClaimState.AGREED, target=ClaimState.PAID)
    def pay(self) -> None:
        """The money came, or was taken off a bill."""

    @transition(state, source=[ClaimState.OPEN, ClaimState.FILED], target=ClaimState.REFUSED)
    def refuse(self) -> None:
        """The carrier pays nothing."""

    @transition(state, source=[ClaimState.OPEN, ClaimState.FILED, ClaimState.AGREED], target=ClaimState.WITHDRAWN)
    def withdraw(self) -> None:
        """It turned out otherwise."""


class ClaimNote(models.Model):
    """What was said or found about a claim, and where its papers are. Only ever added."""

    claim = models.ForeignKey(
        ParcelClaim, verbose_name=_("claim on a parcel"), on_delete=models.PROTECT, related_name="notes"
    )
    text = models.CharField(_("text"), max_length=1000)
    written_by = models.CharField(_("by"), max_length=80)
    written_at = models.DateTimeField(_("written at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("note on a claim")
        verbose_name_plural = _("notes on claims")
        ordering = ["id"]
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="claim_note_says_something")]

    def __str__(self) -> str:
        return self.text[:40]
