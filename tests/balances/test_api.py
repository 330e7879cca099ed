"""The API of gift cards and points, and what it shows of an order's tenders and instalments."""

from typing import Any

import pytest

from oms.merchants.calls import scopes
from payments.models import BalanceAccount
from tests import factories, steps
from tests.api.calls import idempotency
from tests.balances import wallets
from tests.balances.test_instalments import parts
from tests.balances.wallets import by_card, by_points

pytestmark = pytest.mark.django_db
BATCH = {"batch": "B1", "is_sold": True, "cards": [{"amount": "50.00", "reference": "New Year"}, {"amount": "9999.00"}]}


def post(api: Any, path: str, body: Any, **headers: Any) -> Any:
    return api.post(f"/api/v1/{path}", body, format="json", **(headers or idempotency()))


def test_cards_are_issued_with_a_result_for_each_and_a_repeated_call_gets_the_same_codes(api):
    key = idempotency()
    answer = post(api, "gift-cards", BATCH, **key)
    assert answer.status_code == 201
    first, second = answer.json()["cards"]
    assert (second["number"], second["error"]["code"], second["error"]["attr"]) == (
        None,
        "invalid_amount",
        "cards.1.amount",
    )
    assert post(api, "gift-cards", BATCH, **key).json() == answer.json()
    assert post(api, "gift-cards", BATCH).status_code == 409
    assert BalanceAccount.objects.count() == 1

    shown = api.get(f"/api/v1/gift-cards/{first['number']}").json()
    assert (shown["available"], shown["held"], shown["reference"]) == ("50.00", "0.00", "New Year")
    assert shown["code_end"] == first["code"][-4:]
    assert first["code"] not in str(shown)
    found = post(api, "gift-cards/look-up", {"code": first["code"].lower()})
    assert found.json()["number"] == first["number"]
    assert post(api, "gift-cards/look-up", {"code": "AAAA"}).status_code == 404
    assert [card["number"] for card in api.get("/api/v1/gift-cards?reference=New Year").json()["results"]] == [
        first["number"]
    ]


def test_what_an_order_did_with_a_card_is_read_with_the_order_and_with_the_card(api, shop):
    issued = wallets.card(shop.merchant)
    wallets.member(shop.merchant, 300)
    body = shop.body(**by_card(issued, "10.00"), **by_points(200), **parts("4.00", "10.00"))
    answer = post(api, "orders", body)
    assert answer.status_code == 201, answer.content
    number = answer.json()["number"]
    assert issued.code not in answer.content.decode()

    money = api.get(f"/api/v1/orders/{number}/payments").json()
    assert [(row["kind"], row["amount"]) for row in money["tenders"]] == [("gift_card", "10.00"), ("points", "2.00")]
    assert [(row["position"], row["amount"]) for row in money["instalments"]] == [(1, "4.00"), (2, "10.00")]
    moved = api.get(f"/api/v1/gift-cards/{issued.card.number}/movements").json()["results"]
    assert [(row["kind"], row["available_change"], row["available_after"], row["order"]) for row in moved] == [
        ("held", "-10.00", "90.00", number),
        ("sold", "100.00", "100.00", None),
    ]
    (points,) = api.get("/api/v1/points-accounts?member=M1").json()["results"]
    assert (points["available"], points["held"]) == (100, 200)
    moved = api.get(f"/api/v1/points-accounts/{points['number']}/movements").json()["results"]
    assert [row["kind"] for row in moved] == ["held", "adjusted"]


def test_an_order_whose_card_is_too_small_is_refused_and_says_what_is_left(api, shop):
    issued = wallets.card(shop.merchant, "5.00")
    answer = post(api, "orders", shop.body(**by_card(issued, "10.00")))

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["code"], error["attr"]) == ("gift_card_too_small", "gift_cards.0.amount")
    assert wallets.has(issued.card) == (500, 0)


def test_points_are_opened_once_a_member(api):
    first = post(api, "points-accounts", {"member": "M7"})
    assert first.status_code == 201
    assert post(api, "points-accounts", {"member": "M7"}).json()["number"] == first.json()["number"]
    assert BalanceAccount.objects.count() == 1


def test_issuing_needs_its_own_scope_and_the_self_operated_merchant(shop):
    reader = factories.client_of(shop.merchant, scopes=[scopes.BALANCES_READ])
    assert post(reader, "gift-cards", BATCH).status_code == 403
    assert reader.get("/api/v1/gift-cards").status_code == 200
    other = factories.client_of(factories.MerchantFactory())
    assert post(other, "gift-cards", BATCH).status_code == 409
    assert not BalanceAccount.objects.exists()


def test_a_payment_says_its_serial_and_what_went_back_of_it(api, shop):
    order = shop.place_order()
    steps.ask_for_payment()
    steps.notify(f"{order.number}-P1", "26.00", transaction="T-1")
    factories.run(steps.noticing.run)
    shown = api.get(f"/api/v1/payments/{order.number}-P1").json()

    assert (shown["transaction_number"], shown["captured_amount"], shown["refunded_amount"]) == ("T-1", "26.00", "0.00")
