"""Order numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.common.numbering import buyer_shard, is_order_number, order_number, permute, recover

sequences = st.integers(0, 10**12 - 1)
numbers = st.builds(order_number, st.integers(1, 9), st.text(), sequences)


@given(sequences)
def test_a_number_leads_back_to_its_sequence(sequence):
    assert recover(permute(sequence)) == sequence


@given(sequences)
def test_every_number_stands_for_a_sequence(number):
    assert permute(recover(number)) == number


def test_neighbours_get_different_numbers_all_over():
    found = {permute(sequence) for sequence in range(20_000)}
    assert len(found) == 20_000
    assert len({number // 10**11 for number in found}) == 10


@pytest.mark.parametrize("sequence", [-1, 10**12])
def test_what_has_no_number_is_refused(sequence):
    with pytest.raises(ValueError, match="12 digits"):
        permute(sequence)


@given(st.integers(1, 9), st.text(), sequences)
def test_a_number_has_16_digits_with_kind_shard_and_check_digit(kind, buyer, sequence):
    number = order_number(kind, buyer, sequence)
    assert len(number) == 16
    assert is_order_number(number)
    assert number[0] == str(kind)
    assert int(number[1:3]) == buyer_shard(buyer)
    assert recover(int(number[3:15])) == sequence


@given(numbers)
def test_every_single_wrong_digit_is_caught(number):
    for place in range(16):
        for digit in "0123456789":
            if digit != number[place]:
                assert not is_order_number(number[:place] + digit + number[place + 1 :])


@given(numbers)
def test_every_swap_of_neighbours_is_caught(number):
    for place in range(15):
        first, second = number[place : place + 2]
        if first != second:
            assert not is_order_number(number[:place] + second + first + number[place + 2 :])


@pytest.mark.parametrize("text", ["", "1" * 15, "1" * 17, "１" * 16, "abcdefghijklmnop", "²" * 16])
def test_other_texts_are_no_numbers(text):
    assert not is_order_number(text)


def test_another_key_gives_other_numbers(settings):
    before = permute(1)
    settings.ORDER_NUMBER_KEY = "another"
    assert permute(1) != before
