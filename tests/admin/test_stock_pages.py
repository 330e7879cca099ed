"""The pages of stock: lists and filters, the story of a row, single changes, purchase orders, receipts and counts."""

import csv
import io
import re
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from inventory import hosting, lots, receiving, transferring
from inventory.models import (
    PurchaseOrder,
    Receipt,
    Sku,
    SkuBarcode,
    Stock,
    StockAdjustment,
    StockCount,
    StockHold,
    StockLot,
)
from inventory.receiving import Arrived
from inventory.transferring import Moved
from oms.common.models import Job
from oms.common.work import jobs
from orders.intake import importing
from orders.stock import counts, sheets
from tests import factories, steps
from tests.holding import carts

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


def listed(client, page: str, **query: str) -> list[int]:
    answer = client.get(reverse(page), query)
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list]


def texts(client, url: str) -> str:
    return client.get(url, headers={"accept-language": "zh-hans"}).content.decode()


def test_stock_is_found_by_name_and_barcode_and_narrowed_to_what_needs_somebody(admin_client, shop):
    page = "admin:inventory_stock_changelist"
    stock, other = Stock.objects.get(sku=shop.sku), Stock.objects.get(sku=shop.other_sku)
    SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.sku, code="690001")
    Sku.objects.filter(pk=shop.other_sku.pk).update(name="有机纯牛奶")
    Stock.objects.filter(pk=other.pk).update(reorder_point=100)
    kept = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    soon = lots.in_days(5)
    receiving.receive_all(shop.warehouse.pk, [Arrived(kept.pk, 3, lot="B", best_before=soon)], actor="test")
    expiring = Stock.objects.get(sku=kept)

    assert listed(admin_client, page, q="690001") == [stock.pk]
    assert listed(admin_client, page, q="纯牛奶") == [other.pk]
    assert listed(admin_client, page, below_alert="1") == [other.pk]
    assert listed(admin_client, page, expiring="7") == [expiring.pk]
    assert listed(admin_client, page, expiring="0") == []
    assert listed(admin_client, page, short_for_orders="1") == []
    factories.allocated_order((shop.sku, 101, "1.00"), merchant=shop.merchant)
    assert listed(admin_client, page, short_for_orders="1") == [stock.pk]
    assert listed(admin_client, "admin:inventory_stocklot_changelist", expiring="30") == [expiring.lots.get().pk]


def test_the_ledger_names_and_links_what_each_movement_is_for(admin_client, shop):
    stock = Stock.objects.get(sku=shop.sku)
    order = factories.allocated_order((shop.sku, 3, "1.00"), merchant=shop.merchant)
    target = factories.WarehouseFactory(merchant=shop.merchant)
    moved = transferring.draft(shop.warehouse, target, [Moved(shop.sku, 5)], actor="lin")
    transferring.approve(moved.pk, actor="lin")
    assert carts.reserve(factories.client_of(shop.merchant), (shop.sku, 2)).status_code == 201
    hold = StockHold.objects.get()
    rows = {
        order.sub_orders.get().number: reverse("admin:orders_order_change", args=[order.pk]),
        moved.reference: reverse("admin:inventory_transfer_change", args=[moved.pk]),
        hold.number: reverse("admin:inventory_stockhold_change", args=[hold.pk]),
    }

    for page in (
        reverse("admin:inventory_stock_change", args=[stock.pk]),
        reverse("admin:inventory_stockmovement_changelist"),
    ):
        html = texts(admin_client, page)
        for number, url in rows.items():
            assert re.search(rf'<a [^>]*href="{url}"[^>]*>{number}</a>', html), (page, number)


