"""POST /api/v1/orders: one order."""

import json
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import connection

from orders.models import Order, OrderEvent, OrderLine, RejectedOrder
from tests import factories
from tests.api.calls import BULK, change, errors_of, send, send_bulk

pytestmark = pytest.mark.django_db


def changed(body, path, value):
    """The body with one value replaced, such as that of `lines.0.sku`; `...` leaves the field out."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    target = body
    for parent in parents:
        target = target[parent]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return body


def test_an_order_is_stored_and_shown(api, shop):
    body = shop.body(
        (shop.sku, 2, "10.00"),
        (shop.other_sku, 1, "25.50"),
        coupon_amount="5.00",
        points={"used": 100, "amount": "1.00"},
        remark="放门口",
    )

    response = send(api, body)

    assert response.status_code == 201
    order = Order.objects.get()
    answer = response.json()
    assert response["Location"] == f"http://testserver/api/v1/orders/{order.number}" == answer["url"]
    assert answer == api.get(response["Location"]).json()
    assert {
        "number": order.number,
        "source": shop.channel.code,
        "external_number": body["external_number"],
        "state": "awaiting_payment",
        "payment_state": "unpaid",
        "fulfilment_state": "unfulfilled",
        "held": False,
        "goods_amount": "45.50",
        "freight_amount": "6.00",
        "order_amount": "51.50",
        "coupon_amount": "5.00",
        "points_used": 100,
        "points_amount": "1.00",
        "gift_card_amount": "0.00",
        "payable_amount": "45.50",
        "paid_amount": "0.00",
        "currency": "CNY",
        "remark": "放门口",
        "buyer": body["buyer"],
        "recipient": body["recipient"],
        "sub_orders": [],
        "holds": [],
    }.items() <= answer.items()
    assert [line["sku"] for line in answer["lines"]] == [shop.sku.code, shop.other_sku.code]
    assert sum(Decimal(line["payable_amount"]) for line in answer["lines"]) == Decimal("45.50")
    assert [(event["kind"], event["actor"]) for event in answer["timeline"]] == [("received", "merchant")]


def test_the_timeline_names_the_credential(api, shop):
    send(api, shop.body())
    assert OrderEvent.objects.get().actor == f"{shop.merchant.code} test"


def test_without_a_source_the_channel_is_the_merchants_own(api, shop):
    body = shop.body()
    del body["source"]
    assert send(api, body).json()["source"] == shop.merchant.code


def test_the_same_order_again_is_a_duplicate_with_the_way_to_the_first(api, shop):
    body = shop.body()
    first = send(api, body)

    again = send(api, body)

    assert again.status_code == 409
    number = first.json()["number"]
    assert again.json()["type"] == "client_error"
    assert [(error["attr"], error["code"]) for error in again.json()["errors"]] == [("external_number", "duplicate")]
    assert again.json()["order"] == {"number": number, "url": first["Location"]}
    assert again["Location"] == first["Location"]
    assert Order.objects.count() == 1
    assert OrderLine.objects.count() == 1


def test_another_channel_may_use_the_same_external_number(api, shop):
    body = shop.body()
    assert send(api, body).status_code == 201
    assert send(api, {**body, "source": "another"}).status_code == 201
    assert Order.objects.count() == 2


REFUSALS = {
    "unknown SKU": ("lines.0.sku", "NO-SUCH", "lines.0.sku", "unknown_sku"),
    "SKU with NUL": ("lines.0.sku", "P\0", "lines.0.sku", "unknown_sku"),
    "unknown merchant": ("lines.0.merchant", "NOBODY", "lines.0.merchant", "unknown_merchant"),
    "no units": ("lines.0.quantity", 0, "lines.0.quantity", "invalid_quantity"),
    "negative units": ("lines.0.quantity", -1, "lines.0.quantity", "invalid_quantity"),
    "absurd units": ("lines.0.quantity", 10_001, "lines.0.quantity", "invalid_quantity"),
    "units past 64 bits": ("lines.0.quantity", 10**30, "lines.0.quantity", "invalid_quantity"),
    "half a unit": ("lines.0.quantity", 1.5, "lines.0.quantity", "invalid"),
    "units as text": ("lines.0.quantity", "2", "lines.0.quantity", "invalid"),
    "does not add up": ("payable_amount", "26.01", "payable_amount", "does_not_add_up"),
    "pays less": ("payable_amount", "0.00", "payable_amount", "does_not_add_up"),
    "negative amount": ("payable_amount", "-26.00", "payable_amount", "negative_amount"),
    "negative freight": ("freight_amount", "-6.00", "freight_amount", "negative_amount"),
    "negative price": ("lines.0.unit_price", "-10.00", "lines.0.unit_price", "negative_amount"),
    "negative discount": ("lines.0.line_discount", "-1.00", "lines.0.line_discount", "negative_amount"),
    "three places": ("payable_amount", "26.000001", "payable_amount", "invalid_amount"),
    "three places in a price": ("lines.0.unit_price", "10.001", "lines.0.unit_price", "invalid_amount"),
    "more places than a decimal holds": (
        *("payable_amount", "26.0000000000000000000000000000000001"),
        *("payable_amount", "invalid_amount"),
    ),
    "next to nothing": ("coupon_amount", "1e-99999999", "coupon_amount", "invalid_amount"),
    "an amount of 1e400": ("payable_amount", "1e400", "payable_amount", "invalid_amount"),
    "an amount that is not a number": ("payable_amount", "NaN", "payable_amount", "invalid_amount"),
    "an infinite amount": ("freight_amount", "Infinity", "freight_amount", "invalid_amount"),
    "an amount as words": ("payable_amount", "many", "payable_amount", "invalid"),
    "too dear": ("lines.0.unit_price", "9999999999.99", "payable_amount", "does_not_add_up"),
    "discount over the price": ("lines.0.line_discount", "20.01", "lines.0.line_discount", "discount_too_large"),
    "coupon over the goods": ("coupon_amount", "20.01", "coupon_amount", "coupon_too_large"),
    "gift card over everything": ("gift_card_amount", "26.01", "payable_amount", "deductions_too_large"),
    "points without worth": ("points", {"used": 5}, "points", "points_mismatch"),
    "negative points": ("points", {"used": -5}, "points", "points_mismatch"),
    "too many points": ("points", {"used": 2**31, "amount": "0.01"}, "points", "points_mismatch"),
    "short phone": ("buyer.phone", "1380000", "buyer.phone", "invalid_phone"),
    "foreign phone": ("recipient.phone", "+1 212 555 0100", "recipient.phone", "invalid_phone"),
    "digits of another script": ("buyer.phone", "1380000١١١١", "buyer.phone", "invalid_phone"),
    "letters in a phone": ("recipient.phone", "1380000111x", "recipient.phone", "invalid_phone"),
    "unknown region": ("recipient.region_code", "999999", "recipient.region_code", "unknown_region"),
    "region of a province": ("recipient.region_code", "11", "recipient.region_code", "invalid_region"),
    "region as text": ("recipient.region_code", "东城区", "recipient.region_code", "invalid_region"),
    "region with NUL": ("recipient.region_code", "11010\0", "recipient.region_code", "invalid_region"),
    "region of elsewhere": ("recipient.province", "上海市", "recipient.province", "region_mismatch"),
    "no lines": ("lines", [], "lines", "empty"),
    "no name": ("recipient.name", " ", "recipient.name", "blank"),
    "long name": ("buyer.name", "张" * 81, "buyer.name", "too_long"),
    "no address": ("recipient.address", "", "recipient.address", "blank"),
    "long address": ("recipient.address", "路" * 201, "recipient.address", "too_long"),
    "NUL in an address": ("recipient.address", "中山路\0号", "recipient.address", "control_character"),
    "NUL in a remark": ("remark", "\0", "remark", "control_character"),
    "no external number": ("external_number", "", "external_number", "invalid"),
    "long external number": ("external_number", "X" * 65, "external_number", "invalid"),
    "NUL in an external number": ("external_number", "X\0", "external_number", "invalid"),
    "missing external number": ("external_number", ..., "external_number", "required"),
    "missing buyer": ("buyer", ..., "buyer", "required"),
    "missing phone": ("recipient.phone", ..., "recipient.phone", "required"),
    "missing price": ("lines.0.unit_price", ..., "lines.0.unit_price", "required"),
    "lines as an object": ("lines", {}, "lines", "invalid"),
    "a line as text": ("lines.0", "P1", "lines.0", "invalid"),
    "null for a buyer": ("buyer", None, "buyer", "invalid"),
    "unknown payment method": ("payment_method", "barter", "payment_method", "invalid_choice"),
    "unknown promise": ("promise", "yesterday", "promise", "invalid_choice"),
    "no time zone": ("ordered_at", "2026-01-02T09:00:00", "ordered_at", "no_time_zone"),
    "no time": ("ordered_at", "yesterday", "ordered_at", "invalid"),
    "the far future": ("ordered_at", "9999-12-31T23:59:59-23:59", "ordered_at", "out_of_range"),
    "the far past": ("ordered_at", "0001-01-01T00:00:00+23:59", "ordered_at", "out_of_range"),
    "bad channel": ("source", "no such channel!", "source", "unknown_channel"),
    "channel with NUL": ("source", "a\0", "source", "unknown_channel"),
}


@pytest.mark.parametrize(("path", "value", "attr", "code"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_wrong_is_named_and_nothing_stored(api, shop, path, value, attr, code):
    response = send(api, changed(shop.body(), path, value))

    assert response.status_code == 400, response.content
    assert response.json()["type"] == "validation_error"
    assert (attr, code) in errors_of(response)
    assert not Order.objects.exists()
    assert not OrderEvent.objects.exists()


def test_500_lines_are_taken_and_501_refused(api, shop):
    line = (shop.sku, 1, "10.00")
    refused = send(api, shop.body(*[line] * 501))
    assert (refused.status_code, errors_of(refused)) == (400, {("lines", "too_many")})
    assert not Order.objects.exists()

    assert send(api, shop.body(*[line] * 500)).status_code == 201
    assert OrderLine.objects.count() == 500


def test_an_order_whose_sum_no_column_holds_is_refused(api, shop):
    dear = [(shop.sku, 10_000, "900000.00")] * 2
    response = send(api, shop.body(*dear))
    assert (response.status_code, errors_of(response)) == (400, {("payable_amount", "invalid_amount")})

    paid = "9999999999.99"
    body = shop.body((shop.sku, 1, paid), freight_amount="6.00", gift_card_amount="6.00", payable_amount=paid)
    response = send(api, body)
    assert (response.status_code, errors_of(response)) == (400, {("lines", "amount_too_large")})
    assert not Order.objects.exists()


def test_every_wrong_field_is_named_at_once(api, shop):
    body = shop.body((shop.sku, 0, "-1.00"), (shop.other_sku, 1, "1.001"), remark="x" * 501, freight_amount="-1")
    body["lines"][0]["sku"] = "NO-SUCH"
    body["buyer"]["phone"] = body["recipient"]["phone"] = "1"
    body["recipient"]["region_code"] = "000000"

    assert errors_of(send(api, body)) == {
        ("lines.0.sku", "unknown_sku"),
        ("lines.0.quantity", "invalid_quantity"),
        ("lines.0.unit_price", "negative_amount"),
        ("lines.1.unit_price", "invalid_amount"),
        ("remark", "too_long"),
        ("freight_amount", "negative_amount"),
        ("buyer.phone", "invalid_phone"),
        ("recipient.phone", "invalid_phone"),
        ("recipient.region_code", "invalid_region"),
    }


def test_every_field_of_wrong_form_is_named_at_once(api, shop):
    body = shop.body(payable_amount=True, ordered_at=5)
    body["lines"].append({"sku": 7, "quantity": 1})
    del body["buyer"]["id"]

    assert errors_of(send(api, body)) == {
        ("payable_amount", "invalid"),
        ("ordered_at", "invalid"),
        ("lines.1.sku", "invalid"),
        ("lines.1.unit_price", "required"),
        ("buyer.id", "required"),
    }


def test_a_marketplace_merchant_sells_only_its_own_goods(shop):
    seller = factories.MerchantFactory()
    body = factories.order_body((shop.sku, 1, "10.00"))

    response = send(factories.client_of(seller), body)

    assert errors_of(response) == {("lines.0.merchant", "unknown_merchant")}
    assert not Order.objects.exists()


@pytest.mark.parametrize("status", ["pending", "suspended"])
def test_goods_of_a_merchant_that_takes_no_orders_are_refused_by_name_and_taken_once_it_does(api, shop, status):
    seller = factories.MerchantFactory(code="POP07", status=status)
    sku = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=sku)
    body = factories.order_body((shop.sku, 1, "10.00"), (sku, 1, "5.00"))

    (refused,) = send_bulk(api, body)
    assert [(error["attr"], error["code"]) for error in refused["errors"]] == [
        ("lines.1.merchant", "merchant_not_active")
    ]
    assert "POP07 takes no orders" in send(api, body, HTTP_ACCEPT_LANGUAGE="en").json()["errors"][0]["detail"]
    assert not Order.objects.exists()

    row = RejectedOrder.objects.get()
    seller.status = "active"
    seller.save()
    replayed = change(api, "post", f"/api/v1/rejected-orders/{row.pk}/replay", {}, version=row.version)
    assert replayed.status_code == 201, replayed.content
    assert Order.objects.count() == 1


def test_orders_of_the_past_may_be_of_merchants_that_are_gone(api, shop):
    sku = factories.SkuFactory(merchant=factories.MerchantFactory(status="suspended"))
    body = factories.order_body((sku, 1, "5.00"))
    past = {**body, "state": "completed", "finished_at": "2026-01-03T09:00:00+08:00"}
    client = factories.client_of(shop.merchant)
    answer = send(client, {"orders": [past]}, f"{BULK}?mode=historical")
    assert answer.json()["results"][0]["status"] == "created", answer.content


def test_goods_that_are_not_on_sale_are_unknown(api, shop):
    shop.sku.is_active = False
    shop.sku.save()
    assert errors_of(send(api, shop.body())) == {("lines.0.sku", "unknown_sku")}


def test_a_closed_channel_takes_no_orders(api, shop):
    shop.channel.is_active = False
    shop.channel.save()
    assert errors_of(send(api, shop.body())) == {("source", "inactive_channel")}


def test_a_merchant_that_opens_no_channels_must_name_one_it_has(api, shop):
    shop.merchant.opens_channels = False
    shop.merchant.save()
    assert errors_of(send(api, shop.body(source="new"))) == {("source", "unknown_channel")}
    assert send(api, shop.body()).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [{"payment_method": "cod", "promise": "211"}, {"freight_amount": "0.00", "coupon_amount": "20.00"}],
    ids=["on delivery", "nothing due"],
)
def test_the_answer_is_what_reading_the_order_gives(api, shop, changes):
    body = shop.body((shop.sku, 2, "10.00"), **changes)

    response = send(api, body)

    assert response.status_code == 201, response.json()
    assert response.json()["state"] == "in_review"
    assert response.json() == api.get(response["Location"]).json()


@pytest.mark.parametrize("order_lines", [1, 50])
def test_the_number_of_statements_does_not_grow_with_the_lines(api, shop, order_lines, django_assert_num_queries):
    send(api, shop.body())  # the credential's use is noted once a minute
    body = shop.body(*[(shop.sku, 1, "10.00")] * order_lines)
    with django_assert_num_queries(4):
        assert send(api, body).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_the_same_order_from_two_sides_at_once_is_stored_once():
    shop = factories.make_shop()
    body = json.dumps(shop.body())
    clients = [factories.client_of(shop.merchant) for _ in range(4)]
    start, answers = Barrier(len(clients)), []

    def call(client):
        start.wait(timeout=30)
        answers.append(send(client, body))
        connection.close()

    threads = [Thread(target=call, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    number = Order.objects.get().number
    assert all(number in answer["Location"] for answer in answers)
    assert OrderLine.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "attr"),
    [
        ({"payment_methode": "cod"}, "payment_methode"),
        ({"points": {"used": 1, "amonut": "1.00"}}, "points.amonut"),
        ({"state": "completed", "finished_at": "2026-01-02T09:00:00+08:00"}, "state"),
    ],
)
def test_a_field_that_is_not_known_is_named_and_nothing_is_stored(api, shop, change, attr):
    response = send(api, {**shop.body(), **change})
    assert response.status_code == 400
    assert (attr, "unknown_field") in errors_of(response)
    assert not Order.objects.exists()


@pytest.fixture
def no_sevens(transactional_db):
    """A rule that only the database knows: nobody orders seven of a thing."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_orderline ADD CONSTRAINT no_sevens CHECK (quantity <> 7)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_orderline DROP CONSTRAINT no_sevens")


@pytest.mark.usefixtures("no_sevens")
def test_what_only_the_database_refuses_is_answered_and_kept():
    """The one statement leaves nothing behind; the long way knows what to say."""
    shop = factories.make_shop()
    api = factories.client_of(shop.merchant)

    response = send(api, shop.body((shop.sku, 7, "10.00")))

    assert (response.status_code, errors_of(response)) == (400, {(None, "refused_by_database")})
    assert not Order.objects.exists()
    assert RejectedOrder.objects.get().errors[0]["code"] == "refused_by_database"
    assert send(api, shop.body((shop.sku, 6, "10.00"))).status_code == 201
