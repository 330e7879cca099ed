"""Steps of tests about gift cards and points."""

from decimal import Decimal
from itertools import count
from typing import Any

import msgspec

from logistics.models import Shipment
from oms.common.errors import FieldError
from oms.common.work import clock
from oms.merchants.models import Merchant
from orders.fulfilling import completing
from orders.intake.bodies import decode
from orders.intake.placing import Refused, place_orders
from orders.models import Order
from payments.balances import adjusting, issuing
from payments.balances.issuing import Issued, NewCard
from payments.models import BalanceAccount
from payments.owing import balancing
from tests import factories, steps

_keys = count(1)


def card(merchant: Merchant, amount: str = "100.00", **more: Any) -> Issued:
    """A gift card of the merchant, sold."""
    (issued,) = issuing.issue_cards(
        merchant, [NewCard(Decimal(amount), **more)], is_sold=True, key=f"K{next(_keys)}", actor=steps.STAFF
    )
    assert isinstance(issued, Issued), issued
    return issued


def member(merchant: Merchant, points: int = 0, name: str = "M1") -> BalanceAccount:
    """The points of a member; those it has were given by a person."""
    account = issuing.open_points(merchant, [name], actor=steps.STAFF)[name]
    if points:
        adjusting.propose(account.pk, points, reason="welcome", user=boss(), actor=steps.STAFF)
    return now(account)


def boss() -> Any:
    """Somebody whom no limit holds."""
    return factories.UserFactory(is_superuser=True)


def by_card(issued: Issued, amount: str) -> dict[str, Any]:
    """What an order says that is paid with so much of the card."""
    return {"gift_card_amount": amount, "gift_cards": [{"code": issued.code, "amount": amount}]}


def by_points(used: int, name: str = "M1") -> dict[str, Any]:
    """What an order says that is paid with so many points of the member, and earns it new ones."""
    return {"points": {"used": used, "amount": f"{Decimal(used) / 100:.2f}", "member": name}}


def refused(body: dict[str, Any], merchant: Merchant) -> list[tuple[str, str]]:
    """Why the order is refused: fields and codes."""
    (outcome,) = place_orders([decode(msgspec.json.encode(body))], merchant, actor=steps.STAFF)
    assert isinstance(outcome, Refused), outcome
    errors: list[FieldError] = list(outcome.errors)
    return [(error.attr, error.code) for error in errors]


def now(account: BalanceAccount) -> BalanceAccount:
    """The account as it is."""
    return BalanceAccount.objects.get(pk=account.pk)


def has(account: BalanceAccount) -> tuple[int, int]:
    """What is available and held of it, in fen."""
    found = now(account)
    return found.available, found.held


def story(account: BalanceAccount) -> list[tuple[str, int, int]]:
    """Its movements, oldest first: kind, amount and what was available then, in fen."""
    return [(row.kind, row.fen, row.available_after) for row in account.movements.order_by("pk")]


def completed(order: Order) -> Order:
    """The paid order, delivered and completed, its books put right."""
    shipment: Shipment = steps.shipped(order)
    steps.scan(shipment, "collected", "signed")
    with clock.skipping_waits():
        factories.run(completing.run)
    factories.run(balancing.run)
    return steps.fresh(order)
