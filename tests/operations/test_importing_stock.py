"""Importing counted stock: what was counted is booked once, in the name of who imported it."""

import io
from typing import Any
from unittest import mock

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from python_calamine import load_workbook

from inventory.models import Stock, StockMovement
from oms.common.models import Job, JobResult, JobState
from oms.common.work import jobs
from orders.actors import Actor
from orders.intake import import_kinds, importing, running
from orders.models import ActorKind, ImportMapping, SubOrder
from orders.stock import changes as stock_changes
from orders.stock import sheets
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.operations.importing import workbook

pytestmark = pytest.mark.django_db

HEADERS = ["仓库编码", "商品编码", "实盘数量", "备注"]


@pytest.fixture
def clerk(db: None) -> Client:
    return client_of("import_stock", "view_stock", username="chen")


def upload(client: Client, shop: factories.Shop, *rows: list[object], headers: list[str] = HEADERS) -> Any:
    file = SimpleUploadedFile("stock.xlsx", workbook(*rows, headers=headers))
    return client.post("/admin/inventory/stock/import/", {"merchant": shop.merchant.pk, "file": file})


def begin(client: Client, shop: factories.Shop, *rows: list[object]) -> Job:
    """Upload the rows and start their import with the columns as they were guessed."""
    address = upload(client, shop, *rows)["Location"]
    job = Job.objects.latest("pk")
    client.post(address, {**{f"column-{i}": name for i, name in enumerate(job.params["fields"])}, "start": "1"})
    return job


def imported(client: Client, shop: factories.Shop, *rows: list[object]) -> Job:
    begin(client, shop, *rows)
    factories.run(jobs.run)
    return Job.objects.latest("pk")


def on_hand(shop: factories.Shop) -> tuple[int, int]:
    units = dict(Stock.objects.filter(warehouse=shop.warehouse).values_list("sku_id", "on_hand"))
    return units[shop.sku.pk], units[shop.other_sku.pk]


def test_what_was_counted_is_booked_and_the_ledger_says_who_and_why(clerk: Client, shop: factories.Shop) -> None:
    place = shop.warehouse.code

    job = imported(clerk, shop, [place, shop.sku.code, 93, "Q4 count"], [place, shop.other_sku.code, "1,234", ""])

    assert (job.state, job.total, job.done, job.failed) == (JobState.SUCCEEDED, 2, 2, 0)
    assert on_hand(shop) == (93, 1234)
    booked = StockMovement.objects.filter(kind="stock_take").order_by("on_hand_change")
    assert list(booked.values_list("on_hand_change", "actor", "note")) == [(-7, "chen", "Q4 count"), (1134, "chen", "")]
    assert list(JobResult.objects.order_by("position").values_list("reference", flat=True)) == [
        "100 → 93",
        "100 → 1234",
    ]
    assert steps.broken_invariants() == []


def test_the_preview_shows_the_change_and_books_nothing(clerk: Client, shop: factories.Shop) -> None:
    answer = upload(clerk, shop, [shop.warehouse.code, shop.sku.code, 93, ""], ["nowhere", shop.sku.code, 5, ""])

    page = clerk.get(answer["Location"]).content.decode()

    assert "100 → 93" in page
    assert "row 3, Warehouse code: There is no warehouse nowhere." in page
    assert "DatabaseDefault" not in page
    assert "Book 2 counts" in page
    assert on_hand(shop) == (100, 100)
    assert not StockMovement.objects.filter(kind="stock_take").exists()


def test_a_row_that_cannot_be_read_is_no_reason_against_the_next_one_of_its_goods(
    clerk: Client, shop: factories.Shop
) -> None:
    place = shop.warehouse.code

    job = imported(
        clerk,
        shop,
        [place, shop.sku.code, "many", ""],
        [place, shop.sku.code, 93, "x" * 201],
        [place, shop.sku.code, 94, ""],
        [place, shop.sku.code, 95, ""],
    )

    assert (job.total, job.failed, on_hand(shop)[0]) == (4, 3, 94)
    refused = JobResult.objects.filter(outcome=JobResult.Outcome.REFUSED).order_by("position")
    assert [row.errors[0]["code"] for row in refused] == ["invalid", "too_long", "named_twice"]


