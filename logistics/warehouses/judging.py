"""What a notice of a warehouse comes to, given how far its warehouse order is. Nothing is read or written here.

A late or lost notice does no harm: "packed" implies "accepted" and "picking", and nothing moves back. What contradicts
is kept as what really happened, with a trouble that a person gets to see.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from logistics.models import StopAnswer, WarehouseOrderState
from logistics.models.warehouse_order import BEFORE_PACKING, NOT_GONE
from logistics.warehouses.notices import Lack, Notice, Report, ReportedParcel
from logistics.warehouses.works import GivenUp, Work
from oms.common.models import FactState
from oms.common.work.facts import APPLIED, NO_EFFECT, Verdict
from orders.models import SubOrderState

S = WarehouseOrderState

# How far each state is; what was given up starts again, should the warehouse go on with it.
RANK = {
    S.INTENDED: 0,
    S.SENT: 0,
    S.REFUSED: 0,
    S.CANCELLED: 0,
    S.ACCEPTED: 1,
    S.PICKING: 2,
    S.PACKED: 3,
    S.PARTLY_SHIPPED: 4,
    S.SHIPPED: 5,
}
_REACHED = {
    Notice.ACCEPTED: S.ACCEPTED,
    Notice.PICKING: S.PICKING,
    Notice.PACKED: S.PACKED,
    Notice.PARTLY_SHIPPED: S.PARTLY_SHIPPED,
    Notice.SHIPPED: S.SHIPPED,
}
_LEAVES = (Notice.PARTLY_SHIPPED, Notice.SHIPPED)


@dataclass(slots=True)
class Course:
    """What the news of one warehouse order come to, one after the other. `lacks` are units that it does not find.

    `reports` are parcels that were told of, and whether they left. `leaves_all`: everything left, in parcels as we have
    them. `is_final`: nothing more will leave; the rest is cancelled where that was asked for (`drops_rest`).
    `is_answered`: it was asked before it said so; `is_unanswered`: it was, in vain.
    """

    work: Work
    state: WarehouseOrderState
    is_current: bool
    is_asked_to_stop: bool
    reports: list[tuple[Sequence[ReportedParcel], bool]] = field(default_factory=list)
    leaves_all: bool = False
    is_final: bool = False
    drops_rest: bool = False
    is_answered: bool = False
    is_unanswered: bool = False
    given_up: GivenUp | None = None
    stop_answer: StopAnswer | None = None
    stop_text: str = ""
    asks_again: bool = False
    troubles: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lacks: list[Lack] = field(default_factory=list)

    @classmethod
    def of(cls, work: Work) -> "Course":
        """The course of a warehouse order of which nothing was heard yet."""
        return cls(work, work.state, work.is_current, work.is_asked_to_stop)

    @property
    def afterwards(self) -> str:
        """What contradicts comes after a cancellation, or after a refusal."""
        parts = self.work.parts
        is_cancelled = parts and all(part.state == SubOrderState.CANCELLED or part.is_cancelling for part in parts)
        return "cancelled" if is_cancelled else "refused"

    def hear(self, notice: Notice, report: Report) -> Verdict:
        """Take a notice into account; returns what came of it."""
        if notice is Notice.SHIPPED and self.work.is_split:
            # Each part of what the warehouse split says for itself that it is all.
            notice = Notice.PARTLY_SHIPPED
        if notice in _REACHED:
            return self._go_on(notice, report) if self.is_current else self._go_on_all_the_same(notice, report)
        if notice is Notice.REFUSED:
            return self._refuse(report)
        if notice is Notice.REST_STAYS:
            return self._let_rest_stay()
        if notice is Notice.STOPPED:
            return self._stop(report)
        if notice is Notice.NOT_STOPPED:
            return self._do_not_stop(report)
        if notice is Notice.LACKING:
            self.lacks += report.lacks
            return APPLIED if report.lacks else NO_EFFECT
        if notice is Notice.TROUBLE:
            self.troubles.append(("told", {"text": report.text}))
            return APPLIED
        if notice is Notice.NOTED:
            return NO_EFFECT
        raise ValueError(f"nobody says what the notice {notice} comes to")

    def _go_on(self, notice: Notice, report: Report) -> Verdict:
        is_news = self._reach(_REACHED[notice])
        has_parcels = self._pack(notice, report)
        if notice is Notice.SHIPPED and is_news:
            self.is_final = True
            self.leaves_all = not has_parcels
        self.is_answered |= report.is_answer and notice is Notice.SHIPPED
        return APPLIED if is_news or has_parcels else NO_EFFECT

    def _go_on_all_the_same(self, notice: Notice, report: Report) -> Verdict:
        """A warehouse order that was given up moves by itself alone."""
        if self.afterwards == "cancelled" and notice not in _LEAVES and not self.is_asked_to_stop:
            # Our question may have come before the order itself did.
            self.asks_again = self.is_asked_to_stop = True
        if notice not in (Notice.PACKED, *_LEAVES):
            return Verdict(FactState.APPLIED, "asked_to_stop") if self.asks_again else NO_EFFECT
        is_news = self._reach(_REACHED[notice])
        has_parcels = self._pack(notice, report)
        if not (is_news or has_parcels):
            return NO_EFFECT
        if notice is Notice.SHIPPED and is_news:
            self.leaves_all = not has_parcels
        return self._contradict(f"{'left' if notice in _LEAVES else 'packed'}_after_{self.afterwards}")

    def _reach(self, state: WarehouseOrderState) -> bool:
        if RANK[state] <= RANK[self.state]:
            return False
        self.state = state
        return True

    def _pack(self, notice: Notice, report: Report) -> bool:
        parcels = report.all_parcels if notice in (Notice.PACKED, *_LEAVES) else ()
        if parcels:
            self.reports.append((parcels, notice in _LEAVES))
        return bool(parcels)

    def _let_rest_stay(self) -> Verdict:
        if not (self.is_current and self.work.is_doubted) or self.work.state == S.SHIPPED:
            return NO_EFFECT
        self._reach(S.SHIPPED)
        self.is_final = self.is_answered = self.is_unanswered = True
        return APPLIED

    def wait_for_rest(self) -> None:
        """Nothing is known of some units: until the warehouse was asked, more may have left."""
        self.is_final = False
        self.state = self.work.state

    def _refuse(self, report: Report) -> Verdict:
        if not self.is_current:
            return NO_EFFECT
        if self.state not in BEFORE_PACKING:
            return self._contradict("refused_after_packed", text=report.text)
        self._give_up(GivenUp(self.work, S.REFUSED, "refused", report.text))
        return APPLIED

    def _stop(self, report: Report) -> Verdict:
        if self.is_current and self.state == S.SHIPPED:
            if self.is_asked_to_stop:
                # That it left answered the question, also where both are told at once.
                self._answer(StopAnswer.REFUSED, "")
            return self._contradict("stopped_after_left")
        if self.is_asked_to_stop:
            self._answer(StopAnswer.GRANTED, report.text)
            is_wanted = True
        else:
            is_wanted = any(part.is_cancelling for part in self.work.parts)
        if not self.is_current:
            if self.stop_answer is None:
                return NO_EFFECT
            if self.state in NOT_GONE:
                self.state = S.CANCELLED
            return APPLIED
        if self.state == S.PARTLY_SHIPPED:
            self.state, self.is_final, self.drops_rest = S.SHIPPED, True, is_wanted
            return APPLIED
        self._give_up(GivenUp(self.work, S.CANCELLED, "" if is_wanted else "dropped", report.text))
        return APPLIED

    def _do_not_stop(self, report: Report) -> Verdict:
        if not self.is_asked_to_stop:
            return NO_EFFECT
        self._answer(StopAnswer.REFUSED, report.text)
        if not self.is_current:
            return self._contradict(f"goes_on_after_{self.afterwards}", text=report.text)
        return APPLIED

    def _answer(self, answer: StopAnswer, text: str) -> None:
        self.stop_answer, self.stop_text, self.is_asked_to_stop = answer, text, False

    def _give_up(self, given_up: GivenUp) -> None:
        self.given_up, self.state = given_up, given_up.state
        self.is_current = self.work.is_current = False
        if self.is_asked_to_stop:
            # It refused instead of stopping: that answers the question, too.
            self._answer(StopAnswer.GRANTED, given_up.text)

    def _contradict(self, reason: str, **values: Any) -> Verdict:
        self.troubles.append((reason, values))
        return Verdict(FactState.CONTRADICTED, reason)
