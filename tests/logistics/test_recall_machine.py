"""Random scans and answers about parcels that were asked back or elsewhere: late, twice, contradictory, in any order.
After every step each recall is where its answers and its parcel say, and people are called just where one failed; once
a parcel is at its end, all invariants hold."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from logistics.carriers.adapters import Answer
from logistics.carriers.recalling import asking, calling, following, trouble
from logistics.invariants import INVARIANTS
from logistics.models import Recall, Shipment
from oms.common.errors import OmsError
from oms.common.models import Ticket, TicketState
from orders.changing.readdressing import Recipient
from orders.models import OrderEvent
from tests import factories, fakes, machines, steps
from tests.invariants import check

pytestmark = pytest.mark.django_db

SCANS = ("collected", "in_transit", "out_for_delivery", "failed_delivery", "intercepting", "rejected", "returning")
FINAL = ("signed", "returned", "lost")
BACK = {"rejected", "returning", "returned"}
MOVING = {"waybill_issued", "collected", "in_transit", "out_for_delivery", "failed_delivery", "intercepting"}
OF_RECALLS = [one for one in INVARIANTS if "recalls" in one.name]
ANSWERS = {"taken": Answer(taken=True), "refused": Answer(taken=False, reason="no"), "silence": None}


class Recalls(RuleBasedStateMachine):
    """Two parcels of two orders."""

    @initialize()
    def ship(self) -> None:
        """They leave."""
        shop = factories.make_shop()
        self.parcels = [steps.shipped(shop.place_order(payment_method="cod")) for _one in range(2)]
        self.minute = 0
        self.taken: dict[int, bool] = {}  # what was last answered
        self.was_stopped: set[int] = set()  # recalls whose parcel was scanned as being stopped

    @rule(which=st.integers(0, 1), states=st.lists(st.sampled_from(SCANS), min_size=1, max_size=2), late=st.booleans())
    def scan(self, which: int, states: list[str], late: bool) -> None:
        """The carrier reports where it is, now or of long ago."""
        self._scan(which, states, late)

    @rule(which=st.integers(0, 1), state=st.sampled_from(FINAL))
    def end(self, which: int, state: str) -> None:
        """It arrives, comes back, or is lost."""
        self._scan(which, [state], late=False)
        assert steps.broken_invariants() == []

    def _scan(self, which: int, states: list[str], late: bool) -> None:
        parcel = steps.fresh(self.parcels[which])
        self.minute += 10
        at = self.minute - (500 if late else 0)
        steps.carrier_says(parcel, [steps.scan_of(parcel, state, minutes=at + i) for i, state in enumerate(states)] * 2)
        factories.run(steps.tracking.run)

    @rule(which=st.integers(0, 1), is_back=st.booleans())
    def ask(self, which: int, is_back: bool) -> None:
        """Somebody wants it back, or elsewhere."""
        parcel = steps.fresh(self.parcels[which])
        is_open = Recall.objects.filter(shipment=parcel, state__in=("asked", "accepted")).exists()
        try:
            if is_back:
                asking.ask_back(parcel.pk, reason="x", actor=steps.STAFF)
            else:
                new = Recipient(address=f"建国路{self.minute}号")
                asking.ask_elsewhere(parcel.pk, new, reason="x", actor=steps.STAFF)
            was_taken = True
        except OmsError:
            was_taken = False
        assert was_taken == (parcel.state in MOVING and not is_open)

    @rule(said=st.sampled_from(sorted(ANSWERS)))
    def call(self, said: str) -> None:
        """The carrier is asked, and answers, or does not."""
        waiting = list(Recall.objects.filter(state="asked").values_list("pk", flat=True))
        with fakes.carrier(fakes.FakeCarrier()) as carrier:
            carrier.recall_answer = lambda _one: ANSWERS[said]
            steps.once(calling.run)
            assert len(carrier.recalled) == len(waiting)
        if ANSWERS[said] is not None:
            self.taken |= dict.fromkeys(waiting, said == "taken")

    @rule(which=st.integers(0, 5), taken=st.booleans())
    def answer_late(self, which: int, taken: bool) -> None:
        """An answer comes once more, or after another worker took over."""
        known = list(Recall.objects.order_by("id").values_list("pk", flat=True))
        if known:
            key = known[which % len(known)]
            following.answered({key: (taken, "late")}, by="send_recall")
            self.taken[key] = taken

    @rule()
    def wait(self) -> None:
        """All deadlines pass."""
        Recall.objects.update(due_at=steps.NOON)
        calling.chase(10)
        assert calling.chase(10) == 0

    @invariant()
    def every_recall_is_where_it_must_be(self) -> None:
        """By rules of its own, not those of the code."""
        if not hasattr(self, "parcels"):
            return
        tickets = Ticket.objects.filter(state=TicketState.OPEN, kind=trouble.FAILED.code)
        called = set(tickets.values_list("subject_id", flat=True))
        newest: dict[int, Recall] = {}
        for recall in Recall.objects.select_related("shipment").order_by("id"):
            self._look(recall)
            newest[recall.shipment_id] = recall
            assert (recall.pk in called) == (recall.state == "failed")
            told = OrderEvent.objects.filter(order=recall.shipment.sub_order.order, kind=f"recall_{recall.state}")
            assert told.exists()
        for recall in newest.values():
            self._look_at_newest(recall)
        assert check(OF_RECALLS) == []

    def _look(self, recall: Recall) -> None:
        assert (recall.answer == "") == (recall.pk not in self.taken)
        if recall.pk in self.taken:
            assert recall.answer == ("taken" if self.taken[recall.pk] else "refused")
            assert recall.state != "asked"
        assert (recall.state in ("asked", "accepted")) == (recall.ended_at is None)
        late = Ticket.objects.filter(state=TicketState.OPEN, kind=trouble.LATE.code, subject_id=recall.pk)
        assert not (late.exists() and recall.ended_at)

    def _look_at_newest(self, recall: Recall) -> None:
        parcel = recall.shipment.state
        if recall.kind == "return":
            assert (recall.state == "succeeded") == (parcel in BACK)
            if parcel in ("signed", "lost"):
                assert recall.state == "failed"
            if parcel in MOVING - {"intercepting"} and self.taken.get(recall.pk) is False:
                assert recall.state == "failed"
        else:
            if parcel == "signed":
                assert (recall.state == "succeeded") == (self.taken.get(recall.pk) is True)
            if parcel in BACK | {"lost"}:
                assert recall.state == "failed"
            if parcel in MOVING:
                assert recall.state != "succeeded"


def test_recalls_are_what_answers_and_scans_make_of_them(db: None) -> None:
    machines.run_apart(Recalls, examples=20, steps=12)
    assert not Shipment.objects.exists()
