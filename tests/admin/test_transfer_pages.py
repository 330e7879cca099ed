"""The pages of transfers: written from pasted rows, approved, sent, received with differences, closed."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from inventory import transferring
from inventory.models import Reservation, Stock, Transfer, TransferState, Warehouse
from inventory.transferring import Moved
from tests import factories, steps
from tests.admin.test_stock_pages import listed, texts

pytestmark = pytest.mark.django_db
ADD = "admin:inventory_transfer_add"


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


@pytest.fixture
def target(shop) -> Warehouse:
    return factories.WarehouseFactory(merchant=shop.merchant)


def act(client: Client, transfer: Transfer, name: str, **data: object):
    address = reverse(f"admin:inventory_transfer_{name}", args=[transfer.pk])
    return client.post(address, {"version": steps.fresh(transfer).version, **data}, follow=True)


def test_goods_are_moved_by_page(admin_client, shop, target):
    page = reverse(ADD)
    reference = admin_client.get(page).context["adminform"].form["reference"].value()
    new = {
        "reference": reference,
        "merchant": shop.merchant.pk,
        "source": shop.warehouse.pk,
        "target": target.pk,
        "note": "补货",
    }
    refused = admin_client.post(page, {**new, "rows": f"{shop.sku.code} 1.5\nnone 3"})
    assert "1.5" in str(refused.context["adminform"].form.errors["rows"])
    refused = admin_client.post(page, {**new, "rows": f"{shop.sku.code} 5\nnone 3"})
    assert "none" in str(refused.context["adminform"].form.errors["rows"])
    assert not Transfer.objects.exists()
    rows = f"{shop.sku.code}\t10\n{shop.other_sku.code} 4"
    for _ in range(2):
        assert admin_client.post(page, {**new, "rows": rows}).status_code == 302
    other = admin_client.post(page, {**new, "rows": f"{shop.sku.code} 3"})
    assert other.context["adminform"].form.errors["reference"]
    transfer = Transfer.objects.get()

    act(admin_client, transfer, "approve")
    act(admin_client, transfer, "ship", note="车牌 京A")
    come = admin_client.get(reverse("admin:inventory_transfer_change", args=[transfer.pk]))
    receive = next(shown for shown in come.context["row_actions"] if shown.action.name == "receive")
    assert receive.form.initial["rows"] == f"{shop.sku.code} 10\n{shop.other_sku.code} 4"
    told = {"reference": receive.form.initial["reference"], "rows": f"{shop.sku.code} 8\n{shop.sku.code} 1 残次"}
    for _ in range(2):
        act(admin_client, transfer, "receive", **told)
    act(admin_client, transfer, "receive", reference="x", rows=f"{shop.sku.code} -8")
    act(admin_client, transfer, "receive", reference="y", rows=f"{shop.other_sku.code} 5")

    assert list(transfer.lines.order_by("sku_id").values_list("quantity", "received")) == [(10, 9), (4, 5)]
    assert listed(admin_client, "admin:inventory_transfer_changelist") == [transfer.pk]
    act(admin_client, transfer, "close", reason="一件丢失")
    assert steps.fresh(transfer).state == TransferState.CLOSED
    shown = texts(admin_client, reverse("admin:inventory_transfer_change", args=[transfer.pk]))
    for words in ("一件丢失", "车牌 京A", "-1", "+1"):
        assert words in shown
    assert steps.broken_invariants() == []


def test_each_button_has_a_right_and_one_who_is_late_is_told(client, shop, target):
    clerk = factories.UserFactory(is_staff=True)
    transfer = transferring.draft(shop.warehouse, target, [Moved(shop.sku, 3)], actor="lin")
    client.force_login(clerk)
    clerk.user_permissions.add(Permission.objects.get(codename="view_transfer"))
    for name in ("approve", "ship", "receive", "close", "cancel"):
        assert act(client, transfer, name, reference="x", rows="x 1", reason="x").status_code == 403
    assert client.get(reverse(ADD)).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="approve_transfer"))
    for _ in range(2):
        answer = act(client, transfer, "approve", version=transfer.version)
    assert len(list(answer.context["messages"])) == 1
    assert Reservation.objects.get().quantity == 3
    assert [shown.action.name for shown in answer.context["row_actions"]] == []


def test_what_cannot_be_spared_is_told_and_what_is_on_its_way_is_shown_with_the_stock(admin_client, shop, target):
    transfer = transferring.draft(shop.warehouse, target, [Moved(shop.sku, 101)], actor="lin")
    answer = act(admin_client, transfer, "approve")
    assert shop.sku.code in str(next(iter(answer.context["messages"])))
    act(admin_client, transfer, "cancel", note="x")
    transfer = transferring.draft(shop.warehouse, target, [Moved(shop.sku, 60)], actor="lin")
    transferring.approve(transfer.pk, actor="lin")
    transferring.ship(transfer.pk, actor="lin")
    there = factories.StockFactory(sku=shop.sku, warehouse=target, on_hand=0)
    page = admin_client.get(reverse("admin:inventory_stock_change", args=[there.pk]))
    assert Stock.objects.get(pk=there.pk).available == 0
    assert ">60<" in page.content.decode().replace("\n", "").replace(" ", "")


def test_a_transfer_is_called_so_in_chinese(admin_client, shop, target):
    transfer = transferring.draft(shop.warehouse, target, [Moved(shop.sku, 3)], actor="lin", reference="T1")
    transferring.approve(transfer.pk, actor="lin")
    transferring.ship(transfer.pk, actor="lin")
    chinese = {"accept-language": "zh-hans"}
    way = {"merchant": shop.merchant.pk, "source": shop.warehouse.pk, "target": target.pk}

    taken = admin_client.post(reverse(ADD), {**way, "reference": "T1", "rows": f"{shop.sku.code} 4"}, headers=chinese)
    close = reverse("admin:inventory_transfer_close", args=[transfer.pk])
    done = {"version": steps.fresh(transfer).version, "reason": "丢失"}
    closed = admin_client.post(close, done, follow=True, headers=chinese)

    assert taken.context["adminform"].form.errors["reference"] == ["调拨单号 T1 已用于其他货品。"]
    assert [str(message) for message in closed.context["messages"]] == ["调拨单 T1 不再等待到货。"]


@pytest.mark.parametrize("day", ["2020-01-01", "2999-12-31", "soon"])
def test_a_day_on_which_nothing_can_arrive_is_refused_beside_its_field(admin_client, shop, target, day):
    new = {
        "reference": "T-1",
        "merchant": shop.merchant.pk,
        "source": shop.warehouse.pk,
        "target": target.pk,
        "expected_on": day,
        "rows": f"{shop.sku.code} 1",
    }
    answer = admin_client.post(reverse(ADD), new)
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == ["expected_on"]
    assert not Transfer.objects.exists()
