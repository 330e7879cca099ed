"""Facts: worked off by due time, put off alone, waiting for what they are about, and given to a person in the end."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from oms.common.errors import OmsError
from oms.common.models import Connection, FactState, InboundFact, SystemKind, Ticket, TicketState, Topic
from oms.common.work import clock, facts, facts_by_hand
from tests import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> Connection:
    return Connection.objects.create(code="wms-1", name="WMS 1", kind=SystemKind.WAREHOUSE)


class Groups:
    """What the facts are about: subjects by group, which others may hold; those in `poison` make their batch fail, and
    those in `nonsense` are understood by nobody."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.locked_by_others: set[int] = set()
        self.poison: set[str] = set()
        self.nonsense: set[str] = set()
        self.applied: list[str] = []
        self.batches: list[int] = []

    def locate(self, found: Sequence[facts.Fact]) -> Mapping[int, int]:
        return {fact.id: self.known[fact.subject] for fact in found if fact.subject in self.known}

    def lock(self, groups: Iterable[int]) -> Collection[int]:
        return [group for group in groups if group not in self.locked_by_others]

    def apply(self, found: Sequence[facts.Fact], groups: Sequence[int]) -> Mapping[int, facts.Verdict]:
        self.batches.append(len(found))
        for fact in found:
            self.understand(fact)
        if any(fact.subject in self.poison for fact in found):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
        self.applied += [fact.subject for fact in found]
        return {fact.id: facts.APPLIED for fact in found}

    def understand(self, fact: facts.Fact) -> None:
        if fact.subject in self.nonsense:
            raise ValueError(f"{fact.subject} is nonsense")


@pytest.fixture
def groups() -> Groups:
    return Groups()


@pytest.fixture
def work(groups: Groups) -> facts.FactWork:
    return facts.FactWork(Topic.WAREHOUSE, groups.locate, groups.lock, groups.apply, groups.understand)


@pytest.fixture
def tell(link: Connection, groups: Groups) -> Callable[..., None]:
    def tell(*subjects: str, known: bool = True) -> None:
        news = [facts.News(f"k-{subject}", "packed", subject, steps.NOON) for subject in subjects]
        facts.receive(link.pk, Topic.WAREHOUSE, news)
        if known:
            groups.known |= {subject: i for i, subject in enumerate(subjects, len(groups.known) + 1)}

    return tell


def state_of(subject: str) -> InboundFact:
    return InboundFact.objects.get(subject=subject)


def test_facts_are_applied_once_and_in_the_order_in_which_they_are_due(tell: Any, work: Any, groups: Groups) -> None:
    tell("a", "b", "c")
    InboundFact.objects.filter(subject="c").update(ready_at=steps.NOON)

    assert facts.run(work, 10) == 3
    assert facts.run(work, 10) == 0

    assert groups.applied == ["c", "a", "b"]
    assert set(InboundFact.objects.values_list("state", flat=True)) == {FactState.APPLIED}


def test_a_fact_about_something_unknown_waits_and_is_applied_when_it_is_known(
    tell: Any, work: Any, groups: Groups
) -> None:
    tell("early", known=False)

    assert facts.run(work, 10) == 1
    waiting = state_of("early")
    assert (waiting.state, waiting.attempts, waiting.last_error) == (FactState.PENDING, 1, "unknown subject")
    assert waiting.ready_at > timezone.now()
    assert facts.run(work, 10) == 0

    groups.known["early"] = 1
    with clock.skipping_waits():
        assert facts.run(work, 10) == 1
    assert state_of("early").state == FactState.APPLIED


def test_what_stays_unknown_is_given_to_a_person_who_can_apply_it_again(
    tell: Any, work: Any, groups: Groups, settings: Any
) -> None:
    tell("lost", known=False)
    with clock.skipping_waits():
        for _ in range(settings.MAX_ATTEMPTS):
            assert facts.run(work, 10) == 1
        assert facts.run(work, 10) == 0
    ticket = Ticket.objects.get()
    assert (ticket.kind, ticket.values["subject"]) == ("fact_of_unknown", "lost")

    groups.known["lost"] = 1
    facts_by_hand.replay(state_of("lost").pk)

    assert facts.run(work, 10) == 1
    assert state_of("lost").state == FactState.APPLIED
    assert Ticket.objects.get().state == TicketState.CLOSED


def test_what_waits_for_its_turn_is_not_replayed(tell: Any, work: Any) -> None:
    tell("a")

    with pytest.raises(OmsError):
        facts_by_hand.replay(state_of("a").pk)


def test_a_fact_that_fails_is_put_off_alone(tell: Any, work: Any, groups: Groups) -> None:
    subjects = [f"s{i}" for i in range(20)]
    tell(*subjects)
    groups.poison = {"s3"}

    facts.run(work, 100)

    assert set(groups.applied) == {*subjects} - {"s3"}
    assert (state_of("s3").state, state_of("s3").attempts) == (FactState.PENDING, 1)
    assert state_of("s3").last_error.startswith("DataError")
    assert not InboundFact.objects.exclude(subject="s3").exclude(attempts=0).exists()


