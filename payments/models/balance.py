"""What buyers have with us: gift cards and points. All in fen; a point is worth one fen."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import Versioned
from oms.common.money import yuan
from oms.merchants.models import Merchant
from orders.models import ActorKind, Order

# So the numbers of gift cards begin, and no others.
CARDS_BEGIN_WITH = "GC"


class BalanceKind(models.TextChoices):
    """What a balance is of."""

    GIFT_CARD = "gift_card", _("Gift card")
    POINTS = "points", _("Points")


class BalanceAccountQuerySet(models.QuerySet["BalanceAccount"]):
    """Named queries over balances."""

    def visible_to(self, merchant: Merchant) -> "BalanceAccountQuerySet":
        """The cards and points of the merchant; the one place that decides it."""
        return self.filter(merchant=merchant)

    def locked(self) -> "BalanceAccountQuerySet":
        """Row locks by id, the last in the order of locks. Needs an open transaction."""
        return self.order_by("pk").select_for_update(no_key=True, of=("self",))


class BalanceAccount(models.Model):
    """A gift card, or the points of a member: what can be spent, what orders hold, and what points are still to be
    taken back (`short`), in fen. The database changes these only by movements.

    Of a card's code only the digest is kept, and its end to tell cards apart by.
    """

    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="balances", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=10, choices=BalanceKind.choices, editable=False)
    number = models.CharField(_("number of the account"), max_length=20, editable=False)
    member = models.CharField(
        _("member"), max_length=64, db_default="", blank=True, help_text=_("Whose points; as the channel calls them.")
    )
    code_digest = models.CharField(max_length=64, db_default="", blank=True, editable=False)
    code_end = models.CharField(_("end of the code"), max_length=4, db_default="", blank=True, editable=False)
    available = models.BigIntegerField(_("available (fen)"), db_default=0, default=0, editable=False)
    held = models.BigIntegerField(_("held (fen)"), db_default=0, default=0, editable=False)
    short = models.BigIntegerField(
        _("still to be taken back (fen)"),
        db_default=0,
        default=0,
        editable=False,
        help_text=_("Points that a refund took back and that were spent already; the next that are earned pay it."),
    )
    expires_at = models.DateTimeField(_("valid until"), null=True, blank=True, editable=False)
    is_blocked = models.BooleanField(_("blocked"), db_default=False, default=False, editable=False)
    reference = models.CharField(
        _("reference"), max_length=80, db_default="", blank=True, help_text=_("For whom or what it was issued.")
    )
    created_by = models.CharField(_("issued by"), max_length=80, db_default="", editable=False)
    created_at = models.DateTimeField(_("account opened at"), db_default=Now(), editable=False)

    objects = BalanceAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("balance")
        verbose_name_plural = _("balances")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="balance_number_is_unique"),
            models.UniqueConstraint(
                fields=["code_digest"], condition=~Q(code_digest=""), name="balance_code_is_unique"
            ),
            models.UniqueConstraint(
                fields=["merchant", "member"], condition=~Q(member=""), name="balance_member_is_unique_of_a_merchant"
            ),
            models.CheckConstraint(
                condition=Q(available__gte=0, held__gte=0, short__gte=0), name="balance_is_never_below_nothing"
            ),
            models.CheckConstraint(
                condition=(Q(kind=BalanceKind.GIFT_CARD, member="", short=0) & ~Q(code_digest="", code_end=""))
                | (Q(kind=BalanceKind.POINTS, code_digest="", code_end="") & ~Q(member="")),
                name="balance_is_a_card_or_a_members",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(expires_at__isnull=False, available__gt=0),
                name="balance_queue_expire",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_over(self) -> bool:
        """Whether the time is over in which it can be spent."""
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def available_amount(self) -> Decimal:
        """What can be spent, in yuan."""
        return yuan(self.available)

    @property
    def held_amount(self) -> Decimal:
        """What orders hold that are not paid yet, in yuan."""
        return yuan(self.held)

    @property
    def masked_code(self) -> str:
        """The card's code as it may be shown; empty for points."""
        return f"····{self.code_end}" if self.code_end else ""

    @property
    def shown(self) -> str:
        """How people call it: the card by the end of its code, points by their member."""
        return f"{self.number} {self.masked_code or self.member}"


class _GiftCards(models.Manager["GiftCard"]):
    def get_queryset(self) -> models.QuerySet["GiftCard"]:
        """Gift cards alone."""
        return super().get_queryset().filter(kind=BalanceKind.GIFT_CARD)


