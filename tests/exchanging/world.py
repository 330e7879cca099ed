"""Steps of tests about exchanges."""

from collections.abc import Sequence
from typing import Any

from logistics.warehouses import releasing, sending
from orders.actors import Actor
from orders.fulfilling import allocating, splitting
from orders.models import Exchange, Order, ReturnRequest
from orders.returning.exchanging import NewGoods
from orders.returning.requesting import Wanted
from orders.reviewing import deciding
from payments.exchanging import beginning, following
from payments.models import Payment
from payments.owing import balancing
from payments.taking import noticing, requesting
from tests import factories, fakes, steps
from tests.returns.world import line_of


def wanted(order: Order, units: dict[int, int], goods: Sequence[NewGoods] = (), **more: Any) -> Wanted:
    """What somebody wants exchanged: units by the line's position."""
    told = {"kind": "exchange", "reason": "no_reason", "goods": goods, **more}
    return Wanted(units={line_of(order, key).pk: count for key, count in units.items()}, **told)


def exchange(
    order: Order, units: dict[int, int], goods: Sequence[NewGoods] = (), *, by: Actor = steps.STAFF, **more: Any
) -> Exchange:
    """Exchange so many units by the line's position, approved at once."""
    return beginning.exchange(order.pk, wanted(order, units, goods), actor=by, **more)


def run() -> None:
    """What the stages about money and exchanges do."""
    factories.run(following.run, balancing.run, following.run, balancing.run)


def new_order(row: Exchange) -> Order:
    """The order of the new goods as it is now."""
    return Order.objects.get(pk=row.new_order_id)


def pay_rest(row: Exchange, amount: str) -> None:
    """The buyer pays the difference."""
    with fakes.provider(fakes.FakeProvider()):
        factories.run(requesting.request)
    payment = Payment.objects.filter(order=row.new_order_id, means="online").latest("id")
    steps.notify(payment.number, amount)
    factories.run(noticing.run)


def send(order: Order) -> None:
    """The new goods leave their warehouse, as far as nothing holds them."""
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)


def of(row: Exchange) -> Exchange:
    """The exchange as it is now."""
    return Exchange.objects.select_related("return_request", "new_order").get(pk=row.pk)


def returned(row: Exchange) -> ReturnRequest:
    """Its return as it is now."""
    return ReturnRequest.objects.get(pk=row.pk)
