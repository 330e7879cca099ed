"""A merchant and its sandbox in random order: each sells, cancels, ships and takes back; the workers and the platform's
own shop are there, too. After each step nothing of the one is the other's, and nothing of the sandbox left it.

Each example runs in a transaction that is rolled back.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory.models import Stock
from logistics.by_merchant import opening, shipping
from logistics.by_merchant.opening import NewWarehouse
from logistics.by_merchant.reported import Leaving
from logistics.by_merchant.sandboxes import open_sandbox
from logistics.models import Carrier, WarehouseOrder
from logistics.watching import alerts
from oms.checking.sandbox_invariants import INVARIANTS
from oms.common.errors import OmsError
from oms.merchants.models import Merchant
from orders.changing import cancelling, telling
from orders.intake.bodies import decode
from orders.intake.placing import Placed, place_orders
from orders.models import Order, SubOrder
from orders.returning.requesting import Wanted, request
from tests import factories, steps
from tests.invariants import check
from tests.logistics.test_watching import hours_pass
from tests.machines import run_apart
from tests.portal import world
from tests.returns import world as returns

_ANY, _SIDE = st.integers(0, 20), st.integers(0, 1)


class SideBySide(RuleBasedStateMachine):
    """A seller that ships by itself; its sandbox, which has a warehouse of that kind, too; and the platform's shop."""

    @initialize()
    def open(self) -> None:
        """All of them; parcels of SF are followed over an account."""
        returns.install()
        self.seller = world.make_seller()
        self.twin = open_sandbox(self.seller.merchant)
        own = opening.open_warehouse(self.twin, NewWarehouse("测试仓", "北京市东城区中山路2号"))
        for sku in self.twin.skus.all():
            factories.StockFactory(sku=sku, warehouse=own, on_hand=50)
        self.sides = [self.seller.merchant, self.twin]
        self.platform = factories.MerchantFactory(self_operated=True)
        factories.ChannelFactory(merchant=self.platform, code=self.platform.code)
        account = factories.ConnectionFactory(kind="carrier", protocol="kuaidi100")
        Carrier.objects.filter(code="SF").update(tracking_connection=account)

    @rule(side=_SIDE, method=st.sampled_from(["cod", "prepaid"]), units=st.integers(1, 60))
    def place(self, side: int, method: str, units: int) -> None:
        """Somebody orders of one of them."""
        with self._the_other_is_left_alone(side):
            sku = self.sides[side].skus.get(code=self.seller.sku.code)
            factories.place(factories.order_body((sku, units, "10.00"), payment_method=method), self.sides[side])

    @rule(side=_SIDE)
    def sell_for_them(self, side: int) -> None:
        """The platform's shop sells goods of one of them: never of the sandbox."""
        sku = self.sides[side].skus.get(code=self.seller.sku.code)
        body = factories.order_body((sku, 1, "10.00"), payment_method="cod", source=self.platform.code)
        (outcome,) = place_orders([decode(_json(body))], self.platform, actor=steps.STAFF)
        assert isinstance(outcome, Placed) == (side == 0)

    @rule()
    def work(self) -> None:
        """The workers do all that there is, and what is pretended answers."""
        call_command("drain", "--json", stdout=StringIO())

    @rule(side=_SIDE, which=_ANY)
    def cancel(self, side: int, which: int) -> None:
        """The buyer does not want it any more, and is told."""
        if order := self._one(Order.objects.visible_to(self.sides[side]), which):
            with self._the_other_is_left_alone(side), suppress(OmsError):
                cancelling.cancel_order(order.pk, reason="x", actor=steps.STAFF)
                telling.tell_cancelled([order.pk])

    @rule(side=_SIDE, which=_ANY, waybill=st.integers(0, 9))
    def ship(self, side: int, which: int, waybill: int) -> None:
        """One of them reports a parcel of a real carrier."""
        works = WarehouseOrder.objects.filter(warehouse__merchant=self.sides[side], connection__protocol="merchant")
        if work := self._one(works, which):
            with self._the_other_is_left_alone(side), suppress(OmsError):
                leaving = Leaving(work.number, "SF", f"SF{side}0000{waybill:04}")
                shipping.ship(self.sides[side], [leaving], actor=steps.STAFF)

    @rule(side=_SIDE, which=_ANY)
    def give_back(self, side: int, which: int) -> None:
        """Goods come back."""
        if part := self._one(SubOrder.objects.filter(merchant=self.sides[side], state="completed"), which):
            with suppress(OmsError):
                units = dict.fromkeys(part.lines.values_list("pk", flat=True), 1)
                request(part.order_id, Wanted("return_and_refund", units, "no_reason"), actor=steps.STAFF)

    @rule(which=_ANY)
    def be_late(self, which: int) -> None:
        """Nothing happens for days."""
        if work := self._one(WarehouseOrder.objects.all(), which):
            hours_pass(work, 200)
            factories.run(alerts.run)

    @contextmanager
    def _the_other_is_left_alone(self, side: int) -> Iterator[None]:
        before = self._state(self.sides[1 - side])
        yield
        assert self._state(self.sides[1 - side]) == before

    def _state(self, merchant: Merchant) -> list[Any]:
        stock = Stock.objects.filter(sku__merchant=merchant).order_by("pk")
        parts = SubOrder.objects.filter(merchant=merchant).order_by("pk")
        return [*stock.values_list("pk", "on_hand", "reserved"), *parts.values_list("pk", "state", "version")]

    def _one(self, rows: Any, which: int) -> Any:
        found = list(rows.order_by("pk"))
        return found[which % len(found)] if found else None

    @invariant()
    def what_must_hold_does(self) -> None:
        """Nothing of the sandbox is anybody's, and it reached nobody."""
        if hasattr(self, "twin"):
            assert [(found.invariant.name, found.examples) for found in check(INVARIANTS)] == []


def _json(body: dict[str, Any]) -> bytes:

    return msgspec.json.encode(body)


@pytest.mark.django_db
def test_whatever_happens_a_sandbox_keeps_to_itself() -> None:
    run_apart(SideBySide, examples=10, steps=14)
