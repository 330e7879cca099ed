"""The wizard's look at every row beforehand, the report's way back, and stopping an import."""

import io
from typing import Any
from unittest import mock

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from python_calamine import load_workbook

from inventory.models import Stock
from oms.common.models import Job, JobResult, JobState
from oms.common.work import jobs
from orders.intake import import_kinds, importing, running
from orders.models import ImportMapping, Order, SubOrder
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.operations.importing import HEADERS, begin, finish, imported, report, row, told, upload, workbook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def clerk(db: None) -> Client:
    return client_of("import_orders", "import_stock", "view_order")


def page_after(client: Client, shop: factories.Shop, content: bytes) -> tuple[str, str]:
    """Upload the file; the address of the wizard's second page and what it shows."""
    address = upload(client, shop, content)["Location"]
    return address, client.get(address).content.decode()


def totals(client: Client, address: str) -> dict[str, Any]:
    """What the wizard's page says in all."""
    tally = client.get(address).context["tally"]
    assert tally.pop("words")["would"] == "Would be imported"
    return {**tally, "figures": {str(label): value for label, value in tally["figures"]}}


# --- Every row is checked


def test_the_preview_tells_of_every_row_and_adds_up_what_would_come_in(clerk: Client, shop: factories.Shop) -> None:
    shop.place_order(external_number="A-0", source=shop.channel.code)
    good = [row(f"A-{n}", shop.sku.code) for n in range(1, 31)]
    rows = [*good, row("A-1", shop.other_sku.code, 单价=25.5, 数量=1), row("A-31", shop.sku.code, 手机号="12")]
    rows += [row("A-32", "nothing")]

    address, page = page_after(clerk, shop, workbook(*rows))

    assert totals(clerk, address) == {
        "done": 30,
        "skipped": 0,
        "refused": 2,
        "rows_left_out": 0,
        "held": 0,
        "figures": {
            "orders": 30,
            "lines": 31,
            "units": 61,
            "yuan payable": 30 * 27 + 25.5,
            "yuan taken by the channel already": 0,
        },
    }
    # The faults stand beyond the first twenty orders.
    assert "row 33, Recipient&#x27;s phone: Give a Chinese phone number" in page
    assert "row 34, SKU: Merchant" in page
    assert Order.objects.count() == 1


def test_the_preview_counts_what_was_there_what_is_left_out_and_what_rules_hold(
    clerk: Client, shop: factories.Shop
) -> None:
    factories.change_review_rules(is_active=False)
    factories.review_rule("large", "amount_over", values={"amount": "100.00"})
    imported(clerk, shop, workbook(row("A-1", shop.sku.code)))
    states = [("A-1", ""), ("A-2", ""), ("A-3", "交易关闭")]
    rows = [[*row(number, shop.sku.code), state] for number, state in states]
    rows.append([*row("A-4", shop.sku.code, 数量=20), ""])
    content = workbook(*rows, headers=[*HEADERS, "订单状态"])

    address, page = page_after(clerk, shop, content)

    tally = totals(clerk, address)
    assert [tally[name] for name in ("done", "skipped", "refused", "rows_left_out", "held")] == [2, 1, 0, 1, 1]
    assert "Held: large: 216.00 &gt; 100.00" in page

    job = imported(clerk, shop, content)

    assert job.progress["held"] == 1
    assert [line[4] for line in report(job)[1][1:]][3] == "row 5: Held: large: 216.00 > 100.00"
    assert (
        "of these held by rules or for their address"
        in clerk.get(f"/admin/common/job/{job.pk}/change/").content.decode()
    )


def test_the_faults_of_a_preview_can_be_downloaded_and_sent_again(clerk: Client, shop: factories.Shop) -> None:
    rows = [row("A-1", shop.sku.code), row("A-2", shop.sku.code, 手机号="12")]
    address, page = page_after(clerk, shop, workbook(*rows))
    assert f"{address}faults/" in page

    answer = clerk.get(f"{address}faults/")

    book = load_workbook(io.BytesIO(b"".join(answer.streaming_content)))
    refused, outcomes = (book.get_sheet_by_index(i).to_python() for i in range(2))
    assert [line[0] for line in refused] == ["订单号", "A-2"]
    assert refused[1][-1].startswith("row 3, Recipient's phone: Give")
    assert [line[2] for line in outcomes[1:]] == ["Would be imported", "Not imported"]
    assert not Order.objects.exists()
    assert client_of("import_orders").get(f"{address}faults/").status_code == 404


