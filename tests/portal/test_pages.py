"""The merchants' pages of every day: shipping singly, in bulk and by sheet, answers, printing; nothing of others."""

from datetime import time
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

import oms.urls  # noqa: F401 - brings all pages
from inventory.models import Sku, Stock, Warehouse
from logistics.models import Printout, WarehouseOrder
from logistics.warehouses import stopping
from oms.common.models import Job
from oms.common.work import jobs
from orders.changing import cancelling
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from tests import factories, steps
from tests.logistics.test_printing import pages as pdf_pages
from tests.portal import world

pytestmark = pytest.mark.django_db
LIST = "/merchant/logistics/warehouseorder/"


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself."""
    return world.make_seller()


@pytest.fixture
def li(seller: world.Seller) -> Client:
    """Its administrator."""
    return world.person_of(seller.merchant)


def states(*works: WarehouseOrder) -> list[str]:
    """As they are now."""
    return [steps.state_of(work) for work in works]


def test_a_parcel_is_shipped_on_its_page_and_what_is_wrong_is_said_there(seller, li):
    (work,) = seller.orders(1, (seller.sku, 3, "10.00"))
    page = li.get(f"{LIST}{work.pk}/change/").content.decode()
    assert f'name="units-{seller.sku.code}" value="3"' in page
    ship = f"{LIST}{work.pk}/ship/"
    assert "Give carrier and waybill" in li.post(ship, {"carrier": "SF"}).content.decode()
    refused = li.post(ship, {"carrier": "SF", "waybill": "SF100000001", f"units-{seller.sku.code}": "9"})
    assert refused.status_code == 409
    assert "3 units are here" in refused.content.decode()
    assert 'value="SF100000001"' in refused.content.decode()
    for units in ("0", "x", ""):
        assert (
            li.post(ship, {"carrier": "SF", "waybill": "SF1000", f"units-{seller.sku.code}": units}).status_code == 409
        )
    assert states(work) == ["sent"]

    li.post(ship, {"carrier": "SF", "waybill": "SF100000001", f"units-{seller.sku.code}": "2"})
    assert states(work) == ["partly_shipped"]
    li.post(ship, {"carrier": "SF", "waybill": "SF100000002"})
    assert states(work) == ["shipped"]
    shown = li.get(f"{LIST}{work.pk}/change/").content.decode()
    assert "SF100000002" in shown
    assert "It left: report it" not in shown


def test_ticked_orders_are_shipped_and_those_that_are_not_stay_with_the_reason(seller, li):
    works = seller.orders(4)
    chosen = {"action": "ship_selected", "_selected_action": [work.pk for work in works]}
    address = li.post(LIST, chosen)["Location"]
    page = li.get(address).content.decode()
    assert all(work.number in page for work in works)
    form: dict[str, Any] = {"row": [work.pk for work in works]}
    form |= {f"carrier-{work.pk}": "SF" for work in works}
    form |= {f"waybill-{works[0].pk}": "SF100000001", f"waybill-{works[1].pk}": "SF100000002"}
    form |= {f"waybill-{works[2].pk}": "SF100000002"}
    answer = li.post(f"{LIST}ship/", form)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "One order left." in text
    assert text.count("The waybill stands in the list twice.") == 2
    assert states(*works) == ["shipped", "sent", "sent", "sent"]
    assert works[0].number not in text
    assert 'value="SF100000002"' in text
    form[f"waybill-{works[2].pk}"] = "SF100000003"
    assert li.post(f"{LIST}ship/", form).status_code == 200
    assert states(*works) == ["shipped", "shipped", "shipped", "sent"]


def upload(client: Client, page: str, text: str, name: str = "sheet.csv") -> Job:
    """Upload a sheet, look at what would come of it, and let the job do it."""
    answer = client.post(page, {"file": SimpleUploadedFile(name, text.encode())}, follow=True)
    job = Job.objects.latest("pk")
    assert answer.redirect_chain, answer.content.decode()
    fields = {f"column-{i}": name for i, name in enumerate(job.params["fields"])}
    assert client.post(answer.redirect_chain[-1][0], {**fields, "start": "1"}).status_code == 302
    factories.run(jobs.run)
    return Job.objects.get(pk=job.pk)


def test_a_hundred_rows_with_five_faults_ship_ninety_five_and_name_five(seller, li):
    works = seller.orders(100)
    (foreign,) = world.make_seller().orders(1)
    rows = [f"{work.number},顺丰速运,SF9{i:09}" for i, work in enumerate(works)]
    rows[0] = f"{foreign.number},SF,SF9000000000"
    rows[1] = f"{works[1].number},某快递,SF9000000001"
    rows[2] = f"{works[2].number},SF,"
    rows[3] = f"{works[4].number},SF,SF9000000003"
    sheet = "\n".join(["出库单号,快递公司,运单号", *rows])
    answer = li.post(f"{LIST}import/", {"file": SimpleUploadedFile("s.csv", sheet.encode())}, follow=True)
    assert "Not imported: <b>5</b>" in answer.content.decode()
    assert states(*works) == ["sent"] * 100

    job = upload(li, f"{LIST}import/", sheet)

    assert (job.state, job.done, job.failed) == ("succeeded", 100, 5)
    assert states(*works) == ["sent"] * 5 + ["shipped"] * 95
    assert states(foreign) == ["sent"]
    page = li.get(f"/merchant/common/job/{job.pk}/change/").content.decode()
    for reason in ("None of your warehouses", "There is no carrier", "Give carrier and waybill together."):
        assert reason in page
    report = li.get(f"/merchant/common/job/{job.pk}/download/")
    assert report.status_code == 200
    # Uploaded again, nothing happens twice.
    again = upload(li, f"{LIST}import/", sheet)
    assert again.progress["outcomes"] == {"refused": 5, "skipped": 95}


def test_a_request_to_stop_is_answered_on_its_page(seller, li):
    granted, late = seller.orders(2)
    for work in (granted, late):
        cancelling.cancel_order(work.sub_order.order_id, reason="x", actor=steps.STAFF)
    factories.run(stopping.pass_on)
    steps.once(stopping.run)
    assert "2 orders are to be stopped" in li.get(LIST).content.decode()
    assert "It stays here: cancel it" in li.get(f"{LIST}{granted.pk}/change/").content.decode()
    li.post(f"{LIST}{granted.pk}/stop/", {"text": ""})
    li.post(f"{LIST}{late.pk}/go-on/", {"text": "packed"})
    assert states(granted, late) == ["cancelled", "sent"]
    assert SubOrder.objects.get(pk=granted.sub_order_id).state == "cancelled"
    again = li.post(f"{LIST}{granted.pk}/stop/", {"text": ""}, follow=True)
    assert "you answered already" in again.content.decode()


def test_papers_of_ones_own_warehouses_are_printed_and_logged(seller, li):
    (work,) = seller.orders(1)
    (foreign,) = world.make_seller().orders(1)
    form = {
        "paper": "packing_slip",
        "size": "76x130",
        "arrangement": "each",
        "numbers": f"{work.number} {foreign.number}",
    }
    page = li.post(f"{LIST}print/", {**form, "step": "look"})
    assert foreign.number in page.content.decode()
    assert page.context["choice"].ids == [work.pk]
    document = li.post(f"{LIST}print/", {**form, "step": "print", "ids": str(work.pk)})
    assert document["Content-Type"] == "application/pdf"
    assert seller.sku.code in pdf_pages(document)[0]
    assert Printout.objects.get().printed_by == f"{seller.merchant.code} {li.session_name}"
    # Whatever ids are posted, nothing of others is printed.
    stolen = li.post(f"{LIST}print/", {**form, "numbers": foreign.number, "step": "print", "ids": str(foreign.pk)})
    assert stolen.status_code == 409
    assert Printout.objects.count() == 1


def test_a_label_that_is_not_ours_to_print_is_no_unknown_number(seller, li):
    """It is packed with a waybill that the merchant brings: that number is well known."""
    (own,), foreign = seller.orders(1), world.make_seller().orders(1)[0]
    form = {"paper": "label", "size": "76x130", "arrangement": "each", "numbers": f"{own.number} {foreign.number}"}

    def reasons() -> dict[str, list[str]]:
        choice = li.post(f"{LIST}print/", {**form, "step": "look"}).context["choice"]
        return {one.number: [str(reason) for reason in one.reasons] for one in choice.left_out}

    unknown = {foreign.number: ["Nothing here has this number."]}
    brings = "Its warehouse brings waybills of its own: their labels are printed there."
    assert reasons() == {**unknown, own.number: [brings]}
    Warehouse.objects.filter(pk=seller.warehouse.pk).update(waybill_when="at_release")
    assert reasons() == {**unknown, own.number: ["It has no waybill yet."]}


def test_what_is_anothers_is_not_found_at_any_address(seller, li):
    other = world.make_seller()
    (work,) = other.orders(1)
    stock = Stock.objects.get(sku=other.sku)
    addresses = [
        *(f"{LIST}{work.pk}/{end}/" for end in ("ship", "recipient", "stop", "go-on", "give-back")),
        *(f"/merchant/orders/order/{work.sub_order.order_id}/{end}/" for end in ("recipient", "cancel")),
        f"/merchant/inventory/sku/{other.sku.pk}/edit/",
        f"/merchant/inventory/stock/{stock.pk}/count/",
    ]
    forms = {
        "edit": {"version": 1, "name": "x", "list_price": 1, "weight_g": 1},
        "count": {"version": 1, "on_hand": 1},
        "ship": {"carrier": "SF", "waybill": "SF100000001"},
    }
    for address in addresses:
        form = forms.get(address.split("/")[-2], {"text": "x", "reason": "x", "version": 1})
        assert li.post(address, form).status_code == 404, address
    page = li.get(f"{LIST}ship/?ids={work.pk}").content.decode()
    assert work.number not in page
    li.post(f"{LIST}ship/", {"row": work.pk, f"carrier-{work.pk}": "SF", f"waybill-{work.pk}": "SF100000001"})
    assert states(work) == ["sent"]
    assert Sku.objects.get(pk=other.sku.pk).name == other.sku.name
    # Another person's upload, of the same merchant too.
    job = upload(li, f"{LIST}import/", f"出库单号,快递公司,运单号\n{work.number},SF,SF100000001")
    colleague = world.person_of(seller.merchant)
    stranger = world.person_of(other.merchant)
    for person in (colleague, stranger):
        for end in ("change", "progress", "download", "cancel"):
            assert person.get(f"/merchant/common/job/{job.pk}/{end}/").status_code == 404
        assert person.get(f"{LIST}import/{job.pk}/").status_code == 404
    assert states(work) == ["sent"]


def test_goods_are_made_changed_and_counted_by_page_and_sheet(seller, li):
    page = "/merchant/inventory/sku/add/"
    form = {"code": "T-1", "name": "茶", "storage_class": "ambient", "list_price": "9.90", "weight_g": "250"}
    assert li.post(page, {**form, "length_mm": "10"}).context["form"].errors.keys() == {"length_mm"}
    assert li.post(page, {**form, "barcodes": "690 691"})["Location"] == "/merchant/inventory/sku/"
    assert li.post(page, form).context["form"].errors.keys() == {"code"}
    sku = Sku.objects.get(code="T-1")
    assert (sku.merchant, list(sku.barcodes.values_list("code", flat=True))) == (seller.merchant, ["690", "691"])
    edit = {**form, "version": sku.version, "name": "绿茶", "list_price": "12"}
    li.post(f"/merchant/inventory/sku/{sku.pk}/edit/", edit)
    assert "changed" in li.post(f"/merchant/inventory/sku/{sku.pk}/edit/", edit, follow=True).content.decode()
    sku = Sku.objects.get(code="T-1")
    assert (sku.name, str(sku.list_price), sku.is_active) == ("绿茶", "12.00", False)

    count = "/merchant/inventory/stock/count/"
    said = {"sku": "T-1", "warehouse": seller.warehouse.code, "on_hand": "7"}
    assert li.post(count, {**said, "sku": "X"}).context["form"].errors.keys() == {"sku"}
    theirs = world.make_seller().warehouse.code
    assert li.post(count, {**said, "warehouse": theirs}).context["form"].errors.keys() == {"warehouse"}
    assert li.post(count, said).status_code == 302
    stock = Stock.objects.get(sku=sku)
    li.post(f"/merchant/inventory/stock/{stock.pk}/count/", {"version": stock.version, "on_hand": "5"})
    assert Stock.objects.get(sku=sku).on_hand == 5

    sheet = "商品编码,名称,储存条件,价格,重量,条码\nT-2,红茶,ambient,8.5,100,692\nT-3,,,,,\nT-1,绿茶,ambient,x,,"
    job = upload(li, "/merchant/inventory/sku/import/", sheet)
    assert job.progress["outcomes"] == {"done": 1, "refused": 2}
    assert Sku.objects.get(code="T-2").merchant == seller.merchant
    sheet = f"仓库编码,SKU编码,数量\n{seller.warehouse.code},T-2,9\n{theirs},T-2,9"
    job = upload(li, "/merchant/inventory/stock/import/", sheet)
    assert job.progress["outcomes"] == {"done": 1, "refused": 1}
    assert Stock.objects.get(sku__code="T-2").on_hand == 9


def test_warehouses_are_opened_by_page_and_sheet_with_errors_at_their_fields(seller, li):
    page = "/merchant/inventory/warehouse/add/"
    form = {"name": "二号仓", "address": "北京市东城区中山路2号", "storage_classes": ["ambient"], "waybill_when": "own"}
    wrong = li.post(page, {**form, "address": "somewhere", "contact_phone": "1", "code": seller.warehouse.code})
    assert wrong.context["form"].errors.keys() == {"address", "contact_phone"}
    assert li.post(page, {**form, "code": seller.warehouse.code}).context["form"].errors.keys() == {"code"}
    mixed = li.post(page, {**form, "storage_classes": ["ambient", "virtual"]})
    assert mixed.context["form"].errors.keys() == {"storage_classes"}
    assert li.post(page, form).status_code == 302
    made = Warehouse.objects.get(name="二号仓")
    assert (made.code, made.merchant, made.region_id) == (f"{seller.merchant.code}-WH2", seller.merchant, "110101")
    assert made.connection.protocol == "merchant"
    sheet = "仓库名称,地址,仓储类型\n三号仓,北京市东城区中山路3号,ambient\n四号仓,月球,\n二号仓,北京市东城区1号,"
    job = upload(li, "/merchant/inventory/warehouse/import/", sheet)
    assert job.progress["outcomes"] == {"done": 1, "refused": 1, "skipped": 1}
    li.post(page, {**form, "name": "虚拟仓", "address": "", "storage_classes": ["virtual"]})
    assert Warehouse.objects.get(name="虚拟仓").kind == "virtual"


def test_a_warehouse_is_changed_and_gets_no_orders_while_it_is_off(seller, li):
    place = seller.warehouse
    address = f"/merchant/inventory/warehouse/{place.pk}"
    page = li.get(f"{address}/change/")
    assert page.context["row_actions"][0].form.initial["name"] == place.name
    form = {
        "name": "新仓",
        "contact_name": "王",
        "contact_phone": "138 0000 3333",
        "daily_capacity": 3,
        "cutoff_same_day": "11:00",
        "cutoff_next_day": "",
        "is_active": "on",
    }
    for wrong in ({"contact_phone": "12"}, {"daily_capacity": -1}, {"cutoff_same_day": "25:00"}, {"name": " "}):
        li.post(f"{address}/edit/", {**form, **wrong})
        assert Warehouse.objects.get(pk=place.pk).name == place.name
    li.post(f"{address}/edit/", form)
    changed = Warehouse.objects.get(pk=place.pk)
    assert (changed.name, changed.contact_phone, changed.daily_capacity) == ("新仓", "13800003333", 3)
    assert (changed.cutoff_same_day, changed.cutoff_next_day, changed.is_active) == (time(11), None, True)
    # Switched off, it gets nothing more.
    li.post(f"{address}/edit/", {name: value for name, value in form.items() if name != "is_active"})
    order = factories.place(
        factories.order_body((seller.sku, 1, "10.00"), payment_method="cod", source=seller.channel.code),
        seller.merchant,
    )
    factories.run(deciding.run, splitting.run, allocating.run)
    assert order.sub_orders.get().state == "backordered"
    # Nobody changes another's.
    stranger = world.person_of(factories.MerchantFactory())
    assert stranger.post(f"{address}/edit/", form).status_code == 404


def test_the_check_list_says_what_is_missing_and_tests_each_step(li, seller):
    page = li.get("/merchant/").content.decode()
    assert "From here to the first parcel" in page
    assert li.get("/merchant/").context["steps_done"] == 3

    def tested(step: str) -> str:
        return li.post(reverse("merchant:starting_test", args=[step]), follow=True).content.decode()

    assert f"Orders can be sent to: {seller.warehouse.code}" in tested("warehouse")
    assert "They can be sold." in tested("skus")
    assert "Every SKU on sale has units." in tested("stock")
    assert "There is no credential in force." in tested("key")
    assert "no endpoint that is enabled" in tested("webhook")
    assert "No order came yet." in tested("order")
    frozen = factories.SkuFactory(merchant=seller.merchant, storage_class="frozen")
    assert frozen.code in tested("skus")
    assert f"No unit is counted of: {frozen.code}" in tested("stock")
    (work,) = seller.orders(1)
    assert Order.objects.get().number in tested("order")
    assert li.post("/merchant/start/nothing/").status_code == 404
    assert li.get("/merchant/start/order/").status_code == 405
    li.post(f"{LIST}{work.pk}/ship/", {"carrier": "SF", "waybill": "SF100000001"})
    assert li.get("/merchant/").context["is_started"]
    # A new merchant, with nothing at all.
    nobody = world.person_of(factories.MerchantFactory())
    for step in ("warehouse", "skus", "stock", "order"):
        answer = nobody.post(reverse("merchant:starting_test", args=[step]), follow=True)
        assert [message.level_tag for message in answer.context["messages"]] == ["warning"]


def test_a_parcel_that_is_refused_stands_in_its_form_as_it_was_typed(seller, li):
    (work,) = seller.orders()
    Sku.objects.filter(pk=seller.sku.pk).update(wants_serials=True)
    code = seller.sku.code
    parcel = {"carrier": "SF", "waybill": "SF1000000000017", f"units-{code}": 2, f"serials-{code}": "A1 A1"}
    url = reverse("merchant:logistics_warehouseorder_ship_one", args=[work.pk])

    refused = li.post(url, parcel)

    page = refused.content.decode()
    assert refused.status_code == 409
    assert page.count("A1 is named twice.") == 1
    assert all(f'value="{typed}"' in page for typed in ("A1 A1", "SF1000000000017"))
    assert 'id="typed"' not in page, "what the form shows by itself is not put into it by the page's script once more"
    assert li.post(url, {**parcel, f"serials-{code}": "A1 A2"})["Location"].endswith(f"/{work.pk}/change/")
