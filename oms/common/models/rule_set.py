"""Versions of rules that are kept as data: drafted, switched on, replaced by the next one, and never changed again."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class RuleSetVersion(models.Model):
    """A version of a set of rules; `oms.common.rule_sets` drafts them, switches them on and goes back.

    At most one of a scope is active; a subclass says by a constraint what its scope is. The rows of its rules have a
    foreign key `rule_set` and a trigger (`rule_sets.FIXES_ROWS`) that refuses changes once the set was switched on.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("Active")
        REPLACED = "replaced", _("Replaced")

    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.DRAFT, db_default=State.DRAFT, editable=False
    )
    former = models.ForeignKey(
        "self",
        verbose_name=_("made from"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    created_by = models.CharField(_("created by"), max_length=80, blank=True, editable=False, db_default="")
    activated_at = models.DateTimeField(_("switched on at"), null=True, blank=True, editable=False)
    activated_by = models.CharField(_("switched on by"), max_length=80, blank=True, editable=False, db_default="")
    replaced_at = models.DateTimeField(_("replaced at"), null=True, blank=True, editable=False)
    replaced_by = models.CharField(_("replaced by"), max_length=80, blank=True, editable=False, db_default="")

    class Meta:
        abstract = True
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="draft", activated_at__isnull=True)
                | Q(state="active", activated_at__isnull=False, replaced_at__isnull=True)
                | Q(state="replaced", activated_at__isnull=False, replaced_at__isnull=False),
                name="%(class)s_moments_fit_its_state",
            ),
        ]