def test_many_faults_are_shown_page_by_page(clerk: Client, shop: factories.Shop) -> None:
    address, page = page_after(clerk, shop, workbook(*[row(f"A-{n}", "nothing") for n in range(150)]))

    assert "row 101, SKU" in page
    assert "row 102, SKU" not in page
    assert "row 151, SKU" in clerk.get(f"{address}?page=2").content.decode()


def test_a_long_file_is_checked_by_a_worker_and_stores_nothing(clerk: Client, shop: factories.Shop) -> None:
    rows = [row(f"A-{n}", shop.sku.code) for n in range(5)] + [row("A-9", shop.sku.code, 手机号="12")]
    with mock.patch.object(running, "CHECKED_AT_ONCE", 3), mock.patch.object(running, "BATCH", 2):
        address, page = page_after(clerk, shop, workbook(*rows))
        assert "Every row is being checked" in page
        clerk.get(address)
        assert Job.objects.count() == 2  # asked again, it is not begun again

        finish()

        tally = totals(clerk, address)
        page = clerk.get(address).content.decode()
        assert clerk.get(f"{address}faults/").status_code == 404
    check = Job.objects.get(kind="check_import_orders")
    assert (check.state, check.done, check.failed) == (JobState.SUCCEEDED, 6, 1)
    assert (tally["done"], tally["refused"], tally["figures"]["units"]) == (5, 1, 10)
    assert "row 7, Recipient&#x27;s phone" in page
    assert f"/admin/common/job/{check.pk}/download/" in page
    assert not Order.objects.exists()
    assert set(JobResult.objects.values_list("reference", flat=True)) == {""}
    assert report(check)[0][1][0] == "A-9"


def test_other_columns_are_checked_anew(clerk: Client, shop: factories.Shop) -> None:
    with mock.patch.object(running, "CHECKED_AT_ONCE", 0):
        address, _page = page_after(clerk, shop, workbook(row("A-1", shop.sku.code)))
        draft = Job.objects.get(kind="import_orders")
        fields = ["" if name == "freight_amount" else name for name in draft.params["fields"]]
        clerk.post(address, {**{f"column-{i}": name for i, name in enumerate(fields)}, "preview": "1"})
        finish()

        assert totals(clerk, address)["figures"]["yuan payable"] == 21
    assert Job.objects.filter(kind="check_import_orders").count() == 2


def stock_upload(client: Client, shop: factories.Shop, content: bytes) -> str:
    file = SimpleUploadedFile("stock.xlsx", content)
    answer = client.post("/admin/inventory/stock/import/", {"merchant": shop.merchant.pk, "file": file})
    return answer["Location"]


STOCK_HEADERS = ["仓库编码", "商品编码", "实盘数量", "备注"]


def test_the_preview_of_counts_tells_of_units_added_and_dropped_and_of_promises_lost(
    clerk: Client, shop: factories.Shop
) -> None:
    order = factories.allocated_order((shop.sku, 4, "10.00"), merchant=shop.merchant)
    place = shop.warehouse.code
    rows: list[list[object]] = [[place, shop.sku.code, 1, ""], [place, shop.other_sku.code, "1,250", ""]]

    address = stock_upload(clerk, shop, workbook(*rows, headers=STOCK_HEADERS))

    tally = totals(clerk, address)
    assert (tally["done"], tally["refused"]) == (2, 0)
    assert tally["figures"] == {"counts": 2, "units added": 1150, "units dropped": 99, "promised units lost": 4}
    assert SubOrder.objects.get(order=order).state == "allocated"
    assert set(Stock.objects.filter(warehouse=shop.warehouse).values_list("on_hand", flat=True)) == {100}
    assert steps.broken_invariants() == []


# --- The report comes back