def test_a_place_that_had_nothing_yet_gets_its_units(clerk: Client, shop: factories.Shop) -> None:
    elsewhere = factories.WarehouseFactory(merchant=shop.merchant)

    job = imported(clerk, shop, [elsewhere.code, shop.sku.code, 12, ""])

    assert job.failed == 0
    assert Stock.objects.get(warehouse=elsewhere, sku=shop.sku).on_hand == 12


def test_the_report_has_the_refused_rows_to_correct(clerk: Client, shop: factories.Shop) -> None:
    place, foreign = shop.warehouse.code, factories.SkuFactory()

    job = imported(
        clerk,
        shop,
        [place, shop.sku.code, 50, ""],
        [place, foreign.code, 5, ""],
        ["", shop.sku.code, 5, ""],
        [place, shop.other_sku.code, "-1", ""],
        [factories.WarehouseFactory().code, shop.other_sku.code, "1.5", ""],
        [place, shop.sku.code, 60, ""],
    )

    assert (job.done, job.failed) == (6, 5)
    with job.result.open("rb") as file:
        book = load_workbook(io.BytesIO(file.read()))
    refused, outcomes = (book.get_sheet_by_index(i).to_python() for i in range(2))
    assert refused[0] == [*HEADERS, "Reason"]
    assert [line[-1] for line in refused[1:]] == [
        f"row 3, SKU code: There is no SKU {foreign.code}.",
        "row 4, Warehouse code: This field is required.",
        "row 5, Units counted: Give a whole number from 0 to 1000000000.",
        "row 6, Units counted: Give a whole number from 0 to 1000000000.",
        "row 7, SKU code: This SKU of this warehouse stands in row 2 already.",
    ]
    page = clerk.get(f"/admin/common/job/{job.pk}/change/").content.decode()
    assert "Warehouse and SKU" in page
    assert "External order number" not in page
    assert outcomes[0] == ["Row", "Warehouse and SKU", "Outcome", "Units on hand", "Reason"]
    assert outcomes[1][:4] == [2, f"{place} {shop.sku.code}", "Done", "100 → 50"]
    assert on_hand(shop) == (50, 100)


def test_a_count_below_what_is_promised_costs_the_youngest_their_promise(clerk: Client, shop: factories.Shop) -> None:
    older = factories.allocated_order((shop.sku, 4, "10.00"), merchant=shop.merchant)
    younger = factories.allocated_order((shop.sku, 4, "10.00"), merchant=shop.merchant)

    job = imported(clerk, shop, [shop.warehouse.code, shop.sku.code, 5, ""])

    assert job.failed == 0
    assert SubOrder.objects.get(order=older).state == "allocated"
    assert SubOrder.objects.get(order=younger).state == "backordered"
    assert steps.broken_invariants() == []


def test_what_the_warehouse_works_on_is_not_counted_away(clerk: Client, shop: factories.Shop) -> None:
    steps.released(shop.place_order((shop.sku, 4, "10.00"), payment_method="cod"))

    job = imported(clerk, shop, [shop.warehouse.code, shop.sku.code, 1, ""])

    assert job.failed == 1
    assert (
        "4 units" in JobResult.objects.get().errors[0]["detail"]
        or "3 units" in JobResult.objects.get().errors[0]["detail"]
    )
    assert on_hand(shop)[0] == 100


