"""The money part of an order's contract: promotions, the change of its price, floors, and what the channel took."""

from decimal import Decimal
from typing import Any

import pytest

from oms.merchants.models import Channel
from orders.intake import pricing
from orders.models import Order, OrderLine, OrderPromotion, PromotionShare
from payments.taking import recording, requesting
from tests import factories, steps
from tests.api.calls import BULK, ORDERS, errors_of, send, send_bulk
from tests.api.test_create_order import changed

pytestmark = pytest.mark.django_db

TAKEN = {"paid_at": "2026-01-02T09:00:05+08:00", "amount": "26.00", "transaction": "4200001", "provider": "wechat"}


def promotion(amount: str, code: str = "P1", **changes: Any) -> dict[str, Any]:
    """A promotion of the order that takes off so much."""
    return {"id": code, "name": "满减", "rule": {"kind": "amount_off", "off": amount}, "amount": amount, **changes}


def three_lines(shop: factories.Shop) -> list[tuple[Any, int, str]]:
    """Goods of 100.00, 50.00 and 33.33."""
    third = factories.SkuFactory(merchant=shop.merchant)
    return [(shop.sku, 1, "100.00"), (shop.other_sku, 1, "50.00"), (third, 1, "33.33")]


def shares(column: str) -> list[str]:
    """That share of each line of the only order, in the order of the lines."""
    return [str(share) for share in OrderLine.objects.order_by("position").values_list(column, flat=True)]


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [("whole_yuan", ["11.00", "5.00", "4.00"]), ("fen", ["10.91", "5.45", "3.64"])],
)
@pytest.mark.parametrize("kind", ["promotion", "coupon", "adjustment", "freight"])
def test_an_amount_is_shared_by_the_policy_which_the_order_keeps(api, shop, settings, policy, wanted, kind):
    settings.APPORTIONMENT_POLICY = policy
    changes: dict[str, Any] = {
        "promotion": {"promotions": [promotion("20.00")]},
        "coupon": {"coupon_amount": "20.00"},
        "adjustment": {"adjustment_amount": "-20.00", "adjustment_reason": "改价"},
        "freight": {},
    }[kind]

    answer = send(api, shop.body(*three_lines(shop), freight_amount="20.00", **changes)).json()

    sign = "-" if kind == "adjustment" else ""
    assert shares(f"{kind}_share") == [f"{sign}{share}" for share in wanted]
    amounts = api.get(f"{ORDERS}/{answer['number']}/amounts").json()
    assert amounts["apportionment_policy"] == policy
    assert steps.broken_invariants() == []


def test_the_order_of_lines_changes_nothing(api, shop):
    lines = three_lines(shop)
    money = {
        "promotions": [promotion("7.77")],
        "coupon_amount": "3.33",
        "adjustment_amount": "-0.09",
        "adjustment_reason": "抹零",
    }
    numbers = [send(api, shop.body(*some, **money)).json()["number"] for some in (lines, lines[::-1])]

    def by_sku(number: str) -> list[dict[str, Any]]:
        rows = api.get(f"{ORDERS}/{number}/amounts").json()["lines"]
        return sorted(({**row, "position": 0} for row in rows), key=lambda row: row["sku"])

    assert by_sku(numbers[0]) == by_sku(numbers[1])