def test_the_good_ones_behind_many_bad_ones_go_through_in_few_tries(tell: Any, work: Any, groups: Groups) -> None:
    bad, good = [f"bad{i}" for i in range(30)], [f"good{i}" for i in range(100)]
    tell(*bad, *good)
    groups.poison = set(bad)

    facts.run(work, 1000)
    assert sorted(groups.applied) == sorted(good)

    # When the bad ones come back, they are tried apart from what is new.
    tell("new")
    groups.batches.clear()
    with clock.skipping_waits():
        facts.run(work, 1000)
    assert groups.batches[0] == 1
    assert groups.applied[-1] == "new"


def test_many_bad_ones_in_front_cost_those_behind_them_a_few_tries_only(tell: Any, work: Any, groups: Groups) -> None:
    bad, good = [f"bad{i}" for i in range(200)], [f"good{i}" for i in range(300)]
    tell(*bad, *good)
    groups.poison = set(bad)

    while set(groups.applied) != set(good):
        assert facts.run(work, 100)

    # Two batches of nothing but bad ones, each given up after some tries; then three that are good.
    assert len(groups.batches) <= 2 * facts.PATIENCE + 3


def test_what_nobody_understands_costs_the_good_ones_beside_it_no_try(tell: Any, work: Any, groups: Groups) -> None:
    nonsense, good = [f"bad{i}" for i in range(40)], [f"good{i}" for i in range(60)]
    tell(*nonsense, *good)
    groups.nonsense = set(nonsense)

    assert facts.run(work, 60) == 100

    assert groups.batches == [60]
    assert groups.applied == good
    assert (state_of("bad7").attempts, state_of("bad7").last_error) == (1, "ValueError: bad7 is nonsense")


def test_what_fails_beside_what_nobody_understands_is_put_off_alone_too(tell: Any, work: Any, groups: Groups) -> None:
    tell(*(f"s{i}" for i in range(20)))
    groups.nonsense, groups.poison = {"s3"}, {"s12"}

    facts.run(work, 100)

    assert set(groups.applied) == {f"s{i}" for i in range(20)} - {"s3", "s12"}
    assert sorted(InboundFact.objects.exclude(attempts=0).values_list("subject", flat=True)) == ["s12", "s3"]


def test_a_good_one_between_many_bad_ones_is_applied_and_only_those_go_to_a_person(
    tell: Any, work: Any, groups: Groups, settings: Any
) -> None:
    settings.MAX_ATTEMPTS = 2
    bad = [f"bad{i}" for i in range(40)]
    tell(*bad[:20], "good", *bad[20:])
    groups.poison = set(bad)

    with clock.skipping_waits():
        while facts.run(work, 100):
            pass

    assert groups.applied == ["good"]
    given_up = InboundFact.objects.exclude(needs_person_since=None)
    assert sorted(given_up.values_list("subject", flat=True)) == sorted(bad)
    assert Ticket.objects.filter(kind=facts.FACT_FAILED.code, state=TicketState.OPEN).count() == 40


def test_a_fact_whose_order_somebody_else_has_waits_without_counting_as_a_try(
    tell: Any, work: Any, groups: Groups
) -> None:
    tell("a", "b")
    groups.locked_by_others = {groups.known["a"]}

    assert facts.run(work, 10) == 1
    assert (state_of("a").state, state_of("a").attempts) == (FactState.PENDING, 0)
    assert state_of("b").state == FactState.APPLIED


def test_a_fact_that_contradicts_keeps_its_verdict(tell: Any, work: Any, groups: Groups) -> None:
    tell("a")

    def apply(found: Sequence[facts.Fact], _groups: Sequence[int]) -> Mapping[int, facts.Verdict]:
        return {fact.id: facts.Verdict(FactState.CONTRADICTED, "shipped_after_cancelled") for fact in found}

    facts.run(replace(work, apply=apply), 10)

    fact = state_of("a")
    assert (fact.state, fact.outcome) == (FactState.CONTRADICTED, "shipped_after_cancelled")
    assert fact.settled_at is not None


def test_long_keys_stay_apart(link: Connection) -> None:
    news = [facts.News("x" * 200 + str(i), "packed", "s", steps.NOON) for i in range(2)]
    facts.receive(link.pk, Topic.WAREHOUSE, news)

    assert InboundFact.objects.count() == 2


@pytest.mark.parametrize("many", [2, 200])
def test_receiving_takes_one_statement(link: Connection, django_assert_num_queries: Any, many: int) -> None:
    news = [facts.News(str(i), "packed", "s", steps.NOON) for i in range(many)]
    with django_assert_num_queries(1):
        facts.receive(link.pk, Topic.WAREHOUSE, news)
