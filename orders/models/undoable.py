"""What staff did to orders and can still take back."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from orders.models.event import ActorKind
from orders.models.order import Order


class UndoableAction(models.Model):
    """Something that staff want done to an order and that is done at `not_before`, unless it is taken back until then.

    A cancellation holds the order meanwhile (`Hold.Kind.UNDO`); holds that are to be released stay; a hold of the bulk
    action stands at once, and taking back releases it. `batch` is what was done by one click.
    """

    class Kind(models.TextChoices):
        CANCEL = "cancel", _("Cancellation")
        RELEASE = "release", _("Release")
        HOLD = "hold", _("Hold")

    class State(models.TextChoices):
        WAITING = "waiting", _("Can still be taken back")
        DONE = "done", _("Done")
        TAKEN_BACK = "taken_back", _("Taken back")
        REFUSED = "refused", _("Not possible any more")

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="undoable_actions")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, db_default=State.WAITING)
    batch = models.UUIDField(_("batch"))
    hold_ids = models.JSONField(_("holds"), default=list)
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="")
    details = models.JSONField(_("what is cancelled, and how"), null=True, blank=True)
    actor_kind = models.CharField(_("kind of actor"), max_length=10, choices=ActorKind.choices)
    actor = models.CharField(_("actor"), max_length=80)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    not_before = models.DateTimeField(_("done at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("action that can be taken back")
        verbose_name_plural = _("actions that can be taken back")
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["cancel", "release", "hold"]), name="undoable_action_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", ended_at__isnull=True)
                | Q(state__in=["done", "taken_back", "refused"], ended_at__isnull=False),
                name="undoable_action_ends_once",
            ),
            models.UniqueConstraint(
                fields=["order", "kind"], condition=Q(state="waiting"), name="undoable_action_waits_once"
            ),
        ]
        indexes = [
            models.Index(fields=["not_before"], condition=Q(state="waiting"), name="undoable_action_queue"),
            models.Index(fields=["batch"], name="undoable_action_by_batch"),
        ]

    def __str__(self) -> str:
        return str(self.get_kind_display())
