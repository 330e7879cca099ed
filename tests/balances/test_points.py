"""Points: earned by completed orders, taken back for refunds (rule R9), expired, adjusted by people."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from oms.common.errors import OmsError
from oms.common.models import Ticket
from orders.actors import Actor
from orders.models import ActorKind, OrderEvent
from payments.balances import adjusting, expiring, issuing
from payments.balances.issuing import NewCard
from payments.granting import limits
from payments.granting.deciding import MayNotGrant
from payments.models import LedgerLine
from payments.owing import balancing
from tests import factories, steps
from tests.balances import wallets
from tests.balances.wallets import by_card, by_points, has, story
from tests.payments import grants

pytestmark = pytest.mark.django_db


def owed(account: str) -> int:
    lines = LedgerLine.objects.filter(account=account)
    return sum(line.credit_fen - line.debit_fen for line in lines)


@pytest.fixture
def boss(db) -> User:  # type: ignore[no-untyped-def]
    limits.install_defaults()
    return wallets.boss()  # type: ignore[no-any-return]


def test_a_completed_order_earns_points_and_a_refund_takes_its_part_back(shop, boss):
    """The worked example of R9: paid 128.50, earned 128; 40.00 go back: 88 stay, 40 are taken back."""
    member = wallets.member(shop.merchant)
    order = shop.place_order((shop.sku, 1, "128.50"), freight_amount="0.00", **by_points(0))
    steps.pay(order)
    assert has(member) == (0, 0)
    order = wallets.completed(order)

    assert has(member) == (128, 0)
    assert (owed("2102"), owed("5002")) == (128, -128)
    grants.goodwill(order, "40.00", boss)
    factories.run(balancing.run)

    assert has(member) == (88, 0)
    assert story(member) == [("earned", 128, 128), ("taken_back", -40, 88)]
    told = OrderEvent.objects.filter(order=order, kind__startswith="points").order_by("pk")
    assert [(event.kind, event.data["points"]) for event in told] == [("points_earned", 128), ("points_taken_back", 40)]
    assert steps.broken_invariants() == []


def test_points_that_were_spent_already_are_taken_from_the_next_and_never_below_nothing(shop, boss):
    member = wallets.member(shop.merchant)
    order = shop.place_order((shop.sku, 1, "128.50"), freight_amount="0.00", **by_points(0))
    steps.pay(order)
    order = wallets.completed(order)
    other = shop.place_order((shop.sku, 1, "50.00"), freight_amount="0.00", **by_points(100))
    steps.pay(other)
    assert has(member) == (28, 0)

    grants.goodwill(order, "40.00", boss)
    factories.run(balancing.run)
    assert (has(member), wallets.now(member).short) == ((0, 0), 12)
    assert steps.broken_invariants() == []

    # 49.00 in money earn 49, of which 12 pay what was short.
    wallets.completed(other)
    assert (has(member), wallets.now(member).short) == ((37, 0), 0)
    assert story(member)[-2:] == [("earned", 49, 49), ("taken_back", -12, 37)]
    assert owed("2102") == 37
    assert steps.broken_invariants() == []


def test_gift_cards_earn_points_as_money_does_and_points_earn_none(shop):
    issued, member = wallets.card(shop.merchant), wallets.member(shop.merchant, 500)
    order = shop.place_order(
        (shop.sku, 1, "50.00"), freight_amount="0.00", **by_card(issued, "20.00"), **by_points(500)
    )
    steps.pay(order)
    wallets.completed(order)

    assert order.payable_amount == 25
    assert has(member) == (45, 0)
    assert steps.broken_invariants() == []


def test_what_an_order_earns_is_what_was_promised_when_it_was_placed(shop, settings):
    settings.POINTS_EARNED_PER_YUAN = 2
    order = shop.place_order((shop.sku, 1, "10.00"), freight_amount="0.00", **by_points(0, "M2"))
    settings.POINTS_EARNED_PER_YUAN = 0
    steps.pay(order)
    wallets.completed(order)

    assert has(order.tenders.get().account) == (20, 0)


def test_points_expire_a_year_after_the_last_that_came_in(shop):
    member = wallets.member(shop.merchant)
    order = shop.place_order((shop.sku, 1, "10.00"), freight_amount="0.00", **by_points(0))
    steps.pay(order)
    wallets.completed(order)
    with time_machine.travel(timezone.now() + timedelta(days=364)):
        assert expiring.run(10) == 0
    with time_machine.travel(timezone.now() + timedelta(days=366)):
        assert expiring.run(10) == 1
        assert story(member)[-1] == ("expired", -10, 0)
        # What came in later expires again, however often.
        adjusting.propose(member.pk, 5, reason="sorry", user=wallets.boss(), actor=steps.STAFF)
        assert expiring.run(10) == 1
    assert (owed("2102"), owed("5002")) == (0, 0)
    assert steps.broken_invariants() == []


# --- By hand


def person(name: str, *, group: str = "customer_service") -> tuple[User, Actor]:
    user = grants.member(group, name)
    right = Permission.objects.get(codename="adjust_pointsaccount")
    Group.objects.get(name=group).permissions.add(right)
    return user, Actor(ActorKind.STAFF, name)


def test_an_adjustment_beyond_a_persons_limits_waits_for_a_second_one(shop, boss):
    member = wallets.member(shop.merchant, 500)
    clerk, clerk_actor = person("li")
    head, head_actor = person("wang", group="customer_service_lead")

    small = adjusting.propose(member.pk, 20_000, reason="late", user=clerk, actor=clerk_actor)
    assert (small.state, has(member)) == ("approved", (20_500, 0))
    large = adjusting.propose(member.pk, 20_001, reason="very late", user=clerk, actor=clerk_actor)
    assert (large.state, has(member)) == ("proposed", (20_500, 0))
    assert Ticket.objects.filter(kind="adjustment_to_approve", state="open").count() == 1

    with pytest.raises(MayNotGrant):
        adjusting.approve(large.pk, user=clerk, actor=clerk_actor)
    adjusting.approve(large.pk, user=head, actor=head_actor)
    assert has(member) == (40_501, 0)
    assert not Ticket.objects.filter(kind="adjustment_to_approve", state="open").exists()
    with pytest.raises(OmsError):
        adjusting.approve(large.pk, user=head, actor=head_actor)
    assert steps.broken_invariants() == []


def test_all_adjustments_and_grants_of_a_day_count_against_the_limit_of_the_day(shop, boss):
    member = wallets.member(shop.merchant)
    clerk, actor = person("li")
    for _time in range(10):
        assert adjusting.propose(member.pk, 20_000, reason="x", user=clerk, actor=actor).state == "approved"
    assert adjusting.propose(member.pk, 1, reason="x", user=clerk, actor=actor).state == "proposed"
    order = shop.place_order()
    steps.pay(order)
    granted = grants.goodwill(order, "1.00", clerk)
    assert granted.state == "proposed"


def test_nobody_adjusts_without_a_reason_or_below_nothing(shop, boss):
    member = wallets.member(shop.merchant, 500)
    for fen, reason in ((5, " "), (0, "x"), (-501, "x")):
        with pytest.raises(OmsError):
            adjusting.propose(member.pk, fen, reason=reason, user=boss, actor=steps.STAFF)
    adjusting.propose(member.pk, -500, reason="x", user=boss, actor=steps.STAFF)
    assert has(member) == (0, 0)
    waiting = adjusting.propose(member.pk, 5, reason="x", user=factories.UserFactory(), actor=steps.STAFF)
    adjusting.decline(waiting.pk, actor=steps.STAFF)
    assert has(member) == (0, 0)
    assert steps.broken_invariants() == []


def test_cards_that_were_given_away_are_the_platforms_offer(shop):
    outcomes = issuing.issue_cards(
        shop.merchant,
        [NewCard(Decimal("30.00")), NewCard(Decimal("5000.01")), NewCard(Decimal("0"))],
        is_sold=False,
        key="gifts",
        actor=steps.STAFF,
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["Issued", "FieldError", "FieldError"]
    assert (owed("2101"), owed("5001"), owed("1003")) == (3000, -3000, 0)
    with pytest.raises(OmsError):
        issuing.issue_cards(shop.merchant, [NewCard(Decimal(1))], is_sold=False, key="gifts", actor=steps.STAFF)
    with pytest.raises(OmsError):
        issuing.issue_cards(
            factories.MerchantFactory(), [NewCard(Decimal(1))], is_sold=True, key="x", actor=steps.STAFF
        )
    card = outcomes[0].card  # type: ignore[union-attr]
    issuing.top_up(card.pk, Decimal("20.00"), is_sold=True, key="1", actor=steps.STAFF)
    with pytest.raises(OmsError):
        issuing.top_up(card.pk, Decimal("20.00"), is_sold=True, key="1", actor=steps.STAFF)
    with pytest.raises(OmsError):
        issuing.top_up(card.pk, Decimal("4950.01"), is_sold=True, key="2", actor=steps.STAFF)
    assert (has(card), owed("1003")) == ((5000, 0), -2000)
    assert steps.broken_invariants() == []
