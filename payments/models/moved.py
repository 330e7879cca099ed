"""What payments and refunds keep of the money that moved."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from oms.common.models import InboundFact


def number_at_the_provider() -> models.CharField:
    """Under which number the provider knows it; empty until it said so."""
    return models.CharField(
        _("transaction number"), max_length=64, db_default="", blank=True, help_text=_("The provider's own number.")
    )


def moved_by() -> models.ForeignKey:
    """The message that said that the money moved; a message that is forgotten takes nothing along."""
    return models.ForeignKey(
        InboundFact,
        verbose_name=_("message from outside"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text=_("Which one said that the money moved."),
    )