def test_every_fen_of_a_promotion_is_explained_by_line_and_bearer(api, shop):
    body = shop.body(
        *three_lines(shop),
        promotions=[
            promotion("20.00", platform_amount="12.00", merchant_amount="8.00"),
            promotion("5.00", "P2", name="", lines=[2, 3], merchant_amount="5.00"),
        ],
        adjustment_amount="-0.09",
        adjustment_reason="抹零",
        adjustment_bearer="merchant",
    )

    response = send(api, body)

    assert response.status_code == 201, response.json()
    answer = response.json()
    assert answer == api.get(response["Location"]).json()
    assert {
        "promotion_amount": "25.00",
        "adjustment_amount": "-0.09",
        "adjustment_reason": "抹零",
        "adjustment_bearer": "merchant",
        "merchant_borne_amount": "13.09",
        "payable_amount": "164.24",
        "collected": None,
    }.items() <= answer.items()
    amounts = api.get(f"{ORDERS}/{answer['number']}/amounts").json()
    assert amounts["promotions"] == [
        {
            "id": "P1",
            "name": "满减",
            "rule": {"kind": "amount_off", "off": "20.00"},
            "amount": "20.00",
            "platform_amount": "12.00",
            "merchant_amount": "8.00",
        },
        {
            "id": "P2",
            "name": "",
            "rule": {"kind": "amount_off", "off": "5.00"},
            "amount": "5.00",
            "platform_amount": "0.00",
            "merchant_amount": "5.00",
        },
    ]
    first = {"id": "P1", "amount": "11.00", "platform_amount": "6.60", "merchant_amount": "4.40"}
    assert [line["promotions"] for line in amounts["lines"]] == [
        [first],
        [
            {"id": "P1", "amount": "5.00", "platform_amount": "3.00", "merchant_amount": "2.00"},
            {"id": "P2", "amount": "3.00", "platform_amount": "0.00", "merchant_amount": "3.00"},
        ],
        [
            {"id": "P1", "amount": "4.00", "platform_amount": "2.40", "merchant_amount": "1.60"},
            {"id": "P2", "amount": "2.00", "platform_amount": "0.00", "merchant_amount": "2.00"},
        ],
    ]
    assert [line["promotion_share"] for line in amounts["lines"]] == ["11.00", "8.00", "6.00"]
    assert [line["adjustment_share"] for line in amounts["lines"]] == ["-0.05", "-0.02", "-0.02"]
    assert [line["merchant_borne_share"] for line in amounts["lines"]] == ["4.45", "5.02", "3.62"]
    assert steps.broken_invariants() == []


def test_without_a_bearer_the_channels_owner_bears(api, shop):
    seller = factories.MerchantFactory()
    sku = factories.SkuFactory(merchant=seller)
    money = {"promotions": [promotion("1.00")], "adjustment_amount": "-0.50", "adjustment_reason": "抹零"}

    ours = send(api, shop.body((sku, 1, "10.00"), **money)).json()
    theirs = send(factories.client_of(seller), factories.order_body((sku, 1, "10.00"), **money)).json()

    assert (ours["adjustment_bearer"], ours["merchant_borne_amount"]) == ("platform", "0.00")
    assert (theirs["adjustment_bearer"], theirs["merchant_borne_amount"]) == ("merchant", "1.50")


@pytest.mark.parametrize(
    ("claim", "attr"),
    [
        ({"promotions": [promotion("2.00", platform_amount="0.01")]}, "promotions.0.platform_amount"),
        (
            {"promotions": [promotion("1.00"), promotion("2.00", "P2", merchant_amount="1.99")]},
            "promotions.1.merchant_amount",
        ),
        (
            {"adjustment_amount": "-0.09", "adjustment_reason": "抹零", "adjustment_bearer": "platform"},
            "adjustment_bearer",
        ),
    ],
)
@pytest.mark.parametrize("in_bulk", [False, True])
def test_a_marketplace_channel_lays_nothing_on_the_platform_unless_its_terms_say_so(claim, attr, in_bulk):
    seller = factories.MerchantFactory()
    channel = factories.ChannelFactory(merchant=seller)
    sku = factories.SkuFactory(merchant=seller)
    factories.RegionFactory()
    api = factories.client_of(seller)

    def sent(**changes: Any) -> list[str]:
        """The codes and fields of what is wrong."""
        body = factories.order_body((sku, 1, "10.00"), **claim, **changes)
        answer = send_bulk(api, body)[0] if in_bulk else send(api, body).json()
        return [f"{error['code']} {error['attr']}" for error in answer.get("errors") or ()]

    # In a channel that is known, and in one that the order opens.
    assert sent(source=channel.code) == sent(source="new") == [f"bearer_not_allowed {attr}"]
    assert not Order.objects.exists()
    Channel.objects.filter(pk=channel.pk).update(platform_may_bear=True)
    assert sent(source=channel.code) == []
    assert Order.objects.count() == 1
    assert steps.broken_invariants() == []


