"""Orders that a merchant types, and refused rows that it corrects: placed once, faults at their fields."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from oms.common.errors import FieldError
from oms.common.models import SecurityEvent
from oms.merchants.joining.roles import Role
from oms.merchants.models import Merchant
from orders.intake.rejecting import RefusedRow, keep
from orders.models import Order, OrderTerms, RejectedOrder
from payments.taking import recording
from tests import factories
from tests.portal import world

pytestmark = pytest.mark.django_db
ENTER = "/merchant/orders/order/enter/"
ROWS = "/merchant/orders/rejectedorder/"


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself."""
    return world.make_seller()


@pytest.fixture
def li(seller: world.Seller) -> Client:
    """Its administrator."""
    return world.person_of(seller.merchant)


def entry(seller: world.Seller, **changed: Any) -> dict[str, Any]:
    """An order as the page sends it."""
    return {
        "key": "TEL-0123456789AB",
        "channel": str(seller.channel.pk),
        "address": "王小明 13812345678 北京市东城区世纪大道100号",
        "payment_method": "collected",
        "sku": [seller.sku.pk],
        "quantity": ["2"],
        "price": ["10.00"],
        "do": "place",
    } | changed


def test_a_merchant_types_an_order_that_was_paid_and_it_is_placed_once(seller, li):
    for _time in range(2):
        answer = li.post(ENTER, entry(seller, freight="6"))
        order = Order.objects.get()
        assert answer["Location"] == f"/merchant/orders/order/{order.pk}/change/"
    factories.run(recording.book_collected)
    order = Order.objects.get()
    assert (order.state, order.payable_amount, order.payment_state) == ("in_review", Decimal("26.00"), "paid")
    assert (order.recipient_name, order.recipient_address) == ("王小明", "世纪大道100号")
    assert order.events.order_by("pk").first().actor == f"{seller.merchant.code} {li.session_name}"


def test_an_order_that_is_still_to_be_paid_waits_for_it(seller, li):
    li.post(ENTER, entry(seller, payment_method="prepaid"))
    assert Order.objects.get().state == "awaiting_payment"


