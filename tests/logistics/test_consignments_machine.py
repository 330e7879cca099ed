"""Random consignments: boxes packed, told anew, refused, answered late, too little or not at all, voided, switched and
shipped. After every step each waybill of the carrier's book is on one parcel at most, what is bought is on a parcel or
on its way back, and the invariants of parcels hold."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory.models import Warehouse
from logistics.carriers import cancelling, choosing, dispatching, switching, voiding
from logistics.carriers.adapters import Answer, Booked, ChildWaybill, Parcel
from logistics.invariants import INVARIANTS
from logistics.models import Carrier, Shipment, WaybillErrand
from logistics.warehouses import events
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from orders.models import SubOrder
from tests import factories, fakes, machines, steps
from tests.invariants import check

pytestmark = pytest.mark.django_db

CONSIGNING = ("ONE", "MORE")  # MORE may add children later
SAID = st.sampled_from(["taken", "refused", "lost", "short", "silent"])
WHICH = st.integers(0, 20)
OF_PARCELS = [
    one
    for one in INVARIANTS
    if one.name
    in (
        "waybills_of_nobody_go_back",
        "consignments_are_of_one_order",
        "parcels_without_waybill_are_waited_for",
        "carriers_of_parcels_were_decided",
    )
]


class Book(fakes.FakeCarrier):
    """Carriers with a book: the waybills of each order, by account and our number, and whether it was cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[tuple[str, str], list[str]] = {}
        self.asked_for: dict[str, int] = {}
        self.cancelled: set[tuple[str, str]] = set()
        self.said = "taken"

    def consigns(self, link: Connection, carrier: str) -> bool:
        """Two carriers do."""
        return carrier in CONSIGNING

    def extends(self, link: Connection) -> bool:
        """One of them also later."""
        return link.code == "more"

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> dict[str, Answer]:
        """Every order once, however often it is asked for."""
        answers = {}
        for parcel in parcels:
            if self.said == "silent":
                continue
            order = (link.code, parcel.reference)
            if self.said == "refused" and order not in self.orders:
                answers[parcel.reference] = Answer(taken=False, reason="full")
                continue
            if link.code == "more" and (mother := mother_of(parcel.reference)) is not None:
                answers[parcel.reference] = self._child(mother, parcel.reference)
                continue
            made = self.orders.setdefault(order, [])
            missing = 1 + len(parcel.children) - len(made) if not made else 0
            made += [f"{parcel.carrier}-{parcel.reference}-{place}" for place in range(missing)]
            told = [] if self.said == "short" else made[1:]
            answers[parcel.reference] = Answer(
                taken=order not in self.cancelled,
                reason="cancelled",
                waybill=made[0],
                children={
                    child.reference: ChildWaybill(waybill)
                    for child, waybill in zip(parcel.children, told, strict=False)
                },
            )
        return {} if self.said == "lost" else answers

    def _child(self, mother: str, reference: str) -> Answer:
        """A further number of the mother's order, for each reference one."""
        made = self.orders["more", mother]
        place = self.asked_for.setdefault(reference, len(made))
        if place == len(made):
            made.append(f"MORE-{mother}-{place}+")
        return Answer(taken=True, waybill=made[place])

    def cancel(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Whole orders are cancelled."""
        self.cancelled |= {(link.code, one.reference) for one in parcels}
        return {one.reference: Answer(taken=True) for one in parcels}


def mother_of(reference: str) -> str | None:
    return Shipment.objects.values_list("mother__number", flat=True).get(number=reference)


class Consignments(RuleBasedStateMachine):
    """Two sub-orders of four units."""

    @initialize(when=st.sampled_from(["when_packed", "at_acceptance"]))
    def begin(self, when: str) -> None:
        """Three carriers, and what their warehouse has."""
        shop = factories.make_shop()
        Warehouse.objects.update(waybill_when=when)
        for priority, code in enumerate((*CONSIGNING, "EACH"), 1):
            link = Connection.objects.create(
                code=code.lower(), name="x", kind=SystemKind.CARRIER, protocol="sandbox", base_url="http://x"
            )
            Carrier.objects.create(code=code, name=code, priority=priority, connection=link)
        self.book = Book()
        self.minute = 0
        self.parts: list[SubOrder] = []
        with fakes.carrier(self.book):
            for _one in range(2):
                order = shop.place_order((shop.sku, 4, "10.00"))
                steps.pay(order)
                part = steps.released(order)
                steps.warehouse_says(part, "accepted")
                self.parts.append(part)

    def _parcels(self, **which: Any) -> list[Shipment]:
        return list(Shipment.objects.filter(**which).order_by("pk"))

    def _some(self, which: int, **where: Any) -> Shipment | None:
        rows = self._parcels(**where)
        return rows[which % len(rows)] if rows else None

    @rule(which=WHICH, boxes=st.lists(st.integers(0, 3), min_size=1, max_size=4), names=st.booleans())
    def pack(self, which: int, boxes: list[int], names: bool) -> None:
        """The warehouse tells which boxes there are; those that it can name it names, or it does not."""
        part = self.parts[which % 2]
        known = self._parcels(sub_order=part, state="waybill_issued")
        told: list[dict[str, Any]] = []
        for place, units in enumerate(boxes):
            box: dict[str, Any] = {"lines": [{"line": str(part.lines.get().pk), "quantity": units}]}
            if names and place < len(known):
                carrier = known[place].carrier
                box |= {"carrier": carrier.code if carrier else "", "waybill": known[place].waybill_number}
            told.append(box)
        self._tell(part, "packed", parcels=told)

    @rule(which=WHICH, units=st.integers(1, 2))
    def bring_own(self, which: int, units: int) -> None:
        """The warehouse puts a waybill of its own on a box."""
        part = self.parts[which % 2]
        self.minute += 1
        box = {"carrier": "OWN", "waybill": f"OWN{self.minute}"}
        self._tell(part, "packed", parcels=[{**box, "lines": [{"line": str(part.lines.get().pk), "quantity": units}]}])

    @rule(which=WHICH)
    def ship(self, which: int) -> None:
        """All of it left."""
        self._tell(self.parts[which % 2], "shipped")

    def _tell(self, part: SubOrder, kind: str, **body: Any) -> None:
        self.minute += 1
        with fakes.carrier(self.book):
            steps.tell(steps.work_of(part), kind, minutes=self.minute, **body)
            factories.run(events.run)

    @rule(said=SAID)
    def ask(self, said: str) -> None:
        """The carriers are asked."""
        self.book.said = said
        with fakes.carrier(self.book):
            steps.once(dispatching.run)
            steps.once(choosing.run)

    @rule(which=WHICH)
    def void(self, which: int) -> None:
        """A person has a waybill cancelled."""
        parcel = self._some(which, state="waybill_issued")
        if parcel is None:
            return
        with fakes.carrier(self.book):
            try:
                voiding.void(parcel.pk, "x", actor=steps.STAFF)
            except OmsError:
                return

    @rule()
    def cancel(self) -> None:
        """The carriers are asked to cancel."""
        with fakes.carrier(self.book):
            steps.once(cancelling.run)

    @rule(which=WHICH, carrier=st.sampled_from([*CONSIGNING, "EACH"]))
    def switch(self, which: int, carrier: str) -> None:
        """A person gives what waits to a carrier."""
        parcel = self._some(which, state="created")
        if parcel is None:
            return
        with fakes.carrier(self.book):
            try:
                switching.switch(parcel.pk, carrier, actor=steps.STAFF, although_unknown=True)
            except OmsError:
                return
        assert str(steps.fresh(parcel).carrier.code) == carrier

    @invariant()
    def holds(self) -> None:
        """By the carrier's book."""
        if not hasattr(self, "parts"):
            return
        with fakes.carrier(self.book):
            assert check(OF_PARCELS) == []
        owners = {one.waybill_number: one for one in self._parcels(waybill_number__isnull=False)}
        asked = WaybillErrand.objects.filter(kind="cancel")
        given_back = set(asked.values_list("connection__code", "reference"))
        for order, waybills in self.book.orders.items():
            reference = order[1]
            on = [owners[waybill] for waybill in waybills if waybill in owners]
            roots = {one.mother_id or one.pk for one in on if one.connection_id is not None}
            assert roots <= {Shipment.objects.get(number=reference).pk}, order
            if order in self.book.cancelled:
                assert order in given_back
                # Nothing is still to leave with what was cancelled.
                assert not [one for one in on if one.state == "waybill_issued" and one.left_at is None], order
                continue
            first = Shipment.objects.get(number=reference)
            # Bought: it is on a parcel, given back, or asked for again under the same number. What left keeps it.
            assert on or order in given_back or first.state == "created", order


def test_consignments_of_several_boxes() -> None:
    assert len(OF_PARCELS) == 4
    machines.run_apart(Consignments, examples=15, steps=20)
