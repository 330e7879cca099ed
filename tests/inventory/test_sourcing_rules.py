"""What rules do: whom they ask, what they prefer, what becomes of the rest; and that the best set is really found."""

from dataclasses import replace
from datetime import timedelta
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.sourcing.asking import ask
from inventory.sourcing.bundling import Line, Splits, bundles
from inventory.sourcing.covering import cover, gather
from inventory.sourcing.rules import REGION_FIRST, Candidate, Rule, Rules, Standing, Want, Way
from tests.inventory.test_sourcing import ALL, APPLES, FAR, PEARS, choose, takes_by_code

BOTH = [Want(1, APPLES, 1), Want(2, PEARS, 1)]
LAST = Rule(1, on_partial="allocate", on_none="backorder")


def only(**fields):
    """A rule set of one rule."""
    return Rules(7, (replace(LAST, **fields),))


def verdicts(choice):
    return {code: verdict for code, _km, verdict, *_figures in choice.why}


# --- The best set


@given(
    masks=st.lists(st.integers(0, 255), min_size=1, max_size=9),
    costs=st.lists(st.integers(0, 40), min_size=9, max_size=9),
    parcel=st.sampled_from([0, 5, 10**7]),
)
@settings(max_examples=400, deadline=None)
def test_no_set_of_warehouses_is_cheaper_than_the_one_that_is_found(masks, costs, parcel):
    wanted = 0
    for mask in masks:
        wanted |= mask
    prices = [parcel + cost for cost in costs[: len(masks)]]

    found = cover(masks, prices, wanted)

    reached = 0
    for place in found.places:
        reached |= masks[place]
    assert reached == wanted
    assert found.is_proven
    cheapest = min(
        sum(prices[place] for place in group)
        for size in range(len(masks) + 1)
        for group in combinations(range(len(masks)), size)
        if _union(masks, group) == wanted
    )
    assert sum(prices[place] for place in found.places) == cheapest


def _union(masks, group):
    reached = 0
    for place in group:
        reached |= masks[place]
    return reached


@given(
    has=st.lists(st.dictionaries(st.integers(1, 3), st.integers(1, 5), max_size=3), min_size=1, max_size=7),
    costs=st.lists(st.integers(0, 40), min_size=7, max_size=7),
    wanted=st.dictionaries(st.integers(1, 3), st.integers(1, 8), min_size=1, max_size=3),
    parcel=st.sampled_from([0, 10**7]),
)
@settings(max_examples=400, deadline=None)
def test_no_set_that_gathers_the_units_is_cheaper_than_the_one_that_is_found(has, costs, wanted, parcel):
    there = {sku: min(units, sum(one.get(sku, 0) for one in has)) for sku, units in wanted.items()}
    prices = [parcel + cost for cost in costs[: len(has)]]

    found = gather(has, prices, there)

    def reaches(group):
        return all(sum(has[place].get(sku, 0) for place in group) >= units for sku, units in there.items())

    assert reaches(found.places)
    assert found.is_proven
    cheapest = min(
        sum(prices[place] for place in group)
        for size in range(len(has) + 1)
        for group in combinations(range(len(has)), size)
        if reaches(group)
    )
    assert sum(prices[place] for place in found.places) == cheapest


def test_a_search_that_is_too_wide_is_given_up_and_the_decision_says_so():
    # Every pair of 24 warehouses shares one of 276 SKUs: no small set has them all, and very many are alike.
    pairs = list(combinations(range(24), 2))
    crowd = [Candidate(key, f"W{key:02}", 100) for key in range(24)]
    available = {(key, sku): 1 for sku, pair in enumerate(pairs) for key in pair}
    wants = [Want(sku, sku, 1) for sku in range(len(pairs))]

    choice = choose(wants, crowd, available)

    assert choice.short == {}
    assert '"unproven":true' in choice.why_text


# --- Whom a rule asks


def test_the_region_comes_first_and_the_whole_country_sends_what_it_lacks():
    available = {(1, APPLES): 5, (3, APPLES): 5, (3, PEARS): 5}

    choice = choose(BOTH, ALL, available, REGION_FIRST, serves={3: ["广东省"]}, province="北京市")

    assert takes_by_code(choice) == {"NEAR": {1: 1}, "FAR": {2: 1}}
    assert choice.short == {}
    assert '"rules":[1,2]' in choice.why_text


def test_what_the_region_has_whole_never_comes_from_elsewhere():
    available = {(2, APPLES): 5, (2, PEARS): 5, (1, APPLES): 5, (1, PEARS): 5}

    choice = choose(BOTH, ALL, available, REGION_FIRST, serves={1: ["广东省"]}, province="北京市")

    assert takes_by_code(choice) == {"MIDDLE": {1: 1, 2: 1}}
    assert '"out":{"elsewhere":1}' in choice.why_text


