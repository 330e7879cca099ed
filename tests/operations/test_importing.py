"""The import of orders: from an upload over the preview to orders, a report, and nothing twice."""

import io
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from unittest import mock

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from python_calamine import load_workbook

from oms.common.models import Job, JobResult, JobState
from oms.common.work import jobs
from orders.intake import cells, importing, running, sheets
from orders.models import ImportMapping, Order
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.operations.importing import HEADERS, begin, finish, imported, report, row, upload, workbook

pytestmark = pytest.mark.django_db


def test_rows_of_one_number_become_one_order(clerk: Client, shop: factories.Shop) -> None:
    content = workbook(
        row("A-1", shop.sku.code), row("A-2", shop.sku.code), row("A-1", shop.other_sku.code, 数量=1, 单价=25.5)
    )

    job = imported(clerk, shop, content)

    assert job.state == JobState.SUCCEEDED
    assert (job.total, job.done, job.failed) == (2, 2, 0)
    order = Order.objects.get(external_number="A-1")
    assert (order.line_count, str(order.payable_amount), order.recipient_phone) == (2, "52.50", "13800001111")
    assert order.region_id == "110101"
    assert order.events.get(kind="received").actor == job.owner.username


def test_the_first_page_shows_what_would_come_of_it_and_stores_nothing(clerk: Client, shop: factories.Shop) -> None:
    content = workbook(row("A-1", shop.sku.code), row("A-2", "nothing"), row("A-3", shop.sku.code, 区="无名区"))

    page = clerk.get(upload(clerk, shop, content)["Location"]).content.decode()

    assert "Would be imported" in page
    assert "row 3, SKU: Merchant" in page
    assert "北京市 has no district 无名区" in page
    assert not Order.objects.exists()
    assert Job.objects.get().state == JobState.DRAFT
    finish()
    assert not Order.objects.exists()


def test_the_report_can_be_corrected_and_sent_again(clerk: Client, shop: factories.Shop) -> None:
    content = workbook(row("A-1", shop.sku.code), row("A-2", shop.sku.code, 手机号="12"))

    job = imported(clerk, shop, content)

    assert (job.done, job.failed) == (2, 1)
    refused, outcomes = report(job)
    assert refused[0] == [*HEADERS, "Reason"]
    assert len(refused) == 2
    assert refused[1][0] == "A-2"
    assert refused[1][-1].startswith("row 3, Recipient's phone: Give a Chinese phone number")
    assert ";" not in refused[1][-1]
    assert [line[2] for line in outcomes[1:]] == ["Done", "Not imported"]
    refused[1][3] = "13900002222"
    again = imported(clerk, shop, workbook(refused[1], headers=refused[0]))
    assert (again.state, again.failed) == (JobState.SUCCEEDED, 0)
    assert set(Order.objects.values_list("external_number", flat=True)) == {"A-1", "A-2"}


def test_importing_a_file_twice_adds_nothing(clerk: Client, shop: factories.Shop) -> None:
    content = workbook(row("A-1", shop.sku.code))
    imported(clerk, shop, content)

    again = imported(clerk, shop, content)

    assert Order.objects.count() == 1
    assert again.progress["outcomes"] == {"skipped": 1}


