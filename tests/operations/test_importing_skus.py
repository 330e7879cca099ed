"""The sheet of SKUs: what is downloaded of weight, size, barcodes and batches is corrected and uploaded again."""

import io
from datetime import date
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from python_calamine import load_workbook

from inventory.lots import today
from inventory.models import Sku, SkuBarcode, SkuCost, Stock, StockLot
from oms.common.files import tables
from oms.common.models import Job, JobResult, JobState
from oms.common.work import jobs
from orders.intake import importing
from orders.stock import sku_sheets
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.operations.importing import workbook

pytestmark = pytest.mark.django_db

HEADERS = ["商品编码", "毛重(g)", "长（毫米）", "宽（毫米）", "高（毫米）", "条码", "批次管理"]


@pytest.fixture
def clerk(db: None) -> Client:
    return client_of("view_sku", "change_sku", username="chen")


def upload(client: Client, shop: factories.Shop, content: bytes) -> Any:
    file = SimpleUploadedFile("skus.xlsx", content)
    return client.post("/admin/inventory/sku/import/", {"merchant": shop.merchant.pk, "file": file})


def imported(client: Client, shop: factories.Shop, content: bytes) -> Job:
    """Upload the rows, import them with the columns as they were guessed, and see what came of it."""
    address = upload(client, shop, content)["Location"]
    job = Job.objects.latest("pk")
    client.post(address, {**{f"column-{i}": name for i, name in enumerate(job.params["fields"])}, "start": "1"})
    factories.run(jobs.run)
    return Job.objects.get(pk=job.pk)


def outcomes() -> list[str]:
    return list(JobResult.objects.order_by("position").values_list("outcome", flat=True))


def test_a_row_measures_a_sku_and_what_it_leaves_empty_stays(clerk: Client, shop: factories.Shop) -> None:
    Sku.objects.filter(pk=shop.other_sku.pk).update(weight_g=700)
    SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.other_sku, code="690009")
    rows = [
        [shop.sku.code, 1200, 300, 200, 100, "690001, 690002", "是"],
        [shop.other_sku.code, "", "", "", "", "", "no"],
    ]

    job = imported(clerk, shop, workbook(*rows, headers=HEADERS))

    assert (job.state, job.done, job.failed) == (JobState.SUCCEEDED, 2, 0)
    sku, other = Sku.objects.get(pk=shop.sku.pk), Sku.objects.get(pk=shop.other_sku.pk)
    assert (sku.weight_g, sku.volume_mm3, sku.wants_batches) == (1200, 6_000_000, True)
    assert list(sku.barcodes.values_list("code", flat=True)) == ["690001", "690002"]
    assert list(StockLot.objects.values_list("stock__sku", "lot", "on_hand")) == [(sku.pk, "", 100)]
    assert (other.weight_g, other.volume_mm3, other.barcodes.get().code) == (700, None, "690009")
    results = JobResult.objects.order_by("position").values_list("outcome", "reference")
    assert list(results) == [("done", "1200 g, 300 × 200 × 100 mm"), ("skipped", "700 g")]
    assert steps.broken_invariants() == []


def test_the_preview_changes_nothing_and_what_cannot_be_is_refused_row_by_row(
    clerk: Client, shop: factories.Shop
) -> None:
    kept = factories.SkuFactory(merchant=shop.merchant, wants_batches=True)
    factories.StockFactory(sku=kept, warehouse=shop.warehouse, on_hand=0)
    Stock.objects.filter(sku=shop.other_sku).update(safety_stock=1)
    SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.other_sku, code="690009")
    foreign = factories.SkuFactory()
    rows = [
        [shop.sku.code, 1200, "", "", "", "", ""],
        [foreign.code, 1, "", "", "", "", ""],
        [shop.other_sku.code, "1.5", 0, 20_001, 10, "", "maybe"],
        [kept.code, "", 10, "", "", "6" * 65, ""],
        [shop.sku.code, 1300, "", "", "", "", ""],
        ["", 5, "", "", "", "", ""],
    ]
    content = workbook(*rows, headers=HEADERS)

    page = clerk.get(upload(clerk, shop, content)["Location"]).content.decode()

    assert "1200 g" in page
    assert f"row 3, SKU code: There is no SKU {foreign.code}. To make it, give its name and storage class." in page
    assert Sku.objects.get(pk=shop.sku.pk).weight_g == 500
    assert imported(clerk, shop, content).failed == 5
    assert outcomes() == ["done", *["refused"] * 5]
    told = [[error["field"] for error in result.errors] for result in JobResult.objects.order_by("position")]
    assert told == [
        [],
        ["sku"],
        ["weight_g", "length_mm", "width_mm", "wants_batches"],
        ["barcodes"],
        ["sku"],
        ["sku"],
    ]
    assert Sku.objects.get(pk=shop.sku.pk).weight_g == 1200


