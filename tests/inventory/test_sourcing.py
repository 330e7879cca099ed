"""Who sends what: the nearest that serves, stores and has; fewest parcels first."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.sourcing import choosing
from inventory.sourcing.asking import ask
from inventory.sourcing.routes import Routes, distance_km
from inventory.sourcing.rules import WHOLE_COUNTRY, Candidate, Standing, Want
from oms.common.copying import array
from tests import factories

NEAR, MIDDLE, FAR = Candidate(1, "NEAR", 10), Candidate(2, "MIDDLE", 100), Candidate(3, "FAR", 1000)
ALL = [NEAR, MIDDLE, FAR]
APPLES, PEARS = 11, 12


def choose(wants, candidates, available, rules=WHOLE_COUNTRY, *, serves=None, province="", values=None, **asked):
    """What the rules choose among the candidates, of which some serve only these provinces (by warehouse id)."""
    standings = {key: Standing(serves=frozenset(provinces)) for key, provinces in (serves or {}).items()}
    steps = [(rule, ask(rule, candidates, province=province, standings=standings, **asked)) for rule in rules.rules]
    return choosing.choose(wants, steps, available, values_fen=values)


def takes_by_code(choice):
    """Units by warehouse code and line."""
    return {candidate.code: {take.line_id: take.quantity for take in takes} for candidate, takes in choice.parts}


def test_the_nearest_that_has_everything_sends():
    choice = choose([Want(1, APPLES, 2)], ALL, {(2, APPLES): 2, (3, APPLES): 9})

    assert takes_by_code(choice) == {"MIDDLE": {1: 2}}
    assert choice.short == {}
    assert [tuple(row) for row in choice.why] == [
        ("NEAR", 10, "short"),
        ("MIDDLE", 100, "chosen"),
        ("FAR", 1000, "farther"),
    ]


def test_one_parcel_from_afar_beats_two_from_nearby():
    available = {(1, APPLES): 1, (2, PEARS): 1, (3, APPLES): 1, (3, PEARS): 1}

    choice = choose([Want(1, APPLES, 1), Want(2, PEARS, 1)], ALL, available)

    assert takes_by_code(choice) == {"FAR": {1: 1, 2: 1}}


def test_where_no_one_has_everything_the_nearest_pair_sends():
    available = {(1, APPLES): 1, (2, PEARS): 1, (3, PEARS): 1}

    choice = choose([Want(1, APPLES, 1), Want(2, PEARS, 1)], ALL, available)

    assert takes_by_code(choice) == {"NEAR": {1: 1}, "MIDDLE": {2: 1}}
    assert [row[2] for row in choice.why] == ["chosen", "chosen", "short"]


def test_a_line_is_spread_where_no_one_has_all_its_units():
    choice = choose([Want(1, APPLES, 5)], ALL, {(1, APPLES): 3, (2, APPLES): 1, (3, APPLES): 2})

    assert takes_by_code(choice) == {"NEAR": {1: 3}, "FAR": {1: 2}}
    assert choice.short == {}


def test_what_nobody_has_is_short():
    choice = choose([Want(1, APPLES, 5), Want(2, PEARS, 1)], ALL, {(1, APPLES): 3, (2, APPLES): 1})

    assert takes_by_code(choice) == {"NEAR": {1: 3}, "MIDDLE": {1: 1}}
    assert choice.short == {APPLES: 1, PEARS: 1}


def test_without_candidates_everything_is_short():
    choice = choose([Want(1, APPLES, 5)], [], {})

    assert (choice.parts, choice.short, list(choice.why)) == ([], {APPLES: 5}, [])


def test_two_lines_of_one_sku_need_the_units_of_both():
    choice = choose([Want(1, APPLES, 2), Want(2, APPLES, 2)], [NEAR, FAR], {(1, APPLES): 3, (3, APPLES): 4})

    assert takes_by_code(choice) == {"FAR": {1: 2, 2: 2}}


def test_what_one_order_takes_the_next_does_not_find():
    available = {(1, APPLES): 2, (3, APPLES): 2}

    first = choose([Want(1, APPLES, 2)], ALL, available)
    second = choose([Want(2, APPLES, 2)], ALL, available)

    assert (takes_by_code(first), takes_by_code(second)) == ({"NEAR": {1: 2}}, {"FAR": {2: 2}})


def test_a_warehouse_beyond_many_empty_ones_is_found():
    crowd = [Candidate(key, f"W{key:02}", key) for key in range(1, 31)]
    available = {(1, APPLES): 1, (29, PEARS): 1, (30, APPLES): 1}

    choice = choose([Want(1, APPLES, 1), Want(2, PEARS, 1)], crowd, available)

    assert takes_by_code(choice) == {"W01": {1: 1}, "W29": {2: 1}}
    assert choice.short == {}


def test_a_rare_sku_is_found_beyond_many_warehouses_that_have_the_common_one():
    crowd = [Candidate(key, f"W{key:02}", key) for key in range(1, 21)]
    available = {(key, APPLES): 5 for key in range(1, 20)} | {(20, PEARS): 1}

    choice = choose([Want(1, APPLES, 5), Want(2, PEARS, 1)], crowd, available)

    assert takes_by_code(choice) == {"W01": {1: 5}, "W20": {2: 1}}


def test_crumbs_in_very_many_warehouses_are_gathered_in_no_time():
    crowd = [Candidate(key, f"W{key:02}", key) for key in range(1, 41)]

    choice = choose([Want(1, APPLES, 41)], crowd, {(key, APPLES): 1 for key in range(1, 41)})

    assert len(choice.parts) == 40
    assert choice.short == {APPLES: 1}


STOCK = st.dictionaries(st.tuples(st.integers(1, 6), st.integers(1, 3)), st.integers(0, 5), max_size=18)
WANTS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6)), min_size=1, max_size=4)


@given(stock=STOCK, wants=WANTS, kms=st.lists(st.integers(0, 3000), min_size=6, max_size=6))
@settings(max_examples=300, deadline=None)
def test_takes_never_exceed_stock_and_with_what_is_short_make_up_the_wants(stock, wants, kms):
    candidates = sorted((Candidate(i, f"W{i}", km) for i, km in enumerate(kms, 1)), key=lambda c: (c.km, c.code))
    asked = [Want(line, sku, units) for line, (sku, units) in enumerate(wants, 1)]
    available = dict(stock)

    choice = choose(asked, candidates, available)

    taken, by_line, by_sku = Counter(), Counter(), Counter()
    for candidate, takes in choice.parts:
        assert takes
        for take in takes:
            taken[candidate.warehouse_id, take.sku_id] += take.quantity
            by_line[take.line_id] += take.quantity
            by_sku[take.sku_id] += take.quantity
    assert all(units <= stock[key] for key, units in taken.items())
    assert available == {key: units - taken[key] for key, units in stock.items()}
    wanted = Counter()
    for want in asked:
        wanted[want.sku_id] += want.quantity
        assert by_line[want.line_id] <= want.quantity
    assert {sku: wanted[sku] - by_sku[sku] for sku in wanted if wanted[sku] > by_sku[sku]} == choice.short
    for sku, units in choice.short.items():
        assert units == wanted[sku] - sum(left for (_warehouse, of), left in stock.items() if of == sku)
    # No smaller group could have sent as much.
    for group in combinations({c.warehouse_id for c in candidates}, max(len(choice.parts) - 1, 0)):
        assert (
            any(sum(stock.get((warehouse, sku), 0) for warehouse in group) < by_sku[sku] for sku in by_sku)
            or not by_sku
        )


def test_distance_is_the_great_circles():
    beijing, shanghai = (116.40, 39.90), (121.47, 31.23)

    assert distance_km(*beijing, *shanghai) == pytest.approx(1067, abs=3)
    assert distance_km(*beijing, *beijing) == 0


@pytest.mark.django_db
def test_only_warehouses_that_store_and_belong_are_candidates_and_the_nearest_comes_first():
    region = factories.RegionFactory()
    merchant = factories.MerchantFactory()
    factories.WarehouseFactory(code="SHANGHAI", merchant=merchant, longitude=121.47, latitude=31.23)
    factories.WarehouseFactory(code="BEIJING", merchant=merchant, serves=["北京市"])
    factories.WarehouseFactory(code="WRONG-CLASS", merchant=merchant, storage_classes=["frozen"])
    factories.WarehouseFactory(code="CLOSED", merchant=merchant, is_active=False)
    factories.WarehouseFactory(code="SOMEBODY-ELSES")
    routes = Routes()
    routes.prepare({region.code})

    found = routes.candidates(merchant.pk, "ambient", region.code)

    assert [candidate.code for candidate in found] == ["BEIJING", "SHANGHAI"]
    assert found[1].km == pytest.approx(1070, abs=10)


@pytest.mark.django_db
def test_virtual_goods_of_any_merchant_come_from_the_virtual_warehouse():
    region = factories.RegionFactory()
    factories.WarehouseFactory(code="CODES", kind="virtual", storage_classes=["virtual"])
    routes = Routes()
    routes.prepare({region.code})

    found = routes.candidates(factories.MerchantFactory().pk, "virtual", region.code)

    assert [candidate.code for candidate in found] == ["CODES"]


def test_arrays_for_postgresql_hold_nulls():
    assert array([1, None, 3]) == "{1,NULL,3}"