def test_the_reports_reason_is_never_taken_for_a_note(clerk: Client, shop: factories.Shop) -> None:
    place = shop.warehouse.code
    stock_upload(clerk, shop, workbook([place, "nothing", 5], headers=STOCK_HEADERS[:3]))
    draft = Job.objects.latest("pk")
    importing.start(import_kinds.KINDS[draft.kind], draft.pk, STOCK_HEADERS[:3], draft.params["fields"], shop.merchant)
    finish()
    refused = report(Job.objects.latest("pk"))[0]
    assert refused[0][-1] == "Reason"
    refused[1][1] = shop.sku.code

    stock_upload(clerk, shop, workbook(refused[1], headers=refused[0]))

    again = Job.objects.latest("pk")
    assert again.params["fields"] == ["warehouse", "sku", "counted"]
    assert "reason" not in ImportMapping.objects.get().fields


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_corrected_report_has_the_columns_of_the_file(clerk: Client, shop: factories.Shop, language: str) -> None:
    clerk.cookies["django_language"] = language
    headers = [*HEADERS, "买家留言"]
    job = imported(clerk, shop, workbook([*row("A-1", shop.sku.code, 手机号="12"), "早点"], headers=headers))
    refused = report(job)[0]
    assert refused[0][-1] == {"en": "Reason", "zh-hans": "原因"}[language]

    refused[1][3] = "13900002222"
    again = imported(clerk, shop, workbook(refused[1], headers=refused[0]))

    assert again.failed == 0, told()
    assert Order.objects.get().remark == "早点"


def test_a_column_of_reasons_of_ones_own_is_a_note(clerk: Client, shop: factories.Shop) -> None:
    headers = [*STOCK_HEADERS[:3], "Reason"]

    stock_upload(clerk, shop, workbook([shop.warehouse.code, shop.sku.code, 5, "breakage"], headers=headers))

    assert Job.objects.latest("pk").params["fields"][-1] == "note"


# --- Stopping


def test_stopping_asks_first_and_leaves_a_report_of_what_went_in(clerk: Client, shop: factories.Shop) -> None:
    rows = [row("A-0", "nothing"), *[row(f"A-{n}", shop.sku.code) for n in range(1, 6)]]
    job = begin(clerk, shop, workbook(*rows))
    with mock.patch.object(running, "BATCH", 2), mock.patch.object(jobs.Turn, "is_over", return_value=True):
        steps.once(jobs.run)

    question = clerk.get(f"/admin/common/job/{job.pk}/cancel/").content.decode()
    assert "Stop this job?" in question
    assert Job.objects.get(pk=job.pk).state == JobState.RUNNING

    page = clerk.post(f"/admin/common/job/{job.pk}/cancel/", follow=True).content.decode()

    job = Job.objects.get(pk=job.pk)
    assert (job.state, job.done, Order.objects.count()) == (JobState.CANCELLED, 2, 1)
    assert "Download the report" in page
    assert "This job was stopped." in page
    with job.result.open("rb") as file:
        book = load_workbook(io.BytesIO(file.read()))
    refused, outcomes, rest = (book.get_sheet_by_index(i).to_python() for i in range(3))
    assert [line[0] for line in refused[1:]] == ["A-0"]
    assert [line[1:3] for line in outcomes[1:]] == [["A-0", "Not imported"], ["A-1", "Done"]]
    assert [line[0] for line in rest] == ["订单号", "A-2", "A-3", "A-4", "A-5"]
    assert clerk.get(f"/admin/common/job/{job.pk}/cancel/").status_code == 302


def test_a_job_that_was_stopped_before_it_began_has_no_report(clerk: Client, shop: factories.Shop) -> None:
    job = begin(clerk, shop, workbook(row("A-1", shop.sku.code)))

    clerk.post(f"/admin/common/job/{job.pk}/cancel/")

    assert not Job.objects.get(pk=job.pk).result


def test_nobody_is_asked_about_anothers_job(clerk: Client, shop: factories.Shop) -> None:
    job = begin(clerk, shop, workbook(row("A-1", shop.sku.code)))

    assert client_of("import_orders").get(f"/admin/common/job/{job.pk}/cancel/").status_code == 404
