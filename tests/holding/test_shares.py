"""What channels may sell: one formula in Python and SQL, lists that miss nothing, bundles."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from inventory import receiving, sharing
from inventory.models import ChannelShare, Stock, Warehouse
from inventory.sharing import NewShare, Share, sellable
from orders.matching import matches
from orders.matching.matches import NewComponent, NewMatch
from tests import factories, steps
from tests.api.calls import errors_of, send
from tests.holding import carts
from tests.holding.carts import reserve, reserved

pytestmark = pytest.mark.django_db

STOCK = "/api/v1/stock"
SHARES = "/api/v1/stock/shares"
LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("units", "share", "expected"),
    [
        (100, Share(), 100),
        (101, Share(50), 50),
        (100, Share(50, 10), 40),
        (100, Share(50, 60), 0),
        (100, Share(100, 0, 7), 7),
        (5, Share(100, 0, 7), 5),
        (100, Share(0), 0),
        (100, Share(33, 3, 29), 29),
        (-4, Share(), 0),
    ],
)
def test_a_channel_may_sell_its_share_less_what_is_kept_back_up_to_its_cap(units, share, expected):
    assert sellable(units, share) == sellable(units, share, 50) == expected


def test_presale_counts_before_the_share_and_is_rounded_once():
    assert sellable(0, Share(presale_percent=50), 7) == 3
    assert sellable(1, Share(50, presale_percent=33), 10) == 2, "(1 + 3.3) / 2"
    assert sellable(10, Share(100, 2, 14, presale_percent=100), 7) == 14


@given(
    st.lists(
        st.tuples(
            *(st.integers(-10, 2000), st.integers(0, 100), st.integers(0, 300), st.none() | st.integers(0, 900)),
            *(st.integers(0, 100), st.integers(0, 500)),
        ),
        max_size=40,
    )
)
@limits(max_examples=20, deadline=None)
def test_sql_says_what_python_says(rows):
    columns = list(zip(*rows, strict=True)) or [()] * 6
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {sharing.sellable_sql("c.units", "c", "c.ahead")}
            FROM unnest(%s::int[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[]) WITH ORDINALITY
                AS c(units, percent, kept_back, cap, presale_percent, ahead, place) ORDER BY place
            """,
            [list(column) for column in columns],
        )
        found = [units for (units,) in cursor.fetchall()]

    assert found == [sellable(units, Share(*share), ahead) for units, *share, ahead in rows]


def _share(shop, sku=None, **share):
    new = NewShare(shop.channel.pk, sku and sku.pk, Share(**share))
    sharing.set_shares([new], actor="li")


def _sellable(api, sku):
    row = {row["sku"]: row for row in api.get(STOCK, {"updated_since": LONG_AGO}).json()["results"]}[sku.code]
    return {one["channel"]: one["sellable"] for one in row["channels"]}


def test_the_list_shows_what_each_channel_may_sell_and_each_warehouse_is_clamped_before_the_sum(api, shop):
    other = factories.ChannelFactory(merchant=shop.merchant, code="zz")
    second = factories.WarehouseFactory(merchant=shop.merchant)
    factories.StockFactory(sku=shop.sku, warehouse=second, on_hand=5)
    Stock.objects.filter(sku=shop.sku, warehouse=second).update(safety_stock=25)
    Stock.objects.filter(sku=shop.sku, warehouse=shop.warehouse).update(safety_stock=10)
    factories.allocated_order((shop.sku, 9, "1.00"), merchant=shop.merchant)
    _share(shop, percent=50)
    _share(shop, shop.other_sku, percent=100, kept_back=20, cap=70)

    page = api.get(STOCK, {"updated_since": LONG_AGO}).json()

    assert page["next"] is None
    row = next(row for row in page["results"] if row["sku"] == shop.sku.code)
    assert {name: row[name] for name in ("on_hand", "reserved", "frozen", "safety_stock", "available")} == {
        "on_hand": 105,
        "reserved": 9,
        "frozen": 0,
        "safety_stock": 35,
        "available": 81,
    }
    own = shop.merchant.code  # by which the order came
    assert _sellable(api, shop.sku) == {shop.channel.code: 40, other.code: 81, own: 81}
    assert _sellable(api, shop.other_sku) == {shop.channel.code: 70, other.code: 100, own: 100}


def test_whatever_changes_what_may_be_sold_comes_again_and_nothing_else(api, shop):
    def news(cursor):
        page = api.get(STOCK, {"cursor": cursor}).json()
        return [row["sku"] for row in page["results"]], page["cursor"]

    first = api.get(STOCK, {"updated_since": LONG_AGO, "limit": 1}).json()
    assert len(first["results"]) == 1
    rest = api.get(first["next"]).json()
    assert {row["sku"] for row in first["results"] + rest["results"]} == {shop.sku.code, shop.other_sku.code}
    assert rest["next"] is None
    cursor = rest["cursor"]
    assert news(cursor)[0] == []

    receiving.receive(shop.warehouse.pk, shop.sku.pk, 5, actor="test")
    skus, cursor = news(cursor)
    assert skus == [shop.sku.code]
    number = reserved(api, (shop.other_sku, 2), source=shop.channel.code)["number"]
    skus, cursor = news(cursor)
    assert skus == [shop.other_sku.code]
    api.delete(f"{carts.URL}/{number}")
    Stock.objects.filter(sku=shop.sku).update(safety_stock=3)
    skus, cursor = news(cursor)
    assert skus == [shop.other_sku.code, shop.sku.code]
    _share(shop, shop.sku, percent=10)
    skus, cursor = news(cursor)
    assert skus == [shop.sku.code]
    _share(shop, percent=90)
    skus, cursor = news(cursor)
    assert set(skus) == {shop.sku.code, shop.other_sku.code}
    Warehouse.objects.filter(pk=shop.warehouse.pk).update(is_active=False)
    skus, cursor = news(cursor)
    assert set(skus) == {shop.sku.code, shop.other_sku.code}
    assert _sellable(api, shop.sku)[shop.channel.code] == 0
    assert news(cursor)[0] == []


