"""The page of merchants whose goods lie in our warehouses, and who sees these goods."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from inventory import adjusting, hosting
from inventory.adjusting import Action, Adjustment
from inventory.models import AdjustmentReason, Stock, StockAdjustment, WarehouseGuest
from oms.merchants.models import Merchant
from tests import factories, steps
from tests.admin.test_stock_pages import listed, texts
from tests.api.calls import change

pytestmark = pytest.mark.django_db
INVENTORY = "/api/v1/inventory"


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


@pytest.fixture
def seller() -> Merchant:
    return factories.MerchantFactory()


def test_staff_begin_and_end_that_goods_of_a_merchant_are_kept(admin_client, shop, seller):
    page = reverse("admin:inventory_warehouseguest_add")
    refused = admin_client.post(page, {"warehouse": shop.warehouse.pk, "merchant": shop.merchant.pk})
    assert "merchant" in refused.context["adminform"].form.errors
    new = {"warehouse": shop.warehouse.pk, "merchant": seller.pk}
    said = [list(map(str, admin_client.post(page, new, follow=True).context["messages"])) for _ in range(2)]
    assert [any("已存放该商家的商品" in text for text in texts) for texts in said] == [False, True]
    stay = WarehouseGuest.objects.get()
    stock = factories.StockFactory(sku=factories.SkuFactory(merchant=seller), warehouse=shop.warehouse, on_hand=3)
    end = reverse("admin:inventory_warehouseguest_end", args=[stay.pk])

    told = admin_client.post(end, {"version": stay.version}, follow=True)

    assert "1 个商品的库存" in str(list(told.context["messages"])[-1])
    gone = Adjustment(3, AdjustmentReason.LOST)
    adjusting.adjust(stock.pk, Action.REMOVE, gone, actor="x", version=stock.version)
    for _ in range(2):
        admin_client.post(end, {"version": stay.version}, follow=True)
    assert steps.fresh(stay).ended_by == "admin"
    assert listed(admin_client, "admin:inventory_warehouseguest_changelist") == [stay.pk]
    assert listed(admin_client, "admin:inventory_warehouseguest_changelist", now="1") == []
    assert seller.name in texts(admin_client, reverse("admin:inventory_warehouseguest_change", args=[stay.pk]))
    assert StockAdjustment.objects.count() == 1


def test_who_may_only_look_neither_begins_nor_ends_a_stay(client, shop, seller):
    clerk = factories.UserFactory(is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_warehouseguest"))
    client.force_login(clerk)
    stay = hosting.begin(shop.warehouse, seller, actor="lin")
    assert client.get(reverse("admin:inventory_warehouseguest_add")).status_code == 403
    end = reverse("admin:inventory_warehouseguest_end", args=[stay.pk])
    assert client.post(end, {"version": stay.version}).status_code == 403
    assert steps.fresh(stay).ended_at is None


def test_a_guest_sees_its_own_stock_of_the_warehouse_and_no_other(shop, seller):
    sku = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=3)

    def seen(merchant: Merchant) -> list[tuple[str, str, int, bool]]:
        rows = factories.client_of(merchant).get(INVENTORY).json()["results"]
        return [(row["warehouse"], row["sku"], row["on_hand"], row["writable"]) for row in rows]

    assert seen(seller) == [(shop.warehouse.code, sku.code, 3, False)]
    assert sku.code not in {code for _warehouse, code, _units, _writable in seen(shop.merchant)}
    url = f"{INVENTORY}/{shop.warehouse.code}/{sku.code}"
    answer = change(factories.client_of(seller), "patch", url, {"on_hand": 9})
    assert answer.status_code == 409
    assert Stock.objects.get(sku=sku).on_hand == 3
