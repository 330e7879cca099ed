"""SKU matching by the API: the merchant sees what its orders wait for, and says what its codes stand for."""

from decimal import Decimal

import pytest
from django.db.models import Sum

from oms.doors.loc import creating
from oms.doors.loc.base import CHANNEL
from orders.admin.searching import find
from orders.models import Order, OrderCharge, OrderLine, SkuMatch, SubOrderLine
from tests import factories, steps
from tests.api.calls import change, idempotency
from tests.api.samples import goods, virtual, virtual_sku
from tests.matching import shops
from tests.pipeline.test_statement_counts import counting

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    return shops.make_shop()


def test_an_order_that_waits_is_answered_as_it_is_read(shop: factories.Shop) -> None:
    client = factories.client_of(shop.merchant)
    sent = shops.body(shop, {"sku": "SET", "quantity": 1, "unit_price": "9.00", "id": "a"}, ("BOX", 2, "9.00"))
    shops.match(shop, "SET", (shop.sku, 2), (shop.other_sku, 1))

    made = client.post("/api/v1/orders", sent, format="json", **idempotency())

    assert made.status_code == 201
    answer = made.json()
    assert [(line["position"], line["sku"], line["caller_code"], line["id"]) for line in answer["lines"]] == [
        (1, shop.sku.code, "SET", "a"),
        (2, "", "BOX", ""),
        (3, shop.other_sku.code, "SET", ""),
    ]
    assert answer["held"] is True
    assert [hold["kind"] for hold in answer["holds"]] == ["unmatched"]
    assert answer["timeline"][1]["kind"] == "unmatched"
    assert answer["timeline"][1]["data"] == {"details": {"codes": ["BOX"], "unfit": []}}
    assert client.get(f"/api/v1/orders/{answer['number']}").json() == answer


def test_a_known_code_costs_one_statement_more_and_no_other_way(shop: factories.Shop) -> None:
    client = factories.client_of(shop.merchant)
    shops.match(shop, "SET", (shop.sku, 2), (shop.other_sku, 1))

    def statements(body: dict[str, object]) -> int:
        client.post("/api/v1/orders", shops.body(shop, ("SET", 1, "9.00")), format="json", **idempotency())
        with counting() as counted:
            made = client.post("/api/v1/orders", body, format="json", **idempotency())
        assert made.status_code == 201, made.json()
        return len(counted)

    matched = statements(shops.body(shop, ("SET", 1, "9.00")))
    shop.channel.matches_skus = False
    shop.channel.save()
    assert matched == statements(shop.body()) + 1


def test_codes_are_listed_matched_read_and_let_go(shop: factories.Shop) -> None:
    client = factories.client_of(shop.merchant)
    order = shops.place(shop, {"sku": "礼盒/12", "quantity": 2, "unit_price": "9.00", "name": "茶"})
    shops.place(shop, ("礼盒/12", 1, "9.00"))

    (row,) = client.get("/api/v1/unmatched-codes").json()["results"]
    assert (row["channel"], row["code"], row["orders"], row["units"]) == (shop.channel.code, "礼盒/12", 2, 3)
    assert row["names"] == ["礼盒/12", "茶"]
    address = row["url"].removeprefix("http://testserver")
    assert client.get(address).status_code == 404
    components = [{"sku": shop.sku.code, "units": 2}, {"sku": shop.other_sku.code, "weight": "3.00"}]
    put = client.put(address, {"components": components}, format="json")

    assert put.status_code == 200
    assert put.json()["components"] == [
        {"sku": shop.sku.code, "merchant": shop.merchant.code, "units": 2, "weight": None},
        {"sku": shop.other_sku.code, "merchant": shop.merchant.code, "units": 1, "weight": "3.00"},
    ]
    assert client.get(address).json() == put.json()
    assert client.get("/api/v1/sku-matches").json()["results"] == [put.json()]
    assert client.get("/api/v1/sku-matches?code=other").json()["results"] == []
    shops.release()
    assert not shops.is_waiting(order)
    assert client.get("/api/v1/unmatched-codes").json()["results"] == []
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert steps.broken_invariants() == []