def test_a_killed_workers_import_goes_on_and_books_nothing_twice(clerk: Client, shop: factories.Shop) -> None:
    places = [factories.WarehouseFactory(merchant=shop.merchant).code for _ in range(7)]
    job = begin(clerk, shop, *[[place, shop.sku.code, 10, ""] for place in places])
    calls = []
    change_many = stock_changes.change_many

    def killed_in_the_third_batch(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        outcomes = change_many(*args, **kwargs)
        if len(calls) == 3:
            raise KeyboardInterrupt  # like a signal, it goes past every handler
        return outcomes

    with mock.patch.object(running, "BATCH", 2):
        killed = mock.patch.object(stock_changes, "change_many", killed_in_the_third_batch)
        with killed, pytest.raises(KeyboardInterrupt):
            steps.once(jobs.run)
        assert StockMovement.objects.filter(kind="stock_take").count() == 4
        # Goods leave before another worker goes on: a count that was booked twice would bring them back.
        gone = Stock.objects.get(warehouse__code=places[0])
        StockMovement.objects.create(stock=gone, kind="ship", on_hand_change=9 - gone.on_hand)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE common_job SET lease_until = now() - interval '1 second'")
        factories.run(jobs.run)

    job = Job.objects.get(pk=job.pk)
    assert (job.state, job.done, job.failed) == (JobState.SUCCEEDED, 7, 0)
    assert StockMovement.objects.filter(kind="stock_take").count() == 7
    assert Stock.objects.get(warehouse__code=places[0]).on_hand == 9


def test_a_batch_takes_as_many_statements_for_a_hundred_rows_as_for_ten(shop: factories.Shop) -> None:
    def statements(rows: int) -> int:
        skus = factories.SkuFactory.create_batch(rows, merchant=shop.merchant)
        for sku in skus:
            factories.StockFactory(sku=sku, warehouse=shop.warehouse, on_hand=5)
        changes = [sheets.Change(sku=sku.code, warehouse=shop.warehouse.code, on_hand=7) for sku in skus]
        entries = [import_kinds.Entry(change.sku, [number], [{}], change) for number, change in enumerate(changes, 2)]
        with CaptureQueriesContext(connection) as captured:
            results = sheets.book(entries, shop.merchant, Actor(ActorKind.STAFF, "chen"))
        assert {result.outcome for result in results} == {"done"}
        return len(captured)

    assert statements(100) == statements(10)


def test_headers_are_understood_and_remembered_apart_from_those_of_orders(clerk: Client, shop: factories.Shop) -> None:
    english = ["Warehouse", "SKU", "On hand", "Reason"]
    assert importing.suggest(sheets.KIND, english, shop.merchant) == ["warehouse", "sku", "counted", "note"]

    headers = ["库位仓", "商品编码", "实盘数量", "备注"]
    address = upload(clerk, shop, [shop.warehouse.code, shop.sku.code, 5, ""], headers=headers)["Location"]
    assert "No column holds: Warehouse code" in clerk.get(address).content.decode()
    fields = ["warehouse", "sku", "counted", "note"]
    clerk.post(address, {**{f"column-{i}": name for i, name in enumerate(fields)}, "start": "1"})

    assert ImportMapping.objects.get(merchant=shop.merchant).kind == "import_stock"
    assert importing.suggest(sheets.KIND, headers, shop.merchant) == fields
    content = b"".join(clerk.get("/admin/inventory/stock/import/template/").streaming_content)
    (found,) = load_workbook(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    assert found == ["Warehouse code", "SKU code", "Units counted", "Note"]


def test_only_those_with_the_right_import_stock(shop: factories.Shop) -> None:
    other = client_of("import_orders", "view_stock")

    assert other.get("/admin/inventory/stock/import/").status_code == 403
    assert upload(other, shop, [shop.warehouse.code, shop.sku.code, 5, ""]).status_code == 403
    assert "stock/import/" not in other.get("/admin/inventory/stock/").content.decode()
    assert "stock/import/" in client_of("import_stock", "view_stock").get("/admin/inventory/stock/").content.decode()


def test_a_draft_of_one_kind_is_no_draft_of_another(clerk: Client, shop: factories.Shop) -> None:
    address = upload(clerk, shop, [shop.warehouse.code, shop.sku.code, 5, ""])["Location"]
    both = client_of("import_orders", "import_stock")
    Job.objects.update(owner=both.session["_auth_user_id"])

    assert both.get(address).status_code == 200
    assert both.get(address.replace("inventory/stock", "orders/order")).status_code == 404
