"""What connected systems told us."""

from datetime import UTC, datetime

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common import fact_words
from oms.common.models.base import TicketSubject, WorkItem
from oms.common.models.connection import Connection
from oms.common.secrecy import SealedField


class FactState(models.TextChoices):
    """What came of a fact."""

    PENDING = "pending", _("Waiting")
    APPLIED = "applied", _("Applied")
    NO_EFFECT = "no_effect", _("Nothing new")
    CONTRADICTED = "contradicted", _("Contradicts what we hold")
    DISCARDED = "discarded", _("Discarded by staff")


# Nothing that we are told of happened outside of these: PostgreSQL keeps moments that Python cannot even read.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
SETTLED_FACTS = (FactState.APPLIED, FactState.NO_EFFECT, FactState.CONTRADICTED, FactState.DISCARDED)


class Topic(models.TextChoices):
    """Which stage works on a fact."""

    PAYMENT = "payment", _("Payments")
    WAREHOUSE = "warehouse", _("Warehouses")
    CARRIER = "carrier", _("Scans")
    STOCK = "stock", _("Stock reports")


class InboundFact(WorkItem):
    """What another system told us (外部消息), stored before anybody interprets it; unique by its own key there.

    `subject` is what it is about, by the number that the other side knows: an intent row's or a waybill's. `body` has
    what the adapter understood, without personal data; `raw`, sealed, the message as it came over the network. A fact
    whose subject is not known yet waits and is tried again.
    """

    ticket_subject = TicketSubject("fact")

    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="facts", db_index=False
    )
    fact_key = models.CharField(_("key"), max_length=120, help_text=_("The other side's own key for it."))
    topic = models.CharField(_("topic"), max_length=12, choices=Topic.choices)
    kind = models.CharField(_("kind"), max_length=24)
    subject = models.CharField(_("about"), max_length=64)
    body = models.JSONField(_("content"), default=dict)
    raw = SealedField(_("message"), null=True, blank=True, editable=False)
    occurred_at = models.DateTimeField(_("occurred at"))
    received_at = models.DateTimeField(_("received at"), db_default=Now())
    state = FSMField(_("state"), choices=FactState.choices, default=FactState.PENDING, db_default=FactState.PENDING)
    outcome = models.CharField(_("outcome"), max_length=40, db_default="", blank=True)
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)

    class Meta:
        verbose_name = _("message from outside")
        verbose_name_plural = _("messages from outside")
        ordering = ["-id"]
        permissions = [("replay_inboundfact", _("Can apply messages from outside again, or discard them"))]
        constraints = [
            models.UniqueConstraint(fields=["connection", "fact_key"], name="inbound_fact_comes_once"),
            models.CheckConstraint(condition=Q(state__in=FactState.values), name="inbound_fact_state_is_known"),
            models.CheckConstraint(condition=Q(topic__in=Topic.values), name="inbound_fact_topic_is_known"),
            models.CheckConstraint(
                condition=Q(occurred_at__gte=EARLIEST, occurred_at__lt=LATEST), name="inbound_fact_is_of_our_time"
            ),
            models.CheckConstraint(
                condition=Q(state=FactState.PENDING, settled_at__isnull=True)
                | Q(state__in=SETTLED_FACTS, settled_at__isnull=False),
                name="inbound_fact_settled_at_set_once_settled",
            ),
        ]
        indexes = [
            models.Index(
                fields=["topic", "ready_at", "id"], condition=Q(state=FactState.PENDING), name="inbound_fact_queue"
            ),
            models.Index(
                fields=["topic", "ready_at", "id"],
                condition=Q(state=FactState.PENDING, attempts__gt=0, needs_person_since__isnull=True),
                name="inbound_fact_tried",
            ),
            models.Index(fields=["subject", "id"], name="inbound_fact_of_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind_words} {self.subject}"

    @property
    def kind_words(self) -> str:
        """What the other system said, in the active language."""
        return fact_words.kinds_of(self.topic).word(self.kind)

    @transition(state, source=FactState.PENDING, target=FactState.APPLIED)
    def apply(self) -> None:
        """What it says is so now."""

    @transition(state, source=FactState.PENDING, target=FactState.NO_EFFECT)
    def pass_over(self) -> None:
        """It says what we know already."""

    @transition(state, source=FactState.PENDING, target=FactState.CONTRADICTED)
    def contradict(self) -> None:
        """It cannot be so as we have it; what is really true was written, and a person looks at it."""

    @transition(state, source=FactState.PENDING, target=FactState.DISCARDED)
    def discard(self) -> None:
        """A person says that it counts for nothing."""

    @transition(state, source=list(SETTLED_FACTS), target=FactState.PENDING)
    def replay(self) -> None:
        """A person lets it be worked on once more."""