@pytest.mark.parametrize(
    "query", [{}, {"cursor": "x"}, {"updated_since": "soon"}, {"updated_since": LONG_AGO, "limit": 1001}]
)
def test_a_list_that_begins_nowhere_is_refused(api, query):
    assert api.get(STOCK, query).status_code == 400


def test_shares_are_taken_or_refused_row_by_row(api, shop):
    stranger = factories.SkuFactory()
    rows = [
        {"channel": shop.channel.code, "percent": 50},
        {"channel": "nowhere"},
        {"channel": shop.channel.code, "sku": stranger.code},
        {"channel": shop.channel.code, "sku": shop.sku.code, "percent": 10, "kept_back": 1, "cap": 8},
        {"channel": shop.channel.code, "sku": shop.sku.code, "percent": 20, "kept_back": 1, "cap": 8},
    ]

    answer = send(api, {"shares": rows}, SHARES)

    results = answer.json()["results"]
    assert [row["status"] for row in results] == ["changed", "refused", "refused", "changed", "changed"]
    assert [results[i]["errors"][0]["code"] for i in (1, 2)] == ["unknown_channel", "unknown_sku"]
    shown = {row["sku"]: (row["percent"], row["kept_back"], row["cap"]) for row in api.get(SHARES).json()["results"]}
    assert shown == {None: (50, 0, None), shop.sku.code: (20, 1, 8)}
    assert _sellable(api, shop.sku)[shop.channel.code] == 8
    send(api, {"shares": [{"channel": shop.channel.code}]}, SHARES)
    assert _sellable(api, shop.other_sku)[shop.channel.code] == 100


@pytest.mark.parametrize(
    "row",
    [{"percent": 101}, {"percent": -1}, {"percent": 1.5}, {"kept_back": -1}, {"cap": -1}, {"cap": 10**10}, {"pct": 1}],
)
def test_absurd_shares_are_refused_row_by_row(api, shop, row):
    right = {"channel": shop.channel.code, "sku": shop.sku.code, "percent": 5}

    answer = send(api, {"shares": [{"channel": shop.channel.code, **row}, right]}, SHARES)

    wrong, changed = answer.json()["results"]
    assert (answer.status_code, wrong["status"], changed["status"]) == (200, "refused", "changed")
    assert [error["attr"] for error in wrong["errors"]] == list(row)
    assert list(ChannelShare.objects.values_list("sku", "percent")) == [(shop.sku.pk, 5)]


def test_five_thousand_shares_take_few_statements(api, shop, django_assert_max_num_queries):
    rows = [{"channel": shop.channel.code, "sku": f"N-{place}"} for place in range(4999)]
    rows.append({"channel": shop.channel.code, "sku": shop.sku.code, "percent": 1})

    with django_assert_max_num_queries(25):
        results = send(api, {"shares": rows}, SHARES).json()["results"]

    assert [len(results), results[-1]["status"]] == [5000, "changed"]
    assert send(api, {"shares": [*rows, rows[0]]}, SHARES).status_code == 400


def test_a_channel_sets_no_more_aside_than_it_may_sell(api, shop):
    _share(shop, shop.sku, percent=50, kept_back=10)

    assert errors_of(reserve(api, (shop.sku, 41), source=shop.channel.code)) == {
        ("lines.0.quantity", "insufficient_stock")
    }
    reserved(api, (shop.sku, 40), source=shop.channel.code)
    # 60 can be promised now: half of it less ten.
    both = reserved(api, (shop.sku, 15), (shop.sku, 15), source=shop.channel.code, mode="each")
    assert [row["line"] for row in both["lines"]] == [1]
    assert both["refused"] == [{"line": 2, "sku": shop.sku.code, "available": 5}]
    factories.ChannelFactory(merchant=shop.merchant, code="free")
    reserved(api, (shop.sku, 45), source="free")
    assert carts.figures(shop.sku) == [(100, 100)]


def test_there_are_as_many_bundles_as_their_scarcest_component_allows(api, shop, client):
    components = (NewComponent(shop.sku.code, units=3), NewComponent(shop.other_sku.code))
    matches.put(shop.merchant, NewMatch(shop.channel.code, "SET", components), actor=steps.STAFF)
    url = f"/api/v1/sku-matches/{shop.channel.code}/SET"

    assert api.get(url).json()["sellable"] == 33
    assert api.get("/api/v1/sku-matches").json()["results"][0]["sellable"] == 33
    factories.allocated_order((shop.other_sku, 80, "1.00"), merchant=shop.merchant)
    assert api.get(url).json()["sellable"] == 20
    _share(shop, shop.sku, percent=50, cap=11)
    assert api.get(url).json()["sellable"] == 3
    client.force_login(factories.UserFactory(is_superuser=True))
    page = client.get("/admin/orders/skumatch/").content.decode()
    assert '<td class="field-sellable_pieces' in page or ">3<" in page


def test_a_share_is_never_more_than_all_nor_said_twice(shop):
    _share(shop, percent=30)
    _share(shop, percent=40)

    assert list(ChannelShare.objects.values_list("sku", "percent", "changed_by")) == [(None, 40, "li")]
    assert ChannelShare.objects.get().changed_at > datetime(2026, 1, 1, tzinfo=UTC)
