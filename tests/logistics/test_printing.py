"""Labels, pick lists and packing slips: what stands on them, what is left out, and how often they were printed."""

import random
import re
from collections.abc import Sequence

import pypdfium2
import pytest
import zxingcpp
from django.db import DatabaseError, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from reportlab.lib.units import mm

from inventory.models import SkuBarcode
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Printout, Shipment, ShipmentLabel, ShipmentState, WarehouseOrder
from logistics.printing import sheet
from logistics.warehouses import releasing, sending
from oms.common.files import pdf as pdf_text
from orders.changing import cancelling
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrderLine
from orders.reviewing import deciding, holds
from payments.granting.limits import install_defaults
from payments.models import Dispute, GrantReason, Payment, Refund, RefundGrant, RefundGrantLine
from tests import factories, fakes, steps
from tests.admin.conftest import client_of
from tests.returns import rows as return_rows

pytestmark = pytest.mark.django_db
RIGHTS = ("print_labels", "print_lists", "print_again")


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody who may print, also again, in English."""
    return client_of(*RIGHTS, username="wang")


@pytest.fixture(autouse=True)
def _carriers(db: None) -> None:
    install_default_carriers()


def look(client: Client, paper: str, *numbers: str, **more: str):
    """The page that shows what would be printed of these numbers."""
    form = {"paper": paper, "size": "76x130", "arrangement": "each", "numbers": "\n".join(numbers), **more}
    answer = client.post(reverse("admin:logistics_printout_print"), {"step": "look", **form})
    assert answer.status_code == 200
    return answer


def printed(client: Client, paper: str, *numbers: str, **more: str):
    """The answer to printing what the page shows for these numbers."""
    ids = look(client, paper, *numbers, **more).context["choice"].ids
    form = {"paper": paper, "size": "76x130", "arrangement": "each", "numbers": "\n".join(numbers), **more}
    return client.post(
        reverse("admin:logistics_printout_print"), {"step": "print", "ids": " ".join(map(str, ids)), **form}
    )


def pages(answer) -> list[str]:
    """The text of each page of a PDF, without white space."""
    assert answer["Content-Type"] == "application/pdf"
    document = pypdfium2.PdfDocument(answer.content)
    return [re.sub(r"\s", "", page.get_textpage().get_text_bounded()) for page in document]


def sizes(answer) -> list[tuple[int, int]]:
    """Width and height of each page in millimetres."""
    document = pypdfium2.PdfDocument(answer.content)
    return [(round(w / 72 * 25.4), round(h / 72 * 25.4)) for w, h in (page.get_size() for page in document)]


def barcodes(answer, dots_per_inch: int = 203) -> list[list[tuple[str, str]]]:
    """What a decoder reads on each page as a label printer prints it: kind and text."""
    document = pypdfium2.PdfDocument(answer.content)
    images = [page.render(scale=dots_per_inch / 72).to_pil() for page in document]
    return [[(str(code.format), code.text) for code in zxingcpp.read_barcodes(image)] for image in images]


def left_out(client: Client, paper: str, *numbers: str) -> dict[str, list[str]]:
    """What is left out, with the reasons in words."""
    choice = look(client, paper, *numbers).context["choice"]
    return {row.number: [str(reason) for reason in row.reasons] for row in choice.left_out}


def second_parcel(parcel: Shipment, waybill: str) -> Shipment:
    """Another parcel of the same warehouse order, with a waybill."""
    parcel = Shipment.objects.create(
        number=f"{parcel.number}B",
        sub_order=parcel.sub_order,
        warehouse_order=parcel.warehouse_order,
        carrier=parcel.carrier,
    )
    Shipment.objects.filter(pk=parcel.pk).update(waybill_number=waybill, state=ShipmentState.WAYBILL_ISSUED)
    return parcel


def work_of(order: Order) -> WarehouseOrder:
    return steps.work_of(steps.released(order))


@pytest.mark.parametrize(("size", "millimetres"), [("76x130", (76, 130)), ("100x180", (100, 180))])
def test_a_label_says_where_the_parcel_goes_and_its_waybill_is_read_by_a_decoder(shop, clerk, size, millimetres):
    order = shop.place_order(
        (shop.sku, 2, "10.00"),
        payment_method="cod",
        recipient={"name": "张小龘", "phone": "13812345678", "region_code": "110101", "address": "东华门街道䶮字号1楼"},
    )
    parcel = steps.dispatched(order)

    answer = printed(clerk, "label", parcel.waybill_number, size=size)

    assert sizes(answer) == [millimetres]
    assert barcodes(answer) == [[("Code 128", parcel.waybill_number)]]
    (text,) = pages(answer)
    for words in (
        "张*138****5678",
        "东华门街道䶮字号1楼",
        parcel.carrier.name.replace(" ", ""),
        "Piece1/1",
        "×2",
        "Firstprint",
    ):
        assert words in text
    assert "小龘" not in text
    assert "13812345678" not in text
    assert "Cashondelivery" in text


def test_waybills_of_any_width_are_read_from_what_a_label_printer_prints():
    """Bars that are no whole dots wide were not read on one label of twenty."""
    draw = random.Random(3)  # noqa: S311 - no secret depends on it
    numbers = [
        "W2463981391811264-1-S1",
        *(f"W{draw.randrange(10**12, 10**17)}-{draw.choice('12')}-S1" for _ in range(60)),
    ]
    label = sheet.Sheet((76 * mm, 130 * mm), margin=3 * mm, title="")
    for number in numbers:
        label.barcode(number, height=15 * mm, size=10)
        label.next_page()
    assert barcodes(HttpResponse(label.close())) == [[("Code 128", number)] for number in numbers]


def test_a_label_shows_by_what_the_carrier_sorts_the_parcel(shop, clerk):
    parcel = steps.dispatched(shop.place_order(payment_method="cod"))
    ShipmentLabel.objects.filter(shipment=parcel).delete()
    ShipmentLabel.objects.create(shipment=parcel, destination_mark="京B-07", sorting_code="010-E3-012")

    (text,) = pages(printed(clerk, "label", parcel.number))

    assert "京B-07" in text
    assert "010-E3-012" in text


def test_the_font_is_embedded_and_a_character_that_it_lacks_stands_as_its_code(shop, clerk):
    order = shop.place_order(payment_method="cod")
    parcel = steps.dispatched(order)
    Order.objects.filter(pk=order.pk).update(recipient_address="𠮷祥里䶮喆堃㛃號12")

    answer = printed(clerk, "label", parcel.waybill_number)

    assert "[U+20BB7]祥里䶮喆堃㛃號12" in pages(answer)[0]
    fonts = re.findall(rb"/BaseFont /([\w+-]+)", answer.content)
    assert {name for name in fonts if b"NotoSansSC" in name}
    assert b"/FontFile2" in answer.content


def test_a_long_text_wraps_and_ends_in_an_ellipsis_where_there_is_no_more_room():
    lines = pdf_text.wrapped("北京市东城区" * 20, 10, 100, 3)

    assert len(lines) == 3
    assert lines[0] == "北京市东城区北京市东"
    assert lines[2].endswith("…")


def test_parcels_of_one_warehouse_order_are_numbered_and_come_in_one_pdf(shop, clerk):
    parcel = steps.dispatched(shop.place_order(payment_method="cod"))
    second_parcel(parcel, "W-SECOND")
    other = steps.dispatched(shop.place_order(payment_method="cod"))

    answer = printed(clerk, "label", parcel.warehouse_order.number, other.number)

    texts = pages(answer)
    assert [next(p for p in ("1/2", "2/2", "1/1") if f"Piece{p}" in text) for text in texts] == ["1/2", "2/2", "1/1"]
    read = [[text for _kind, text in codes] for codes in barcodes(answer)]
    assert read == [[parcel.waybill_number], ["W-SECOND"], [other.waybill_number]]


def test_the_first_print_is_told_from_copies_which_need_a_right_and_a_reason(shop, clerk):
    parcel = steps.dispatched(shop.place_order(payment_method="cod"))
    novice = client_of("print_labels", username="novice")
    assert "Firstprint" in pages(printed(novice, "label", parcel.number))[0]

    refused = printed(novice, "label", parcel.number, reason="torn")
    assert (refused.status_code, refused.context["error"]) == (409, "You may not print again what was printed before.")
    silent = printed(clerk, "label", parcel.number)
    assert (silent.status_code, silent.context["error"]) == (409, "Say why it is printed again.")
    assert Printout.objects.count() == 1
    copy = printed(clerk, "label", parcel.number, reason="torn")

    assert "Copy,print2" in pages(copy)[0]
    log = Printout.objects.order_by("id").values_list("paper", "shipment", "copy", "reason", "printed_by")
    assert list(log) == [("label", parcel.pk, 1, "", "novice"), ("label", parcel.pk, 2, "torn", "wang")]
    assert steps.broken_invariants() == []


def test_the_log_of_prints_is_only_added_to(shop, clerk):
    parcel = steps.dispatched(shop.place_order(payment_method="cod"))
    printed(clerk, "label", parcel.number)

    with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
        Printout.objects.update(printed_by="x")
    with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
        Printout.objects.all().delete()


def test_who_may_not_print_prints_nothing(shop):
    parcel = steps.dispatched(shop.place_order(payment_method="cod"))
    address = reverse("admin:logistics_printout_print")
    form = {"step": "print", "size": "76x130", "arrangement": "each", "numbers": parcel.number, "ids": parcel.pk}

    assert client_of("view_shipment", "view_printout").get(address).status_code == 403
    assert client_of("print_lists").post(address, {**form, "paper": "label"}).status_code == 403
    assert client_of("print_labels").post(address, {**form, "paper": "pick_list"}).status_code == 403
    assert Client().post(address, {**form, "paper": "label"}).status_code in (302, 403)
    assert not Printout.objects.exists()


def test_a_pick_list_adds_up_the_units_of_a_warehouse_by_sku(shop, clerk):
    SkuBarcode.objects.create(sku=shop.sku, merchant=shop.merchant, code="6901234567892")
    first = work_of(shop.place_order((shop.sku, 3, "10.00"), (shop.other_sku, 1, "1.00"), payment_method="cod"))
    second = work_of(shop.place_order((shop.sku, 4, "10.00"), payment_method="cod"))

    (text,) = pages(printed(clerk, "pick_list", first.number, second.number))

    assert f"{shop.sku.code}" in text
    assert "69012345678927" in text  # the barcode, then 3 + 4 units
    assert "2articles8units" in text
    assert f"2warehouseorders:{first.number},{second.number}" in text


def buyer(name: str) -> dict[str, str]:
    return {"name": name, "phone": "13800001111", "region_code": "110101", "address": "x 1"}


def test_packing_slips_are_one_a_warehouse_order_merged_by_recipient_or_split_by_sub_order(shop, clerk):
    orders = [
        shop.place_order((shop.sku, 1, "10.00"), payment_method="cod", recipient=buyer(name))
        for name in ("张三", "李四", "张三")
    ]
    works = [work_of(order).number for order in orders]

    each = pages(printed(clerk, "packing_slip", *works))
    merged = pages(printed(clerk, "packing_slip", *works, arrangement="recipient", reason="x"))
    split = pages(printed(clerk, "packing_slip", *works, arrangement="sub_order", reason="x"))

    assert [len(each), len(merged), len(split)] == [3, 2, 3]
    assert "1articles2units" in merged[0]
    assert f"Mergedof:{works[0]}{works[2]}" in merged[0]
    assert f"Orders:{orders[0].number}{orders[2].number}" in merged[0]
    assert "1articles1units" in merged[1]
    assert all("1articles1units" in text for text in each + split)
    assert "Copy,print3" in split[0]


# --- What is left out (售后过滤)


def paid(shop: factories.Shop) -> Order:
    """An order whose buyer paid."""
    order = shop.place_order(payment_method="prepaid")
    steps.pay(order)
    return order


def test_what_speaks_against_an_order_leaves_its_parcels_and_goods_out_with_the_reason(shop, clerk):
    parcels = [steps.dispatched(paid(shop)) for _ in range(4)]
    returned, refunded, disputed, fine = parcels
    ask_for_return(returned)
    payment = Payment.objects.get(order=refunded.sub_order.order)
    Refund.objects.create(number="F1", order=refunded.sub_order.order, payment=payment, amount=1, reason="charged_back")
    payment = Payment.objects.get(order=disputed.sub_order.order)
    Dispute.objects.create(
        number="D1",
        kind="complaint",
        payment=payment,
        order=disputed.sub_order.order,
        connection=payment.connection,
        amount=1,
        state="open",
    )
    reasons = {
        returned.waybill_number: ["The order has an open return."],
        refunded.waybill_number: ["A refund of the order is under way."],
        disputed.waybill_number: ["The buyer contests the order at the provider or platform."],
    }

    assert left_out(clerk, "label", *(parcel.number for parcel in parcels)) == reasons
    works = left_out(clerk, "packing_slip", *(parcel.warehouse_order.number for parcel in parcels))
    assert list(works.values()) == list(reasons.values())
    answer = printed(clerk, "label", *(parcel.number for parcel in parcels))
    assert len(pages(answer)) == 1
    assert [row.shipment for row in Printout.objects.all()] == [fine]


def paid_in_two_parts(shop: factories.Shop) -> list[WarehouseOrder]:
    """The warehouse orders of an order whose buyer paid, and whose goods go in two parcels."""
    general = factories.SkuFactory(merchant=shop.merchant, storage_class="general")
    factories.StockFactory(sku=general, warehouse=shop.warehouse, on_hand=9)
    order = shop.place_order(shop.sku, general, payment_method="prepaid")
    steps.pay(order)
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
    return list(WarehouseOrder.objects.filter(sub_order__order=order).order_by("pk"))


def refund_of(work: WarehouseOrder, *lines: SubOrderLine, kind: str = "return", reason: str = "returned") -> None:
    """A refund that is under way, granted for units or beside the price."""
    install_defaults()
    order = work.sub_order.order
    grant = RefundGrant.objects.create(
        number=f"{order.number}-G",
        order=order,
        kind=kind,
        reason=GrantReason.objects.filter(kind=kind).first(),
        note="x",
        bearer="platform",
        amount=1,
        cash_amount=1,
        calculation={},
        rules_version=1,
        proposed_by="li",
    )
    for line in lines:
        RefundGrantLine.objects.create(grant=grant, sub_order_line=line, quantity=1)
    payment = Payment.objects.get(order=order)
    Refund.objects.create(
        number=f"{order.number}-R", order=order, payment=payment, amount=1, reason=reason, grant=grant
    )


@pytest.mark.parametrize("speaks", ["return", "refund"])
def test_what_is_asked_for_of_one_parcel_leaves_the_others_of_its_order_alone(shop, clerk, speaks):
    one, other = paid_in_two_parts(shop)
    if speaks == "return":
        return_rows.asked(one.sub_order)
    else:
        refund_of(one, one.sub_order.lines.get())

    why = {"return": "The order has an open return.", "refund": "A refund of the order is under way."}[speaks]
    assert left_out(clerk, "pick_list", one.number, other.number) == {one.number: [why]}


def test_money_beside_the_price_keeps_no_goods_back(shop, clerk):
    one, other = paid_in_two_parts(shop)
    refund_of(one, kind="goodwill", reason="goodwill")

    assert left_out(clerk, "pick_list", one.number, other.number) == {}


def test_an_order_that_is_held_or_whose_warehouse_is_asked_to_stop_is_not_picked(shop, clerk):
    held, cancelled, stopped, fine = (work_of(shop.place_order(payment_method="cod")) for _ in range(4))
    holds.hold_order(held.sub_order.order_id, reason="x", actor=steps.STAFF)
    cancelling.cancel_order(cancelled.sub_order.order_id, reason="x", actor=steps.STAFF)
    WarehouseOrder.objects.filter(pk=stopped.pk).update(stop_requested_at=steps.NOON)

    assert left_out(clerk, "pick_list", *(work.number for work in (held, cancelled, stopped, fine))) == {
        held.number: ["The order is held."],
        cancelled.number: ["The order is held.", "The order is being cancelled."],
        stopped.number: ["The warehouse is asked to stop it."],
    }


def ask_for_return(parcel: Shipment) -> None:
    """The buyer wants to send the parcel's goods back."""
    part = parcel.sub_order
    return_rows.asked(part)


