"""Exports: what the list shows, to whom it may show it, and no cell that Excel would run."""

import csv
import io
from datetime import datetime
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import load_workbook

from oms.common.files import exporting, tables
from oms.common.models import Job, JobState
from oms.common.work import jobs
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db
ORDERS = "/admin/orders/order/export/"


@pytest.fixture
def clerk(db: None) -> Client:
    return client_of("view_order", "view_suborder", "view_shipment", "export_orders")


@pytest.fixture
def trusted(db: None) -> Client:
    return client_of("view_order", "export_orders", "export_personal_data")


def export(client: Client, path: str = ORDERS, **form: str) -> Job:
    """Ask for the export, let a worker write it."""
    answer = client.post(path, {"form": "csv", **form})
    assert answer.status_code == 302, answer.content.decode()
    factories.run(jobs.run)
    return Job.objects.latest("pk")


def content_of(client: Client, job: Job) -> bytes:
    answer = client.get(f"/admin/common/job/{job.pk}/download/")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def csv_rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_an_export_has_the_rows_of_the_list(clerk: Client, shop: factories.Shop) -> None:
    wanted = [shop.place_order(payment_method="cod").number for _ in range(3)]
    shop.place_order()

    job = export(clerk, f"{ORDERS}?state__exact=in_review")

    assert (job.state, job.total, job.done) == (JobState.SUCCEEDED, 3, 3)
    rows = csv_rows(content_of(clerk, job))
    assert [row["order number"] for row in rows] == wanted[::-1]
    assert rows[0]["state"] == "In review"
    assert rows[0]["payable"] == "26.00"


def test_batches_join_without_gaps_and_repeats(clerk: Client, shop: factories.Shop) -> None:
    numbers = {shop.place_order().number for _ in range(7)}

    with mock.patch.object(exporting, "BATCH", 2):
        rows = csv_rows(content_of(clerk, export(clerk)))

    assert len(rows) == 7
    assert {row["order number"] for row in rows} == numbers


def test_without_the_right_personal_data_is_masked(clerk: Client, shop: factories.Shop) -> None:
    shop.place_order(remark="急用 13900009999")

    text = content_of(clerk, export(clerk)).decode("utf-8-sig")

    for secret in ("张华", "13800001111", "中山路", "13900009999"):
        assert secret not in text
    assert "138****1111" in text
    assert clerk.post(ORDERS, {"form": "csv", "personal": "1"}).status_code == 403


def test_with_the_right_and_the_wish_it_is_whole(trusted: Client, shop: factories.Shop) -> None:
    shop.place_order()

    assert "张华" not in content_of(trusted, export(trusted)).decode()
    (row,) = csv_rows(content_of(trusted, export(trusted, personal="1")))
    assert (row["recipient"], row["recipient's phone"]) == ("张华", "13800001111")


def test_a_file_with_personal_data_needs_the_right_at_the_download_too(trusted: Client, shop: factories.Shop) -> None:
    shop.place_order()
    job = export(trusted, personal="1")
    overseer = client_of("view_job", "export_orders")

    assert overseer.get(f"/admin/common/job/{job.pk}/change/").status_code == 200
    assert overseer.get(f"/admin/common/job/{job.pk}/download/").status_code == 403
    job.owner.user_permissions.clear()
    assert trusted.get(f"/admin/common/job/{job.pk}/download/").status_code == 403


def test_an_owner_who_lost_the_right_meanwhile_gets_nothing(trusted: Client, shop: factories.Shop) -> None:
    shop.place_order()
    trusted.post(ORDERS, {"form": "csv", "personal": "1"})
    job = Job.objects.latest("pk")
    job.owner.user_permissions.clear()

    factories.run(jobs.run)

    job = Job.objects.get(pk=job.pk)
    assert (job.state, bool(job.result)) == (JobState.FAILED, False)
    assert "no longer have the right" in job.error