def test_what_cannot_be_is_refused_field_by_field(shop: factories.Shop) -> None:
    client = factories.client_of(shop.merchant)
    address = f"/api/v1/sku-matches/{shop.channel.code}/BOX"

    answer = client.put(
        address,
        {"components": [{"sku": "P-none"}, {"sku": shop.sku.code}, {"sku": shop.sku.code}]},
        format="json",
    )

    assert answer.status_code == 400
    assert [(error["attr"], error["code"]) for error in answer.json()["errors"]] == [
        ("components.0.sku", "unknown_sku"),
        ("components.2.sku", "repeated"),
    ]
    assert client.put(address, {"components": []}, format="json").status_code == 400
    assert not SkuMatch.objects.exists()


def test_a_marketplace_merchant_matches_its_own_skus_only(shop: factories.Shop) -> None:
    theirs = factories.ChannelFactory(matches_skus=True)
    client = factories.client_of(theirs.merchant)
    wanted = {"components": [{"sku": shop.sku.code, "merchant": shop.merchant.code}]}

    refused = client.put(f"/api/v1/sku-matches/{theirs.code}/BOX", wanted, format="json")
    foreign = client.put(f"/api/v1/sku-matches/{shop.channel.code}/BOX", wanted, format="json")

    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "unknown_sku")
    assert foreign.status_code == 404


def test_reading_and_writing_take_the_scopes_of_skus(shop: factories.Shop) -> None:
    address = f"/api/v1/sku-matches/{shop.channel.code}/BOX"
    wanted = {"components": [{"sku": shop.sku.code}]}

    reader = factories.client_of(shop.merchant, scopes=["skus.read"])
    assert reader.put(address, wanted, format="json").status_code == 403
    assert reader.get("/api/v1/unmatched-codes").status_code == 200
    other = factories.client_of(shop.merchant, scopes=["orders.read"])
    assert other.get("/api/v1/unmatched-codes").status_code == 403
    assert other.get("/api/v1/sku-matches").status_code == 403


def test_a_loc_order_names_goods_by_the_codes_of_its_channel(shop: factories.Shop) -> None:
    loc = factories.ChannelFactory(merchant=shop.merchant, code=CHANNEL, matches_skus=True)
    card = virtual_sku(shop)
    for code, parts in (("A001", (shop.sku.code, 2)), ("V001", (card.code, 1))):
        wanted = shops.NewMatch(loc.code, code, (shops.NewComponent(parts[0], units=parts[1]),))
        shops.matches.put(shop.merchant, wanted, actor=steps.STAFF)

    order = creating.create(shop.merchant, goods(shop, items=[creating.LocItem("A001", 3)]), actor=steps.STAFF)
    of_cards = creating.create(shop.merchant, virtual(card, product_id="V001"), actor=steps.STAFF)

    assert [line[:4] for line in shops.lines_of(order)] == [(shop.sku.code, "A001", 6, "60.00")]
    assert OrderLine.objects.get(order=of_cards).sku_id == card.pk
    assert of_cards.number.startswith("3")


def sold_as_bundle(shop: factories.Shop, when: str) -> Order:
    """Three pieces, called `a`, of a bundle of two and one units at 30.00, on delivery; matched before, or after."""
    box = {"sku": "SET", "quantity": 3, "unit_price": "30.00", "id": "a"}
    if when == "before":
        shops.match(shop, "SET", (shop.sku, 2), (shop.other_sku, 1))
    order = shops.place(shop, box, (shop.sku.code, 1, "10.00"), payment_method="cod", freight_amount="0.00")
    if when == "after":
        shops.match(shop, "SET", (shop.sku, 2), (shop.other_sku, 1))
        shops.release()
    return order


