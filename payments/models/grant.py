"""Who may give how much back, why, and what was granted."""

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.access import roles
from oms.common.models import Versioned, money
from oms.merchants.models import Merchant
from orders.models import ActorKind, ChargeCause, Order, OrderLine, ReturnRequest, SubOrderLine
from orders.models.amounts import Bearer


class GrantKind(models.TextChoices):
    """What is granted: the money of units that came back, or money beside the price."""

    RETURN = "return", _("Return of goods")
    GOODWILL = "goodwill", _("Goodwill")
    PRICE_PROTECTION = "price_protection", _("Price protection")
    COMPENSATION = "compensation", _("Compensation")


# The cause of the charges that a granted amount becomes.
CAUSE_OF = {
    GrantKind.RETURN: ChargeCause.RETURNED,
    GrantKind.GOODWILL: ChargeCause.GOODWILL,
    GrantKind.PRICE_PROTECTION: ChargeCause.PRICE_PROTECTION,
    GrantKind.COMPENSATION: ChargeCause.COMPENSATION,
}


class GrantReason(models.Model):
    """A reason for which money is granted: of which kind, who bears it unless told otherwise, and whether the freight
    of returned units goes back with it."""

    code = models.SlugField(_("code"), max_length=40)
    name = models.CharField(
        _("name"), max_length=80, blank=True, default="", help_text=_("Empty: as reasons of this code are called.")
    )
    kind = models.CharField(_("kind"), max_length=20, choices=GrantKind.choices)
    bearer = models.CharField(
        _("who bears it"), max_length=10, choices=Bearer.choices, default=Bearer.PLATFORM, db_default=Bearer.PLATFORM
    )
    gives_freight_back = models.BooleanField(_("gives freight back"), default=False, db_default=False)
    is_active = models.BooleanField(_("active"), default=True, db_default=True)

    class Meta:
        verbose_name = _("reason of grants")
        verbose_name_plural = _("reasons of grants")
        ordering = ["kind", "code"]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="grant_reason_code_is_unique"),
            models.CheckConstraint(condition=Q(kind__in=GrantKind.values), name="grant_reason_kind_is_known"),
            models.CheckConstraint(condition=Q(bearer__in=Bearer.values), name="grant_reason_bearer_is_known"),
        ]

    def __str__(self) -> str:
        return str(self.name or REASONS.get(self.code, self.code))


# How the reasons of a new installation are called.
REASONS = {
    "no_reason": _("No reason, within seven days"),
    "sellers_fault": _("Seller's fault: wrong, broken or missing"),
    "late": _("Delivered late"),
    "buyer_complaint": _("Complaint"),
    "price_fell": _("The price fell"),
    "damage": _("Damage"),
}


class GrantLimit(models.Model):
    """What members of a group may grant, in yuan; empty: without limit. Beyond it, and above `alone_up_to`, a second
    person must agree. Of several groups the most generous counts."""

    group = models.OneToOneField(
        Group, verbose_name=_("group"), on_delete=models.CASCADE, related_name="grant_limit", db_index=False
    )
    single_amount = money(_("one grant up to"), null=True, blank=True)
    daily_amount = money(_("all grants of a day up to"), null=True, blank=True)
    alone_up_to = money(_("alone up to"), null=True, blank=True)

    class Meta:
        verbose_name = _("limit of grants")
        verbose_name_plural = _("limits of grants")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(single_amount=None) | Q(single_amount__gte=0))
                & (Q(daily_amount=None) | Q(daily_amount__gte=0))
                & (Q(alone_up_to=None) | Q(alone_up_to__gte=0)),
                name="grant_limit_is_an_amount",
                violation_error_message=_("Amounts are 0 or more, or empty."),
            ),
        ]

    def __str__(self) -> str:
        return roles.named(self.group)


class GrantState(models.TextChoices):
    """Where a grant is."""

    PROPOSED = "proposed", _("To be approved")
    APPROVED = "approved", _("Granted")
    DECLINED = "declined", _("Declined")


class RefundGrantQuerySet(models.QuerySet["RefundGrant"]):
    """Named queries over grants."""

    def visible_to(self, merchant: Merchant) -> "RefundGrantQuerySet":
        """Grants on orders that the merchant's channels sent; the one place that decides it."""
        return self.filter(order__channel__merchant=merchant)


