"""Messages to buyers, and the templates that they are made by."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.models.base import TicketSubject, Versioned, WorkItem
from oms.common.models.connection import Connection
from oms.common.secrecy import SealedField


class MessageWay(models.TextChoices):
    """How a buyer is told."""

    MAIL = "mail", _("E-mail")
    SMS = "sms", _("SMS")
    SITE = "site", _("On the buyer's page")


class MessageTemplate(Versioned):
    """What buyers are told of a kind of news by one way in one language. Where there is none, that way is not taken.

    `{names}` in braces are filled in; which there are says the kind (`oms.common.messages.kinds`).
    """

    kind = models.CharField(_("kind"), max_length=40)
    way = models.CharField(_("way"), max_length=4, choices=MessageWay.choices)
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES, default="zh-hans")
    subject = models.CharField(_("subject"), max_length=120, blank=True, db_default="")
    body = models.TextField(_("text"), max_length=2000)
    provider_code = models.CharField(
        _("code of the template"),
        max_length=64,
        blank=True,
        db_default="",
        help_text=_("By which the SMS service knows the text, where it has approved it."),
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("template of messages")
        verbose_name_plural = _("templates of messages")
        ordering = ["kind", "way", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "way", "language"], name="message_template_one_a_kind_way_and_language"
            ),
            models.CheckConstraint(condition=Q(way__in=MessageWay.values), name="message_template_way_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_way_display()} {self.get_language_display()}"


class BuyerMessage(WorkItem):
    """One message to one buyer by one way, once for the fact that `key` names. Written with the fact, sent by a stage.

    Address and text are kept sealed; `hint` is what of the address staff may see. Sent without an answer it is sent
    again by the same number, which the SMS service must recognise.
    """

    ticket_subject = TicketSubject("buyer_message", "NEW.about_id", "service")

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        SENT = "sent", _("Sent")
        REFUSED = "refused", _("Refused")
        SHOWN = "shown", _("Shown")

    kind = models.CharField(_("kind"), max_length=40)
    key = models.CharField(_("key"), max_length=64)
    way = models.CharField(_("way"), max_length=4, choices=MessageWay.choices)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, db_default=State.QUEUED)
    connection = models.ForeignKey(
        Connection,
        verbose_name=_("connection"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    about_id = models.BigIntegerField(_("order"), null=True, blank=True)
    address = SealedField(_("address"), null=True, editable=False)
    hint = models.CharField(_("to"), max_length=80, blank=True, db_default="")
    content = SealedField(_("content"), editable=False)
    provider_code = models.CharField(_("code of the template"), max_length=64, blank=True, db_default="")
    answer = models.CharField(_("answer"), max_length=200, blank=True, db_default="")
    written_at = models.DateTimeField(_("written at"), db_default=Now(), editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("message to the buyer")
        verbose_name_plural = _("messages to the buyers")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["kind", "key", "way"], name="buyer_message_once_a_fact_and_way"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "sent", "refused", "shown"]), name="buyer_message_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(way="sms") | Q(connection__isnull=True), name="buyer_message_goes_over_a_connection_by_sms"
            ),
            models.CheckConstraint(
                condition=Q(way="site") | Q(address__isnull=False), name="buyer_message_has_an_address_unless_on_site"
            ),
        ]
        indexes = [
            models.Index(fields=["ready_at", "id"], condition=Q(state="queued"), name="buyer_message_queue"),
            models.Index(fields=["about_id"], name="buyer_message_of_order"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
