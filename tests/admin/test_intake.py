"""Staff look at refused rows and at messages to buyers, replay what may be replayed, and learn nothing personal."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client

from inventory.models import Sku
from oms.common.errors import FieldError
from orders.admin.intake import masked_body
from orders.intake import rejecting
from orders.models import BuyerNotification, Order, RejectedOrder
from orders.models.notification import NotificationContent
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/rejectedorder/"
MESSAGES = "/admin/orders/buyernotification/"


def refused(shop: factories.Shop, body: object = None, number: str = "X-1") -> RejectedOrder:
    """A row of the shop that was refused because its SKU was not known."""
    raw = json.dumps(body if body is not None else shop.body(external_number=number)).encode()
    error = FieldError("lines.0.sku", "unknown_sku", "Merchant sells no such SKU; call 13812345678.")
    rejecting.keep(shop.merchant, RejectedOrder.Door.BULK, [rejecting.RefusedRow(raw, number, [error, error])])
    return RejectedOrder.objects.latest("id")


def page_of(row: RejectedOrder) -> str:
    return f"{LIST}{row.pk}/change/"


def act(client: Client, row: RejectedOrder, what: str, version: int | None = None) -> Any:
    return client.post(f"{LIST}{row.pk}/{what}/", {"version": row.version if version is None else version})


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)][-2:]


def test_a_refused_row_shows_what_was_wrong_and_nobodys_name(boss: Client, shop: factories.Shop) -> None:
    body = shop.body(external_number="X-1", remark="call Zhang San at home")
    # Long enough to stand in no token of the page by chance.
    body["buyer"]["id"] = "buyer-4711-zhang"
    row = refused(shop, body)

    page = boss.get(page_of(row)).content.decode()

    assert "unknown_sku" in page
    assert "lines.0.sku" in page
    assert shop.sku.code in page
    assert "138****5678" in page
    person = body["recipient"]
    for secret in (person["name"], person["phone"], person["address"], body["buyer"]["id"], "Zhang San", "13812345678"):
        assert secret not in page
    assert person["region_code"] in page


def test_a_refused_row_lies_sealed_in_the_database(shop: factories.Shop) -> None:
    body = shop.body(external_number="X-1")
    row = refused(shop, body)

    with connection.cursor() as cursor:
        cursor.execute("SELECT r::text, encode(body, 'escape') FROM orders_rejectedorder r")
        (stored,) = cursor.fetchall()

    person = body["recipient"]
    for secret in (person["name"], person["phone"], person["address"]):
        assert secret not in "".join(stored)
    assert json.loads(row.opened()) == body
    # Checked by a number, since nobody reads what is sealed.
    RejectedOrder.objects.update(body=b"{}")
    assert [broken.split(":")[0] for broken in steps.broken_invariants()] == ["refused_rows_are_sealed"]


def test_a_refused_row_that_no_key_opens_takes_no_page_down(boss: Client, shop: factories.Shop, settings: Any) -> None:
    row = refused(shop)
    settings.CREDENTIAL_KEYS = ["another"]

    assert "no key opens" in boss.get(page_of(row)).content.decode()
    (listed,) = factories.client_of(shop.merchant).get("/api/v1/rejected-orders").json()["results"]
    assert (listed["id"], listed["body"]) == (row.pk, None)


def test_who_may_see_personal_data_opens_a_refused_row_and_the_log_says_so(
    shop: factories.Shop, caplog: pytest.LogCaptureFixture
) -> None:
    body = shop.body(external_number="X-1")
    row = refused(shop, body)
    path = f"{LIST}{row.pk}/open/"
    hidden = client_of("view_rejectedorder")
    may = client_of("view_rejectedorder", "view_personal_data")
    caplog.set_level("INFO", "orders.admin.intake")

    def looked_at() -> list[str]:
        return [record.message for record in caplog.records if record.name == "orders.admin.intake"]

    assert "/open/" not in hidden.get(page_of(row)).content.decode()
    assert hidden.post(path).status_code == 403
    assert client_of("view_personal_data").post(path).status_code == 403
    assert may.get(path).status_code == 405
    assert not looked_at()
    page = may.get(page_of(row)).content.decode()
    assert path in page
    assert body["recipient"]["address"] not in page

    opened = may.post(path).content.decode()

    for shown in (body["recipient"]["name"], body["recipient"]["phone"], body["recipient"]["address"]):
        assert shown in opened
    user = get_user_model().objects.get(pk=may.session["_auth_user_id"])
    assert looked_at() == [f"refused row {row.pk} was read with personal data by user {user.pk}"]
    rejecting.discard(row.pk, version=row.version)
    assert "/open/" not in may.get(page_of(row)).content.decode()


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({"reciever": {"name": "张三丰", "tel": 13812345678, "addr": "中山路9号"}, "buyer_name": "张三丰"}),
        json.dumps({"recipient": "张三丰 13812345678 中山路9号", "notes": ["张三丰"], "sku": {"x": "张三丰"}}),
        json.dumps(["张三丰", {"address": "中山路9号"}]),
        "张三丰,13812345678,中山路9号",
        "[" * 100_000,
    ],
)
def test_rows_in_which_nobody_knows_where_names_stand_give_none_away(raw: str) -> None:
    shown = masked_body(raw)
    for secret in ("张三丰", "13812345678", "中山路"):
        assert secret not in shown


def test_a_row_is_replayed_once_its_cause_is_gone(boss: Client, shop: factories.Shop) -> None:
    body = shop.body(external_number="X-1")
    body["lines"][0]["sku"] = "LATER"
    row = refused(shop, body)

    answer = act(boss, row, "replay")
    assert answer["Location"] == page_of(row)
    assert "LATER" in said(answer)[-1]
    assert RejectedOrder.objects.get().state == "open"

    Sku.objects.filter(pk=shop.sku.pk).update(code="LATER")
    row = RejectedOrder.objects.get()
    assert "changed" in said(act(boss, row, "replay", version=row.version - 1))[-1]
    assert not Order.objects.exists()
    answer = act(boss, row, "replay")
    order = Order.objects.get()
    assert said(answer)[-1] == f"It is order {order.number} now."
    row = RejectedOrder.objects.get()
    assert (row.state, row.order) == ("replayed", order)
    # Once only, and from the order's page one comes to the row.
    assert said(act(boss, row, "replay"))[-1] == "This row is closed: Replayed."
    assert Order.objects.count() == 1
    assert page_of(row) in boss.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "/replay/" not in boss.get(page_of(row)).content.decode()


def test_several_rows_are_replayed_each_with_its_own_message(boss: Client, shop: factories.Shop) -> None:
    good, bad = refused(shop, number="X-1"), refused(shop, {"nothing": 1}, number="X-2")
    # A template of the wrong name once took the place of the list's bar of actions.
    assert 'value="replay_selected"' in boss.get(LIST).content.decode()
    form = {"action": "replay_selected", "_selected_action": [good.pk, bad.pk], "index": 0}
    texts = said(boss.post(LIST, form))
    assert len(texts) == 2
    assert texts[0] == f"It is order {Order.objects.get().number} now."
    assert texts[1].startswith("X-2: Refused again")


def test_a_discarded_row_has_no_body_any_more(boss: Client, shop: factories.Shop) -> None:
    row = refused(shop)
    assert said(act(boss, row, "discard")) == ["The row is discarded."]
    row = RejectedOrder.objects.get()
    assert (row.state, row.body) == ("discarded", None)
    assert "the body is forgotten" in boss.get(page_of(row)).content.decode()


def test_replaying_is_a_right_of_its_own_and_by_post_only(shop: factories.Shop) -> None:
    row = refused(shop)
    reader, stranger = client_of("view_rejectedorder"), client_of("view_order", "replay_rejectedorder")
    worker = client_of("view_rejectedorder", "replay_rejectedorder")
    assert "/replay/" not in reader.get(page_of(row)).content.decode()
    assert "/replay/" in worker.get(page_of(row)).content.decode()
    for what in ("replay", "discard"):
        assert act(reader, row, what).status_code == 403
        assert act(stranger, row, what).status_code == 403
        assert worker.get(f"{LIST}{row.pk}/{what}/").status_code == 405
    assert RejectedOrder.objects.get().state == "open"


def test_the_list_is_filtered_by_merchant_door_and_state_and_searched_by_number(
    boss: Client, shop: factories.Shop
) -> None:
    refused(shop, number="MINE-1")
    refused(factories.make_shop(), number="OTHER-1")

    def listed(query: str) -> set[str]:
        page = boss.get(f"{LIST}?{query}").content.decode()
        return {number for number in ("MINE-1", "OTHER-1") if f">{number}</a>" in page}

    assert listed("") == {"MINE-1", "OTHER-1"}
    assert listed(f"merchant__id__exact={shop.merchant.pk}") == {"MINE-1"}
    assert listed("door__exact=bulk") == {"MINE-1", "OTHER-1"}
    assert listed("door__exact=import") == set()
    assert listed("state__exact=open") == {"MINE-1", "OTHER-1"}
    assert listed("state__exact=replayed") == set()
    assert listed("q=OTHER-1") == {"OTHER-1"}


def test_messages_to_buyers_are_listed_without_what_they_say(boss: Client, shop: factories.Shop) -> None:
    order = shop.place_order()
    content = NotificationContent("您的激活码 KEY-1234", {"password": "geheim"}, "https://shop.example/c/77")
    values = {"merchant": shop.merchant, "buyer_reference": order.buyer_reference, "kind": "发货"}
    message = BuyerNotification.sealed(content, **values)
    message.save()
    path = f"{MESSAGES}{message.pk}/change/"
    order_page = f"/admin/orders/order/{order.pk}/change/"
    for page in (MESSAGES, path, order_page):
        text = boss.get(page).content.decode()
        assert "您的激活码 …" in text
        assert "Queued" in text
        for secret in ("KEY-1234", "geheim", "shop.example/c", "gAAAA"):
            assert secret not in text
    assert path in boss.get(order_page).content.decode()
    assert path not in client_of("view_order").get(order_page).content.decode()
    # A buyer of the same reference at another merchant is somebody else.
    BuyerNotification.objects.update(merchant=factories.make_shop().merchant)
    assert "您的激活码" not in boss.get(order_page).content.decode()


@pytest.mark.parametrize("count", [1, 4])
def test_pages_take_as_many_statements_for_one_row_as_for_four(
    boss: Client, shop: factories.Shop, statements: Callable[[Client, str], int], count: int
) -> None:
    order = shop.place_order()
    for number in range(count):
        row = refused(shop, number=f"X-{number}")
        RejectedOrder.objects.filter(pk=row.pk).update(order=order, state="replayed")
        values = {"merchant": shop.merchant, "buyer_reference": order.buyer_reference, "kind": "x"}
        BuyerNotification.sealed(NotificationContent("x"), **values).save()
    pages = (LIST, MESSAGES, f"/admin/orders/order/{order.pk}/change/")
    assert [statements(boss, page) for page in pages] == [7, 7, 42]