def test_a_killed_workers_import_goes_on_without_doubling_anything(clerk: Client, shop: factories.Shop) -> None:
    job = begin(clerk, shop, workbook(*[row(f"A-{n}", shop.sku.code) for n in range(7)]))
    calls = []

    def killed_in_the_third_batch(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt  # like a signal, it goes past every handler
        return place(*args, **kwargs)

    place = sheets.place_orders
    with mock.patch.object(running, "BATCH", 2):
        with (
            mock.patch.object(sheets, "place_orders", killed_in_the_third_batch),
            pytest.raises(KeyboardInterrupt),
        ):
            steps.once(jobs.run)
        assert Order.objects.count() == 4
        assert steps.once(jobs.run) == 0  # the lease is still held
        with connection.cursor() as cursor:
            cursor.execute("UPDATE common_job SET lease_until = now() - interval '1 second'")
        finish()

    job = Job.objects.get(pk=job.pk)
    assert (job.state, job.done, job.failed) == (JobState.SUCCEEDED, 7, 0)
    assert Order.objects.count() == 7
    assert JobResult.objects.filter(job=job, outcome="done").count() == 7
    assert steps.broken_invariants() == []


def test_a_worker_that_lost_its_lease_writes_nothing_more(clerk: Client, shop: factories.Shop) -> None:
    begin(clerk, shop, workbook(*[row(f"A-{n}", shop.sku.code) for n in range(4)]))

    def taken_over(*args: Any, **kwargs: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE common_job SET lease_token = lease_token + 1")
        return place(*args, **kwargs)

    place = sheets.place_orders
    with mock.patch.object(running, "BATCH", 2), mock.patch.object(sheets, "place_orders", taken_over):
        steps.once(jobs.run)

    assert Order.objects.count() == 2
    assert Job.objects.get().state == JobState.RUNNING


def test_a_cancelled_import_stops(clerk: Client, shop: factories.Shop) -> None:
    job = begin(clerk, shop, workbook(row("A-1", shop.sku.code)))

    clerk.post(f"/admin/common/job/{job.pk}/cancel/")
    finish()

    assert Job.objects.get().state == JobState.CANCELLED
    assert not Order.objects.exists()


def test_a_job_that_never_gets_anywhere_fails_in_the_end(clerk: Client, shop: factories.Shop) -> None:
    job = begin(clerk, shop, workbook(row("A-1", shop.sku.code)))

    with mock.patch.object(sheets, "place_orders", side_effect=ValueError("boom")):
        finish()

    job = Job.objects.get(pk=job.pk)
    assert job.state == JobState.FAILED
    assert "Please report job" in job.error
    assert "boom" not in clerk.get(f"/admin/common/job/{job.pk}/change/").content.decode()


def test_what_staff_said_of_the_columns_is_remembered_for_the_merchant(clerk: Client, shop: factories.Shop) -> None:
    headers = [*HEADERS[:8], "货物", *HEADERS[9:]]
    address = upload(clerk, shop, workbook(row("A-1", shop.sku.code), headers=headers))["Location"]
    job = Job.objects.get()
    assert job.params["fields"][8] == ""
    assert "No column holds: SKU" in clerk.get(address).content.decode()

    fields = [*job.params["fields"][:8], "sku", *job.params["fields"][9:]]
    clerk.post(address, {**{f"column-{i}": name for i, name in enumerate(fields)}, "start": "1"})

    assert ImportMapping.objects.get(merchant=shop.merchant).fields["货物"] == "sku"
    upload(clerk, shop, workbook(row("A-2", shop.sku.code), headers=headers))
    assert Job.objects.latest("pk").params["fields"] == fields


def test_english_headers_and_the_template_are_understood(clerk: Client, shop: factories.Shop) -> None:
    english = ["Order Number", "Recipient Name", "Phone", "Region Code", "Address", "SKU", "Qty", "Unit Price"]
    assert importing.suggest(sheets.KIND, english, shop.merchant) == [
        *("external_number", "recipient_name", "recipient_phone", "region_code", "address"),
        *("sku", "quantity", "unit_price"),
    ]
    content = b"".join(clerk.get("/admin/orders/order/import/template/").streaming_content)
    (headers,) = load_workbook(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    # Names that two languages share mean the first of them; none may mean nothing.
    with mock.patch("django.utils.translation.get_language", return_value="en"):
        assert [name for name in importing.suggest(sheets.KIND, headers, shop.merchant) if not name] == []


def test_numbers_whose_digits_excel_cut_off_are_refused_with_the_remedy(clerk: Client, shop: factories.Shop) -> None:
    job = imported(clerk, shop, workbook(row(12345678901234567890, shop.sku.code)))  # type: ignore[arg-type]

    assert job.failed == 1
    assert JobResult.objects.get().errors[0]["code"] == "digits_lost"


def test_rows_of_an_order_that_disagree_are_refused(clerk: Client, shop: factories.Shop) -> None:
    job = imported(clerk, shop, workbook(row("A-1", shop.sku.code), row("A-1", shop.sku.code, 收货人="李四")))

    assert job.failed == 1
    assert {error["code"] for error in JobResult.objects.get().errors} == {"rows_differ"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02 09:00:00", "2026-01-02T09:00:00+08:00"),
        ("2026/1/2 9:05", "2026-01-02T09:05:00+08:00"),
        ("2026年1月2日", "2026-01-02T00:00:00+08:00"),
        ("2026-01-02T01:00:00Z", "2026-01-02T01:00:00+00:00"),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: str) -> None:
    assert cells.moment(text).isoformat() == expected


# --- The same draft in two tabs


def fields_of(job: Job, **changes: str) -> dict[str, str]:
    return {f"column-{i}": changes.get(name, name) for i, name in enumerate(job.params["fields"])}


def test_what_another_tab_says_after_the_start_changes_nothing(clerk: Client, shop: factories.Shop) -> None:
    address = upload(clerk, shop, workbook(row("A-1", shop.sku.code)))["Location"]
    job = Job.objects.get()
    chosen = fields_of(job)
    change = jobs.change_draft

    def started_in_between(*args: Any, **kwargs: Any) -> bool:
        with mock.patch.object(jobs, "change_draft", change):
            clerk.post(address, {**chosen, "start": "1"})
        return change(*args, **kwargs)

    with mock.patch.object(jobs, "change_draft", started_in_between):
        answer = clerk.post(address, {**fields_of(job, recipient_name="buyer_name"), "preview": "1"}, follow=True)

    assert "started or cancelled meanwhile" in answer.content.decode()
    job.refresh_from_db()
    assert list(chosen.values()) == job.params["fields"]
    finish()
    assert Order.objects.get().recipient_name == "张华"


def test_an_import_starts_with_the_columns_of_the_tab_that_started_it(clerk: Client, shop: factories.Shop) -> None:
    address = upload(clerk, shop, workbook(row("A-1", shop.sku.code)))["Location"]
    job = Job.objects.get()
    chosen = fields_of(job)
    start = importing.start

    def checked_in_between(*args: Any, **kwargs: Any) -> bool:
        clerk.post(address, {**fields_of(job, recipient_name="buyer_name"), "preview": "1"})
        return start(*args, **kwargs)

    with mock.patch.object(importing, "start", checked_in_between):
        clerk.post(address, {**chosen, "start": "1"})

    job = Job.objects.get()
    assert (job.state, job.params["fields"]) == (JobState.QUEUED, list(chosen.values()))
    assert ImportMapping.objects.get().fields["收货人"] == "recipient_name"


@pytest.mark.django_db(transaction=True)
def test_of_starts_at_the_same_moment_one_wins_with_its_own_columns() -> None:
    shop = factories.make_shop()
    job = importing.prepare(
        sheets.KIND,
        SimpleUploadedFile("orders.xlsx", workbook(row("A-1", shop.sku.code))),
        shop.merchant,
        factories.UserFactory(),
    )
    threads = 6
    barrier = Barrier(threads)

    def start(number: int) -> tuple[int, bool]:
        try:
            barrier.wait(10)
            fields = [*job.params["fields"][:-1], f"tab-{number}"]
            return number, importing.start(sheets.KIND, job.pk, HEADERS, fields, shop.merchant)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        outcomes = list(pool.map(start, range(threads)))

    (winner,) = [number for number, started in outcomes if started]
    job.refresh_from_db()
    assert (job.state, job.params["fields"][-1]) == (JobState.QUEUED, f"tab-{winner}")
    assert ImportMapping.objects.get().fields["运费"] == f"tab-{winner}"


# --- Who may


def test_only_those_with_the_right_import(reader: Client, shop: factories.Shop) -> None:
    assert reader.get("/admin/orders/order/import/").status_code == 403
    assert upload(reader, shop, workbook(row("A-1", shop.sku.code))).status_code == 403


def test_nobody_sees_anothers_draft_or_job(clerk: Client, shop: factories.Shop) -> None:
    job = imported(clerk, shop, workbook(row("A-1", shop.sku.code)))
    other = client_of("import_orders", "view_order")

    for path in ("change/", "progress/", "download/"):
        assert other.get(f"/admin/common/job/{job.pk}/{path}").status_code == 404
    assert other.post(f"/admin/common/job/{job.pk}/cancel/").status_code == 404
    assert other.get(f"/admin/orders/order/import/{job.pk}/").status_code == 404
    assert f"/{job.pk}/" not in other.get("/admin/common/job/").content.decode()
    assert clerk.get(f"/admin/common/job/{job.pk}/download/").status_code == 200
    assert clerk.get("/admin/common/job/").status_code == 200


def test_files_of_old_jobs_are_deleted(clerk: Client, shop: factories.Shop, settings: Any, tmp_path: Any) -> None:
    job = imported(clerk, shop, workbook(row("A-1", shop.sku.code, 手机号="12")))
    assert list(tmp_path.rglob("*.xlsx"))
    assert jobs.purge() == 0

    Job.objects.update(finished_at="2026-01-01T00:00:00Z")

    assert jobs.purge() == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not JobResult.objects.exists()
    assert clerk.get(f"/admin/common/job/{job.pk}/download/").status_code == 404
    assert jobs.purge() == 0
