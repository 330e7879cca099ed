"""Whatever warehouse and OMS do, in any order and twice: stock and states hold, and all ends where the warehouse's own
book says."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from inventory.models import Stock
from logistics.models import Carrier, WarehouseOrder, WarehouseOrderLine, WarehouseOrderState
from logistics.warehouses import events, inquiring, sending, stock_facts, stopping
from logistics.watching import alerts
from oms.common.models import FactState, InboundFact
from oms.simulators.depots import CANCELED, DONE, PARTLY
from oms.simulators.mischief import PushTrick, Trick
from orders.changing import cancelling
from orders.models import SubOrder
from tests import factories, machines, steps
from tests.qimen import world
from tests.qimen.world import Place

pytestmark = pytest.mark.django_db
_S = WarehouseOrderState
_places: list[Place] = []
# What becomes of a confirmation.
_FATES = ("told later", "heard", "lost")


class Warehousing(RuleBasedStateMachine):
    """One warehouse, two SKUs, some orders."""

    @initialize(loses=st.booleans())
    def begin(self, loses: bool) -> None:
        # What is lost is asked for, and a warehouse that does not say what is in its parcels cannot tell.
        self.loses = loses
        self.place = _places[0]
        self.peer = self.place.peer
        # A warehouse of its own for each try, behind the same address.
        self.peer.__init__(world.KEYS, notify_url=f"https://oms.example/callbacks/{world.CODE}/")  # type: ignore[misc]
        self.shop = factories.make_shop()
        Carrier.objects.get_or_create(code="SF", defaults={"name": "顺丰速运", "is_active": False})
        self.link = world.connect(self.place, self.shop.warehouse)
        self.skus = [self.shop.sku, self.shop.other_sku]
        self.counted = {sku.code: 0 for sku in self.skus}
        self.parts: list[SubOrder] = []
        for sku in self.skus:
            self.peer.book.put(self.shop.merchant.code, sku.code, 100)
        for units in (1, 2, 3):
            self.order(units, 2, None)

    def _documents(self) -> list[str]:
        return [one.code for one in self.peer.book.documents()]

    def _pick(self, data: st.DataObject, codes: list[str]) -> str:
        return data.draw(st.sampled_from(codes))

    @rule(units=st.integers(1, 3), other=st.integers(0, 2), trick=st.sampled_from([None, *Trick]))
    def order(self, units: int, other: int, trick: Trick | None) -> None:
        lines = [(self.skus[0], units, "10.00")] + ([(self.skus[1], other, "25.50")] if other else [])
        if trick not in (None, Trick.SLOW, Trick.UNSIGNED):
            self.peer.mischief.plan(trick)
        self.parts += world.released(self.shop.place_order(*lines, payment_method="cod"))
        self.peer.mischief.forget()

    @rule()
    def send_again(self) -> None:
        steps.once(sending.run)

    @precondition(lambda self: self.parts)
    @rule(data=st.data(), refuses=st.booleans(), later=st.booleans())
    def cancel(self, data: st.DataObject, refuses: bool, later: bool) -> None:
        part = data.draw(st.sampled_from(self.parts))
        self.peer.refuses_cancelling, self.peer.cancels_later = refuses, later
        self.link.options = {**self.link.options, "cancels_later": later}
        self.link.save(update_fields=["options"])
        try:
            cancelling.cancel_order(part.order_id, actor=steps.STAFF, reason="buyer")
        except cancelling.OmsError:
            return
        factories.run(stopping.pass_on)
        steps.once(stopping.run)

    @precondition(lambda self: self._documents())
    @rule(data=st.data(), word=st.sampled_from(["ACCEPT", "PICK", "CHECK", "PACKAGE", "DELIVERED", "EXCEPTION", "哈"]))
    def report(self, data: st.DataObject, word: str) -> None:
        self.peer.report(self._pick(data, self._documents()), word)

    @precondition(lambda self: self.peer.book.open_documents())
    @rule(data=st.data(), is_final=st.booleans(), names_items=st.booleans(), fate=st.sampled_from(_FATES))
    def ship(self, data: st.DataObject, is_final: bool, names_items: bool, fate: str) -> None:
        document = data.draw(st.sampled_from(self.peer.book.open_documents()))
        left = {sku: units for sku, units in document.left.items() if units}
        units = {sku: data.draw(st.integers(0, most)) for sku, most in left.items()}
        if any(units.values()):
            whole = {sku: some for sku, some in units.items() if some}
            all_left = whole == left
            self.peer.ship(document.code, whole, is_final=is_final or all_left, names_items=names_items or self.loses)
            if fate == "heard":
                self.tell([], works=True)
            elif fate == "lost" and self.loses:
                push = self.peer.book.pushes(world.FAR * 10)[-1]
                self.peer.book.told(push, is_heard=True, pauses=(), now=0)

    @precondition(lambda self: self.peer.book.open_documents())
    @rule(data=st.data())
    def ship_the_rest(self, data: st.DataObject) -> None:
        self.peer.ship(data.draw(st.sampled_from(self.peer.book.open_documents())).code)

    @precondition(lambda self: self.peer.book.open_documents())
    @rule(data=st.data(), is_final=st.booleans(), is_beside=st.booleans(), is_heard=st.booleans())
    def ship_by_a_wrong_name(self, data: st.DataObject, is_final: bool, is_beside: bool, is_heard: bool) -> None:
        """The confirmation names goods that nobody asked for: beside what is in the parcel, or instead of it, which
        another one says later."""
        document = data.draw(st.sampled_from(self.peer.book.open_documents()))
        left = {sku: units for sku, units in document.left.items() if units}
        sku = data.draw(st.sampled_from(sorted(left)))
        units = {sku: data.draw(st.integers(1, left[sku]))}
        is_final = is_final or units == left
        if is_beside:
            self.peer.ship(document.code, {**units, "FOREIGN": 2}, is_final=is_final)
        else:
            self.peer.ship(document.code, units, is_final=is_final)
            right = self.peer.book.pushes(world.FAR * 10)[-1]
            self.peer.book.told(right, is_heard=True, pauses=(), now=0)
            self.peer.book.say(document.code, right.method, _by_a_wrong_name(right.content), 0)
            if is_heard:
                self.tell([], works=True)
            self.peer.book.say(document.code, right.method, right.content, 0)

    @precondition(lambda self: self._cancelled())
    @rule(data=st.data())
    def ship_after_cancel(self, data: st.DataObject) -> None:
        self.peer.ship(self._pick(data, self._cancelled()))

    def _cancelled(self) -> list[str]:
        return [one.code for one in self.peer.book.documents() if one.state == CANCELED and any(one.left.values())]

    @precondition(lambda self: self.peer.book.open_documents())
    @rule(data=st.data(), is_physical=st.booleans())
    def lack(self, data: st.DataObject, is_physical: bool) -> None:
        document = data.draw(st.sampled_from(self.peer.book.open_documents()))
        self.peer.lack(document.code, document.lines[0].sku, 1, is_physical=is_physical)

    @rule(place=st.sampled_from([0, 1]), difference=st.integers(-2, 3).filter(bool), pages=st.integers(1, 2))
    def count(self, place: int, difference: int, pages: int) -> None:
        code = self.skus[place].code
        found = {code: difference, self.skus[1 - place].code: 1}
        self.peer.count(self.shop.warehouse.code, self.shop.merchant.code, found, pages=pages)
        for sku, units in found.items():
            self.counted[sku] += units

    @rule(tricks=st.lists(st.sampled_from(list(PushTrick)), max_size=4), works=st.booleans())
    def tell(self, tricks: list[PushTrick], works: bool) -> None:
        self.peer.push_mischief.plan(*(trick for trick in tricks if trick != PushTrick.LOST))
        self.peer.step(world.post, pauses=(0, 0, 0), works=False)
        self.peer.push_mischief.forget()
        if works:
            self._work()

    @rule()
    def ask(self) -> None:
        """Much time passes, and what is late is asked for."""
        world.hours_pass(120)
        alerts.run(1000)
        inquiring.ask()
        self._work()

    @staticmethod
    def _work() -> None:
        steps.once(events.run)
        steps.once(stock_facts.run)
        assert steps.broken_invariants() == []

    def teardown(self) -> None:
        if hasattr(self, "shop") and not connection.needs_rollback:
            self._end()
        super().teardown()

    def _end(self) -> None:
        """All is told, and worked on: what the warehouse's own book says is so."""
        self.ask()
        for _round in range(3):
            steps.once(sending.run)
            steps.once(stopping.run)
            self.peer.step(world.post, pauses=(0, 0, 0), works=False)
            self._work()
        assert not InboundFact.objects.filter(state=FactState.PENDING).exists()
        documents = {one.code: one for one in self.peer.book.documents()}
        works = {work.number: work for work in WarehouseOrder.objects.all()}
        assert documents.keys() <= works.keys()
        assert {works[number].state for number in works.keys() - documents.keys()} <= {_S.INTENDED, _S.CANCELLED}
        for code, document in documents.items():
            left: dict[str, int] = {}
            for line in WarehouseOrderLine.objects.filter(warehouse_order=works[code]).select_related(
                "sub_order_line__order_line__sku"
            ):
                sku = line.sub_order_line.order_line.sku.code
                left[sku] = left.get(sku, 0) + line.left_quantity
            assert left == document.moved, (code, document.state)
            if document.state == DONE:
                assert works[code].state == _S.SHIPPED
            elif document.state == PARTLY:
                assert works[code].state == _S.PARTLY_SHIPPED
            elif document.state == CANCELED:
                assert works[code].state in (_S.CANCELLED, _S.REFUSED)
        gone = {sku.code: 0 for sku in self.skus}
        for document in documents.values():
            for sku, units in document.moved.items():
                gone[sku] += units
        for sku in self.skus:
            row = Stock.objects.get(sku=sku, warehouse=self.shop.warehouse)
            lying = self.peer.book.lying()[self.shop.merchant.code, sku.code, "ZP"]
            assert lying == 100 - gone[sku.code] + self.counted[sku.code]
            assert row.on_hand == lying


def _by_a_wrong_name(content: Mapping[str, Any]) -> dict[str, Any]:
    """A confirmation that names none of its goods."""
    head, (package,) = content["deliveryOrder"], content["packages"]["package"]
    items = [{"itemCode": "FOREIGN", "quantity": 3}]
    return {
        **content,
        "deliveryOrder": {**head, "outBizCode": f"{head['outBizCode']}-wrong"},
        "packages": {"package": [{**package, "items": {"item": items}}]},
        "orderLines": {"orderLine": [{"itemCode": "FOREIGN", "actualQty": 3}]},
    }


def test_whatever_they_do_in_any_order_and_twice_all_ends_as_the_warehouses_book_says() -> None:
    with world.serving() as place:
        _places[:] = [place]
        machines.run_apart(Warehousing, examples=15, steps=20)