def test_a_single_change_has_a_right_a_reason_and_a_fresh_version(client, shop):
    stock = Stock.objects.get(sku=shop.sku)
    url = reverse("admin:inventory_stock_adjust", args=[stock.pk])
    form = {"action": "remove", "units": 4, "reason": "damaged", "lot": "", "remark": "雨淋", "version": stock.version}
    clerk = factories.UserFactory()
    rights = Permission.objects.filter(codename__in=["view_stock", "change_stock"])
    clerk.user_permissions.set(rights)
    client.force_login(clerk)
    assert client.post(url, form).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="adjust_stock"))

    client.post(url, form, follow=True)
    stale = client.post(url, form, follow=True)
    negative = client.post(url, {**form, "units": -4, "version": stock.version + 1}, follow=True)

    assert Stock.objects.get(pk=stock.pk).on_hand == 96
    assert len(list(stale.context["messages"])) == 1
    assert len(list(negative.context["messages"])) == 1
    assert list(StockAdjustment.objects.values_list("units", "reason", "remark", "actor")) == [
        (4, "damaged", "雨淋", clerk.username)
    ]
    shown = texts(client, reverse("admin:inventory_stock_change", args=[stock.pk]))
    assert "损坏" in shown
    assert "-4 → 96" in shown
    assert steps.broken_invariants() == []


def test_saving_the_figures_of_a_row_leaves_units_that_changed_meanwhile(admin_client, shop):
    stock = Stock.objects.get(sku=shop.sku)
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 5, actor="test")

    saved = admin_client.post(
        reverse("admin:inventory_stock_change", args=[stock.pk]),
        {"safety_stock": 7, "reorder_point": 20, "reorder_quantity": 50},
    )

    assert saved.status_code == 302
    stock = Stock.objects.get(pk=stock.pk)
    assert (stock.on_hand, stock.safety_stock, stock.reorder_point, stock.available) == (105, 7, 20, 98)


def test_rows_keep_their_empty_cells_and_what_is_no_quality_or_batch_is_named(admin_client, shop):
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    page = reverse("admin:inventory_receipt_add")
    form = {"merchant": shop.merchant.pk, "warehouse": shop.warehouse.pk}

    wrong = f"{sku.code}\t1\t残茨\n{sku.code}\t1\t\t{'L' * 41}\n{sku.code} 1 2026-12-31\n\t1\n,,"
    refused = admin_client.post(page, {**form, "reference": "G1", "rows": wrong})
    assert refused.status_code == 200
    (told,) = refused.context["adminform"].form.errors["rows"]
    assert [row in told for row in ("第 1 行", "第 2 行", "第 3 行", "第 4 行", "第 5 行")] == [True] * 5
    assert not Receipt.objects.exists()

    rows = [
        f"{sku.code}\t3\t\t\t2099-12-31\t",
        f"{sku.code}, 2, 残次, B1",
        f"{sku.code}；4；；B 2；",
        f"{sku.code} 5 良品 B3",
    ]
    assert admin_client.post(page, {**form, "reference": "G1", "rows": "\n".join(rows)}).status_code == 302
    lots = StockLot.objects.order_by("on_hand").values_list("on_hand", "quality", "lot", "best_before")
    assert list(lots) == [
        (2, "defective", "B1", None),
        (3, "good", "", date(2099, 12, 31)),
        (4, "good", "B 2", None),
        (5, "good", "B3", None),
    ]


