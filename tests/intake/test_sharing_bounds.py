"""What is shared among an order's lines adds up to the fen, and no line bears more than it can."""

from collections.abc import Sequence

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orders.intake.apportionment import Policy
from orders.intake.sharing import Amounts, CannotBear, Promoted, Sharing, share

GOODS = st.one_of(st.integers(0, 300), st.sampled_from([100, 1000]), st.integers(100, 20_000))


@st.composite
def orders(draw: st.DrawFn) -> dict[str, object]:
    """Goods and floors of up to six lines (fen), and what is to be shared among them."""
    goods = draw(st.lists(GOODS, min_size=1, max_size=6))
    floors = [draw(st.one_of(st.just(0), st.integers(0, worth + 5))) for worth in goods]
    room = sum(max(0, worth - floor) for worth, floor in zip(goods, floors, strict=True))
    promotions = []
    for _ in range(draw(st.integers(0, 3))):
        covered = sorted(draw(st.sets(st.integers(0, len(goods) - 1), min_size=1)))
        amount = draw(st.integers(0, max(0, sum(max(0, goods[i] - floors[i]) for i in covered))))
        promotions.append((amount, draw(st.integers(0, amount)), covered))
    return {
        "goods": goods,
        "floors": floors,
        "promotions": promotions,
        "policy": draw(st.sampled_from(list(Policy))),
        "freight": draw(st.integers(0, 2000)),
        "coupon": draw(st.integers(0, room // 2 + 1)),
        "adjustment": draw(st.integers(-(room // 3 + 1), 500)),
        "bearer": draw(st.sampled_from(["merchant", "platform"])),
        "points": draw(st.integers(0, sum(goods) // 3 + 1)),
        "gift_card": draw(st.integers(0, sum(goods) // 3 + 1)),
    }


def shared(order: dict, places: Sequence[int]) -> Sharing:
    """What the lines get where they stand in this order."""
    at = {line: place for place, line in enumerate(places)}
    return share(
        Amounts(
            goods=[order["goods"][line] for line in places],
            floors=[order["floors"][line] for line in places],
            key_of=lambda place: (places[place],),
            policy=order["policy"],
            freight=order["freight"],
            promotions=[
                Promoted(amount, platform, sorted(at[line] for line in covered))
                for amount, platform, covered in order["promotions"]
            ],
            coupon=order["coupon"],
            adjustment=order["adjustment"],
            adjustment_bearer=order["bearer"],
            points=order["points"],
            gift_card=order["gift_card"],
        )
    )


@settings(max_examples=300, deadline=None)
@given(orders(), st.randoms(use_true_random=False))
def test_shares_add_up_and_stay_above_the_floors_in_whatever_order_the_lines_stand(order, chance):
    places = list(range(len(order["goods"])))
    try:
        lines = shared(order, places).lines
    except (CannotBear, ValueError):
        assume(False)

    for name in ("freight", "coupon", "points", "gift_card", "adjustment"):
        assert sum(getattr(line, name) for line in lines) == order[name]
    assert [line.goods for line in lines] == order["goods"]
    promoted = sum(amount for amount, _platform, _covered in order["promotions"])
    assert sum(line.promotion for line in lines) == promoted
    by_merchants = sum(amount - platform for amount, platform, _covered in order["promotions"])
    by_merchants -= order["adjustment"] if order["bearer"] == "merchant" else 0
    assert sum(line.merchant_borne for line in lines) == by_merchants
    for line, floor in zip(lines, order["floors"], strict=True):
        assert min(line.freight, line.promotion, line.coupon, line.points, line.gift_card, line.payable) >= 0
        left = line.goods - line.promotion - line.coupon + min(0, line.adjustment)
        assert left >= min(line.goods, floor)

    chance.shuffle(places)
    again = shared(order, places).lines
    assert [again[places.index(line)] for line in range(len(places))] == list(lines)