def test_who_refused_is_named_and_not_asked():
    choice = choose([Want(1, APPLES, 1)], ALL, {(1, APPLES): 5, (3, APPLES): 5}, refused=[1])

    assert takes_by_code(choice) == {"FAR": {1: 1}}
    assert verdicts(choice) == {"MIDDLE": "short", "FAR": "chosen", "NEAR": "refused"}


def test_who_is_closed_full_or_past_its_cut_off_is_left_out_with_that():
    needs = frozenset({"open_today", "room_today", "cutoff_met"})
    standings = {1: Standing(is_open_today=False), 2: Standing(has_room_today=False)}
    crowd = [*ALL, Candidate(4, "LATE", 2000), Candidate(5, "FINE", 3000)]
    rule = replace(LAST, needs=needs)
    late = {3: Way(), 4: Way(meets_cutoff=False)}

    asked = ask(rule, crowd, province="", standings=standings, ways=late)

    assert [one.code for one in asked.candidates] == ["FAR", "FINE"]
    assert [(one.code, why) for one, why in asked.out] == [
        ("NEAR", "closed"),
        ("MIDDLE", "full"),
        ("LATE", "cutoff_over"),
    ]


def test_a_rule_asks_the_warehouses_and_kinds_that_it_names():
    standings = {1: Standing(kind="partner"), 2: Standing(kind="self_operated"), 3: Standing(kind="self_operated")}
    rule = replace(LAST, warehouses=("FAR", "NEAR"), kinds=frozenset({"self_operated"}))

    asked = ask(rule, ALL, province="", standings=standings)

    assert asked.candidates == (FAR,)
    assert [(one.code, why) for one, why in asked.out] == [("NEAR", "other_kind"), ("MIDDLE", "not_named")]


# --- What a rule prefers


def preferred(*sorts, standings=None, ways=None, **fields):
    rule = replace(LAST, sorts=sorts, **fields)
    asked = ask(rule, ALL, province="", standings=standings or {}, ways=ways)
    return [one.code for one in asked.candidates]


def test_each_sort_prefers_by_its_own_measure_and_the_first_counts_most():
    ways = {1: Way(keeps_promise=False, freight_fen=900), 2: Way(freight_fen=800), 3: Way(freight_fen=300)}
    standings = {1: Standing(taken_permille=900), 2: Standing(taken_permille=0), 3: Standing(taken_permille=500)}

    assert preferred("parcels", "distance") == ["NEAR", "MIDDLE", "FAR"]
    assert preferred("promise", "distance", ways=ways) == ["MIDDLE", "FAR", "NEAR"]
    assert preferred("freight", ways=ways) == ["FAR", "MIDDLE", "NEAR"]
    assert preferred("balance", standings=standings) == ["MIDDLE", "FAR", "NEAR"]
    assert preferred("priority", "distance", warehouses=("FAR", "NEAR", "MIDDLE")) == ["FAR", "NEAR", "MIDDLE"]


def test_a_warehouse_to_which_no_service_goes_is_preferred_last():
    assert preferred("freight", ways={1: Way(freight_fen=None), 2: Way(freight_fen=99_999), 3: Way()}) == [
        "FAR",
        "MIDDLE",
        "NEAR",
    ]


def test_a_parcel_is_worth_so_many_kilometres_and_no_more():
    available = {(1, APPLES): 1, (2, PEARS): 1, (3, APPLES): 1, (3, PEARS): 1}

    near = choose(BOTH, ALL, dict(available), only(sorts=("distance",), parcel_km=800))
    far = choose(BOTH, ALL, dict(available), only(sorts=("distance",), parcel_km=900))

    # 110 km in two parcels against 1,000 in one: 1,710 against 1,800, then 1,910 against 1,900.
    assert takes_by_code(near) == {"NEAR": {1: 1}, "MIDDLE": {2: 1}}
    assert takes_by_code(far) == {"FAR": {1: 1, 2: 1}}


# --- What follows


def spread():
    """Apples here, pears there, and two more apples wanted than there are."""
    return [Want(1, APPLES, 4), Want(2, PEARS, 1)], {(1, APPLES): 2, (2, PEARS): 1}


def test_what_has_only_some_waits_whole_where_orders_are_shipped_complete():
    wants, available = spread()

    choice = choose(wants, ALL, available, only(on_partial="backorder"))

    assert (choice.parts, choice.short, choice.is_held, choice.cancel_after) == ([], {APPLES: 2}, False, None)
    assert available == {(1, APPLES): 2, (2, PEARS): 1}


