"""Whether anything goes out."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class OutboundStop(models.Model):
    """That nothing goes out, from a moment until somebody resumed it; the open one, if there is one, is in force."""

    class Reason(models.TextChoices):
        RESTORED = "restored", _("Restored from a backup")
        BY_HAND = "by_hand", _("By hand")

    reason = models.CharField(_("reason"), max_length=10, choices=Reason.choices, editable=False)
    note = models.CharField(_("note"), max_length=200, db_default="", blank=True, editable=False)
    stopped_at = models.DateTimeField(_("stopped at"), db_default=Now(), editable=False)
    stopped_by = models.CharField(_("stopped by"), max_length=180, editable=False)
    resumed_at = models.DateTimeField(_("resumed at"), null=True, blank=True, editable=False)
    resumed_by = models.CharField(_("resumed by"), max_length=180, db_default="", blank=True, editable=False)

    class Meta:
        verbose_name = _("stop of what goes out")
        verbose_name_plural = _("What goes out")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("switch_outbound", _("Can stop and resume what goes out"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__in=["restored", "by_hand"]), name="outbound_stop_reason_is_known"
            ),
            models.CheckConstraint(
                condition=Q(resumed_at__isnull=True, resumed_by="") | (Q(resumed_at__isnull=False) & ~Q(resumed_by="")),
                name="outbound_is_resumed_by_somebody",
            ),
            models.UniqueConstraint(
                fields=["resumed_at"],
                condition=Q(resumed_at__isnull=True),
                nulls_distinct=False,
                name="outbound_is_stopped_once_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
