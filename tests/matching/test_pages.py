"""Staff's pages of SKU matching: who waits for what, saying it on one page, importing it from a sheet."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from inventory.models import UNKNOWN_GOODS
from oms.common.models import Job, JobResult, JobState
from oms.common.work import jobs
from orders.models import MatchComponent, Order, SkuMatch
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.matching import shops
from tests.operations import importing
from tests.operations.importing import workbook

pytestmark = pytest.mark.django_db

CODES = "/admin/orders/unmatchedcode/"
MATCHES = "/admin/orders/skumatch/"


@pytest.fixture
def shop() -> factories.Shop:
    return shops.make_shop()


@pytest.fixture
def clerk(db: None) -> Client:
    return client_of("match_skus", "view_sku", "view_order", username="chen")


def form(*parts: tuple[Any, ...], **changes: Any) -> dict[str, Any]:
    """The page's form, with (SKU, units, weight) a component."""
    data: dict[str, Any] = {"components-TOTAL_FORMS": len(parts), "components-INITIAL_FORMS": 0, **changes}
    for i, (sku, units, weight) in enumerate(parts):
        data |= {f"components-{i}-sku": sku.pk, f"components-{i}-units": units, f"components-{i}-weight": weight}
    return data


def test_the_list_says_who_waits_for_each_code(clerk: Client, shop: factories.Shop) -> None:
    shops.place(shop, {"sku": "BOX", "quantity": 2, "unit_price": "1.00", "name": "茶叶礼盒"})
    shops.place(shop, {"sku": "BOX", "quantity": 3, "unit_price": "1.00", "name": "Tea box"}, ("BAG", 1, "1.00"))

    page = clerk.get(CODES).content.decode()

    match = SkuMatch.objects.get(code="BOX")
    assert f"{MATCHES}{match.pk}/change/" in page
    for text in ("BOX", "BAG", "Tea box", "茶叶礼盒", shop.channel.code, "less than a minute"):
        assert text in page
    cells = [" ".join(cell.split()) for cell in page.replace("</td>", "<td").split("<td")]
    assert any("field-orders" in cell and cell.endswith(">2") for cell in cells)
    assert any("field-units" in cell and cell.endswith(">5") for cell in cells)


def test_one_page_matches_a_code_and_says_whom_that_lets_go_on(clerk: Client, shop: factories.Shop) -> None:
    alone, both = shops.place(shop, ("BOX", 2, "9.00")), shops.place(shop, ("BOX", 1, "9.00"), ("BAG", 1, "1.00"))
    match = SkuMatch.objects.get(code="BOX")
    address = f"{MATCHES}{match.pk}/change/"

    page = clerk.get(address).content.decode()
    assert "One order goes on at once. One more waits for other codes, too." in page
    answer = clerk.post(address, form((shop.sku, 2, ""), (shop.other_sku, 1, "3.00")), follow=True)

    assert "One order goes on at once. One more waits for other codes, too." in answer.content.decode()
    parts = MatchComponent.objects.filter(match=match).order_by("id")
    assert [(part.sku_id, part.units, part.weight and str(part.weight)) for part in parts] == [
        (shop.sku.pk, 2, None),
        (shop.other_sku.pk, 1, "3.00"),
    ]
    assert SkuMatch.objects.get(pk=match.pk).matched_by == "chen"
    shops.release()
    assert (shops.is_waiting(alone), shops.is_waiting(both)) == (False, True)
    listed = clerk.get(MATCHES).content.decode()
    assert f"{shop.sku.code} × 2 + {shop.other_sku.code} × 1" in listed
    assert (">BOX<" in listed, ">BAG<" in listed) == (True, False)


def test_a_code_can_be_matched_before_it_ever_comes(clerk: Client, shop: factories.Shop) -> None:
    values = form((shop.sku, 1, ""), channel=shop.channel.pk, code="TEA")

    made = clerk.post(f"{MATCHES}add/", values, follow=True)
    again = clerk.post(f"{MATCHES}add/", values)

    assert made.status_code == 200
    assert SkuMatch.objects.get().matched_at is not None
    assert "There is a match of this code already: change that one." in again.content.decode()
    assert SkuMatch.objects.count() == 1


