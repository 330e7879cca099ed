"""GET /api/v1/orders: lists, filters, details."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db.models import F
from django.utils import timezone

from logistics.models import Carrier, Shipment, TrackingEvent
from orders import kinds
from orders.actors import Actor
from orders.models import ActorKind, Hold, Order, SubOrder
from orders.telling import timeline
from tests import factories
from tests.api.calls import ORDERS, errors_of, pages

pytestmark = pytest.mark.django_db


def numbers(api, **parameters):
    """The order numbers of a list's first page."""
    response = api.get(ORDERS, parameters)
    assert response.status_code == 200, response.content
    return [order["number"] for order in response.json()["results"]]


def test_newest_come_first(api, shop):
    placed = [shop.place_order().number for _ in range(3)]
    assert numbers(api) == placed[::-1]


def test_pages_visit_every_order_once_while_new_ones_arrive(api, shop):
    placed = [shop.place_order().number for _ in range(7)]
    seen, url = [], f"{ORDERS}?limit=2"
    while url:
        answer = api.get(url).json()
        seen += [order["number"] for order in answer["results"]]
        assert len(answer["results"]) <= 2
        url = answer["next"]
        shop.place_order()

    assert seen == placed[::-1]


def test_a_full_last_page_has_no_next(api, shop):
    for _ in range(4):
        shop.place_order()
    assert [len(page) for page in pages(api, f"{ORDERS}?limit=2")] == [2, 2]


def test_pages_keep_their_filters(api, shop):
    wanted = {shop.place_order(payment_method="cod").number for _ in range(3)}
    for _ in range(3):
        shop.place_order()
    found = pages(api, f"{ORDERS}?payment_method=cod&limit=1")
    assert {order["number"] for page in found for order in page} == wanted
    assert len(found) == 3


def test_a_cursor_tells_nothing_about_volume(api, shop):
    for _ in range(2):
        order = shop.place_order()
    following = api.get(f"{ORDERS}?limit=1").json()["next"]
    (cursor,) = parse_qs(urlsplit(following).query)["cursor"]
    assert cursor != str(order.pk)


@pytest.mark.parametrize(
    ("parameters", "attr", "code"),
    [
        ({"limit": "0"}, "limit", "invalid"),
        ({"limit": "201"}, "limit", "invalid"),
        ({"limit": "-1"}, "limit", "invalid"),
        ({"limit": "many"}, "limit", "invalid"),
        ({"limit": "9" * 5000}, "limit", "invalid"),
        ({"limit": ""}, "limit", "invalid"),
        ({"limit": "١"}, "limit", "invalid"),
        ({"cursor": "1"}, "cursor", "invalid"),
        ({"cursor": ""}, "cursor", "invalid"),
        ({"cursor": "a" * 12}, "cursor", "invalid"),
        ({"state": "lost"}, "state", "invalid_choice"),
        ({"held": "perhaps"}, "held", "invalid_choice"),
        ({"created_after": "yesterday"}, "created_after", "invalid"),
        ({"number": "\0"}, "number", "null_characters_not_allowed"),
        ({"external_number": "x" * 65}, "external_number", "max_length"),
        ({"stat": "split"}, "stat", "unknown_parameter"),
        ({"format": "xml"}, "format", "unknown_parameter"),
    ],
)
def test_a_wrong_parameter_is_named(api, parameters, attr, code):
    response = api.get(ORDERS, parameters)
    assert (response.status_code, errors_of(response)) == (400, {(attr, code)})


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_the_ends_of_time_are_no_server_error(api, text):
    for name in ("created_after", "created_before", "ordered_after", "ordered_before"):
        assert api.get(ORDERS, {name: text}).status_code in (200, 400)


def test_each_filter_finds_its_orders(api, shop):
    plain = shop.place_order()
    other = shop.place_order(
        (shop.other_sku, 1, "25.50"),
        source="other-shop",
        payment_method="cod",
        ordered_at="2026-03-01T00:00:00+08:00",
        buyer={"id": "B2", "name": "李娜", "phone": "13900002222"},
    )
    Order.objects.filter(pk=other.pk).update(open_holds=1, created_at=F("created_at") + timedelta(days=1))
    tomorrow = (timezone.now() + timedelta(hours=12)).isoformat()

    only_other = [
        {"number": other.number},
        {"external_number": other.external_number},
        {"source": "other-shop"},
        {"state": "in_review"},
        {"payment_state": "on_delivery"},
        {"payment_method": "cod"},
        {"held": "true"},
        {"created_after": tomorrow},
        {"ordered_after": "2026-02-01T00:00:00+08:00"},
        {"buyer": "B2"},
        {"phone": "13900002222"},
        {"sku": shop.other_sku.code},
    ]
    for parameters in only_other:
        assert numbers(api, **parameters) == [other.number], parameters
    only_plain = [
        {"source": shop.channel.code},
        {"held": "false"},
        {"created_before": tomorrow},
        {"ordered_before": "2026-02-01T00:00:00+08:00"},
        {"state": "awaiting_payment", "payment_method": "prepaid"},
    ]
    for parameters in only_plain:
        assert numbers(api, **parameters) == [plain.number], parameters
    assert numbers(api, phone="13800001111", fulfilment_state="unfulfilled") == [other.number, plain.number]
    assert numbers(api, state="split") == []