def test_nobody_exports_without_the_right(reader: Client, shop: factories.Shop) -> None:
    assert reader.get(ORDERS).status_code == 403
    assert reader.post(ORDERS, {"form": "csv"}).status_code == 403
    assert "/export/" not in reader.get("/admin/orders/order/").content.decode()


def test_sub_orders_and_shipments_are_exported_from_their_lists(clerk: Client, shop: factories.Shop) -> None:
    shipment = steps.dispatched(shop.place_order(payment_method="cod"))

    (row,) = csv_rows(content_of(clerk, export(clerk, "/admin/orders/suborder/export/")))
    assert (row["sub-order number"], row["state"]) == (shipment.sub_order.number, "Packed")
    (row,) = csv_rows(content_of(clerk, export(clerk, "/admin/logistics/shipment/export/")))
    assert row["waybill number"] == shipment.waybill_number


FORMULA = '=HYPERLINK("http://x","y")'


@pytest.mark.parametrize("text", [FORMULA, "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_no_text_becomes_a_formula(trusted: Client, shop: factories.Shop, text: str) -> None:
    order = shop.place_order()
    type(order).objects.filter(pk=order.pk).update(remark=text)

    (row,) = csv_rows(content_of(trusted, export(trusted, personal="1")))
    assert row["remark"] == f"'{text}"
    book = content_of(trusted, export(trusted, personal="1", form="xlsx"))
    header, cells = load_workbook(io.BytesIO(book)).get_sheet_by_index(0).to_python()
    assert str(cells[header.index("remark")]).strip() == text.strip()
    import zipfile

    sheet = zipfile.ZipFile(io.BytesIO(book)).read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet


@given(st.text(min_size=1))
def test_whatever_a_csv_cell_holds_it_does_not_begin_like_a_formula(text: str) -> None:
    file = io.BytesIO()
    writer = tables.CsvWriter(file, ["a"])
    writer.write([text.encode("utf-8", "ignore").decode()])
    writer.close()

    rows = list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline="")))
    assert all(not cell.startswith(tuple("=+-@\t\r＝＋－＠")) for row in rows[1:] for cell in row)


def test_amounts_stay_numbers_in_a_workbook(clerk: Client, shop: factories.Shop) -> None:
    shop.place_order()

    book = content_of(clerk, export(clerk, form="xlsx"))

    header, cells = load_workbook(io.BytesIO(book)).get_sheet_by_index(0).to_python()
    assert cells[header.index("payable")] == 26.0
    assert isinstance(cells[header.index("order number")], str)


def test_an_export_that_is_too_long_says_so(clerk: Client, shop: factories.Shop, settings: Any) -> None:
    settings.EXPORT_MAX_ROWS = 1
    shop.place_order()
    shop.place_order()

    job = export(clerk)

    assert job.state == JobState.FAILED
    assert "More than 1 rows" in job.error


