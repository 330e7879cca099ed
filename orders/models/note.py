"""What staff write on an order: the colours and tags of notes, whom they call, and how they talked with the buyer."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.models.order import Order


class NoteColour(models.TextChoices):
    """How a note looks."""

    YELLOW = "yellow", pgettext_lazy("colour", "Yellow")
    RED = "red", pgettext_lazy("colour", "Red")
    GREEN = "green", pgettext_lazy("colour", "Green")
    BLUE = "blue", pgettext_lazy("colour", "Blue")


class NoteTag(models.TextChoices):
    """What a note is about."""

    PROMISED = "promised", pgettext_lazy("note", "Promised to the buyer")
    COMPLAINT = "complaint", pgettext_lazy("note", "Complaint")
    MONEY = "money", pgettext_lazy("note", "Money")
    ADDRESS = "address", pgettext_lazy("note", "Address")
    GOODS = "goods", pgettext_lazy("note", "Goods")
    URGENT = "urgent", pgettext_lazy("note", "Urgent")


class ContactWay(models.TextChoices):
    """How a member of staff and the buyer talked."""

    CALLED = "called", pgettext_lazy("contact", "We called")
    CALL = "call", pgettext_lazy("contact", "The buyer called")
    CHAT = "chat", pgettext_lazy("contact", "Chat of the shop")
    OTHER = "other", pgettext_lazy("contact", "Another way")


class Mention(models.Model):
    """That notes on an order call a person: what the ticket is about that the person gets. One an order and person."""

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="mentions")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("person"), on_delete=models.CASCADE, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("mention in a note")
        verbose_name_plural = _("mentions in notes")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["order", "user"], name="mention_once_an_order_and_person"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
