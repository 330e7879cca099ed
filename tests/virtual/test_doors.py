"""The doors to the stock of codes: staff's pages and the merchants' API. Neither ever gives a code back."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from inventory.models import Sku, Warehouse
from logistics.models import CodeImport, Reveal, VirtualCode, VirtualDelivery, VirtualSupply
from logistics.virtual import stocking
from oms.common import secrecy
from oms.common.files import tables
from oms.common.models import Job
from orders.models import OrderEvent, SubOrder
from tests import factories, steps
from tests.admin.conftest import boss, client_of  # noqa: F401 - a member of staff
from tests.virtual import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]
IMPORT = "admin:logistics_virtualsupply_import"


@pytest.fixture
def sku(shop: factories.Shop) -> Sku:
    """A virtual article without codes, and the warehouse where they go."""
    world.place(shop)
    return world.code_sku(shop)


def send(client: Client, sku: Sku, **fields: object) -> str:
    response = client.post(reverse(IMPORT), {"merchant": sku.merchant_id, "sku": sku.code, **fields})
    assert (response.status_code, "no-store" in response["Cache-Control"]) == (200, True)
    return response.content.decode()


def test_staff_paste_codes_and_see_what_came_of_each_row(boss: Client, sku: Sku) -> None:  # noqa: F811
    text = "KEY-1\nKEY-2,pass word,2099-01-31\n\nKEY-1\nKEY-3,,31.1.2099\n"

    page = send(boss, sku, pasted=text)

    assert ("2 codes came in." in page, "2 rows were refused." in page) == (True, True)
    for row, why in (("4", "It stands there twice."), ("5", "Give a day as in 2026-12-31.")):
        assert f'<tr><td class="oms-no">{row}</td><td>{why}</td></tr>' in page
    assert "KEY-1" not in page
    stored = {secrecy.unseal(one.content): str(one.valid_until) for one in VirtualCode.objects.all()}
    assert stored == {"KEY-1": "None", "KEY-2\npass word": "2099-01-31"}
    assert CodeImport.objects.values_list("added", "refused").get() == (2, 2)
    # Nothing of what was sent is kept elsewhere.
    assert not Job.objects.exists()


def test_staff_upload_text_or_a_table(boss: Client, sku: Sku) -> None:  # noqa: F811
    text = "卡号,密码,有效期\n6222000100020003,338102,2099/12/31\n".encode("gb18030")
    page = send(boss, sku, file=SimpleUploadedFile("codes.csv", text))
    assert "One code came in." in page or "1 codes came in." in page
    file = io.BytesIO()
    writer = tables.XlsxWriter(file, ["激活码", "备注"], "codes")
    writer.write(["AB12-CD34", "x"])
    writer.close()
    page = send(boss, sku, file=SimpleUploadedFile("codes.xlsx", file.getvalue()))
    assert "rows were refused" not in page
    assert {secrecy.unseal(one.content) for one in VirtualCode.objects.all()} == {
        "6222000100020003\n338102",
        "AB12-CD34",
    }


def test_what_cannot_be_imported_is_said(boss: Client, shop: factories.Shop, sku: Sku) -> None:  # noqa: F811
    assert (
        "There is no SKU nothing."
        in boss.post(reverse(IMPORT), {"merchant": shop.merchant.pk, "sku": "nothing", "pasted": "A"}).content.decode()
    )
    assert "Paste codes, or choose a file." in send(boss, sku)
    assert "What sells codes is virtual" in send(boss, shop.sku, pasted="A")
    factories.WarehouseFactory(kind=Warehouse.Kind.VIRTUAL, storage_classes=["virtual"], region=shop.region)
    assert "Name the virtual warehouse." in send(boss, sku, pasted="A")
    assert "came in" in send(boss, sku, pasted="A", warehouse=world.place(shop).pk)


def test_importing_looking_and_withdrawing_each_need_their_right(shop: factories.Shop, sku: Sku) -> None:
    client = client_of("view_virtualsupply", "view_virtualdelivery", "view_virtualcode")
    assert client.get(reverse(IMPORT)).status_code == 403
    assert client.post(reverse(IMPORT), {"sku": sku.code, "pasted": "A"}).status_code == 403
    world.bring(shop, sku, ["SECRET-CODE-OF-18", "B"])
    delivery = world.delivery_of(world.delivered(shop, sku))
    page = reverse("admin:logistics_virtualdelivery_change", args=[delivery.pk])
    assert "SECRET" not in client.get(page).content.decode()
    assert "oms-act" not in client.get(page).content.decode()
    for action in ("reveal", "take_back"):
        address = reverse(f"admin:logistics_virtualdelivery_{action}", args=[delivery.pk])
        assert client.post(address, {"reason": "x"}).status_code == 403
    withdraw = reverse("admin:logistics_virtualcode_withdraw", args=[VirtualCode.objects.get(state="on_shelf").pk])
    assert client.post(withdraw, {"reason": "x"}).status_code == 403
    assert world.states(sku) == {"sold": 1, "on_shelf": 1}
    assert not Reveal.objects.exists()


def test_staff_with_the_right_look_at_a_code_by_a_reason_that_its_page_shows(
    boss: Client,  # noqa: F811
    shop: factories.Shop,
    sku: Sku,
) -> None:
    world.bring(shop, sku, ["SECRET-CODE-OF-18"])
    delivery = world.delivery_of(world.delivered(shop, sku))
    address = reverse("admin:logistics_virtualdelivery_reveal", args=[delivery.pk])
    assert boss.post(address, {"reason": ""}).status_code == 302
    assert not Reveal.objects.exists()

    shown = boss.post(address, {"reason": "it does not work"})

    assert (shown.status_code, "no-store" in shown["Cache-Control"]) == (200, True)
    assert "SECRET-CODE-OF-18" in shown.content.decode()
    page = boss.get(reverse("admin:logistics_virtualdelivery_change", args=[delivery.pk])).content.decode()
    assert ("it does not work" in page, "SECRET-CODE-OF-18" in page) == (True, False)
    # What was looked at is not taken back by a button.
    assert "take-back" not in page
    assert OrderEvent.objects.filter(kind="virtual_revealed").count() == 1


def test_staff_take_a_code_back_and_withdraw_codes(boss: Client, shop: factories.Shop, sku: Sku) -> None:  # noqa: F811
    world.bring(shop, sku, ["A", "B", "C"])
    part = world.delivered(shop, sku)
    delivery = world.delivery_of(part)
    address = reverse("admin:logistics_virtualdelivery_take_back", args=[delivery.pk])
    assert boss.post(address, {"reason": "wrong"}).status_code == 302
    world.deliver()
    assert (steps.state_of(part), world.states(sku)) == ("cancelled", {"on_shelf": 3})

    code = VirtualCode.objects.earliest("pk")
    boss.post(reverse("admin:logistics_virtualcode_withdraw", args=[code.pk]), {"reason": "leaked"})
    assert world.states(sku) == {"withdrawn": 1, "on_shelf": 2}
    batch = CodeImport.objects.get()
    boss.post(reverse("admin:logistics_codeimport_withdraw", args=[batch.pk]), {"reason": "leaked"})
    assert (world.states(sku), world.units(sku)) == ({"withdrawn": 3}, (0, 0))
    assert steps.broken_invariants() == []


def test_staff_set_alert_line_and_instructions(boss: Client, sku: Sku) -> None:  # noqa: F811
    supply = stocking.begin(sku.pk)
    address = reverse("admin:logistics_virtualsupply_change", args=[supply.pk])
    assert boss.get(address).status_code == 200
    values = {"alert_below": "7", "instructions": "Enter it.", "version": supply.version}
    boss.post(reverse("admin:logistics_virtualsupply_save", args=[supply.pk]), values)
    changed = VirtualSupply.objects.get()
    assert (changed.alert_below, changed.instructions) == (7, "Enter it.")
    # What somebody else changed meanwhile is not written over.
    boss.post(reverse("admin:logistics_virtualsupply_save", args=[supply.pk]), {**values, "alert_below": "9"})
    assert VirtualSupply.objects.get().alert_below == 7


def test_merchants_import_codes_of_their_own_skus_only(shop: factories.Shop, sku: Sku) -> None:
    api = factories.client_of(shop.merchant)
    stranger = factories.client_of(factories.MerchantFactory())
    url = f"/api/v1/skus/{sku.code}/codes"
    body = {
        "codes": [{"code": "KEY-1"}, {"code": "KEY-1"}, {"code": "KEY-2", "password": "p", "valid_until": "2099-01-31"}]
    }
    assert stranger.post(url, body, format="json").status_code == 404
    assert not VirtualCode.objects.exists()

    answer = api.post(url, body, format="json", HTTP_IDEMPOTENCY_KEY="one")

    assert answer.status_code == 200, answer.content
    assert [(row["index"], row["status"]) for row in answer.json()["results"]] == [
        (0, "added"),
        (1, "refused"),
        (2, "added"),
    ]
    assert answer.json()["results"][1]["errors"][0]["code"] == "named_twice"
    again = api.post(url, body, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert (again.content, VirtualCode.objects.count()) == (answer.content, 2)
    other = api.post(url, body, format="json")
    assert (other.json()["added"], [row["errors"][0]["code"] for row in other.json()["results"]]) == (
        0,
        ["known", "named_twice", "known"],
    )
    told = api.get(url)
    figures = {name: told.json()[name] for name in ("sells_codes", "on_shelf", "sold", "alert_below")}
    assert figures == {"sells_codes": True, "on_shelf": 2, "sold": 0, "alert_below": None}
    stock = api.get(f"/api/v1/inventory/{world.place(shop).code}/{sku.code}").json()
    assert (stock["on_hand"], stock["available"]) == (2, 2)


def test_merchants_change_what_goes_with_their_codes(shop: factories.Shop, sku: Sku) -> None:
    api = factories.client_of(shop.merchant)
    url = f"/api/v1/skus/{sku.code}/codes"
    stocking.begin(sku.pk)
    first = api.get(url)
    assert api.get(f"/api/v1/skus/{shop.sku.code}/codes").json()["sells_codes"] is False
    changed = api.patch(url, {"alert_below": 3, "instructions": "x"}, format="json", HTTP_IF_MATCH=first["ETag"])
    assert (changed.status_code, changed.json()["alert_below"], changed.json()["instructions"]) == (200, 3, "x")
    stale = api.patch(url, {"alert_below": 4}, format="json", HTTP_IF_MATCH=first["ETag"])
    assert (stale.status_code, stale.json()["errors"][0]["code"]) == (409, "changed_meanwhile")
    refused = api.post(f"/api/v1/skus/{shop.sku.code}/codes", {"codes": [{"code": "A"}]}, format="json")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "cannot_sell_codes")


def test_merchants_see_the_delivery_of_their_orders_without_the_code(shop: factories.Shop, sku: Sku) -> None:
    world.bring(shop, sku, ["SECRET-CODE-OF-18"])
    part = world.delivered(shop, sku)
    world.revealing.reveal(part.pk, actor=steps.STAFF, reason="the buyer asks")
    api = factories.client_of(shop.merchant)
    for url in (f"/api/v1/orders/{part.order.number}", f"/api/v1/orders/{part.order.number}/events"):
        text = api.get(url).content.decode()
        assert ("SECRET" in text, "the buyer asks" in text) == (False, False)
    assert VirtualDelivery.objects.count() == 1
    assert SubOrder.objects.get().state == "delivered"