@pytest.mark.parametrize("order_count", [1, 20])
def test_a_list_takes_three_statements(api, shop, order_count, django_assert_num_queries):
    for _ in range(order_count):
        shop.place_order()
    api.get(ORDERS)  # the credential's use is noted once a minute
    with django_assert_num_queries(3):
        assert len(numbers(api, sku=shop.sku.code, phone="13800001111")) == order_count


@pytest.mark.parametrize("order_lines", [1, 20])
def test_a_detail_takes_seven_statements(api, shop, order_lines, django_assert_num_queries):
    order = factories.allocated_order(*[(shop.sku, 1, "1.00")] * order_lines, merchant=shop.merchant)
    api.get(ORDERS)
    with django_assert_num_queries(7):
        assert len(api.get(f"{ORDERS}/{order.number}").json()["sub_orders"][0]["lines"]) == order_lines


def test_a_detail_shows_sub_orders_with_their_money(api, shop):
    other_sku = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    order = factories.allocated_order(
        (shop.sku, 2, "10.00"), (other_sku, 3, "1.00"), merchant=shop.merchant, coupon_amount="3.00"
    )

    answer = api.get(f"{ORDERS}/{order.number}").json()

    assert answer["state"] == "split"
    first, second = answer["sub_orders"]
    assert (first["number"], first["state"], first["warehouse"], first["shortage"]) == (
        *(f"{order.number}-1", "allocated", shop.warehouse.code, None),
    )
    assert (second["number"], second["state"], second["warehouse"], second["shortage"]) == (
        *(f"{order.number}-2", "backordered", None, {other_sku.code: 3}),
    )
    assert first["lines"] == [
        {
            "position": 1,
            "id": "",
            "sku": shop.sku.code,
            "name": shop.sku.name,
            "is_gift": False,
            "quantity": 2,
            "goods_amount": "20.00",
            "freight_share": "5.00",
            "promotion_share": "0.00",
            "coupon_share": "3.00",
            "adjustment_share": "0.00",
            "points_share": "0.00",
            "gift_card_share": "0.00",
            "merchant_borne_share": "0.00",
            "payable_amount": "22.00",
        }
    ]
    assert second["payable_amount"] == "4.00"
    assert [event["kind"] for event in answer["timeline"]] == [
        "received",
        "approved",
        "split",
        "allocated",
        "backordered",
    ]
    assert answer["timeline"][3]["data"] == {"number": first["number"], "warehouse": shop.warehouse.code}
    assert [{**event, "changes": {}} for event in answer["timeline"]] == api.get(
        f"{ORDERS}/{order.number}/timeline"
    ).json()


def test_what_staff_write_for_each_other_stays_inside(api, shop):
    order = shop.place_order()
    rule = factories.review_rule("r", "on_list", values={"list": "deny"})
    Hold.objects.create(
        order=order, kind="rule", rule=rule, rule_key=rule.key, reason="known fraud", opened_by="clerk-7"
    )
    staff = Actor(ActorKind.STAFF, "clerk-7")
    timeline.add_note(order.pk, text="buyer is suspicious", actor=staff)
    timeline.record(order.pk, kinds.HELD, staff, reason="known fraud")
    timeline.record(
        order.pk, kinds.CANCELLED, staff, from_state=order.state, to_state="cancelled", reason="out of season"
    )

    answer = api.get(f"{ORDERS}/{order.number}")

    assert answer.json()["holds"][0].keys() == {"kind", "opened_at", "released_at"}
    assert [event["kind"] for event in answer.json()["timeline"]] == ["received", "held", "cancelled"]
    assert answer.json()["timeline"][2]["data"] == {"reason": "out of season"}
    for secret in ("fraud", "suspicious", "clerk-7"):
        assert secret not in answer.content.decode()


def test_parcels_are_shown_with_their_scans(api, shop, django_assert_num_queries):
    order = factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    sub_order = SubOrder.objects.get()
    carrier = Carrier.objects.create(code="SF", name="顺丰")
    shipment = Shipment.objects.create(
        number=f"{sub_order.number}-S1", sub_order=sub_order, carrier=carrier, waybill_number="SF1"
    )
    Shipment.objects.filter(pk=shipment.pk).update(state="in_transit")
    for key, minutes in (("b", 2), ("a", 1)):
        at = timezone.now() + timedelta(minutes=minutes)
        TrackingEvent.objects.create(shipment=shipment, event_key=key, state="in_transit", text=key, occurred_at=at)
    api.get(ORDERS)

    with django_assert_num_queries(5):
        (parcel,) = api.get(f"{ORDERS}/{order.number}/shipments").json()

    assert (parcel["number"], parcel["carrier"], parcel["waybill_number"]) == (f"{sub_order.number}-S1", "SF", "SF1")
    assert [scan["text"] for scan in parcel["scans"]] == ["a", "b"]
    assert api.get(f"/api/v1/sub-orders/{sub_order.number}/shipments").json() == [parcel]