def test_what_the_service_refuses_is_the_rows_own(clerk: Client, shop: factories.Shop) -> None:
    SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.other_sku, code="690009")
    stock = factories.StockFactory(
        sku__merchant=shop.merchant, sku__wants_batches=True, warehouse=shop.warehouse, on_hand=0
    )
    full = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=full, warehouse=shop.warehouse, on_hand=3)
    imported(clerk, shop, workbook([full.code, "", "", "", "", "", "是"], headers=HEADERS))
    JobResult.objects.all().delete()
    rows = [
        [shop.sku.code, 900, "", "", "", "690009", ""],
        [shop.other_sku.code, "", 10, "", "", "", ""],
        [full.code, "", "", "", "", "", "否"],
        [stock.sku.code, "", "", "", "", "", "否"],
    ]

    job = imported(clerk, shop, workbook(*rows, headers=HEADERS))

    assert (job.done, job.failed) == (4, 3)
    told = [[error["field"] for error in result.errors] for result in JobResult.objects.order_by("position")]
    assert told == [["barcodes"], ["length_mm"], ["wants_batches"], []]
    assert Sku.objects.get(pk=shop.sku.pk).weight_g == 500, "a row is changed as a whole or not at all"
    assert not Stock.objects.get(pk=stock.pk).keeps_lots
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_what_is_downloaded_can_be_uploaded_again(clerk: Client, shop: factories.Shop, form: str) -> None:
    sizes = {"length_mm": 300, "width_mm": 200, "height_mm": 100}
    Sku.objects.filter(pk=shop.sku.pk).update(weight_g=1200, **sizes)
    for code in ("690001", "690002"):
        SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.sku, code=code)
    assert "sku/export/" in clerk.get("/admin/inventory/sku/").content.decode()

    clerk.post(f"/admin/inventory/sku/export/?merchant__id__exact={shop.merchant.pk}", {"form": form})
    factories.run(jobs.run)
    with Job.objects.latest("pk").result.open("rb") as file:
        content = file.read()
    if form == "xlsx":
        lines = load_workbook(io.BytesIO(content)).get_sheet_by_index(0).to_python()
        row = next(line for line in lines if shop.sku.code in line)
        assert row[3:] == [1200, 300, 200, 100, "690001, 690002", "No", "No"]

    job = imported(clerk, shop, content)
    assert (job.done, job.failed) == (2, 0)
    assert outcomes() == ["skipped", "skipped"], "nothing of it was changed"


def test_a_sheet_says_which_skus_have_serial_numbers(clerk: Client, shop: factories.Shop) -> None:
    headers = ["商品编码", "序列号管理"]
    imported(clerk, shop, workbook([shop.sku.code, "是"], [shop.other_sku.code, "或许"], headers=headers))
    assert outcomes() == ["done", "refused"]
    assert set(Sku.objects.filter(wants_serials=True)) == {shop.sku}


def test_rows_that_change_nothing_cost_nothing(clerk: Client, shop: factories.Shop) -> None:
    def statements(number: int) -> int:
        skus = factories.SkuFactory.create_batch(number, merchant=shop.merchant)
        rows = [(place, [sku.code, "500"]) for place, sku in enumerate(skus, 2)]
        entries = sku_sheets.read_skus(tables.Table(["sku", "weight"], rows), ["sku", "weight_g"])
        with CaptureQueriesContext(connection) as captured:
            results = sku_sheets.change(entries, shop.merchant, mock.sentinel.nobody)
        assert {result.outcome for result in results} == {"skipped"}
        return len(captured)

    assert statements(30) == statements(3)


def test_only_those_with_the_right_import_skus(shop: factories.Shop) -> None:
    other = client_of("view_sku")

    assert other.get("/admin/inventory/sku/import/").status_code == 403
    assert "sku/import/" not in other.get("/admin/inventory/sku/").content.decode()
    assert "sku/import/" in client_of("view_sku", "change_sku").get("/admin/inventory/sku/").content.decode()
    english = [
        "SKU",
        "Name",
        "Storage class",
        "Price",
        "Cost price",
        "Cost from",
        "Brand",
        "Category",
        "Weight (g)",
        "Length",
        "Width",
        "Height",
        "EAN",
        "Keeps batches",
        "Has serial numbers",
    ]
    assert importing.suggest(sku_sheets.KIND, english, shop.merchant) == [column.name for column in sku_sheets.COLUMNS]


def test_cost_prices_come_with_a_sheet_from_today_or_from_a_day_on(clerk: Client, shop: factories.Shop) -> None:
    headers = ["商品编码", "成本价", "成本生效日"]
    rows = [[shop.sku.code, "6.20", ""], [shop.other_sku.code, "7.5", "2026-01-31"]]
    imported(clerk, shop, workbook(*rows, headers=headers))
    assert outcomes() == ["done", "done"]
    said = SkuCost.objects.order_by("sku").values_list("sku", "valid_from", "cost", "entered_by")
    assert list(said) == [
        (shop.sku.pk, today(), Decimal("6.20"), "chen"),
        (shop.other_sku.pk, date(2026, 1, 31), Decimal("7.50"), "chen"),
    ]

    JobResult.objects.all().delete()
    rows = [[shop.sku.code, "6.20", ""], [shop.other_sku.code, "-1", ""], [shop.other_sku.code, "7", "soon"]]
    imported(clerk, shop, workbook(*rows, headers=headers))
    # Said already; and two that nobody can understand.
    assert outcomes() == ["skipped", "refused", "refused"]
    assert SkuCost.objects.count() == 2