class _PointsAccounts(models.Manager["PointsAccount"]):
    def get_queryset(self) -> models.QuerySet["PointsAccount"]:
        """Points alone."""
        return super().get_queryset().filter(kind=BalanceKind.POINTS)


class GiftCard(BalanceAccount):
    """A gift card, for the pages and rights of its own."""

    cards = _GiftCards()

    class Meta:
        proxy = True
        verbose_name = _("gift card")
        verbose_name_plural = _("gift cards")
        permissions = [
            ("issue_giftcard", _("Can issue and top up gift cards")),
            ("block_giftcard", _("Can block gift cards and let them be used again")),
            ("adjust_giftcard", _("Can adjust gift cards, within the group's limits")),
        ]


class PointsAccount(BalanceAccount):
    """The points of a member, for the pages and rights of its own."""

    members = _PointsAccounts()

    class Meta:
        proxy = True
        verbose_name = _("points of a member")
        verbose_name_plural = _("points of members")
        permissions = [("adjust_pointsaccount", _("Can adjust points, within the group's limits"))]


class MovementKind(models.TextChoices):
    """Why a balance changed."""

    SOLD = "sold", _("Sold")
    GIVEN = "given", _("Given away")
    HELD = "held", _("Held for an order")
    CAPTURED = "captured", _("Spent on an order")
    RELEASED = "released", _("Released by an order")
    GIVEN_BACK = "given_back", _("Given back by an order")
    EARNED = "earned", _("Earned by an order")
    TAKEN_BACK = "taken_back", _("Taken back for a refund")
    EXPIRED = "expired", _("Expired")
    ADJUSTED = "adjusted", _("Adjusted")


# What belongs to orders and is booked with them.
OF_ORDERS = (MovementKind.CAPTURED, MovementKind.GIVEN_BACK, MovementKind.EARNED, MovementKind.TAKEN_BACK)
_MORE = (MovementKind.SOLD, MovementKind.GIVEN, MovementKind.GIVEN_BACK, MovementKind.EARNED)