def test_what_has_no_waybill_left_already_or_is_not_known_is_left_out(shop, clerk):
    gone = steps.shipped(shop.place_order(payment_method="cod"))
    steps.scan(gone, "collected")
    work = work_of(shop.place_order(payment_method="cod"))
    steps.warehouse_says(work.sub_order, "packed")
    waiting = Shipment.objects.get(warehouse_order=work)

    assert left_out(clerk, "label", waiting.number, gone.number, "NONE-1") == {
        "NONE-1": ["Nothing here has this number."],
        str(waiting): ["It has no waybill yet."],
        str(gone): ["It has left already, or will not leave."],
    }
    assert left_out(clerk, "pick_list", work.number) == {work.number: ["It is packed already."]}
    answer = printed(clerk, "label", waiting.number)
    assert (answer.status_code, answer.context["error"]) == (409, "Nothing is left to print.")


def test_what_is_contested_since_the_page_was_looked_at_is_not_printed(shop, clerk):
    parcels = [steps.dispatched(shop.place_order(payment_method="cod")) for _ in range(2)]
    numbers = [parcel.number for parcel in parcels]
    ids: Sequence[int] = look(clerk, "label", *numbers).context["choice"].ids
    ask_for_return(parcels[0])

    form = {"paper": "label", "size": "76x130", "arrangement": "each", "numbers": " ".join(numbers)}
    answer = clerk.post(
        reverse("admin:logistics_printout_print"), {"step": "print", "ids": " ".join(map(str, ids)), **form}
    )

    assert answer.status_code == 409
    assert answer.context["error"] == "What can be printed has changed meanwhile. Look at the list again."
    assert not Printout.objects.exists()


def test_ticked_rows_of_the_lists_lead_to_the_page_that_prints(shop):
    parcel = steps.dispatched(shop.place_order(payment_method="cod"))
    client = client_of("view_shipment", "print_labels")
    ticked = {"action": "print_selected", "_selected_action": [parcel.pk]}

    page = client.post(reverse("admin:logistics_shipment_changelist"), ticked, follow=True)

    assert page.status_code == 200
    assert parcel.number in page.content.decode()
    assert (
        client_of("view_shipment")
        .post(reverse("admin:logistics_shipment_changelist"), ticked)
        .get("Location", "")
        .find("print")
        == -1
    )
