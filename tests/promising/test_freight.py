"""What a parcel costs, to the fen."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from inventory.promising.freight import Extras, Measures, NoService, Rate, Surcharge, freight, services_for
from tests.promising.plans import SF, ZTO, kg

PREMIUM = Rate(1000, 1200, 500, 100)
ECONOMY = Rate(1000, 450, 1000, 100)
COLD = replace(SF, kind="cold")
DBL = replace(SF, carrier="DBL", kind="bulky", speed="economy", volumetric_divisor=5000, max_g=500_000)


@pytest.mark.parametrize(
    ("weight", "billing", "yuan"),
    [
        ("0", "0", "12.00"),
        ("1", "1", "12.00"),
        ("1.001", "1.5", "13.00"),
        ("1.5", "1.5", "13.00"),
        ("1.501", "2", "14.00"),
        ("20", "20", "50.00"),
    ],
)
def test_first_weight_and_steps(weight, billing, yuan):
    cost = freight(Measures(kg(weight)), SF, PREMIUM)

    assert (cost.billing_g, cost.fen, cost.is_by_volume) == (kg(billing), int(Decimal(yuan) * 100), False)


def test_a_gram_more_than_the_first_kilogram_is_a_whole_one_where_it_is_rounded_so():
    assert freight(Measures(1001), ZTO, ECONOMY).fen == 550


def test_volume_counts_where_it_weighs_more_than_the_mass():
    box = Measures(2000, volume_cm3=60 * 40 * 30)

    assert freight(box, SF, PREMIUM) == replace(freight(Measures(12_000), SF, PREMIUM), is_by_volume=True), (
        "72,000 cm³ by 6000 is 12 kg"
    )
    assert freight(box, ZTO, ECONOMY).billing_g == 9000
    assert freight(Measures(2000, volume_cm3=6000 * 2), SF, PREMIUM).is_by_volume is False


def test_a_zone_without_a_rate_is_no_service_and_not_free():
    with pytest.raises(NoService) as refusal:
        freight(Measures(1000), COLD, None)
    assert refusal.value.code == "no_rate"


def test_what_is_too_heavy_or_long_for_a_service_goes_with_another_one():
    with pytest.raises(NoService) as refusal:
        freight(Measures(100_001), SF, PREMIUM)
    assert refusal.value.code == "too_heavy"
    with pytest.raises(NoService) as refusal:
        freight(Measures(1000, longest_side_cm=301), SF, PREMIUM)
    assert refusal.value.code == "too_long"
    assert freight(Measures(100_001), DBL, Rate(20_000, 3500, 1000, 80)).fen == 3500 + 81 * 80
    assert [one.carrier for one in services_for([SF, ZTO, COLD, DBL], "bulky")] == ["DBL"]
    assert [one.kind for one in services_for([SF, ZTO, COLD, DBL], "frozen")] == ["cold"]
    assert [one.carrier for one in services_for([SF, ZTO, COLD, DBL], "ambient")] == ["SF", "ZTO"]


def test_factor_lowest_fee_surcharges_and_discount_come_in_this_order():
    service = replace(ZTO, takes_cod=True, factor=Decimal("0.97"), minimum_fen=600, discount=Decimal("0.1"))
    surcharges = [
        Surcharge("cod", amount_fen=300, rate=Decimal("0.01")),
        Surcharge("insurance", rate=Decimal("0.003")),
        Surcharge("oversize", above_side_cm=100, amount_fen=1500),
        Surcharge("holiday", starts_on=date(2026, 2, 15), ends_on=date(2026, 2, 23), amount_fen=200),
        Surcharge("holiday", "SF", starts_on=date(2026, 2, 15), ends_on=date(2026, 2, 23), amount_fen=99_999),
    ]
    extras = Extras(day=date(2026, 2, 16), cod_fen=50_000, insured_fen=50_050, remote_fen=300)
    cost = freight(Measures(1000, longest_side_cm=120), service, ECONOMY, surcharges=surcharges, extras=extras)

    assert [(line.kind, line.fen) for line in cost.lines] == [
        ("weight", 600),
        ("remote", 300),
        ("cod", 500),
        ("insurance", 150),
        ("oversize", 1500),
        ("holiday", 200),
        ("discount", -325),
    ]
    assert cost.fen == 2925
    plain = freight(Measures(1000), service, ECONOMY, surcharges=surcharges, extras=Extras(day=date(2026, 3, 1)))
    assert [(line.kind, line.fen) for line in plain.lines] == [("weight", 600), ("discount", -60)]


def test_cash_is_not_collected_by_a_service_that_does_not():
    with pytest.raises(NoService) as refusal:
        freight(Measures(1000), ZTO, ECONOMY, extras=Extras(cod_fen=1))
    assert refusal.value.code == "no_cod"


def test_half_a_fen_is_rounded_up_once():
    assert freight(Measures(1000), replace(SF, factor=Decimal("1.05")), Rate(1000, 450, 500, 1)).fen == 473