def test_the_platforms_own_channel_may_be_closed_to_its_promotions(api, shop):
    Channel.objects.filter(pk=shop.channel.pk).update(platform_may_bear=False)

    refused = send(api, shop.body(promotions=[promotion("2.00")]))
    taken = send(api, shop.body(promotions=[promotion("2.00", merchant_amount="2.00")]))

    assert errors_of(refused) == {("promotions.0.platform_amount", "bearer_not_allowed")}
    assert taken.status_code == 201


def test_a_change_of_price_may_make_the_order_dearer(api, shop):
    changes = {"adjustment_amount": "3.00", "adjustment_reason": "补差价", "adjustment_bearer": "merchant"}
    answer = send(api, shop.body((shop.sku, 1, "10.00"), (shop.other_sku, 1, "20.00"), **changes)).json()

    assert (answer["payable_amount"], answer["merchant_borne_amount"]) == ("39.00", "-3.00")
    assert shares("adjustment_share") == ["1.00", "2.00"]
    assert steps.broken_invariants() == []


REFUSALS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "more off than the goods cost": (
        {"promotions": [promotion("20.01")], "payable_amount": "5.99"},
        *("promotions.0.amount", "promotion_too_large", "Lines 1 can bear only 20.00 of this"),
    ),
    "two that together are too much": (
        {"promotions": [promotion("15.00"), promotion("6.00", "P2")], "payable_amount": "5.00"},
        *("promotions.1.amount", "promotion_too_large", "Lines 1 can bear only 5.00 of this"),
    ),
    "promotion and coupon too much": (
        {"promotions": [promotion("15.00")], "coupon_amount": "6.00", "payable_amount": "5.00"},
        *("coupon_amount", "coupon_too_large", "Lines 1 can bear only 5.00 of this"),
    ),
    "adjustment over the goods": (
        {"adjustment_amount": "-20.01", "adjustment_reason": "改价", "payable_amount": "5.99"},
        *("adjustment_amount", "adjustment_too_large", "Lines 1 can bear only 20.00 of this"),
    ),
    "sign of the adjustment the other way": (
        {"adjustment_amount": "2.00", "adjustment_reason": "改价", "payable_amount": "24.00"},
        *("payable_amount", "does_not_add_up", "adjustment 2.00, which is negative where it makes the order cheaper"),
    ),
    "promotion not in the sum": (
        {"promotions": [promotion("1.00")], "payable_amount": "26.00"},
        *("payable_amount", "does_not_add_up", "The amounts add up to 25.00, not to 26.00"),
    ),
    "adjustment without a reason": (
        {"adjustment_amount": "-1.00", "payable_amount": "25.00"},
        *("adjustment_reason", "required", "Say why"),
    ),
    "unknown bearer": (
        {"adjustment_bearer": "buyer"},
        *("adjustment_bearer", "invalid_choice", "platform, merchant"),
    ),
    "bearers that do not add up": (
        {"promotions": [promotion("2.00", platform_amount="1.00", merchant_amount="0.99")]},
        *("promotions.0.platform_amount", "does_not_add_up", "must add up to 2.00"),
    ),
    "merchant bears more than all": (
        {"promotions": [promotion("2.00", merchant_amount="2.01")]},
        *("promotions.0.merchant_amount", "does_not_add_up", "must add up to 2.00"),
    ),
    "negative promotion": (
        {"promotions": [promotion("-2.00")], "payable_amount": "28.00"},
        *("promotions.0.amount", "negative_amount", "cannot be negative"),
    ),
    "promotion in fractions of a fen": (
        {"promotions": [promotion("2.001")]},
        *("promotions.0.amount", "invalid_amount", "at most two places"),
    ),
    "promotion twice": (
        {"promotions": [promotion("1.00"), promotion("1.00")]},
        *("promotions.1.id", "repeated", "give each once"),
    ),
    "promotion without an id": ({"promotions": [promotion("1.00", "")]}, "promotions.0.id", "blank", "empty"),
    "promotion of line 0": (
        {"promotions": [promotion("1.00", lines=[0])]},
        *("promotions.0.lines.0", "unknown_line", "no line 0: give the line's position, counted from 1"),
    ),
    "promotion of an unknown line": (
        {"promotions": [promotion("1.00", lines=[1, "L9"])]},
        *("promotions.0.lines.1", "unknown_line", "no line L9"),
    ),
    "a rule too long": (
        {"promotions": [promotion("1.00", rule={"text": "x" * pricing.MOST_RULE_BYTES})]},
        *("promotions.0.rule", "too_large", "At most 2000 bytes"),
    ),
    "a rule with NUL": (
        {"promotions": [promotion("1.00", rule={"text": "\0"})]},
        *("promotions.0.rule", "control_character", "control characters"),
    ),
    "too many promotions": (
        {"promotions": [promotion("0.01", f"P{i}") for i in range(51)]},
        *("promotions", "too_many", "at most 50"),
    ),
    "unknown field of a promotion": (
        {"promotions": [promotion("1.00", percent=5)]},
        *("promotions.0.percent", "unknown_field", "platform_amount"),
    ),
    "more collected than payable": (
        {"collected": {**TAKEN, "amount": "26.01"}},
        *("collected.amount", "out_of_range", "not above what is payable (26.00)"),
    ),
    "nothing collected": (
        {"collected": {**TAKEN, "amount": "0.00"}},
        *("collected.amount", "out_of_range", "leave `collected` out"),
    ),
    "collected on delivery": (
        {"collected": TAKEN, "payment_method": "cod"},
        *("collected", "contradiction", "paid on delivery"),
    ),
    "collected without a zone": (
        {"collected": {**TAKEN, "paid_at": "2026-01-02T09:00:05"}},
        *("collected.paid_at", "no_time_zone", "with its zone"),
    ),
    "collected without a time": ({"collected": {"amount": "1.00"}}, "collected.paid_at", "required", "required"),
    "a transaction too long": (
        {"collected": {**TAKEN, "transaction": "1" * 65}},
        *("collected.transaction", "too_long", "At most 64"),
    ),
}


