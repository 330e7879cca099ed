"""Sixteen people give back money of the same order at once, and the provider tells of it in any order and more than
once: never does more go back than came in, and its book equals ours."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from oms.common.errors import OmsError
from oms.common.models import Connection, InboundFact
from oms.simulators import books
from orders.actors import Actor
from orders.changing import charging
from orders.changing.units import cancel_units
from orders.models import ActorKind, Order
from payments.granting import deciding, limits
from payments.granting.previewing import Wanted
from payments.models import OPEN_REFUNDS, GrantKind, Payment, Refund, RefundState
from payments.owing import balancing, owed
from payments.providers.wechat import keys as wechats_keys
from payments.taking import noticing, requesting
from tests import factories, steps
from tests.payments.test_races import at_once
from tests.providers import peers
from tests.providers.peers import Peers

AT_ONCE = 16


@pytest.fixture
def link(both: Peers, transactional_db: None, settings: Any) -> Iterator[Connection]:
    """WeChat's peer, which says later how a refund ended."""
    settings.PUBLIC_URL = peers.SITE
    settings.REFUNDS_SENT_BY_RULE_UP_TO = Decimal(10_000)
    link = peers.connect_wechat(both)
    link.breaker_failures = 10_000
    link.save()
    yield link
    wechats_keys.forget()


def paid(shop: factories.Shop, both: Peers) -> Order:
    """An order of 200.00, paid at the peer."""
    order = shop.place_order((shop.sku, 20, "10.00"), freight_amount="0.00", coupon_amount="3.33")
    factories.run(requesting.intend, requesting.request)
    both.wechat.book.pay(Payment.objects.get(order=order).number)
    peers.tell_all(both.wechat)
    factories.run(noticing.run)
    return order


def grants(order: Order, people: list[User], chance: random.Random) -> list[Callable[[], None]]:
    """What each of the people does: gives back an amount, or cancels units; together more than there is."""

    def give(user: User, amount: Decimal) -> None:
        actor = Actor(ActorKind.STAFF, user.username)
        with suppress(OmsError):
            wanted = Wanted(GrantKind.GOODWILL, amount)
            deciding.propose(order.pk, wanted, reason="late", note="x", actor=actor, user=user)
        work()

    def cancel(user: User, units: int) -> None:
        with suppress(OmsError):
            cancel_units(order.pk, {1: units}, reason="x", actor=Actor(ActorKind.STAFF, user.username))
        work()

    def work() -> None:
        balancing.run(5)
        requesting.refund(5)

    works: list[Callable[[], None]] = []
    for user in people:
        if chance.random() < 0.7:
            amount = Decimal(chance.randint(1, 3_000)) / 100
            works.append(lambda user=user, amount=amount: give(user, amount))  # type: ignore[misc]
        else:
            units = chance.randint(1, 2)
            works.append(lambda user=user, units=units: cancel(user, units))  # type: ignore[misc]
    return works


def telling(both: Peers, chance: random.Random) -> list[Callable[[], None]]:
    """Sixteen callers that tell all that the peer has to tell: each its part, in any order, some of it twice."""
    book = both.wechat.book
    processing = book.processing_since(books.now())
    chance.shuffle(processing)
    for number in processing:
        book.finish_refund(number)
    notices = [notice for notice in book.notices() for _time in range(chance.randint(1, 2))]
    chance.shuffle(notices)
    written = [posted for notice in notices if (posted := both.wechat.write(notice))]
    for notice in {notice.id: notice for notice in notices}.values():
        book.told(notice, is_heard=True, pauses=())

    def tell(part: int) -> None:
        for posted in written[part::AT_ONCE]:
            peers.post(posted)
            noticing.run(5)

    return [lambda part=part: tell(part) for part in range(AT_ONCE)]  # type: ignore[misc]


def check(both: Peers, order: Order) -> None:
    """The order's money here and there."""
    payment = Payment.objects.get(order=order)
    refunds = Refund.objects.filter(order=order)
    assert not refunds.filter(state__in=OPEN_REFUNDS).exists()
    here = {refund.number: int(refund.refunded_amount * 100) for refund in refunds}
    there = {refund.number: refund.fen for refund in both.wechat.book.refunds(payment.number)}
    assert here == there
    assert both.wechat.book.given_back(payment.number) == sum(there.values()) <= int(payment.captured_amount * 100)
    assert set(refunds.values_list("state", flat=True)) <= {RefundState.SUCCEEDED}
    assert payment.captured_amount - sum(refund.refunded_amount for refund in refunds) == charging.owed(order.pk)
    assert owed.held(order.pk) == charging.owed(order.pk) >= 0


@pytest.mark.parametrize("rounds", [5, pytest.param(200, marks=pytest.mark.soak)])
def test_sixteen_partial_refunds_at_once_give_back_no_more_than_came_in(
    both: Peers, link: Connection, rounds: int
) -> None:
    shop = factories.make_shop()
    limits.install_defaults()
    people = [factories.UserFactory(is_superuser=True) for _person in range(AT_ONCE)]
    chance = random.Random(20261126)  # noqa: S311 - no secret
    given = 0
    for number in range(rounds):
        order = paid(shop, both)
        at_once(*grants(order, people, chance))
        factories.run(balancing.run, requesting.refund)
        at_once(*telling(both, chance))
        factories.run(noticing.run, balancing.run)
        check(both, order)
        given += Refund.objects.filter(order=order).count()
        if number % 50 == 0:
            assert steps.broken_invariants() == []
    assert given > rounds
    assert not InboundFact.objects.filter(state="pending").exists()
    assert steps.broken_invariants() == []