class BalanceMovement(models.Model):
    """A change of a balance (fen): what came to be available, held and still to be taken back, and what is left then.

    Rows are only ever added; adding one changes the account, and nothing else does. `key` names the business fact,
    which no other row has.
    """

    account = models.ForeignKey(
        BalanceAccount, verbose_name=_("balance"), on_delete=models.PROTECT, related_name="movements"
    )
    kind = models.CharField(_("kind"), max_length=12, choices=MovementKind.choices)
    key = models.CharField(_("key"), max_length=80)
    available_change = models.BigIntegerField(_("change of what is available (fen)"), db_default=0, default=0)
    held_change = models.BigIntegerField(_("change of what is held (fen)"), db_default=0, default=0)
    short_change = models.BigIntegerField(_("change of what is to be taken back (fen)"), db_default=0, default=0)
    # Written by the database.
    available_after = models.BigIntegerField(_("available then (fen)"), db_default=0, editable=False)
    held_after = models.BigIntegerField(_("held then (fen)"), db_default=0, editable=False)
    short_after = models.BigIntegerField(_("still to be taken back then (fen)"), db_default=0, editable=False)
    order = models.ForeignKey(
        Order, verbose_name=_("order"), null=True, blank=True, on_delete=models.PROTECT, related_name="movements"
    )
    reason = models.CharField(_("reason"), max_length=200, db_default="", default="", blank=True)
    actor_kind = models.CharField(_("kind of actor"), max_length=12, choices=ActorKind.choices)
    actor = models.CharField(_("actor"), max_length=80)
    created_at = models.DateTimeField(_("time"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("movement of a balance")
        verbose_name_plural = _("movements of balances")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="balance_movement_happens_once"),
            models.CheckConstraint(
                condition=Q(kind__in=_MORE, available_change__gt=0, held_change=0, short_change=0)
                | Q(kind=MovementKind.HELD, held_change__gt=0, available_change=-F("held_change"), short_change=0)
                | Q(kind=MovementKind.CAPTURED, held_change__lt=0, available_change=0, short_change=0)
                | Q(kind=MovementKind.RELEASED, held_change__lt=0, available_change=-F("held_change"), short_change=0)
                | (
                    Q(kind=MovementKind.TAKEN_BACK, available_change__lte=0, held_change=0)
                    & ~Q(available_change=0, short_change=0)
                )
                | Q(kind=MovementKind.EXPIRED, available_change__lt=0, held_change=0, short_change=0)
                | (Q(kind=MovementKind.ADJUSTED, held_change=0, short_change=0) & ~Q(available_change=0)),
                name="balance_movement_is_what_its_kind_says",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[*OF_ORDERS, MovementKind.HELD, MovementKind.RELEASED],
                    order__isnull=False,
                )
                | Q(
                    kind__in=[MovementKind.SOLD, MovementKind.GIVEN, MovementKind.EXPIRED, MovementKind.ADJUSTED],
                    order__isnull=True,
                ),
                name="balance_movement_names_its_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"

    @property
    def available_yuan(self) -> Decimal:
        """The change of what is available, in yuan."""
        return yuan(self.available_change)

    @property
    def held_yuan(self) -> Decimal:
        """The change of what is held, in yuan."""
        return yuan(self.held_change)

    @property
    def available_after_yuan(self) -> Decimal:
        """What was available then, in yuan."""
        return yuan(self.available_after)

    @property
    def held_after_yuan(self) -> Decimal:
        """What was held then, in yuan."""
        return yuan(self.held_after)

    @property
    def fen(self) -> int:
        """How much it is about: what came or went of all that is available, held or to be taken back."""
        return self.available_change or self.held_change or -self.short_change

    @property
    def amount(self) -> Decimal:
        """How much it is about, in yuan."""
        return yuan(self.fen)


class OrderTender(models.Model):
    """A balance of ours that an order is paid with: so much (fen) of it was held when the order was placed.

    Of points that are only to be earned the amount is 0; `earns_per_yuan` is what the order's money earns of them once
    it is completed.
    """

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="tenders")
    account = models.ForeignKey(
        BalanceAccount, verbose_name=_("balance"), on_delete=models.PROTECT, related_name="tenders"
    )
    fen = models.BigIntegerField(_("amount (fen)"))
    earns_per_yuan = models.IntegerField(_("points earned per yuan"), db_default=0, default=0)

    class Meta:
        verbose_name = _("tender")
        verbose_name_plural = _("tenders")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "account"], name="tender_is_unique_in_the_order"),
            models.CheckConstraint(condition=Q(fen__gte=0, earns_per_yuan__gte=0), name="tender_is_an_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.amount}"

    @property
    def amount(self) -> Decimal:
        """What of the order it was to pay, in yuan."""
        return yuan(self.fen)


class AdjustmentState(models.TextChoices):
    """Where an adjustment is."""

    PROPOSED = "proposed", _("To be approved")
    APPROVED = "approved", _("Approved")
    DECLINED = "declined", _("Declined")


class BalanceAdjustment(Versioned):
    """That a person makes a balance more or less (fen, signed), and why. Above the proposer's limits a second person
    must agree."""

    account = models.ForeignKey(
        BalanceAccount, verbose_name=_("balance"), on_delete=models.PROTECT, related_name="adjustments"
    )
    state = FSMField(_("state"), choices=AdjustmentState.choices, default=AdjustmentState.PROPOSED, protected=True)
    fen = models.BigIntegerField(_("amount (fen)"))
    reason = models.CharField(_("reason"), max_length=200)
    needs_second = models.BooleanField(_("needs a second person"), default=False, db_default=False)
    proposed_by = models.CharField(_("proposed by"), max_length=80)
    proposed_at = models.DateTimeField(_("proposed at"), db_default=Now(), editable=False)
    decided_by = models.CharField(_("decided by"), max_length=80, db_default="", default="", blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("adjustment of a balance")
        verbose_name_plural = _("adjustments of balances")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(fen=0), name="adjustment_is_not_nothing"),
            models.CheckConstraint(condition=~Q(reason=""), name="adjustment_has_a_reason"),
            models.CheckConstraint(condition=Q(state__in=AdjustmentState.values), name="adjustment_state_is_known"),
            models.CheckConstraint(
                condition=Q(state=AdjustmentState.PROPOSED, decided_at=None, decided_by="")
                | (~Q(state=AdjustmentState.PROPOSED) & Q(decided_at__isnull=False) & ~Q(decided_by="")),
                name="adjustment_is_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(state=AdjustmentState.APPROVED, needs_second=True, decided_by=F("proposed_by")),
                name="adjustment_is_approved_by_a_second_person",
            ),
        ]
        indexes = [
            models.Index(
                fields=["decided_by", "decided_at"],
                condition=Q(state=AdjustmentState.APPROVED),
                name="adjustment_of_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.amount}"

    @property
    def amount(self) -> Decimal:
        """By how much the balance changes, in yuan."""
        return yuan(self.fen)

    @transition(state, source=AdjustmentState.PROPOSED, target=AdjustmentState.APPROVED)
    def approve(self) -> None:
        """It is done."""

    @transition(state, source=AdjustmentState.PROPOSED, target=AdjustmentState.DECLINED)
    def decline(self) -> None:
        """Nothing changes."""
