"""The arithmetic of replenishment against published values, and what must hold for any figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.replenishing import forecasting, formulas
from inventory.replenishing.forecasting import Forecast, forecast, levels_of
from inventory.replenishing.formulas import Demand, Levels, Standing, Supply, quantity_to_order

TEN_A_DAY = Demand(10, 4)
THREE_DAYS = Supply(3, 1)

_units = st.integers(0, 10_000)
_demands = st.builds(Demand, st.floats(0, 1_000), st.floats(0, 1_000))
_supplies = st.builds(Supply, st.floats(0, 120), st.floats(0, 30), st.floats(0, 30))
_services = st.floats(0.5, 0.999)
_levels = st.builds(lambda line, more: Levels(line, line + more), _units, st.integers(1, 10_000))


def test_continuous_review_has_the_published_values():
    assert round(formulas.safety_stock(TEN_A_DAY, THREE_DAYS, 0.95), 2) == 20.01
    assert round(formulas.reorder_point(TEN_A_DAY, THREE_DAYS, 0.95), 2) == 50.01
    assert formulas.levels(TEN_A_DAY, THREE_DAYS, 0.95, cover_days=7) == Levels(51, 121)


def test_periodic_review_has_the_published_values():
    weekly = Supply(3, 1, 7)
    assert round(formulas.safety_stock(TEN_A_DAY, weekly, 0.95), 2) == 26.52
    assert round(formulas.reorder_point(TEN_A_DAY, weekly, 0.95), 2) == 126.52


@pytest.mark.parametrize(
    ("service", "z"), [(0.9, 1.282), (0.95, 1.645), (0.975, 1.960), (0.98, 2.054), (0.99, 2.326), (0.995, 2.576)]
)
def test_the_safety_factor_is_that_of_the_tables(service, z):
    assert round(formulas.safety_factor(service), 3) == z


def test_the_economic_quantity_has_the_published_value():
    assert round(formulas.economic_quantity(3_650, 50, 2), 1) == 427.2


def test_the_fill_rate_is_another_figure_than_the_service_level():
    assert round(formulas.fill_rate(TEN_A_DAY, THREE_DAYS, 0.95, 70), 4) == 0.9964


@pytest.mark.parametrize("service", [0, 1, -0.1, 1.5])
def test_a_service_level_that_is_none_is_refused(service):
    with pytest.raises(ValueError, match="between 0 and 1"):
        formulas.safety_factor(service)


def test_the_position_counts_what_comes_and_not_what_is_promised():
    assert Standing(on_hand=30, frozen=2, reserved=9, on_order=20, moving_in=5, waiting=4).position == 40


@pytest.mark.parametrize(
    ("position", "pack", "minimum", "ordered"),
    [(11, 1, 0, 0), (10, 1, 0, 20), (4, 1, 0, 26), (4, 12, 0, 36), (10, 1, 25, 25), (10, 12, 25, 36), (-3, 1, 0, 33)],
)
def test_packs_are_not_broken_and_the_minimum_is_kept(position, pack, minimum, ordered):
    assert quantity_to_order(position, Levels(10, 30), pack=pack, minimum=minimum) == ordered


@given(st.integers(-10_000, 20_000), _levels, st.integers(1, 500), _units)
def test_an_order_lifts_the_position_to_the_upper_level_in_whole_packs(position, at, pack, minimum):
    ordered = quantity_to_order(position, at, pack=pack, minimum=minimum)
    assert ordered % pack == 0
    if position > at.reorder_point:
        assert ordered == 0
    else:
        assert position + ordered >= at.order_up_to
        assert ordered >= minimum
        assert ordered < max(at.order_up_to - position, minimum) + pack, "no pack too many"
        assert quantity_to_order(position + ordered, at, pack=pack, minimum=minimum) == 0, (
            "what comes is not ordered twice"
        )


@given(_demands, _supplies, _services, st.floats(0, 60))
def test_the_upper_level_is_above_the_line_and_the_line_covers_the_demand(demand, supply, service, cover):
    found = formulas.levels(demand, supply, service, cover_days=cover)
    assert found.order_up_to > found.reorder_point >= 0
    assert found.reorder_point + 1e-6 >= demand.mean * (supply.lead_days + supply.review_days)


@given(_demands, _supplies, _services, _services)
def test_more_service_never_needs_less_stock(demand, supply, one, other):
    low, high = sorted((one, other))
    assert formulas.safety_stock(demand, supply, low) <= formulas.safety_stock(demand, supply, high)


def test_a_steady_demand_is_forecast_as_it_was():
    found = forecast(dict.fromkeys(range(1, 29), 10), 28)
    assert (round(found.demand.mean, 9), round(found.demand.deviation, 3), found.sale_days) == (10, 3.162, 28)


def test_last_week_counts_more_than_the_weeks_before():
    grown = forecast({age: 20 if age <= 7 else 10 for age in range(1, 29)}, 28)
    faded = forecast({age: 10 if age <= 21 else 20 for age in range(1, 29)}, 28)
    assert round(grown.demand.mean, 2) == 13.39
    assert round(faded.demand.mean, 2) == 11.73


def test_a_single_large_day_does_not_raise_the_line():
    usual = forecast(dict.fromkeys(range(1, 29), 2), 28)
    with_one_large = forecast({**dict.fromkeys(range(1, 29), 2), 10: 500}, 28)
    assert usual.demand.mean == pytest.approx(2)
    assert with_one_large.demand.mean < 2.3


def test_with_few_sales_one_or_two_units_lie_there():
    found = forecast({20: 1}, 28)
    assert found.is_guess
    assert levels_of(found, Supply(3), 0.95, cover_days=1) == forecasting.LEAST
    assert levels_of(Forecast(Demand(0, 0), 0), Supply(3), 0.95, cover_days=7) == Levels(1, 2)


@given(st.dictionaries(st.integers(-5, 120), st.integers(0, 1_000), max_size=60), st.integers(0, 120))
def test_a_forecast_lies_between_nothing_and_the_largest_day(units, days):
    found = forecast(units, days)
    assert 0 <= found.demand.mean <= max(units.values(), default=0)
    assert found.demand.deviation >= 0
    assert found.sale_days <= min(days, forecasting.WINDOW_DAYS)