@pytest.mark.parametrize(("changes", "attr", "code", "remedy"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_wrong_is_named_with_its_remedy_and_nothing_stored(api, shop, changes, attr, code, remedy):
    response = send(api, shop.body(**changes), HTTP_ACCEPT_LANGUAGE="en")

    assert response.status_code == 400, response.content
    assert (attr, code) in errors_of(response)
    (error,) = [error for error in response.json()["errors"] if error["attr"] == attr]
    assert remedy in error["detail"]
    assert not Order.objects.exists()


def test_a_later_promotion_that_only_one_line_can_bear_is_not_refused_for_an_earlier_one(api, shop):
    lines = [(shop.sku, 1, "10.00"), (shop.other_sku, 1, "90.00")]
    answer = send(api, shop.body(*lines, promotions=[promotion("20.00"), promotion("10.00", "P2", lines=[1])]))

    assert answer.status_code == 201, answer.content
    assert shares("promotion_share") == ["10.00", "20.00"]
    assert [(share.promotion.code, str(share.amount)) for share in PromotionShare.objects.order_by("line_id")] == [
        ("P2", "10.00"),
        ("P1", "20.00"),
    ]
    assert steps.broken_invariants() == []


def floor(sku: Any, price: str) -> None:
    sku.floor_price = Decimal(price)
    sku.save()


def test_no_line_is_pushed_below_its_floor_and_the_excess_goes_to_the_others(api, shop):
    floor(shop.sku, "9.50")
    body = shop.body(
        *[(shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50")],
        promotions=[promotion("10.00")],
        coupon_amount="2.00",
        adjustment_amount="-1.00",
        adjustment_reason="抹零",
        gift_card_amount="38.50",
    )

    assert send(api, body).status_code == 201

    assert shares("promotion_share") == ["1.00", "9.00"]
    assert shares("coupon_share") == ["0.00", "2.00"]
    assert shares("adjustment_share") == ["0.00", "-1.00"]
    # Gift cards are money: they pay what the goods cost.
    assert shares("payable_amount") == ["0.00", "0.00"]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("changes", "attr"),
    [
        ({"promotions": [promotion("1.01")]}, "promotions.0.amount"),
        ({"coupon_amount": "1.01"}, "coupon_amount"),
        ({"adjustment_amount": "-1.01", "adjustment_reason": "改价"}, "adjustment_amount"),
    ],
)
def test_what_the_floors_of_all_lines_do_not_allow_is_refused_with_the_lines(api, shop, changes, attr):
    floor(shop.sku, "9.50")
    floor(shop.other_sku, "30.00")  # more than is asked for it
    lines = [(shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50")]
    response = send(api, shop.body(*lines, **changes), HTTP_ACCEPT_LANGUAGE="en")

    assert errors_of(response) == {(attr, "below_floor")}
    assert "Lines 1, 2 can bear only 1.00 of this" in response.json()["errors"][0]["detail"]
    assert not Order.objects.exists()
    assert send(api, changed(shop.body(*lines), "remark", "as it is")).status_code == 201


def test_an_order_of_the_past_keeps_its_promotions_whatever_the_floors_are_today(api, shop):
    floor(shop.sku, "10.00")
    past = {"state": "completed", "finished_at": "2026-01-03T09:00:00+08:00"}
    body = shop.body(promotions=[promotion("5.00")], adjustment_amount="-0.50", adjustment_reason="抹零", **past)
    refused = {**shop.body(collected=TAKEN), **past}

    answer = send(api, {"orders": [body, refused]}, f"{BULK}?mode=historical").json()["results"]

    assert [row["status"] for row in answer] == ["created", "refused"]
    assert [(error["attr"], error["code"]) for error in answer[1]["errors"]] == [("collected", "not_of_the_past")]
    assert (shares("promotion_share"), shares("adjustment_share")) == (["5.00"], ["-0.50"])
    assert steps.broken_invariants() == []


def test_orders_with_and_without_promotions_go_in_together(api, shop):
    bodies = [shop.body(), shop.body(promotions=[promotion("2.00")]), shop.body(collected=TAKEN)]
    answers = send_bulk(api, *bodies * 20 + [shop.body(promotions=[promotion("99.00")], payable_amount="0.00")])

    assert {row["status"] for row in answers[:3]} == {"created"}
    assert answers[-1]["status"] == "refused"
    assert OrderPromotion.objects.get().order.external_number == bodies[1]["external_number"]
    assert Order.objects.filter(collected_at__isnull=False).count() == 1
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("order_lines", [1, 50])
def test_promotions_take_two_statements_whatever_the_number_of_lines(api, shop, order_lines, django_assert_num_queries):
    send(api, shop.body())  # the credential's use is noted once a minute
    body = shop.body(*[(shop.sku, 1, "10.00")] * order_lines, promotions=[promotion("2.00"), promotion("1.00", "P2")])
    with django_assert_num_queries(6):
        assert send(api, body).status_code == 201


# --- What the channel took


@pytest.mark.parametrize(
    ("amount", "state", "payment_state"),
    [("26.00", "in_review", "paid"), ("20.00", "awaiting_payment", "partly_paid")],
)
def test_what_the_channel_took_is_booked_and_the_rest_is_due(api, shop, amount, state, payment_state):
    response = send(api, shop.body(collected={**TAKEN, "amount": amount}))

    answer = response.json()
    assert answer["collected"] == {**TAKEN, "amount": amount}
    assert (answer["pay_by"] is None) == (amount == "26.00")
    assert answer == api.get(response["Location"]).json()
    factories.run(requesting.intend, recording.book_collected)
    after = api.get(response["Location"]).json()
    assert (after["state"], after["payment_state"], after["paid_amount"]) == (state, payment_state, amount)