def cancelled(shop: factories.Shop, order: Order, **line: object) -> tuple[int, dict[str, object]]:
    client = factories.client_of(shop.merchant)
    body = {"reason": "changed mind", "lines": [line]}
    version = steps.fresh(order).version
    answer = change(client, "post", f"/api/v1/orders/{order.number}/cancel", body, version=version)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("is_split", [False, True])
def test_a_bundle_is_cancelled_in_whole_pieces_by_the_callers_line(
    shop: factories.Shop, when: str, is_split: bool
) -> None:
    order = sold_as_bundle(shop, when)
    if is_split:
        steps.approve_and_split()

    assert cancelled(shop, order, id="a", quantity=1)[0] == 200
    if not is_split:
        steps.approve_and_split()

    gone = SubOrderLine.objects.filter(sub_order__state="cancelled").order_by("order_line__position")
    # A piece costs 30.00: 13.19 and 16.81 by 20.00 to 25.50.
    assert list(gone.values_list("order_line__position", "quantity", "payable_amount")) == [
        (1, 2, Decimal("13.19")),
        (3, 1, Decimal("16.81")),
    ]
    left = SubOrderLine.objects.exclude(sub_order__state="cancelled").order_by("order_line__position")
    assert list(left.values_list("order_line__position", "quantity")) == [(1, 4), (2, 1), (3, 2)]
    status, answer = cancelled(shop, order, id="a", quantity=3)
    assert (status, answer["errors"][0]["code"]) == (409, "cannot_cancel")
    assert steps.broken_invariants() == []


def test_one_part_of_a_bundle_is_cancelled_with_its_share_by_its_position(shop: factories.Shop) -> None:
    order = sold_as_bundle(shop, "before")
    steps.approve_and_split()

    assert cancelled(shop, order, position=3, quantity=1)[0] == 200

    gone = SubOrderLine.objects.filter(sub_order__state="cancelled")
    assert list(gone.values_list("order_line__position", "quantity", "payable_amount")) == [(3, 1, Decimal("16.81"))]
    assert OrderCharge.objects.aggregate(owed=Sum("amount"))["owed"] == Decimal("83.19")
    assert steps.broken_invariants() == []


def test_a_code_for_several_units_is_cancelled_in_pieces_too(shop: factories.Shop) -> None:
    shops.match(shop, "BOX", (shop.sku, 12))
    box = {"sku": "BOX", "quantity": 3, "unit_price": "60.00", "id": "a"}
    order = shops.place(shop, box, payment_method="cod", freight_amount="0.00")
    steps.approve_and_split()

    assert cancelled(shop, order, id="a", quantity=1)[0] == 200

    assert SubOrderLine.objects.get(sub_order__state="cancelled").quantity == 12


def test_the_same_units_named_by_id_and_by_position_are_refused(shop: factories.Shop) -> None:
    order = sold_as_bundle(shop, "before")
    client = factories.client_of(shop.merchant)
    body = {"reason": "changed mind", "lines": [{"id": "a", "quantity": 1}, {"position": 3, "quantity": 1}]}

    answer = change(client, "post", f"/api/v1/orders/{order.number}/cancel", body, version=order.version)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "repeated")
    assert order.lines.count() == 3


@pytest.mark.parametrize("when", ["before", "after", "never"])
def test_orders_are_found_by_the_callers_code(shop: factories.Shop, when: str) -> None:
    order = sold_as_bundle(shop, when)
    shops.place(shop, (shop.sku.code, 1, "10.00"))
    client = factories.client_of(shop.merchant)

    found = client.get("/api/v1/orders", {"caller_code": "SET"}).json()["results"]
    assert [one["number"] for one in found] == [order.number]
    assert client.get("/api/v1/orders", {"caller_code": "OTHER"}).json()["results"] == []
    assert find("SET").order_ids == {order.pk}