def test_adding_a_code_that_orders_wait_for_matches_it(clerk: Client, shop: factories.Shop) -> None:
    order = shops.place(shop, ("BOX", 2, "9.00"))

    clerk.post(f"{MATCHES}add/", form((shop.sku, 1, ""), channel=shop.channel.pk, code="BOX"))
    shops.release()

    assert not shops.is_waiting(order)


def test_what_the_channel_may_not_sell_is_refused_on_the_page(clerk: Client, shop: factories.Shop) -> None:
    off = factories.SkuFactory(merchant=shop.merchant, is_active=False)
    shops.place(shop, ("BOX", 2, "9.00"))
    address = f"{MATCHES}{SkuMatch.objects.get().pk}/change/"

    wrong = clerk.post(address, form((off, 1, "")))
    empty = clerk.post(address, form())
    many = clerk.post(address, form((shop.sku, 0, "")))

    assert f"sells no SKU {off.code}." in wrong.content.decode()
    assert "Say what the code stands for: at least one SKU." in empty.content.decode()
    assert many.status_code == 200
    assert SkuMatch.objects.get().matched_at is None


def test_a_match_is_changed_and_taken_away(clerk: Client, shop: factories.Shop) -> None:
    match = shops.match(shop, "TEA", (shop.sku, 1))
    part = MatchComponent.objects.get()
    change = {
        **form((shop.other_sku, 5, "")),
        "components-INITIAL_FORMS": 1,
        "components-0-id": part.pk,
        "components-0-match": match.pk,
    }

    clerk.post(f"{MATCHES}{match.pk}/change/", change)
    assert list(MatchComponent.objects.values_list("sku", "units")) == [(shop.other_sku.pk, 5)]
    clerk.post(f"{MATCHES}{match.pk}/delete/", {"post": "yes"})

    assert not MatchComponent.objects.exists()
    assert SkuMatch.objects.get().matched_at is None
    assert shops.is_waiting(shops.place(shop, ("TEA", 1, "9.00")))
    assert steps.broken_invariants() == []


def test_without_the_right_nothing_is_matched(shop: factories.Shop, reader: Client) -> None:
    shops.place(shop, ("BOX", 2, "9.00"))
    match = SkuMatch.objects.get()

    assert reader.get(CODES).status_code == 403
    assert reader.get(MATCHES).status_code == 403
    assert reader.post(f"{MATCHES}{match.pk}/change/", form((shop.sku, 1, ""))).status_code == 403
    assert reader.post(f"{MATCHES}add/", form((shop.sku, 1, ""))).status_code == 403
    assert reader.get(f"{MATCHES}import/").status_code == 403
    looker = client_of("view_skumatch", "view_unmatchedcode")
    assert looker.get(CODES).status_code == 200
    assert looker.post(f"{MATCHES}{match.pk}/change/", form((shop.sku, 1, ""))).status_code == 403
    assert SkuMatch.objects.get().matched_at is None


@pytest.fixture
def reader(db: None) -> Client:
    return client_of("view_order")


def test_the_orders_page_shows_what_waits_and_leads_to_the_match(clerk: Client, shop: factories.Shop) -> None:
    order = shops.place(shop, {"sku": "BOX", "quantity": 2, "unit_price": "9.00", "name": "两袋茶"})
    address = f"/admin/orders/order/{order.pk}/change/"

    page = clerk.get(address).content.decode()
    assert "Nobody has matched this code of the goods to a SKU: BOX." in page
    assert f"{MATCHES}{SkuMatch.objects.get().pk}/change/" in page
    assert "not matched" in page
    assert UNKNOWN_GOODS not in [cell.strip() for cell in page.replace("<", ">").split(">")]
    chinese = clerk.get(address, headers={"accept-language": "zh-hans"}).content.decode()
    assert "商品编码 BOX 还没有人匹配到 SKU。" in chinese
    assert "未匹配" in chinese
    shops.match(shop, "BOX", (shop.sku, 2))
    shops.release()
    page = clerk.get(address).content.decode()
    assert "the caller&#x27;s BOX" in page or "the caller's BOX" in page