def test_goods_are_bought_and_booked_by_page(admin_client, shop):
    new = {
        "merchant": shop.merchant.pk,
        "number": "PO-7",
        "warehouse": shop.warehouse.pk,
        "supplier": "光明",
        "expected_on": str(lots.in_days(200)),
    }
    page = reverse("admin:inventory_purchaseorder_add")
    for name, late in (
        ("expected_on", {"expected_on": "1999-01-01", "rows": f"{shop.sku.code} 1"}),
        ("rows", {"rows": f"{shop.sku.code} 1 2020-01-01"}),
        ("expected_on", {"expected_on": "9999-12-31", "rows": f"{shop.sku.code} 1"}),
        ("rows", {"rows": f"{shop.sku.code} 1 9999-12-31"}),
    ):
        assert list(admin_client.post(page, {**new, **late}).context["adminform"].form.errors) == [name]
    refused = admin_client.post(page, {**new, "rows": f"{shop.sku.code} 1.5\nnone 3"})
    assert refused.status_code == 200
    assert "1.5" in str(refused.context["adminform"].form.errors["rows"])
    assert not PurchaseOrder.objects.exists()
    rows = {"rows": f"{shop.sku.code}\t10\n{shop.other_sku.code} 5 {lots.in_days(300)}"}
    admin_client.post(page, {**new, **rows, "is_draft": "on", "supplier": "", "expected_on": ""})
    order = PurchaseOrder.objects.get()
    approval = reverse("admin:inventory_purchaseorder_approve", args=[order.pk])
    admin_client.post(approval, {"version": order.version, "supplier": "", "expected_on": str(lots.in_days(250))})
    assert PurchaseOrder.objects.get().state == "draft"
    admin_client.post(approval, {"version": order.version, "supplier": "光明", "expected_on": str(lots.in_days(250))})
    order = PurchaseOrder.objects.get()
    assert (order.state, order.approved_by, str(order.expected_on)) == ("open", "admin", str(lots.in_days(250)))

    url = reverse("admin:inventory_purchaseorder_receive", args=[order.pk])
    admin_client.post(url, {"reference": "G1", "rows": f"{shop.sku.code} 8\n{shop.sku.code} 1 残次"})
    admin_client.post(url, {"reference": "G1", "rows": f"{shop.sku.code} 8\n{shop.sku.code} 1 残次"})
    admin_client.post(url, {"reference": "G2", "rows": f"{shop.sku.code} -8"})

    assert Stock.objects.get(sku=shop.sku).on_hand == 108
    assert list(order.lines.values_list("quantity", "received")) == [(10, 9), (5, 0)]
    assert listed(admin_client, "admin:inventory_purchaseorder_changelist") == [order.pk]
    assert "光明" in texts(admin_client, reverse("admin:inventory_purchaseorder_change", args=[order.pk]))
    admin_client.post(reverse("admin:inventory_purchaseorder_close", args=[order.pk]), {"version": order.version})
    assert PurchaseOrder.objects.get().state == "closed"
    unexpected = {"merchant": shop.merchant.pk, "warehouse": shop.warehouse.pk, "reference": "G3"}
    admin_client.post(reverse("admin:inventory_receipt_add"), {**unexpected, "rows": f"{shop.sku.code} 2"})
    assert Stock.objects.get(sku=shop.sku).on_hand == 110
    shown = texts(
        admin_client, reverse("admin:inventory_receipt_change", args=[Receipt.objects.get(reference="G1").pk])
    )
    assert "残次" in shown
    assert steps.broken_invariants() == []


def test_a_count_by_scanner_and_file_is_booked_by_who_may_approve(admin_client, shop):
    SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.sku, code="690001")
    admin_client.post(reverse("admin:inventory_stockcount_add"), {"warehouse": shop.warehouse.pk})
    taken = StockCount.objects.get()

    def act(name: str, **form: object) -> None:
        version = StockCount.objects.get(pk=taken.pk).version
        admin_client.post(reverse(f"admin:inventory_stockcount_{name}", args=[taken.pk]), {"version": version, **form})

    act("scan", code="690001")
    act("scan", code="690001")
    file = SimpleUploadedFile("c.csv", f"code,units\n{shop.other_sku.code},90\nnone,1\n".encode())
    act("count_rows", rows="", file=file)
    act("submit")
    act("scan", code="690001")
    act("approve", reason="年中盘点")

    assert dict(Stock.objects.values_list("sku", "on_hand")) == {shop.sku.pk: 2, shop.other_sku.pk: 90}
    shown = texts(admin_client, reverse("admin:inventory_stockcount_change", args=[taken.pk]))
    assert "年中盘点" in shown
    assert "-98" in shown
    assert steps.broken_invariants() == []


def test_batches_show_with_their_days_on_the_page_of_their_stock(admin_client, shop):
    sku = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    day = lots.today() + timedelta(9)
    receiving.receive_all(shop.warehouse.pk, [Arrived(sku.pk, 3, lot="B-17", best_before=day)], actor="test")

    shown = texts(admin_client, reverse("admin:inventory_stock_change", args=[Stock.objects.get(sku=sku).pk]))

    assert "B-17" in shown
    assert day.isoformat() in shown


