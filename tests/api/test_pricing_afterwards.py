"""What becomes of promotions and changes of price when orders are split, cancelled and settled."""

from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from orders.fulfilling import completing
from orders.models import Order, SubOrder
from payments.models import SettlementRow
from payments.owing import balancing
from tests import factories, steps
from tests.api.test_changing_orders import cancel, some_lines
from tests.api.test_pricing import promotion

pytestmark = pytest.mark.django_db


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_parts_add_up_to_the_fen_however_units_are_cancelled(data):
    shop = factories.make_shop()
    lines = data.draw(some_lines(shop))
    left = sum(int(Decimal(price) * 100) * units for _sku, units, price in lines)
    promotions = []
    for i in range(data.draw(st.integers(0, 2))):
        amount = data.draw(st.integers(0, left))
        merchant = data.draw(st.integers(0, amount))
        left -= amount
        rule = {} if amount else {"rule": {}}
        promotions.append(promotion(yuan(amount), f"P{i}", merchant_amount=yuan(merchant), **rule))
    adjustment = data.draw(st.integers(-left, 500))
    order = shop.place_order(
        *lines,
        payment_method="cod",
        promotions=promotions,
        adjustment_amount=yuan(adjustment),
        adjustment_reason="改价",
        adjustment_bearer=data.draw(st.sampled_from(["platform", "merchant"])),
    )
    steps.approve_and_split()
    api = factories.client_of(shop.merchant)
    for position, (_sku, units, _price) in enumerate(lines, 1):
        for _time in range(2):
            count = data.draw(st.integers(0, units))
            if count:
                answer = cancel(api, order, lines=[{"position": position, "quantity": count}])
                assert answer.status_code in (200, 409), answer.content
    factories.run(balancing.run)

    parts = SubOrder.objects.filter(order=order)
    for column, total in (
        ("promotion_share", order.promotion_amount),
        ("adjustment_share", order.adjustment_amount),
        ("merchant_borne_share", order.merchant_borne_amount),
        ("payable_amount", order.payable_amount),
    ):
        assert sum(getattr(part, column) for part in parts) == total
    assert steps.broken_invariants() == []


def yuan(fen: int) -> str:
    return f"{Decimal(fen) / 100:.2f}"


def test_cancelled_units_take_along_their_shares(api: APIClient, shop: factories.Shop) -> None:
    order = shop.place_order(
        (shop.sku, 3, "10.00"),
        payment_method="cod",
        promotions=[promotion("10.00", merchant_amount="5.00")],
        adjustment_amount="-1.00",
        adjustment_reason="抹零",
    )
    steps.approve_and_split()

    assert cancel(api, order, lines=[{"position": 1, "quantity": 1}]).status_code == 200

    kept, gone = SubOrder.objects.order_by("id")
    columns = ("promotion_share", "adjustment_share", "merchant_borne_share", "payable_amount")
    assert [str(getattr(gone, column)) for column in columns] == ["3.33", "-0.33", "1.66", "8.34"]
    assert [str(getattr(kept, column)) for column in columns] == ["6.67", "-0.67", "3.34", "16.66"]
    assert steps.broken_invariants() == []


def test_a_merchant_is_settled_less_what_it_bears_itself(shop: factories.Shop) -> None:
    """33.33 - 2.00 of the promotion - 0.33 of the adjustment = 31.00, of which 5 % are 1.55; 6.00 freight."""
    seller = factories.MerchantFactory(commission_rate=Decimal("0.05"))
    sku = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=sku)
    order = shop.place_order(
        (sku, 1, "33.33"),
        payment_method="cod",
        promotions=[promotion("5.00", platform_amount="3.00")],
        adjustment_amount="-0.33",
        adjustment_reason="抹零",
        adjustment_bearer="merchant",
    )
    steps.scan(steps.shipped(order), "collected", "signed")
    factories.run(completing.run, balancing.run)
    Order.objects.update(owed_changed_since=timezone.now())
    factories.run(balancing.run)

    row = SettlementRow.objects.get()
    assert (str(row.gross_amount), str(row.net_amount)) == ("37.00", "35.45")
    assert steps.broken_invariants() == []


BREAKS = {
    "promotions_add_up_to_order": "DELETE FROM orders_promotionshare; DELETE FROM orders_orderpromotion",
    "shares_add_up_to_promotion": "UPDATE orders_promotionshare SET platform_amount = 0",
    "shares_of_promotions_add_up_to_line": "UPDATE orders_orderline SET merchant_borne_share = 1",
}


@pytest.mark.parametrize(("name", "sql"), BREAKS.items(), ids=BREAKS)
def test_what_does_not_add_up_is_found(shop, name, sql):
    shop.place_order(promotions=[promotion("2.00")])
    assert steps.broken_invariants() == []
    with connection.cursor() as cursor:
        cursor.execute(sql)
    assert any(broken.startswith(name) for broken in steps.broken_invariants())