class RefundGrant(Versioned):
    """That the buyer of an order gets money back: first proposed, then granted, which charges the order; what was paid
    beyond that is sent as refunds (`Refund.grant`).

    The amounts (yuan) are what the proposer saw, by tender; those granted are worked out anew and must be the same.
    `calculation` says line by line how they came about, by the rules of `rules_version`.
    """

    number = models.CharField(_("number of the grant"), max_length=32, editable=False)
    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="grants")
    kind = models.CharField(_("kind"), max_length=20, choices=GrantKind.choices)
    state = FSMField(_("state"), choices=GrantState.choices, default=GrantState.PROPOSED, protected=True)
    reason = models.ForeignKey(
        GrantReason, verbose_name=_("reason"), on_delete=models.PROTECT, related_name="grants", db_index=False
    )
    note = models.CharField(_("note"), max_length=200)
    bearer = models.CharField(_("who bears it"), max_length=10, choices=Bearer.choices)
    line = models.ForeignKey(
        OrderLine,
        verbose_name=_("order line"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="grants",
        db_index=False,
    )
    return_request = models.ForeignKey(
        ReturnRequest,
        verbose_name=_("return request"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="grants",
        db_index=False,
    )
    amount = money(_("amount"))
    cash_amount = money(_("of that in cash"))
    gift_card_amount = money(_("of that to the gift card"), db_default=0)
    points_amount = money(_("of that in points"), db_default=0)
    granted_amount = money(_("granted"), null=True, blank=True)
    granted_cash_amount = money(_("granted in cash"), null=True, blank=True)
    calculation = models.JSONField(_("calculation"), default=dict, blank=True)
    rules_version = models.SmallIntegerField(_("version of the rules"))
    needs_second = models.BooleanField(_("needs a second person"), default=False, db_default=False)
    proposed_by_kind = models.CharField(_("kind of actor"), max_length=12, choices=ActorKind.choices)
    proposed_by = models.CharField(_("proposed by"), max_length=80)
    proposed_at = models.DateTimeField(_("proposed at"), db_default=Now(), editable=False)
    decided_by = models.CharField(_("decided by"), max_length=80, db_default="", default="", blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True, editable=False)
    decline_reason = models.CharField(_("why declined"), max_length=200, db_default="", default="", blank=True)

    objects = RefundGrantQuerySet.as_manager()

    class Meta:
        verbose_name = _("grant of a refund")
        verbose_name_plural = _("grants of refunds")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="grant_number_is_unique"),
            models.UniqueConstraint(
                fields=["return_request"],
                condition=Q(state__in=[GrantState.PROPOSED, GrantState.APPROVED]),
                name="grant_of_a_return_is_the_only_one",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount=F("cash_amount") + F("gift_card_amount") + F("points_amount"),
                    cash_amount__gte=0,
                    gift_card_amount__gte=0,
                    points_amount__gte=0,
                )
                & (Q(amount__gt=0) | Q(kind=GrantKind.RETURN)),
                name="grant_amounts_add_up",
            ),
            models.CheckConstraint(condition=Q(state__in=GrantState.values), name="grant_state_is_known"),
            models.CheckConstraint(condition=Q(kind__in=GrantKind.values), name="grant_kind_is_known"),
            models.CheckConstraint(condition=Q(bearer__in=Bearer.values), name="grant_bearer_is_known"),
            models.CheckConstraint(
                condition=Q(state=GrantState.PROPOSED, decided_at=None, decided_by="")
                | (~Q(state=GrantState.PROPOSED) & Q(decided_at__isnull=False) & ~Q(decided_by="")),
                name="grant_is_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state=GrantState.APPROVED, granted_amount=F("amount"), granted_cash_amount=F("cash_amount"))
                | (~Q(state=GrantState.APPROVED) & Q(granted_amount=None, granted_cash_amount=None)),
                name="grant_is_granted_as_it_was_shown",
            ),
            models.CheckConstraint(
                condition=~Q(state=GrantState.APPROVED, needs_second=True, decided_by=F("proposed_by")),
                name="grant_is_approved_by_a_second_person",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state=GrantState.PROPOSED), name="grant_queue_approve"),
            models.Index(
                fields=["decided_by", "decided_at"], condition=Q(state=GrantState.APPROVED), name="grant_of_a_day"
            ),
        ]
        permissions = [("grant_refund", _("Can grant refunds and compensation, within the group's limits"))]

    def __str__(self) -> str:
        return self.number

    @transition(state, source=GrantState.PROPOSED, target=GrantState.APPROVED)
    def approve(self) -> None:
        """It is granted as it was shown."""
        self.granted_amount, self.granted_cash_amount = self.amount, self.cash_amount

    @transition(state, source=GrantState.PROPOSED, target=GrantState.DECLINED)
    def decline(self) -> None:
        """Nothing is given; what it reserved is free again."""


class RefundGrantLine(models.Model):
    """Units that a grant is for; `is_missing`: of a gift that should have come back with them and did not."""

    grant = models.ForeignKey(
        RefundGrant, verbose_name=_("grant of a refund"), on_delete=models.PROTECT, related_name="lines", db_index=False
    )
    sub_order_line = models.ForeignKey(
        SubOrderLine, verbose_name=_("sub-order line"), on_delete=models.PROTECT, related_name="grants"
    )
    quantity = models.IntegerField(_("quantity"))
    is_missing = models.BooleanField(_("did not come back"), default=False, db_default=False)

    class Meta:
        verbose_name = _("line of a grant")
        verbose_name_plural = _("lines of grants")
        constraints = [
            models.UniqueConstraint(fields=["grant", "sub_order_line", "is_missing"], name="grant_line_is_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="grant_line_is_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.grant_id}: {self.quantity}"
