"""Uploading sheets of orders, for tests: rows, workbooks, and the steps of the wizard."""

import io
from typing import Any

import xlsxwriter
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from python_calamine import load_workbook

from oms.common.models import Job, JobResult
from oms.common.work import jobs
from orders.intake import import_kinds, importing, sheets
from tests import factories

HEADERS = ["订单号", "下单时间", "收货人", "手机号", "省", "市", "区", "详细地址", "商品编码", "数量", "单价", "运费"]


def row(number: str, sku: str, **changes: object) -> list[object]:
    values = {
        "订单号": number,
        "下单时间": "2026-01-02 09:00:00",
        "收货人": "张华",
        "手机号": 13800001111,
        "省": "北京市",
        "市": "北京市",
        "区": "东城区",
        "详细地址": "中山路861号",
        "商品编码": sku,
        "数量": 2,
        "单价": 10.5,
        "运费": 6,
        **changes,
    }
    return [values[header] for header in HEADERS]


def workbook(*rows: list[object], headers: list[str] = HEADERS) -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    sheet = book.add_worksheet()
    for number, cells in enumerate([headers, *rows]):
        sheet.write_row(number, 0, cells)
    book.close()
    return file.getvalue()


def upload(client: Client, shop: factories.Shop, content: bytes, name: str = "orders.xlsx") -> Any:
    file = SimpleUploadedFile(name, content)
    return client.post("/admin/orders/order/import/", {"merchant": shop.merchant.pk, "file": file})


def begin(client: Client, shop: factories.Shop, content: bytes) -> Job:
    """Upload the file and start its import with the columns as they were guessed."""
    address = upload(client, shop, content)["Location"]
    job = Job.objects.latest("pk")
    chosen = {f"column-{i}": name for i, name in enumerate(job.params["fields"])}
    client.post(address, {**chosen, "start": "1"})
    return job


def finish() -> None:
    factories.run(jobs.run)


def imported(client: Client, shop: factories.Shop, content: bytes) -> Job:
    begin(client, shop, content)
    finish()
    return Job.objects.latest("pk")


def report(job: Job) -> list[list[list[Any]]]:
    with job.result.open("rb") as file:
        book = load_workbook(io.BytesIO(file.read()))
    return [book.get_sheet_by_index(i).to_python() for i in range(2)]


def changed(headers: dict[str, str]) -> list[str]:
    """The usual headers, some of them written otherwise."""
    return [headers.get(header, header) for header in HEADERS]


def text_file(headers: list[str], *rows: list[object]) -> bytes:
    return "\r\n".join(",".join(f'"{cell}"' for cell in cells) for cells in [headers, *rows]).encode()


def told() -> list[str]:
    """What is said of the last import's entries, in order."""
    job = Job.objects.latest("pk")
    results = JobResult.objects.filter(job=job).order_by("position")
    return [import_kinds.KINDS[job.kind].text_of(error) for result in results for error in result.errors]


def guessed(shop: factories.Shop, headers: list[str]) -> dict[str, str]:
    """The field that is guessed for each header."""
    return dict(zip(headers, importing.suggest(sheets.KIND, headers, shop.merchant), strict=True))