def test_a_person_decides_or_it_is_cancelled_in_time_where_the_rule_says_so():
    wants, available = spread()

    held = choose(wants, ALL, available, only(on_partial="hold"))
    ending = choose(wants, ALL, available, only(on_partial="cancel", cancel_after=timedelta(hours=48)))
    nothing = choose(wants, ALL, {}, only(on_none="hold"))

    assert (held.is_held, held.cancel_after, held.parts, held.short) == (True, None, [], {APPLES: 2})
    assert (ending.is_held, ending.cancel_after, ending.parts) == (False, timedelta(hours=48), [])
    assert (nothing.is_held, nothing.short) == (True, {APPLES: 4, PEARS: 1})


def test_all_of_it_goes_to_the_next_rule_where_the_first_has_only_some():
    rules = Rules(7, (replace(LAST, warehouses=("NEAR",), on_partial="next"), replace(LAST, position=2)))

    choice = choose(BOTH, ALL, {(1, APPLES): 1, (3, APPLES): 1, (3, PEARS): 1}, rules)

    assert takes_by_code(choice) == {"FAR": {1: 1, 2: 1}}
    assert '"rules":[2]' in choice.why_text


def test_no_more_parcels_than_the_cap_and_the_rest_waits():
    available = {(1, APPLES): 1, (2, PEARS): 1}

    choice = choose(BOTH, ALL, available, only(max_parcels=1))

    assert takes_by_code(choice) == {"NEAR": {1: 1}}
    assert choice.short == {PEARS: 1}
    assert verdicts(choice)["MIDDLE"] == "one_too_many"


def test_lines_stay_whole_where_the_rule_does_not_split_them():
    choice = choose([Want(1, APPLES, 5)], ALL, {(1, APPLES): 3, (2, APPLES): 4}, only(splits_lines=False))

    assert (choice.parts, choice.short) == ([], {APPLES: 5})


def test_neither_side_of_a_split_is_worth_less_than_the_least_value():
    available = {(1, APPLES): 1, (2, PEARS): 1}

    cheap_part = choose(BOTH, ALL, dict(available), only(min_part_fen=1000), values={1: 5000, 2: 999})
    fair = choose(BOTH, ALL, dict(available), only(min_part_fen=1000), values={1: 5000, 2: 1000})
    cheap_rest = choose(BOTH, ALL, {(1, APPLES): 1}, only(min_part_fen=1000), values={1: 5000, 2: 999})
    whole = choose(BOTH, ALL, {(3, APPLES): 1, (3, PEARS): 1}, only(min_part_fen=9999), values={1: 1, 2: 1})

    # What is too cheap to go apart stays, and then what stays is too cheap itself: nothing goes.
    assert (takes_by_code(cheap_part), cheap_part.short) == ({}, {APPLES: 1, PEARS: 1})
    assert takes_by_code(fair) == {"NEAR": {1: 1}, "MIDDLE": {2: 1}}
    assert takes_by_code(cheap_rest) == {}
    assert takes_by_code(whole) == {"FAR": {1: 1, 2: 1}}


def test_rules_are_for_goods_of_the_value_that_they_say():
    dear = replace(LAST, min_value_fen=10_000, max_value_fen=20_000, warehouses=("FAR",))
    rules = Rules(7, (dear, replace(LAST, position=2)))
    stock = {(1, APPLES): 9, (3, APPLES): 9}

    def sender(value):
        return list(takes_by_code(choose([Want(1, APPLES, 1)], ALL, dict(stock), rules, values={1: value})))

    assert [sender(value) for value in (9_999, 10_000, 20_000, 20_001)] == [["NEAR"], ["FAR"], ["FAR"], ["NEAR"]]


# --- What travels together


def test_bundles_keep_below_the_cap_and_what_is_heavier_by_itself_travels_alone():
    lines = [Line(1, "ambient", "", 6_000), Line(2, "ambient", "", 5_000), Line(3, "ambient", "", 4_000)]

    assert bundles([*lines, Line(4, "ambient", "", 12_000)], Splits(most_g=10_000)) == {1: 0, 3: 0, 2: 1, 4: 2}
    assert bundles(lines, Splits()) == {1: 0, 2: 0, 3: 0}


def test_goods_that_travel_alone_and_goods_that_never_travel_together():
    splits = Splits(alone=(("bulky", ""),), apart=(("food", "chemistry"),))
    lines = [
        Line(1, "bulky", "food", 1),
        Line(2, "bulky", "food", 1),
    ]
    mixed = [Line(3, "ambient", "food/rice", 1), Line(4, "ambient", "chemistry", 1), Line(5, "ambient", "books", 1)]

    assert bundles(lines, splits) == {1: 0, 2: 1}
    assert bundles(mixed, splits) == {3: 0, 4: 1, 5: 0}