def test_the_pages_speak_chinese(clerk: Client, shop: factories.Shop) -> None:
    shops.place(shop, ("BOX", 2, "9.00"))
    match = SkuMatch.objects.get()

    def page(address: str) -> str:
        return clerk.get(address, headers={"accept-language": "zh-hans"}).content.decode()

    assert "待匹配商品编码" in page(CODES)
    assert "1 单立即放行。" in page(f"{MATCHES}{match.pk}/change/")
    assert "导入商品匹配" in page(MATCHES)
    assert "组合装" in page(f"{MATCHES}import/")


def test_the_dashboard_counts_the_codes(shop: factories.Shop) -> None:
    shops.place(shop, ("BOX", 2, "9.00"), ("BAG", 2, "9.00"))

    page = client_of("view_order", "view_unmatchedcode").get("/admin/").content.decode()

    assert re.search(r"Codes to match</span><b[^>]*>2</b>", page)


HEADERS = ["店铺", "平台商品编码", "商品编码", "数量", "分摊权重"]


def imported(client: Client, shop: factories.Shop, *rows: list[object]) -> Job:
    file = SimpleUploadedFile("matches.xlsx", workbook(*rows, headers=HEADERS))
    address = client.post(f"{MATCHES}import/", {"merchant": shop.merchant.pk, "file": file})["Location"]
    job = Job.objects.latest("pk")
    assert job.params["fields"] == ["channel", "code", "sku", "units", "weight"]
    client.post(address, {**{f"column-{i}": name for i, name in enumerate(job.params["fields"])}, "start": "1"})
    factories.run(jobs.run)
    return Job.objects.latest("pk")


def test_a_sheet_matches_codes_row_by_row_and_lets_their_orders_go_on(clerk: Client, shop: factories.Shop) -> None:
    order = shops.place(shop, ("SET", 1, "9.00"))
    channel = shop.channel.code

    job = imported(
        clerk,
        shop,
        [channel, "SET", shop.sku.code, 2, ""],
        [channel, "TEA", shop.other_sku.code, "", ""],
        [channel, "SET", shop.other_sku.code, 1, 3.5],
        [channel, "BAD", "P-none", 1, ""],
        ["elsewhere", "X", shop.sku.code, 1, ""],
        [channel, "LOT", shop.sku.code, 0, ""],
        [channel, "", shop.sku.code, 1, ""],
    )

    assert (job.state, job.total, job.failed) == (JobState.SUCCEEDED, 6, 4)
    told = JobResult.objects.order_by("position").values_list("key", "outcome", "reference", "rows")
    assert list(told)[:2] == [
        (f"{channel} SET", "done", f"{shop.sku.code} × 2 + {shop.other_sku.code} × 1", [2, 4]),
        (f"{channel} TEA", "done", f"{shop.other_sku.code} × 1", [3]),
    ]
    faults = [
        [(error["row"], error["field"], error["code"]) for error in result.errors]
        for result in JobResult.objects.filter(outcome="refused").order_by("position")
    ]
    assert faults == [
        [(5, "sku", "unknown_sku")],
        [(6, "channel", "unknown_channel")],
        [(7, "units", "invalid_quantity")],
        [(8, "code", "required")],
    ]
    shops.release()
    assert shops.codes(shops.lines_of(order)) == [shop.sku.code, shop.other_sku.code]
    assert steps.broken_invariants() == []


def test_a_sheet_of_orders_brings_in_what_waits(shop: factories.Shop) -> None:
    importer = client_of("import_orders", "view_order", username="wang")
    own = factories.ChannelFactory(merchant=shop.merchant, code=shop.merchant.code, matches_skus=True)
    shops.matches.put(
        shop.merchant,
        shops.NewMatch(own.code, "TEA", (shops.NewComponent(shop.sku.code, units=2),)),
        actor=steps.STAFF,
    )

    job = importing.imported(importer, shop, importing.workbook(importing.row("T1", "TEA"), importing.row("T2", "BOX")))

    assert (job.done, job.failed, job.progress["held"]) == (2, 0, 1)
    known, waiting = Order.objects.order_by("id")
    assert [line[:3] for line in shops.lines_of(known)] == [(shop.sku.code, "TEA", 4)]
    assert shops.is_waiting(waiting)
    (note,) = JobResult.objects.get(key="T2").errors
    assert (note["code"], note["field"], note["row"]) == ("held", "sku", 3)
    assert steps.broken_invariants() == []
