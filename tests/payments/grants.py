"""Steps of tests about refunds that are granted."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, User

from orders.actors import Actor
from orders.models import ActorKind, Order
from payments.granting import deciding
from payments.granting.previewing import Wanted
from payments.models import GrantKind, Refund, RefundGrant
from payments.owing import balancing
from tests import factories, steps
from tests.payments.test_promotions_lost import bought


def member(group: str, name: str = "") -> User:
    user = factories.UserFactory(**({"username": name} if name else {}))
    user.groups.add(Group.objects.get(name=group))
    return User.objects.get(pk=user.pk)


def actor(user: User) -> Actor:
    return Actor(ActorKind.STAFF, user.username)


def goodwill(order: Order, amount: str, user: User, **more: Any) -> RefundGrant:
    wanted = Wanted(GrantKind.GOODWILL, Decimal(amount))
    return deciding.propose(order.pk, wanted, reason="late", note="came late", actor=actor(user), user=user, **more)


def send_back(
    order: Order,
    units: Mapping[int, int],
    user: User,
    *,
    reason: str = "no_reason",
    gifts: Mapping[int, int] | None = None,
) -> RefundGrant:
    wanted = Wanted(GrantKind.RETURN, units=units, gifts_kept=gifts)
    return deciding.propose(order.pk, wanted, reason=reason, note="came back", actor=actor(user), user=user)


def delivered(order: Order) -> Order:
    """The order, at the buyer's."""
    steps.scan(steps.shipped(order), "collected", "signed")
    return order


def refunds() -> list[tuple[str, str, str]]:
    factories.run(balancing.run)
    rows = Refund.objects.order_by("pk").values_list("amount", "reason", "state")
    return [(str(amount), reason, state) for amount, reason, state in rows]


def paid(shop: factories.Shop, *prices: str, **terms: Any) -> Order:
    return bought(shop, list(prices), **terms)
