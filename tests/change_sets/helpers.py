"""What tests of change sets do again and again."""

from typing import Any

from oms.common.work import clock
from orders.changing.sets import drafting, previewing
from orders.changing.sets.previewing import SetPreview
from orders.models import ChangeSet, Order
from payments.models import Payment
from payments.taking import differences, noticing, requesting
from tests import factories, fakes, steps


def change(order: Order, *wish: dict[str, Any], **more: Any) -> ChangeSet:
    """Confirm a change of the order by staff."""
    return drafting.change(order.pk, wish, reason="the buyer called", actor=steps.STAFF, **more)


def seen(order: Order, *wish: dict[str, Any], **more: Any) -> SetPreview:
    """What the change would do."""
    return previewing.preview(order.pk, wish, reason="the buyer called", **more)


def ask_for_balance(row: ChangeSet) -> Payment:
    """The buyer is asked for the balance of a change."""
    with fakes.provider(fakes.FakeProvider()):
        factories.run(differences.request, requesting.request)
    return Payment.objects.filter(change_set=row).latest("id")


def pay_balance(row: ChangeSet, amount: str | None = None) -> ChangeSet:
    """The buyer pays the balance, or another amount."""
    payment = ask_for_balance(row)
    steps.notify(payment.number, amount or str(payment.amount))
    factories.run(noticing.run)
    return ChangeSet.objects.get(pk=row.pk)


def let_pass(row: ChangeSet) -> None:
    """The time to pay the balance is over."""
    ChangeSet.objects.filter(pk=row.pk).update(pay_by=steps.NOON)
    with clock.skipping_waits():
        differences.end(100)


def add(sku: Any, quantity: int = 1, **more: Any) -> dict[str, Any]:
    """The action that adds units."""
    return {"do": "add", "sku": sku.code, "quantity": quantity, **more}


def units(line: int, quantity: int) -> dict[str, Any]:
    """The action that says how many units a line is to have."""
    return {"do": "quantity", "line": line, "quantity": quantity}


def adjust(amount: str, line: int | None = None, bearer: str = "merchant") -> dict[str, Any]:
    """The action that changes the price."""
    return {"do": "adjust", "amount": amount, "bearer": bearer, **({"line": line} if line else {})}
