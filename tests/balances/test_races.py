"""Real threads on real rows: the same fen is never spent twice."""

from collections.abc import Callable

import msgspec
import pytest

from orders.changing.cancelling import cancel_order
from orders.intake.bodies import decode
from orders.intake.placing import Placed, place_orders
from orders.models import Order
from payments.models import BalanceMovement
from payments.owing import balancing
from tests import factories, steps
from tests.balances import wallets
from tests.balances.wallets import by_card, by_points, has
from tests.payments.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def placing(shop: factories.Shop, bodies: list[dict[str, object]], outcomes: list[str]) -> Callable[[], None]:
    def place() -> None:
        for body in bodies:
            decoded = decode(msgspec.json.encode(body))
            (outcome,) = place_orders([decoded], shop.merchant, actor=steps.STAFF)
            outcomes.append(type(outcome).__name__)

    return place


def test_two_orders_at_once_never_spend_the_same_fen_of_a_card():
    shop = factories.make_shop()
    issued = wallets.card(shop.merchant, "100.00")
    outcomes: list[str] = []
    bodies = [[shop.body(**by_card(issued, "15.00")) for _order in range(4)] for _thread in range(3)]
    at_once(*(placing(shop, of_thread, outcomes) for of_thread in bodies))

    # 12 orders of 15.00, of which 100.00 pay six.
    assert sorted(outcomes) == ["Placed"] * 6 + ["Refused"] * 6
    assert has(issued.card) == (1000, 9000)
    assert Order.objects.count() == BalanceMovement.objects.filter(kind="held").count() == 6
    assert steps.broken_invariants() == []


def test_orders_that_name_two_cards_the_other_way_round_do_not_wait_for_each_other_for_ever():
    shop = factories.make_shop()
    first, second = wallets.card(shop.merchant, "40.00"), wallets.card(shop.merchant, "40.00")
    cards = [{"code": first.code, "amount": "5.00"}, {"code": second.code, "amount": "5.00"}]
    outcomes: list[str] = []

    def bodies(named: list[dict[str, str]]) -> list[dict[str, object]]:
        return [shop.body(gift_card_amount="10.00", gift_cards=named) for _order in range(4)]

    at_once(placing(shop, bodies(cards), outcomes), placing(shop, bodies(cards[::-1]), outcomes))

    assert outcomes == ["Placed"] * 8
    assert (has(first.card), has(second.card)) == ((0, 4000), (0, 4000))
    assert steps.broken_invariants() == []


def test_giving_back_while_others_spend_ends_with_every_fen_somewhere():
    shop = factories.make_shop()
    issued, member = wallets.card(shop.merchant, "60.00"), wallets.member(shop.merchant, 600)
    mine = [shop.place_order(**by_card(issued, "24.00"), **by_points(200)) for _order in range(2)]
    outcomes: list[str] = []

    def give_back() -> None:
        for order in mine:
            cancel_order(order.pk, reason="x", actor=steps.STAFF)
            balancing.run(10)

    spend = [shop.body(**by_card(issued, "24.00"), **by_points(200)) for _order in range(3)]
    at_once(give_back, placing(shop, spend, outcomes), lambda: balancing.run(10))
    factories.run(balancing.run)

    placed = outcomes.count(Placed.__name__)
    assert has(issued.card) == (6000 - 2400 * placed, 0)
    assert has(member) == (600 - 200 * placed, 0)
    assert steps.broken_invariants() == []
