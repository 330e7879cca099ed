"""What must hold of goods that nobody has named is proved, and merchants are told of both ends of the wait."""

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from inventory.models import UNKNOWN_GOODS, Sku
from oms.common.secrecy import seal
from oms.merchants.models import WebhookDelivery, WebhookEndpoint
from orders import kinds
from tests import steps
from tests.matching import shops

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("DELETE FROM orders_matchwait", "unmatched_goods_hold_their_order"),
        (
            "UPDATE orders_hold SET released_at = now(); UPDATE orders_order SET open_holds = 0",
            "unmatched_goods_hold_their_order",
        ),
        (
            "UPDATE orders_orderline SET sku_id = (SELECT min(id) FROM inventory_sku WHERE code <> '?')",
            "unmatched_goods_hold_their_order",
        ),
        (
            "INSERT INTO inventory_stock (sku_id, warehouse_id)"
            " SELECT k.id, w.id FROM inventory_sku k, inventory_warehouse w WHERE k.code = '?'",
            "unmatched_goods_are_never_fulfilled",
        ),
        ("UPDATE orders_skumatch SET matched_at = now()", "matches_stand_for_something"),
        ("UPDATE orders_orderline SET part_of = 7", "parts_of_bundles_have_their_line"),
    ],
)
def test_what_does_not_hold_is_named(statement: str, broken: str) -> None:
    shops.place(shops.make_shop(), ("BOX", 1, "9.99"))
    assert steps.broken_invariants() == []

    with steps.without_guards(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert [finding.partition(":")[0] for finding in steps.broken_invariants()] == [broken]


def test_the_placeholder_can_never_be_put_on_sale() -> None:
    shops.place(shops.make_shop(), ("BOX", 1, "9.99"))

    with pytest.raises(IntegrityError), transaction.atomic():
        Sku._base_manager.filter(code=UNKNOWN_GOODS).update(is_active=True)


def test_merchants_are_told_that_an_order_waits_and_that_it_goes_on() -> None:
    shop = shops.make_shop()
    WebhookEndpoint.objects.create(
        merchant=shop.merchant, url="https://1.1.1.1/", event_types=["order.*"], secret=seal("whsec_x")
    )

    shops.place(shop, ("BOX", 1, "9.99"))
    shops.match(shop, "BOX", (shop.sku, 1))
    shops.release()

    told = list(WebhookDelivery.objects.order_by("id").values_list("event__type", flat=True))
    assert told == ["order.created", "order.held", "order.hold_released"]
    assert kinds.UNMATCHED.public == {"details"}
