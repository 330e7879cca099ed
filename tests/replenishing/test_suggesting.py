"""What is proposed for a place: moves of whole packs from who can spare them, the rest bought."""

from hypothesis import given
from hypothesis import strategies as st

from inventory.models import SuggestionKind
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE
from inventory.replenishing.suggesting import (
    MOST_DONORS,
    Donor,
    Need,
    Proposal,
    days_on_road,
    moved_out,
    proposals,
    surplus,
)

BUY, MOVE = SuggestionKind.BUY, SuggestionKind.MOVE
_donors = st.lists(
    st.builds(Donor, st.integers(2, 40), st.integers(0, 5_000), st.integers(0, 4_000)),
    max_size=8,
    unique_by=lambda one: one.warehouse_id,
)


def test_the_nearest_gives_first_and_the_rest_is_bought_at_the_minimum():
    need = Need(1, 7, units=120, pack=12, minimum=60, lead_days=7)
    found = proposals(need, [Donor(4, 50, 900), Donor(3, 70, 30), Donor(2, 11, 5)])
    assert found == [Proposal(MOVE, 60, 3), Proposal(MOVE, 48, 4), Proposal(BUY, 60)]
    assert moved_out(found) == {3: 60, 4: 48}


def test_a_place_spares_what_is_above_its_line_and_what_it_will_not_want():
    assert surplus(free=100, line=30, mean_per_day=2, days_until_receipt=10) == 70
    assert surplus(free=100, line=30, mean_per_day=5, days_until_receipt=14) == 30
    assert surplus(free=10, line=30, mean_per_day=0, days_until_receipt=14) == 0


def test_a_lorry_takes_a_day_and_what_the_road_takes():
    assert [days_on_road(km) for km in (0, 400, 480, 481, 2_000)] == [1, 2, 2, 3, 6]


def test_absurd_figures_stay_within_what_a_purchase_order_takes():
    need = Need(1, 7, units=99_999, pack=99_999, minimum=MOST_UNITS_OF_A_LINE, lead_days=7)
    assert proposals(need, []) == [Proposal(BUY, 100 * 99_999)]


@given(st.integers(1, 200), st.integers(1, 60), st.integers(0, 500), st.integers(0, 20), _donors)
def test_nobody_gives_more_than_he_spares_and_nothing_is_forgotten(packs, pack, minimum, lead_days, donors):
    need = Need(1, 7, packs * pack, pack, minimum, lead_days)
    found = proposals(need, donors)
    moved = moved_out(found)
    spare = {one.warehouse_id: one for one in donors}
    assert len(moved) <= MOST_DONORS
    assert all(units <= spare[place].surplus and units % pack == 0 for place, units in moved.items())
    assert all(days_on_road(spare[place].km) < lead_days for place in moved)
    bought = sum(one.units for one in found if one.kind == BUY)
    assert sum(moved.values()) + bought >= need.units
    assert bought == 0 or (bought >= minimum and bought % pack == 0)
    assert sum(moved.values()) <= need.units