def test_goods_are_looked_up_among_ones_own_with_what_can_be_sold(seller, li):
    other = world.make_seller()
    page = li.post(ENTER, entry(seller, do="search", search=seller.sku.code, sku=[], quantity=[], price=[]))
    assert [(one.sku, one.units) for one in page.context["found"]] == [(seller.sku, 1000)]
    page = li.post(ENTER, entry(seller, do="search", search=other.sku.code))
    assert page.context["found"] == []
    assert f'<option value="{other.channel.pk}"' not in page.content.decode()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"address": "张三 13812345678 胜利街1号"}, "The region is not certain"),
        ({"quantity": ["0.5"]}, "whole number of units"),
        ({"sku": [], "quantity": [], "price": []}, "at least one line"),
        ({"payment_method": "later"}, "valid choice"),
        ({"channel": "0"}, "valid choice"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(seller, li, changed, words):
    page = li.post(ENTER, entry(seller, remark="a remark that stays") | changed)
    assert words in page.content.decode()
    assert "a remark that stays" in page.content.decode()
    assert not Order.objects.exists()


def test_channels_and_goods_of_others_are_refused_and_so_is_who_may_not(seller, li):
    other = world.make_seller()
    assert "valid choice" in li.post(ENTER, entry(seller, channel=str(other.channel.pk))).content.decode()
    assert "at least one line" in li.post(ENTER, entry(seller, sku=[other.sku.pk])).content.decode()
    assert world.person_of(seller.merchant, Role.FINANCE).post(ENTER, entry(seller)).status_code == 403
    Merchant.objects.filter(pk=seller.merchant.pk).update(status="suspended")
    assert li.post(ENTER, entry(seller)).status_code == 403
    assert not Order.objects.exists()


def refused(seller: world.Seller, body: Any, *errors: FieldError) -> RejectedOrder:
    """A row that was refused for these reasons."""
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    number = body["external_number"] if isinstance(body, dict) else ""
    keep(seller.merchant, RejectedOrder.Door.BULK, [RefusedRow(raw, number, list(errors))])
    return RejectedOrder.objects.latest("pk")


def wrong_row(seller: world.Seller) -> RejectedOrder:
    """An order of a SKU that there is not, without a phone."""
    body = factories.order_body((seller.sku, 2, "10.00"), payment_method="cod", source=seller.channel.code)
    body["lines"][0]["sku"] = "NOBODY"
    del body["recipient"]["phone"]
    return refused(
        seller,
        body,
        FieldError("lines.0.sku", "unknown_sku", "No such SKU."),
        FieldError("recipient.phone", "required", "This field is required."),
    )


def test_a_refused_row_is_corrected_by_its_fields_and_becomes_an_order(seller, li):
    row = wrong_row(seller)
    page = li.get(f"{ROWS}{row.pk}/change/").content.decode()
    assert "No such SKU." in page
    assert "中山路861号" not in page
    correct = f"{ROWS}{row.pk}/correct/"
    form = li.post(correct, {"version": row.version})
    text = form.content.decode()
    assert "中山路861号" in text
    assert "no-store" in form["Cache-Control"]
    # What is wrong comes first, each at its field; what was missing has one, too.
    first = form.context["fields"][:3]
    assert {leaf.path for leaf in first[:2]} == {"lines.0.sku", "recipient.phone"}
    assert [bool(leaf.wrong) for leaf in first] == [True, True, False]
    seen = SecurityEvent.objects.get(kind="revealed")
    assert (seen.subject_id, seen.person, seen.reason) == (row.pk, li.session_name, "correct_refused_row")

    still = li.post(correct, {"version": row.version, "step": "send", "f-lines.0.sku": seller.sku.code})
    assert still.status_code == 400
    wrong = {leaf.path: leaf.text for leaf in still.context["fields"] if leaf.wrong}
    assert wrong == {"recipient.phone": ""}
    texts = {leaf.path: leaf.text for leaf in still.context["fields"]}
    assert texts["lines.0.sku"] == seller.sku.code
    assert not Order.objects.exists()

    row.refresh_from_db(fields=["version"])
    fixed = {"f-lines.0.sku": seller.sku.code, "f-recipient.phone": "13800001111", "f-lines.0.quantity": "3"}
    fixed["f-payable_amount"] = "36.00"
    li.post(correct, {"version": row.version, "step": "send", **fixed})
    order = Order.objects.get()
    assert (order.recipient_phone, order.lines.get().quantity) == ("13800001111", 3)
    row = RejectedOrder.objects.get(pk=row.pk)
    assert (row.state, row.order) == ("replayed", order)
    assert order.number in li.get(f"{ROWS}{row.pk}/change/").content.decode()
    again = li.post(correct, {"version": row.version, "step": "send", **fixed}, follow=True)
    assert "This row is closed" in again.content.decode()
    assert Order.objects.count() == 1


def test_what_is_no_json_is_corrected_as_text(seller, li):
    row = refused(seller, b"{external", FieldError("", "parse_error", "It is no JSON."))
    correct = f"{ROWS}{row.pk}/correct/"
    assert li.post(correct, {"version": row.version}).context["body"] == "{external"
    body = factories.order_body((seller.sku, 1, "10.00"), payment_method="cod", source=seller.channel.code)
    still = li.post(correct, {"version": row.version, "step": "send", "body": "{"})
    assert still.context["body"] == "{"
    row.refresh_from_db(fields=["version"])
    li.post(correct, {"version": row.version, "step": "send", "body": json.dumps(body)})
    assert Order.objects.get().external_number == body["external_number"]


def test_rows_are_sent_again_as_they_are_singly_and_ticked_or_discarded(seller, li):
    rows = [wrong_row(seller) for _ in range(2)]
    bodies = [factories.order_body((seller.sku, 1, "10.00"), payment_method="cod", source=seller.channel.code)]
    rows.append(refused(seller, bodies[0], FieldError("lines.0.sku", "unknown_sku", "No such SKU.")))
    page = li.post(f"{ROWS}{rows[0].pk}/replay/", {"version": rows[0].version}, follow=True).content.decode()
    assert "Refused again" in page
    ticked = {"action": "replay_selected", "_selected_action": [row.pk for row in rows]}
    page = li.post(ROWS, ticked, follow=True).content.decode()
    assert page.count("Refused again") == 2
    assert Order.objects.get().external_number == bodies[0]["external_number"]
    row = RejectedOrder.objects.get(pk=rows[1].pk)
    li.post(f"{ROWS}{row.pk}/discard/", {"version": row.version})
    assert RejectedOrder.objects.get(pk=row.pk).body is None


def test_keys_that_the_caller_named_are_corrected_with_points_in_them(seller, li):
    body = factories.order_body((seller.sku, 1, "10.00"), payment_method="cod", source=seller.channel.code)
    body["lines"][0]["sku"] = "NOBODY"
    body["metadata"] = {"shop.page": "1", "shop": "2"}
    row = refused(seller, body, FieldError("lines.0.sku", "unknown_sku", "No such SKU."))
    correct = f"{ROWS}{row.pk}/correct/"
    form = li.post(correct, {"version": row.version})
    paths = {leaf.label: leaf.path for leaf in form.context["fields"]}
    typed = {"f-lines.0.sku": seller.sku.code, f"f-{paths['metadata.shop.page']}": "new"}
    assert li.post(correct, {"version": row.version, "step": "send", **typed}).status_code == 302
    assert OrderTerms.objects.get().metadata == {"shop.page": "new", "shop": "2"}


def test_a_key_without_letters_is_shown_and_does_no_harm(seller, li):
    body = factories.order_body((seller.sku, 1, "10.00"), payment_method="cod", source=seller.channel.code)
    body["metadata"] = {"": "3", "~1": "4"}
    row = refused(seller, body, FieldError("metadata", "invalid_key", "A key has 1 to 40 letters."))
    correct = f"{ROWS}{row.pk}/correct/"
    form = li.post(correct, {"version": row.version})
    typed = {f"f-{leaf.path}": "new" for leaf in form.context["fields"] if leaf.label.startswith("metadata")}
    assert li.post(correct, {"version": row.version, "step": "send", **typed}).status_code == 400


def test_refused_rows_of_others_are_not_found_and_rights_are_asked_for(seller, li):
    row = wrong_row(seller)
    stranger = world.person_of(world.make_seller().merchant)
    reader = world.person_of(seller.merchant, Role.READ_ONLY)
    for action in ("correct", "replay", "discard"):
        form = {"version": row.version, "step": "send"}
        assert stranger.post(f"{ROWS}{row.pk}/{action}/", form).status_code == 404
        assert reader.post(f"{ROWS}{row.pk}/{action}/", form).status_code == 403
    assert stranger.get(ROWS).context["cl"].result_list == []
    assert RejectedOrder.objects.get().version == row.version
    Merchant.objects.filter(pk=seller.merchant.pk).update(status="suspended")
    assert li.post(f"{ROWS}{row.pk}/replay/", {"version": row.version}).status_code == 403
