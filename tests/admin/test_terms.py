"""Wishes and terms on the order's page, and the seller's marks."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from logistics.carriers.defaults import install_default_carriers
from orders.fulfilling import allocating, splitting
from orders.models import OrderEvent, OrderTerms
from orders.reviewing import deciding
from tests import factories, steps

pytestmark = pytest.mark.django_db
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)


@pytest.fixture
def page(admin_client):
    """Reads the page of an order."""

    def read(order):
        response = admin_client.get(reverse("admin:orders_order_change", args=[order.pk]))
        assert response.status_code == 200
        return response.content.decode()

    return read


def test_the_page_shows_wishes_terms_and_the_invoice_but_no_token(page, shop):
    install_default_carriers()
    order = shop.place_order(
        carrier="ZTO",
        ship_by="2026-01-03T09:00:00+08:00",
        receiver_token="oaid-secret",
        seller_memo="先放着",
        flag=1,
        metadata={"campaign": "<spring>"},
        invoice={"title_type": "company", "title": "示例科技有限公司", "tax_number": "91110000600037341L"},
    )

    text = page(order)

    assert "要求与约定" in text
    for shown in (
        "指定承运商",
        "ZTO",
        "平台最晚发货",
        "已超时",
        "收件人令牌",
        "先放着",
        "红旗",
        "campaign",
        "&lt;spring&gt;",
    ):
        assert shown in text, shown
    for shown in ("买家要求的发票", "示例科技有限公司", "91110000600037341L", "普通发票"):
        assert shown in text, shown
    assert "oaid-secret" not in text


def test_the_page_of_a_plain_order_has_no_such_block(page, shop):
    assert "要求与约定" not in page(shop.place_order())


def test_the_page_says_until_when_presale_waits(page, shop):
    order = shop.place_order(payment_method="cod", ship_not_before=SOON.isoformat())
    factories.run(deciding.run, splitting.run, allocating.run)
    day = f"{SOON.astimezone():%Y-%m-%d}"
    assert f"预售，{day}" in page(order)


def test_staff_change_memo_and_flag(admin_client, page, shop):
    order = shop.place_order()
    url = reverse("admin:orders_order_marks", args=[order.pk])

    admin_client.post(url, {"version": 1, "seller_memo": "加急", "flag": "2"})
    admin_client.post(url, {"version": 1, "seller_memo": "stale", "flag": "3"})
    admin_client.post(url, {"version": 2, "seller_memo": "x" * 501, "flag": "3"})

    terms = OrderTerms.objects.get()
    assert (terms.seller_memo, terms.flag, steps.fresh(order).version) == ("加急", 2, 2)
    (event,) = OrderEvent.objects.filter(kind="marked")
    assert (event.actor_kind, event.data) == ("staff", {"flag": "yellow"})
    assert "黄旗" in page(order)


def test_staff_set_and_remove_a_key_of_the_metadata(admin_client, page, shop):
    order = shop.place_order(metadata={"campaign": "spring", "stays": "x"}, seller_memo="先放着", flag=1)
    url = reverse("admin:orders_order_marks", args=[order.pk])
    marks = {"seller_memo": "先放着", "flag": "1"}

    admin_client.post(url, {**marks, "version": 1, "metadata_key": "campaign", "metadata_value": ""})
    admin_client.post(url, {**marks, "version": 2, "metadata_key": "shelf", "metadata_value": "A 7"})
    admin_client.post(url, {**marks, "version": 1, "metadata_key": "stays", "metadata_value": "stale"})
    admin_client.post(url, {**marks, "version": 3, "metadata_key": "a b", "metadata_value": "1"})
    admin_client.post(url, {**marks, "version": 3, "metadata_key": "", "metadata_value": "lost"})

    assert OrderTerms.objects.get().metadata == {"stays": "x", "shelf": "A 7"}
    assert steps.fresh(order).version == 3
    told = OrderEvent.objects.filter(order_id=order.pk, kind="metadata_changed").order_by("id")
    assert [event.data for event in told] == [{"keys": ["campaign"]}, {"keys": ["shelf"]}]
    assert "元数据已修改：shelf。" in page(order)


def test_marking_takes_the_right_to_note(client, shop):
    order = shop.place_order()
    client.force_login(factories.UserFactory())
    answer = client.post(reverse("admin:orders_order_marks", args=[order.pk]), {"version": 1, "flag": "2"})
    assert answer.status_code == 403
    assert not OrderTerms.objects.exists()


def test_the_search_finds_an_order_by_its_metadata(admin_client, shop):
    order = shop.place_order(metadata={"campaign": "spring sale"})
    shop.place_order(metadata={"campaign": "summer"})
    for term in ("campaign=spring sale", "metadata.campaign=spring sale"):
        answer = admin_client.get(reverse("admin:orders_order_changelist"), {"q": term})
        assert answer.url == reverse("admin:orders_order_change", args=[order.pk])