def test_an_export_whose_worker_was_killed_while_it_joined_the_file_is_joined_again(
    clerk: Client, shop: factories.Shop
) -> None:
    for _ in range(3):
        shop.place_order()
    clerk.post(ORDERS, {"form": "csv"})

    with mock.patch.object(jobs, "save_result", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        steps.once(jobs.run)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE common_job SET lease_until = now() - interval '1 second'")
    factories.run(jobs.run)

    job = Job.objects.get()
    assert (job.state, job.done) == (JobState.SUCCEEDED, 3)
    assert len(csv_rows(content_of(clerk, job))) == 3


def test_an_export_that_kills_every_worker_is_given_up(clerk: Client, shop: factories.Shop) -> None:
    shop.place_order()
    clerk.post(ORDERS, {"form": "csv"})

    with mock.patch.object(jobs, "save_result", side_effect=KeyboardInterrupt):
        for _ in range(jobs.MAX_TAKE_UPS):
            with pytest.raises(KeyboardInterrupt):
                steps.once(jobs.run)
            with connection.cursor() as cursor:
                cursor.execute("UPDATE common_job SET lease_until = now() - interval '1 second'")
        steps.once(jobs.run)

    assert Job.objects.get().state == JobState.FAILED


@pytest.mark.parametrize("orders", [1, 6])
def test_an_exports_statements_do_not_grow_with_its_rows(clerk: Client, shop: factories.Shop, orders: int) -> None:
    for _ in range(orders):
        shop.place_order()
    clerk.post(ORDERS, {"form": "csv"})

    with CaptureQueriesContext(connection) as captured:
        steps.once(jobs.run)

    assert Job.objects.get().state == JobState.SUCCEEDED
    assert len(captured) < 60
    assert len([q for q in captured if "recipient_phone" in q["sql"] and "LIMIT 2000" in q["sql"]]) == 2


def workbook_of(client: Client, job: Job) -> tuple[list[Any], list[list[Any]]]:
    """Header and rows of an exported workbook, with the types that Excel sees."""
    content = content_of(client, job)
    header, *rows = load_workbook(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    return header, rows


def test_in_a_workbook_times_are_dates_of_china_and_long_numbers_text(clerk: Client, shop: factories.Shop) -> None:
    order = shop.place_order(external_number="2026112000000000123", ordered_at="2026-01-02T01:00:00Z")

    header, (cells,) = workbook_of(clerk, export(clerk, form="xlsx"))

    row = dict(zip(header, cells, strict=True))
    assert row["ordered at"] == datetime(2026, 1, 2, 9)  # noqa: DTZ001 - a cell knows no zone
    assert isinstance(row["received at"], datetime)
    assert row["paid at"] == ""
    assert (row["order number"], row["external number"]) == (order.number, "2026112000000000123")
    assert (row["payable"], row["goods amount"], row["units"]) == (26.0, 20.0, 2.0)


def test_in_a_text_file_times_are_chinas(clerk: Client, shop: factories.Shop) -> None:
    shop.place_order(ordered_at="2026-01-02T01:00:00Z")

    (row,) = csv_rows(content_of(clerk, export(clerk)))

    assert row["ordered at"] == "2026-01-02 09:00:00"


def test_order_lines_are_exported_with_their_skus_and_waybills(clerk: Client, shop: factories.Shop) -> None:
    shipment = steps.dispatched(
        shop.place_order((shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"), payment_method="cod")
    )
    shop.place_order()

    page = clerk.get(ORDERS).content.decode()
    assert 'value="orders.orderline"' in page
    job = export(clerk, f"{ORDERS}?payment_method=cod&state__exact=split", form="xlsx", what="orders.orderline")

    header, rows = workbook_of(clerk, job)
    lines = [dict(zip(header, cells, strict=True)) for cells in rows]
    assert sorted((line["SKU code"], line["quantity"], line["unit price"], line["waybills"]) for line in lines) == [
        (shop.sku.code, 2.0, 10.0, shipment.waybill_number),
        (shop.other_sku.code, 1.0, 25.5, shipment.waybill_number),
    ]
    assert "张华" not in {line["recipient"] for line in lines}
    assert sum(line["payable"] for line in lines) == 51.5


@pytest.mark.parametrize("path", [ORDERS, "/admin/orders/suborder/export/"])
def test_orders_and_sub_orders_are_exported_with_their_waybills(clerk: Client, shop: factories.Shop, path: str) -> None:
    shipment = steps.dispatched(shop.place_order(payment_method="cod"))

    (row,) = csv_rows(content_of(clerk, export(clerk, path)))

    assert row["waybills"] == shipment.waybill_number


def test_what_is_no_export_of_the_list_is_not_exported(clerk: Client, shop: factories.Shop) -> None:
    shop.place_order()

    (row,) = csv_rows(content_of(clerk, export(clerk, what="logistics.shipment")))

    assert "order number" in row
    assert "shipment number" not in row
