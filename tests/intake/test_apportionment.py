"""Sharing amounts among lines and parts of lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.intake.apportionment import Shares, apportion

amounts = st.integers(0, 10**9)
line_amounts = st.lists(st.integers(0, 10**8), min_size=1, max_size=60)


@given(amounts, line_amounts)
def test_no_fen_is_lost_and_none_is_negative(amount, weights):
    shares = apportion(amount, weights)
    assert sum(shares) == amount
    assert min(shares) >= 0


@given(amounts, line_amounts)
def test_each_share_is_within_a_fen_of_its_exact_part(amount, weights):
    total = sum(weights)
    if total:
        for share, weight in zip(apportion(amount, weights), weights, strict=True):
            assert abs(share * total - amount * weight) < total


@given(st.data(), line_amounts)
def test_no_line_bears_more_than_its_limit(data, weights):
    limits = data.draw(st.lists(st.integers(0, 10**8), min_size=len(weights), max_size=len(weights)))
    amount = data.draw(st.integers(0, sum(limits)))

    shares = apportion(amount, weights, limits)

    assert sum(shares) == amount
    assert all(0 <= share <= limit for share, limit in zip(shares, limits, strict=True))


@given(line_amounts)
def test_the_whole_of_all_limits_fills_every_line(weights):
    assert apportion(sum(weights), weights, weights) == weights


@given(amounts, line_amounts)
def test_the_same_question_has_the_same_answer(amount, weights):
    assert apportion(amount, weights) == apportion(amount, weights)


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="negative"):
        apportion(-1, [1])
    with pytest.raises(ValueError, match="cannot bear"):
        apportion(3, [1, 1], [1, 1])


def test_whole_yuan_then_fen():
    assert apportion(1000, [1, 1, 1]) == [334, 333, 333]
    assert apportion(100, [0, 0]) == [50, 50]
    assert apportion(1, [0, 5]) == [0, 1]


@st.composite
def shares_of_a_line(draw):
    """A line's shares as intake makes them: nothing pays for more than there is."""
    goods, freight = draw(st.integers(0, 10**7)), draw(st.integers(0, 10**5))
    coupon = draw(st.integers(0, goods))
    points = draw(st.integers(0, goods + freight - coupon))
    gift_card = draw(st.integers(0, goods + freight - coupon - points))
    return Shares(goods, freight, coupon, points, gift_card)


@given(shares_of_a_line(), st.lists(st.integers(1, 50), min_size=1, max_size=12))
def test_parts_taken_one_by_one_are_the_whole(shares, units):
    left, units_left, parts = shares, sum(units), []
    for count in units:
        part = left.take(count, units_left)
        parts.append(part)
        left, units_left = left.less(part), units_left - count

    assert left == Shares(0, 0, 0, 0, 0)
    assert Shares(*map(sum, zip(*parts, strict=True))) == shares
    for part in parts:
        assert min(part) >= 0
        assert part.payable >= 0
        assert part.coupon <= part.goods


@given(shares_of_a_line(), st.integers(1, 100), st.integers(1, 100))
def test_what_stays_behind_owes_nothing_less_than_nothing(shares, part, rest):
    taken = shares.take(part, part + rest)
    left = shares.less(taken)
    assert min(*taken, *left, taken.payable, left.payable) >= 0
