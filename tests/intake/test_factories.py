"""The factories make what the system would make."""

import pytest

from orders.models import SubOrder
from tests import factories

pytestmark = pytest.mark.django_db


def test_an_order_goes_from_intake_to_its_warehouse(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), shop.other_sku, merchant=shop.merchant)

    sub_order = SubOrder.objects.get(order=order)
    assert (sub_order.state, sub_order.warehouse) == ("allocated", shop.warehouse)
    assert str(sub_order.payable_amount) == "51.50"


def test_an_order_of_nobodys_sku_makes_its_own_merchant():
    assert factories.place_order().state == "awaiting_payment"
