"""Real threads: nobody deadlocks, nothing is lost, one person gets a ticket."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from threading import Barrier, Event

import pytest
from django.db import transaction

from oms.common import stuck, ticket_invariants, ticketing, tickets
from oms.common.errors import OmsError
from oms.common.models import Ticket
from oms.common.tickets import TicketKind, Trouble, close_tickets, open_tickets
from oms.common.work import claiming
from orders import retrying
from orders.models import Order
from orders.reviewing import deciding
from tests import factories, steps
from tests.invariants import check
from tests.pipeline.test_races import in_thread, wait_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other_kind(broken: TicketKind) -> TicketKind:
    """A second kind about the same subjects."""
    return tickets.kinds()["complaint"]


def test_opening_and_closing_the_same_tickets_at_once_deadlocks_nobody(
    broken: TicketKind, other_kind: TicketKind
) -> None:
    subjects = list(range(1, 60))
    start = Barrier(4)

    def work(seed: int) -> None:
        random = Random(seed)  # noqa: S311 - no secret
        start.wait(30)
        for _ in range(60):
            some = random.sample(subjects, 40)  # in no order
            if random.random() < 0.5:
                open_tickets(random.choice([broken, other_kind]), [Trouble(key) for key in some])
            else:
                close_tickets([other_kind, broken], some)

    with ThreadPoolExecutor(4) as pool:
        for done in [in_thread(pool, lambda seed=seed: work(seed)) for seed in range(4)]:
            done.result(120)

    close_tickets([broken, other_kind], subjects)
    assert not Ticket.objects.open().exists()
    assert check(ticket_invariants.INVARIANTS) == []


def test_of_two_people_who_take_a_ticket_at_once_one_gets_it(broken: TicketKind) -> None:
    open_tickets(broken, [Trouble(1)])
    ticket = Ticket.objects.get()
    people = [factories.UserFactory() for _ in range(4)]
    start = Barrier(len(people))

    def take(person: object) -> str:
        start.wait(30)
        try:
            ticketing.take(ticket.pk, user=person, version=ticket.version)  # type: ignore[arg-type]
        except OmsError as refusal:
            return refusal.code
        return "taken"

    with ThreadPoolExecutor(len(people)) as pool:
        outcomes = [done.result(60) for done in [in_thread(pool, lambda p=person: take(p)) for person in people]]

    assert sorted(outcomes) == ["changed_meanwhile"] * 3 + ["taken"]
    assert Ticket.objects.get().owner == people[outcomes.index("taken")]
    assert ticket.events.count() == 1


def while_it_is_held(hold: Callable[[], object], meanwhile: Callable[[], object]) -> None:
    """Do `hold` in a transaction that is committed only when `meanwhile`, in another, waits for it."""
    held, go_on = Event(), Event()

    def holder() -> None:
        with transaction.atomic():
            hold()
            held.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor(2) as pool:
        first = in_thread(pool, holder)
        assert held.wait(30)
        second = in_thread(pool, meanwhile)
        try:
            wait_for_a_lock()
        finally:
            go_on.set()
        first.result(30)
        second.result(30)


def test_trouble_that_comes_again_while_its_ticket_is_being_closed_opens_a_new_one(broken: TicketKind) -> None:
    open_tickets(broken, [Trouble(1)])
    person = factories.UserFactory()
    key = Ticket.objects.get().pk

    while_it_is_held(
        lambda: ticketing.close(key, result="done", user=person), lambda: open_tickets(broken, [Trouble(1, "late")])
    )

    assert list(Ticket.objects.order_by("id").values_list("state", "reason", "times")) == [
        ("closed", "", 1),
        ("open", "late", 1),
    ]


def test_a_ticket_is_not_closed_by_who_has_not_seen_that_the_trouble_came_again(broken: TicketKind) -> None:
    open_tickets(broken, [Trouble(1)])
    person = factories.UserFactory()
    seen = Ticket.objects.get()
    refused = []

    def close() -> None:
        try:
            ticketing.close(seen.pk, result="done", user=person, version=seen.version)
        except OmsError as refusal:
            refused.append(refusal.code)

    while_it_is_held(lambda: open_tickets(broken, [Trouble(1)]), close)

    assert refused == ["changed_meanwhile"]
    assert (Ticket.objects.get().state, Ticket.objects.get().times) == ("open", 2)


def test_two_people_who_open_the_same_ticket_by_hand_write_on_one() -> None:
    person, order = factories.UserFactory(), factories.make_shop().place_order()
    kind = tickets.kinds()["complaint"]

    while_it_is_held(
        lambda: ticketing.open_by_hand(kind, order.pk, about_id=order.pk, text="first", user=person),
        lambda: ticketing.open_by_hand(kind, order.pk, about_id=order.pk, text="second", user=person),
    )

    assert list(Ticket.objects.get().events.values_list("kind", "text")) == [("opened", "first"), ("noted", "second")]


def test_failing_and_trying_again_at_once_leave_each_row_in_step_with_its_ticket() -> None:
    shop, person = factories.make_shop(), factories.UserFactory()
    orders = [shop.place_order(payment_method="cod") for _ in range(6)]
    start = Barrier(3)

    def fail() -> None:
        start.wait(30)
        for _ in range(30):
            claiming.put_off(deciding.QUEUE, {order.pk: "503" for order in orders})

    def retry() -> None:
        start.wait(30)
        for n in range(60):
            with suppress(OmsError):
                retrying.retry("order", orders[n % 6].pk, actor=steps.STAFF)

    def retry_from_the_ticket() -> None:
        start.wait(30)
        for _ in range(30):
            for ticket in Ticket.objects.open().order_by("-subject_id"):
                with suppress(OmsError):
                    ticketing.retry(ticket.pk, user=person)

    with ThreadPoolExecutor(3) as pool:
        for done in [in_thread(pool, work) for work in (fail, retry, retry_from_the_ticket)]:
            done.result(120)

    assert steps.broken_invariants() == []
    marked = set(Order.objects.exclude(needs_person_since=None).values_list("id", flat=True))
    assert set(Ticket.objects.open().values_list("subject_id", flat=True)) == marked
    assert stuck.marked(("order", order.pk) for order in orders) == {("order", key) for key in marked}
