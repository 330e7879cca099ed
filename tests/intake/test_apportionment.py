"""Sharing amounts among lines and parts of lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.intake.apportionment import Policy, Shares, apportion

policies = st.sampled_from(list(Policy))
amounts = st.integers(0, 10**9)
line_amounts = st.lists(st.integers(0, 10**8), min_size=1, max_size=60)


@given(policies, amounts, line_amounts)
def test_no_fen_is_lost_and_none_is_negative(policy, amount, weights):
    shares = apportion(amount, weights, policy=policy)
    assert sum(shares) == amount
    assert min(shares) >= 0


@given(amounts, line_amounts)
def test_by_the_fen_each_share_is_within_a_fen_of_its_exact_part(amount, weights):
    total = sum(weights)
    if total:
        for share, weight in zip(apportion(amount, weights, policy=Policy.FEN), weights, strict=True):
            assert abs(share * total - amount * weight) < total


@given(amounts, line_amounts)
def test_by_whole_yuan_each_share_is_within_a_yuan_and_a_fen_of_its_exact_part(amount, weights):
    total = sum(weights)
    if total:
        for share, weight in zip(apportion(amount, weights, policy=Policy.WHOLE_YUAN), weights, strict=True):
            assert abs(share * total - amount * weight) < 101 * total


@given(policies, st.integers(0, 10**7), line_amounts)
def test_whole_yuan_are_shared_as_whole_yuan(policy, yuan, weights):
    shares = apportion(100 * yuan, weights, policy=policy)
    if policy == Policy.WHOLE_YUAN:
        assert [share % 100 for share in shares] == [0] * len(weights)


@given(policies, st.data(), line_amounts)
def test_no_line_bears_more_than_its_limit(policy, data, weights):
    limits = data.draw(st.lists(st.integers(0, 10**8), min_size=len(weights), max_size=len(weights)))
    amount = data.draw(st.integers(0, sum(limits)))

    shares = apportion(amount, weights, limits, policy=policy)

    assert sum(shares) == amount
    assert all(0 <= share <= limit for share, limit in zip(shares, limits, strict=True))


@given(policies, line_amounts)
def test_the_whole_of_all_limits_fills_every_line(policy, weights):
    assert apportion(sum(weights), weights, weights, policy=policy) == weights


# Few different values, so that there are many ties.
tied_lines = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 500)), min_size=1, max_size=12)


@given(policies, st.data(), tied_lines, st.booleans())
def test_the_order_of_lines_changes_nothing(policy, data, lines, is_limited):
    """Lines (weight, key, limit) of the same key and limit are the same to everybody."""
    shuffled = data.draw(st.permutations(lines))
    amount = data.draw(st.integers(0, sum(limit for _weight, _key, limit in lines)))

    def shared(lines):
        weights, keys, limits = zip(*lines, strict=True)
        shares = apportion(amount, weights, limits if is_limited else None, policy=policy, key_of=keys.__getitem__)
        # Without limits, the third is no part of what a line is.
        return sorted(zip(weights, keys, limits if is_limited else keys, shares, strict=True))

    assert shared(lines) == shared(shuffled)


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="negative"):
        apportion(-1, [1])
    with pytest.raises(ValueError, match="cannot bear"):
        apportion(3, [1, 1], [1, 1])


def test_the_two_policies_share_as_the_design_says():
    weights = [10000, 5000, 3333]
    assert apportion(2000, weights, policy=Policy.WHOLE_YUAN) == [1100, 500, 400]
    assert apportion(2000, weights, policy=Policy.FEN) == [1091, 545, 364]
    assert apportion(1000, [1, 1, 1], policy=Policy.WHOLE_YUAN) == [400, 300, 300]
    assert apportion(1000, [1, 1, 1], policy=Policy.FEN) == [334, 333, 333]
    assert apportion(101, [1, 1], policy=Policy.WHOLE_YUAN) == [101, 0]
    assert apportion(100, [0, 0], policy=Policy.FEN) == [50, 50]
    assert apportion(1, [0, 5]) == [0, 1]


def test_ties_go_to_the_larger_weight_then_to_the_smaller_key():
    assert apportion(2, [1, 3], policy=Policy.FEN) == [0, 2]
    assert apportion(1, [1, 1], policy=Policy.FEN, key_of=["b", "a"].__getitem__) == [0, 1]
    assert apportion(1, [1, 1], [1, 1], policy=Policy.FEN, key_of=["b", "a"].__getitem__) == [0, 1]


def test_what_a_line_cannot_bear_goes_to_the_others_under_both_policies():
    assert apportion(2000, [10000, 5000, 3333], [500, 5000, 5000], policy=Policy.WHOLE_YUAN) == [500, 900, 600]
    assert apportion(2000, [10000, 5000, 3333], [500, 5000, 5000], policy=Policy.FEN) == [500, 900, 600]


@st.composite
def shares_of_a_line(draw, most_goods=10**7, most_freight=10**5):
    """A line's shares as intake makes them: nothing pays for more than there is."""
    goods, freight = draw(st.integers(0, most_goods)), draw(st.integers(0, most_freight))
    promotion = draw(st.integers(0, goods))
    coupon = draw(st.integers(0, goods - promotion))
    adjustment = draw(st.integers(promotion + coupon - goods, most_goods))
    left = goods + freight - promotion - coupon + adjustment
    points = draw(st.integers(0, left))
    gift_card = draw(st.integers(0, left - points))
    merchant_borne = draw(st.integers(min(0, -adjustment), promotion + max(0, -adjustment)))
    return Shares(goods, freight, promotion, coupon, adjustment, points, gift_card, merchant_borne)


def is_sound(shares):
    """Nothing pays for more than there is."""
    positive = (*shares[:4], *shares[5:7], shares.payable, shares.goods - shares.merchant_borne)
    return min(positive) >= 0 and shares.promotion + shares.coupon - min(0, shares.adjustment) <= shares.goods


@given(shares_of_a_line(), st.lists(st.integers(1, 50), min_size=1, max_size=12))
def test_parts_taken_one_by_one_are_the_whole(shares, units):
    left, units_left, parts = shares, sum(units), []
    for count in units:
        part = left.take(count, units_left)
        parts.append(part)
        left, units_left = left.less(part), units_left - count

    assert left == Shares(0, 0, 0, 0, 0, 0, 0, 0)
    assert Shares(*map(sum, zip(*parts, strict=True))) == shares
    for part in parts:
        assert is_sound(part)
        assert (part.adjustment < 0) <= (shares.adjustment < 0)


@given(shares_of_a_line(), st.integers(1, 100), st.integers(1, 100))
def test_what_stays_behind_owes_nothing_less_than_nothing(shares, part, rest):
    taken = shares.take(part, part + rest)
    left = shares.less(taken)
    assert is_sound(taken)
    assert is_sound(left)
