"""What merchants chose to be told in time, by which means, and what they were told."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common.models import Connection, Team, TicketSubject, Versioned, WorkItem
from oms.merchants.models.merchant import Merchant


class NewsKind(models.TextChoices):
    """What a merchant can be told of."""

    TO_SHIP = "to_ship", _("Orders to ship")
    CANCEL_ASKED = "cancel_asked", _("Requests to cancel")
    LATE_RISK = "late_risk", _("Promises at risk")
    SHORTAGE = "shortage", _("Orders short of stock")
    RETURN = "return", _("New returns")
    REFUSED = "refused", _("Refused rows")
    STATEMENT = "statement", _("New statements")
    ENDPOINT = "endpoint", _("Webhook endpoints disabled by themselves")


class Means(models.TextChoices):
    """How somebody is told; the robots are those of chat tools."""

    MAIL = "mail", _("E-mail")
    WEBHOOK = "webhook", _("Webhook")
    DINGTALK = "dingtalk", _("DingTalk robot")
    WECOM = "wecom", _("WeCom robot")
    FEISHU = "feishu", _("Feishu robot")


class Pace(models.IntegerChoices):
    """How often at most somebody is told: all that is new since then in one message."""

    AT_ONCE = 1, _("at once (each minute)")
    QUARTER = 15, _("each quarter of an hour")
    HOUR = 60, _("each hour")
    DAY = 1440, _("once a day")


class MerchantReceiver(Versioned):
    """A mailbox, robot or the webhook of a merchant that is told of chosen kinds of news. Mailboxes and robots are
    reached over a connection of their own, which has the address and the secrets. `next_at` is when it may next be
    told something, `since` from when on news counts."""

    version_counts = ("name", "kinds", "every_minutes", "language", "is_active", "connection_id")

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="receivers"
    )
    name = models.CharField(_("name"), max_length=80)
    means = models.CharField(_("means"), max_length=10, choices=Means.choices)
    kinds = ArrayField(models.CharField(max_length=20, choices=NewsKind.choices), verbose_name=_("what is told"))
    every_minutes = models.PositiveSmallIntegerField(_("how often"), choices=Pace.choices, default=Pace.AT_ONCE)
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES, default="zh-hans")
    connection = models.OneToOneField(
        Connection, verbose_name=_("connection"), null=True, on_delete=models.PROTECT, related_name="merchant_receiver"
    )
    is_active = models.BooleanField(_("active"), default=True)
    since = models.DateTimeField(_("since"), db_default=Now(), editable=False)
    next_at = models.DateTimeField(_("next message at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("receiver of news")
        verbose_name_plural = _("receivers of news")
        ordering = ["id"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=Q(means__in=Means.values), name="merchant_receiver_means_is_known"),
            models.CheckConstraint(
                condition=Q(means=Means.WEBHOOK, connection__isnull=True)
                | (~Q(means=Means.WEBHOOK) & Q(connection__isnull=False)),
                name="merchant_receiver_has_a_connection_but_for_webhooks",
            ),
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(is_active=True), name="merchant_receiver_due")]

    def __str__(self) -> str:
        return self.name


class MerchantTelling(WorkItem):
    """One message to a receiver: all that was new for it by then, or a test of it. The webhook's is written with the
    message itself, the others are sent by a stage."""

    ticket_subject = TicketSubject("merchant_telling", "NULL", Team.TECHNICAL)

    receiver = models.ForeignKey(
        MerchantReceiver, verbose_name=_("receiver"), on_delete=models.PROTECT, related_name="tellings"
    )
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    is_test = models.BooleanField(_("test"), default=False)
    written_at = models.DateTimeField(_("written at"), db_default=Now(), editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("message to a merchant")
        verbose_name_plural = _("messages to merchants")
        ordering = ["-id"]
        default_permissions = ("view",)
        indexes = [
            models.Index(
                fields=["connection", "ready_at"], condition=Q(sent_at__isnull=True), name="merchant_telling_queue"
            ),
            models.Index(fields=["connection", "sent_at"], name="merchant_telling_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.receiver_id} {self.pk}"


class MerchantNews(models.Model):
    """One thing that a receiver is told, once: the `key` is that of the row that it is about, within its kind."""

    receiver = models.ForeignKey(
        MerchantReceiver, verbose_name=_("receiver"), on_delete=models.CASCADE, related_name="news", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=20, choices=NewsKind.choices)
    key = models.CharField(_("key"), max_length=60)
    name = models.CharField(_("name"), max_length=80)
    found_at = models.DateTimeField(_("found at"), db_default=Now(), editable=False)
    telling = models.ForeignKey(
        MerchantTelling, verbose_name=_("message"), null=True, on_delete=models.CASCADE, related_name="news"
    )

    class Meta:
        verbose_name = _("news of a merchant")
        verbose_name_plural = _("news of merchants")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["receiver", "kind", "key"], name="merchant_news_is_told_once"),
            models.CheckConstraint(condition=Q(kind__in=NewsKind.values), name="merchant_news_kind_is_known"),
        ]
        indexes = [models.Index(fields=["found_at"], name="merchant_news_by_age")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
