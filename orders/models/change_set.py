"""A change of a placed order: drafted, looked at, confirmed as a whole or discarded."""

import json
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common import secrecy
from oms.common.models import Versioned
from oms.common.secrecy import SealedField
from orders.models.event import ActorKind
from orders.models.order import Order


class ChangeSetState(models.TextChoices):
    """Where a change is."""

    DRAFT = "draft", _("Draft")
    AWAITING_BALANCE = "awaiting_balance", _("Waits for its payment")
    AWAITING_WAREHOUSE = "awaiting_warehouse", _("Waits for the warehouse")
    CONFIRMED = "confirmed", _("Carried out")
    DISCARDED = "discarded", _("Discarded")
    EXPIRED = "expired", _("Not paid in time")
    FAILED = "failed", _("Not possible any more")


# It holds the order until somebody else did something.
WAITING_SETS = (ChangeSetState.AWAITING_BALANCE, ChangeSetState.AWAITING_WAREHOUSE)
# An order has one of these at most.
OPEN_SETS = (ChangeSetState.DRAFT, *WAITING_SETS)
# Actions that tell who somebody is.
PERSONAL = ("recipient", "invoice")


class ChangeSet(Versioned):
    """What is to be changed of one order, all together or not at all.

    `actions` are as `orders.changing.sets.actions` reads them; those that are personal, such as a new recipient, are
    sealed beside them. What makes the order dearer than what is owed for it waits for that balance, and is carried out
    once it is paid. A new recipient of what warehouses have waits until they gave it up; `pay_by` is by when they
    should answer then. `outcome` is what it made of the order: what was owed before and after, in fen.
    """

    order = models.ForeignKey(Order, verbose_name=_("order"), on_delete=models.PROTECT, related_name="change_sets")
    number = models.CharField(_("number"), max_length=24, editable=False)
    state = FSMField(_("state"), choices=ChangeSetState.choices, default=ChangeSetState.DRAFT, protected=True)
    actions = models.JSONField(_("actions"), default=list)
    sealed = SealedField(_("recipient"), null=True, blank=True, editable=False, only_if="sealed IS NOT NULL")
    reason = models.CharField(_("reason"), max_length=200)
    balance_amount = models.DecimalField(
        _("balance due"), max_digits=12, decimal_places=2, null=True, blank=True, editable=False
    )
    pay_by = models.DateTimeField(_("pay by"), null=True, blank=True, editable=False)
    outcome = models.JSONField(_("outcome"), null=True, blank=True, editable=False)
    actor_kind = models.CharField(_("kind of actor"), max_length=12, choices=ActorKind.choices)
    actor = models.CharField(_("actor"), max_length=80)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("change of an order")
        verbose_name_plural = _("changes of orders")
        ordering = ["-id"]
        permissions = [
            ("confirm_changeset", _("Can change goods and amounts of placed orders")),
            ("price_changeset", _("Can set prices and adjustments in changes of placed orders")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="change_set_number_is_unique"),
            models.UniqueConstraint(
                fields=["order"], condition=Q(state__in=OPEN_SETS), name="change_set_one_open_of_an_order"
            ),
            models.CheckConstraint(condition=Q(state__in=ChangeSetState.values), name="change_set_state_is_known"),
            models.CheckConstraint(
                condition=Q(state__in=OPEN_SETS, ended_at__isnull=True)
                | (~Q(state__in=OPEN_SETS) & Q(ended_at__isnull=False)),
                name="change_set_ends_once",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=WAITING_SETS)
                | Q(state=ChangeSetState.AWAITING_BALANCE, balance_amount__gt=0, pay_by__isnull=False)
                | Q(state=ChangeSetState.AWAITING_WAREHOUSE, balance_amount__isnull=True, pay_by__isnull=False),
                name="change_set_waits_for_an_amount_until_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["pay_by"],
                condition=Q(state=ChangeSetState.AWAITING_BALANCE),
                name="change_set_queue_balance",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def wish(self) -> list[dict[str, Any]]:
        """The actions with what is personal of them. Raises cryptography.fernet.InvalidToken where no key opens it."""
        if self.sealed is None:
            return list(self.actions)
        return [*self.actions, *json.loads(secrecy.unseal(self.sealed))]

    @wish.setter
    def wish(self, actions: list[dict[str, Any]]) -> None:
        self.actions = [one for one in actions if one["do"] not in PERSONAL]
        personal = [one for one in actions if one["do"] in PERSONAL]
        self.sealed = secrecy.seal(json.dumps(personal, ensure_ascii=False)) if personal else None

    @transition(state, source=ChangeSetState.DRAFT, target=ChangeSetState.AWAITING_BALANCE)
    def wait_for_balance(self) -> None:
        """The buyer is asked to pay the difference first."""

    @transition(state, source=ChangeSetState.DRAFT, target=ChangeSetState.AWAITING_WAREHOUSE)
    def wait_for_warehouse(self) -> None:
        """Warehouses are asked to give up what they have of the order first."""

    @transition(state, source=list(OPEN_SETS), target=ChangeSetState.CONFIRMED)
    def carry_out(self) -> None:
        """The order is as the change says."""

    @transition(state, source=list(OPEN_SETS), target=ChangeSetState.DISCARDED)
    def discard(self) -> None:
        """Nobody wants it any more."""

    @transition(state, source=ChangeSetState.AWAITING_BALANCE, target=ChangeSetState.EXPIRED)
    def expire(self) -> None:
        """The balance was not paid in time."""

    @transition(state, source=list(WAITING_SETS), target=ChangeSetState.FAILED)
    def fail(self) -> None:
        """The balance was paid or the warehouses answered, but the order cannot be changed so: money goes back."""
