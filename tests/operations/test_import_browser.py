"""The wizard of imports in a real browser: both languages, wide and narrow, without a script error."""

from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from oms.common.models import Job
from tests import factories
from tests.admin.test_browser import browser, log_in
from tests.operations.importing import HEADERS, finish, row, workbook

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
__all__ = ["browser"]


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("Would be imported", "Stop this job?")), ("zh-CN", ("导入结果预览", "停止此任务？"))],
)
@pytest.mark.parametrize("width", [1440, 390])
def test_staff_look_at_a_sheet_and_import_it(
    live_server: LiveServer, browser: Any, language: str, words: tuple[str, str], width: int, tmp_path: Any
) -> None:
    shop = factories.make_shop()
    factories.UserFactory(username="boss", is_superuser=True)
    headers = ["订单导出"], [*HEADERS, "订单状态", "买家留言"]
    rows = [[*row(f"A-{n}", shop.sku.code), "买家已付款", "请放门卫"] for n in range(1, 8)]
    rows += [[*row("A-8", shop.sku.code), "交易关闭", ""], [*row("A-9", shop.sku.code, 单价="12,50"), "", ""]]
    rows += [[*row("A-10", "nothing", 手机号="12"), "", ""]]
    sheet = tmp_path / "orders.xlsx"
    sheet.write_bytes(workbook(headers[1], *rows, headers=headers[0]))
    context = browser.new_context(
        viewport={"width": width, "height": 900}, timezone_id="Asia/Shanghai", locale=language
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("response", lambda answer: errors.append(answer.url) if answer.status >= 400 else None)

    log_in(page, live_server.url)
    page.goto(f"{live_server.url}/admin/orders/order/import/")
    page.select_option("#id_merchant", str(shop.merchant.pk))
    page.set_input_files("#id_file", str(sheet))
    page.click(".oms-card button[type=submit]")
    page.wait_for_selector(".oms-mapping")
    assert words[0] in page.content()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.click("button[name=start]")
    page.wait_for_selector("[data-job]")
    page.click("a.oms-button-danger-line")
    page.wait_for_selector(".oms-button-danger")
    assert words[1] in page.content()
    page.go_back()

    job = Job.objects.get()
    finish()
    page.goto(f"{live_server.url}/admin/common/job/{job.pk}/change/")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.goto(f"{live_server.url}/admin/orders/order/export/")
    assert page.locator("input[name=what]").count() == 2
    assert errors == []
