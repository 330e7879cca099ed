"""The replay of orders with arrivals drawn by a seed."""

from datetime import timedelta

from inventory.promising.freight import Measures, Rate
from inventory.promising.offering import Parcel
from oms.benchmarks.promise import Case, replay
from tests.promising.plans import BEIJING, HEBEI, SANSHA, TIBET, moment, tables


def test_nearly_all_promises_are_kept_and_every_broken_one_is_explained():
    rates = {(kind, "", zone): Rate(1000, 1200, 500, 100) for kind in ("premium", "economy") for zone in range(1, 6)}
    known = tables(rates=rates)
    cases = [
        Case(
            Parcel(1, "ambient", Measures(1500)),
            region,
            moment("2026-03-02 00:10:00") + timedelta(minutes=37 * number),
            wish,
        )
        for number in range(600)
        for region, wish in ((BEIJING, "211"), (HEBEI, "standard"), (TIBET, "standard"), (SANSHA, "standard"))
    ]
    figures = replay(known, cases)

    assert figures == replay(known, cases), "the same seed draws the same arrivals"
    assert figures != replay(known, cases, seed=2)
    assert (figures["measured"], figures["without_a_date"], figures["unexplained"]) == (1800, 600, 0)
    assert {name: figures[name] > 90 for name in figures if name.startswith("hit_rate")} == {
        "hit_rate_211_NEXT": True,
        "hit_rate_211_SAME": True,
        "hit_rate_STANDARD": True,
    }
    assert figures["broken"] == figures["broken_carrier_late"] + figures["broken_left_late"]