def test_what_is_wrong_with_a_line_is_told_by_its_number_though_others_are_blank(admin_client, shop):
    new = {"merchant": shop.merchant.pk, "warehouse": shop.warehouse.pk, "reference": "G1", "note": ""}
    page = reverse("admin:inventory_receipt_add")
    refused = admin_client.post(page, {**new, "rows": f"{shop.sku.code} 1\n\n\nnone 3"}, HTTP_ACCEPT_LANGUAGE="en")
    assert "Row 4: There is no SKU none." in str(refused.context["adminform"].form.errors["rows"])


@pytest.mark.parametrize("names", ["", "code,units\n"])
def test_no_row_of_a_file_of_counts_is_lost_with_or_without_names_of_columns(admin_client, shop, names):
    taken = counts.begin(shop.warehouse, actor=steps.STAFF)
    content = f"{names}{shop.sku.code},7\n\nnone,2\n{shop.other_sku.code},8\n"
    file = SimpleUploadedFile("counts.csv", content.encode())
    url = reverse("admin:inventory_stockcount_count_rows", args=[taken.pk])

    page = admin_client.post(url, {"rows": "", "file": file}, follow=True, HTTP_ACCEPT_LANGUAGE="en")

    assert sorted(taken.lines.values_list("counted", flat=True)) == [7, 8]
    assert f"Row {4 if names else 3}: There is no SKU none." in page.content.decode()


@pytest.mark.parametrize(("content", "counted"), [("{code},7\n", [7]), ("code,units\n", []), ("{code},\n", [])])
def test_a_file_of_one_row_of_counts_is_read(admin_client, shop, content, counted):
    taken = counts.begin(shop.warehouse, actor=steps.STAFF)
    file = SimpleUploadedFile("counts.csv", content.format(code=shop.sku.code).encode())
    url = reverse("admin:inventory_stockcount_count_rows", args=[taken.pk])

    page = admin_client.post(url, {"rows": "", "file": file}, follow=True, HTTP_ACCEPT_LANGUAGE="en")

    assert list(taken.lines.values_list("counted", flat=True)) == counted
    assert ("1 line was counted." if counted else "The file has no rows.") in page.content.decode()


def test_staff_see_whose_goods_lie_where_and_export_them_with_their_owner(admin_client, shop):
    seller = factories.MerchantFactory()
    theirs = factories.SkuFactory(merchant=seller, code=shop.sku.code)
    hosting.begin(shop.warehouse, seller, actor="lin")
    receiving.receive(shop.warehouse.pk, theirs.pk, 7, actor="gate")
    row = Stock.objects.get(sku=theirs)
    listed = reverse("admin:inventory_stock_changelist")

    found = admin_client.get(listed, {"sku__merchant__id__exact": seller.pk}).context["cl"].result_list
    assert [(one.sku.merchant.code, one.on_hand) for one in found] == [(seller.code, 7)]
    for page in (
        admin_client.get(listed),
        admin_client.get(reverse("admin:inventory_stock_change", args=[row.pk])),
        admin_client.get(reverse("admin:inventory_stockmovement_changelist")),
    ):
        assert seller.code in page.content.decode()

    admin_client.post(f"{listed}export/", {"form": "csv"})
    factories.run(jobs.run)
    answer = admin_client.get(f"/admin/common/job/{Job.objects.latest('pk').pk}/download/")
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    place = [shop.warehouse.code, shop.sku.code]
    assert sorted((one[0], one[1:3], one[4]) for one in rows[1:] if one[2] == shop.sku.code) == sorted(
        [(seller.code, place, "7"), (shop.merchant.code, place, "100")]
    )
    suggested = importing.suggest(sheets.KIND, rows[0], shop.merchant)
    assert {"warehouse", "sku", "counted"} <= {*suggested}, "what was exported can be uploaded"
