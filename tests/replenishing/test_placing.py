"""Where stock should lie: shares of the demand, whole units, and the page that shows them."""

from itertools import pairwise

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from inventory.replenishing.placing import Share, placed, shares
from tests import factories
from tests.admin.conftest import client_of
from tests.replenishing import places

_shares = st.lists(st.floats(0.001, 1), min_size=1, max_size=8).map(
    lambda found: [Share(place, share) for place, share in enumerate(found)]
)


def test_few_sales_of_a_sku_say_less_than_what_the_places_sell_of_everything():
    usual = {1: 75.0, 2: 25.0}
    assert shares({}, usual) == [Share(1, 0.75), Share(2, 0.25)]
    assert shares({2: 5}, usual) == [Share(1, 0.375), Share(2, 0.625)]
    assert shares({2: 495}, usual) == [Share(1, 0.0075), Share(2, 0.9925)]
    assert shares({}, {1: 0, 2: 0}) == [Share(1, 0.5), Share(2, 0.5)], "nothing is known at all"


@pytest.mark.parametrize(
    ("units", "found"), [(0, (0, 0, 0)), (1, (1, 0, 0)), (2, (1, 1, 0)), (4, (2, 1, 1)), (10, (5, 3, 2))]
)
def test_units_are_shared_out_as_the_demand(units, found):
    assert tuple(placed(units, [Share(1, 0.5), Share(2, 0.3), Share(3, 0.2)]).values()) == found


@given(st.integers(0, 500), _shares)
def test_no_unit_is_lost_and_a_larger_share_never_gets_fewer(units, expected):
    found = placed(units, expected)
    assert sum(found.values()) == units
    ordered = sorted(expected, key=lambda one: one.share)
    for less, more in pairwise(ordered):
        assert found[less.place] <= found[more.place] or less.share == more.share


@pytest.mark.django_db
def test_the_page_shows_what_lies_elsewhere_than_it_should(shop):
    (other,) = places.other_warehouses(shop, 20)
    places.wanted(shop.sku, other, {3: 115})
    reader = client_of("view_replenishmentpolicy")
    page = reverse("admin:inventory_placement")

    (proposal,) = reader.get(page).context["proposals"]

    # Five units' weight goes by what the places sell of everything, which is at the other one, too.
    assert [(one.warehouse, one.sold, one.there, one.proposed) for one in proposal.places] == [
        (shop.warehouse.code, 0, 100, 0),
        (other.code, 115, 20, 120),
    ]
    assert proposal.misplaced == 100
    assert "lie elsewhere" in reader.get(page).content.decode()
    (found,) = reader.get(page, {"q": shop.other_sku.code}).context["proposals"]
    assert found.sku == shop.other_sku
    assert reader.get(page, {"q": "\x00"}).status_code == 200
    assert client_of("view_order").get(page).status_code == 403
    factories.SkuFactory(storage_class="frozen", merchant=shop.merchant, code="ICE")
    assert reader.get(page, {"q": "ICE"}).context["proposals"] == [], "nobody keeps it"
