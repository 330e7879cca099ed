"""Recipients as senders write them, through every door: what is certain goes on, what contradicts itself is refused,
what nobody could deliver waits for a person."""

import csv
import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from inventory.models import Region
from orders.admin.searching import find
from orders.changing import readdressing
from orders.models import Hold, Order, ReviewList, ReviewListEntry
from orders.reviewing import holds, shipped, words
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.api.test_addressing import SAMPLE
from tests.intake.test_phones import FIELD as PHONES

pytestmark = pytest.mark.django_db
ORDERS = "/api/v1/orders"


@pytest.fixture(autouse=True)
def regions(shop: factories.Shop) -> dict[str, Region]:
    """The regions of the sample."""
    with (SAMPLE / "regions.csv").open(encoding="utf-8-sig") as file:
        rows = [
            Region(**{**row, "longitude": float(row["longitude"]), "latitude": float(row["latitude"])})
            for row in csv.DictReader(file)
        ]
    Region.objects.bulk_create(rows, ignore_conflicts=True)
    return {row.code: row for row in rows}


def send(api: Any, shop: factories.Shop, **recipient: str) -> Any:
    """An order to the recipient; region and address are what is given and nothing else."""
    person = {"name": "张华", "phone": "13800001111", "address": "建国路88号", **recipient}
    return api.post(ORDERS, json.dumps(shop.body(recipient=person)), content_type="application/json")


def refusals(answer: Any) -> list[tuple[str, str]]:
    """Field and code of what is wrong."""
    assert answer.status_code == 400, answer.content
    return [(error["attr"], error["code"]) for error in answer.json()["errors"]]


def held_for(order: Order) -> tuple[list[str], list[str]]:
    """What a person is asked about the order, and the codes of the regions that are shown."""
    hold = Hold.objects.get(order=order, released_at=None)
    assert (order.open_holds, hold.kind) == (1, "address")
    assert hold.details is not None
    return hold.details["gaps"], [text.split()[0] for text in hold.details["candidates"]]


CONTRADICTIONS = [
    ({"region_code": "110105", "district": "海淀区"}, "recipient.district", "region_mismatch"),
    ({"region_code": "110105", "city": "上海市"}, "recipient.city", "region_mismatch"),
    ({"region_code": "110105", "province": "上海市"}, "recipient.province", "region_mismatch"),
    ({"region_code": "330104"}, "recipient.region_code", "unknown_region"),
    ({"province": "江苏省", "city": "苏州市", "district": "鼓楼区"}, "recipient.district", "unknown_region"),
    ({"province": "广东省", "city": "深圳市", "district": "白云区"}, "recipient.district", "unknown_region"),
    ({"province": "吉林省", "city": "长春市", "district": "铁西区"}, "recipient.district", "unknown_region"),
    ({"province": "河北省", "district": "桥西区"}, "recipient.district", "ambiguous_region"),
    ({"province": "河北省", "city": "没有市", "district": "桥西区"}, "recipient.city", "unknown_region"),
    ({"province": "河海省", "city": "苏州市", "district": "姑苏区"}, "recipient.province", "unknown_region"),
    ({"province": "浙江省", "city": "杭州市", "district": "江干区"}, "recipient.district", "abolished_region"),
]


@pytest.mark.parametrize(("names", "attr", "code"), CONTRADICTIONS, ids=[str(row[0]) for row in CONTRADICTIONS])
def test_names_and_codes_that_contradict_each_other_are_refused_with_the_field(api, shop, names, attr, code):
    assert refusals(send(api, shop, **names)) == [(attr, code)]
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    "names", [{"region_code": "330104"}, {"province": "浙江省", "city": "杭州", "district": "江干区"}]
)
def test_the_refusal_of_an_abolished_district_names_its_successors(api, shop, names):
    (error,) = send(api, shop, **names).json()["errors"]
    assert "330102 浙江省杭州市上城区; 330114 浙江省杭州市钱塘区" in error["detail"]


TAKEN = [
    ({"region_code": "110105", "city": "市辖区"}, "110105", "建国路88号"),
    ({"region_code": "500235", "city": "县"}, "500235", "建国路88号"),
    ({"province": "北京市", "city": "市辖区", "district": "朝阳区"}, "110105", "建国路88号"),
    ({"province": "河北省", "city": "石家庄", "district": "桥西"}, "130104", "建国路88号"),
    ({"province": "广东省", "city": "东莞市", "district": "长安镇"}, "441900", "长安镇建国路88号"),
    ({"province": "湖北省", "city": "仙桃市", "district": "沔城回族镇"}, "429004", "沔城回族镇建国路88号"),
    ({"region_code": "441900", "city": "东莞市", "district": "长安镇"}, "441900", "长安镇建国路88号"),
    ({"province": "江苏省", "city": "苏州市", "address": "姑苏区观前街1号"}, "320508", "观前街1号"),
    ({"address": "云南省大理州祥云县祥城镇1号"}, "532923", "祥城镇1号"),
    ({"address": "北京市-朝阳区-建国路88号 3 1502"}, "110105", "建国路88号 3 1502"),
]


@pytest.mark.parametrize(("written", "code", "address"), TAKEN, ids=[str(row[0]) for row in TAKEN])
def test_a_region_is_read_from_code_names_or_text(api, shop, written, code, address):
    answer = send(api, shop, **written)
    assert answer.status_code == 201, answer.content
    order = Order.objects.get()
    assert (order.region_id, order.recipient_address, order.open_holds) == (code, address, 0)
    assert answer.json() == api.get(answer["Location"]).json()


HELD = [
    ({"address": "杭州西湖文化广场"}, ["no_region"], ["330106"]),
    ({"address": "江苏省鼓楼区中山路1号"}, ["no_region"], ["320106", "320302"]),
    ({"address": "深圳南山路5号"}, ["no_region"], ["440305"]),
    ({"address": "浙江省杭州市江干区凯旋路1号"}, ["no_region"], ["330102", "330114"]),
    ({"province": "江苏省", "city": "苏州市", "address": "观前街1号"}, ["no_region"], ["320505"]),
    ({"region_code": "110105", "address": "****"}, ["masked_address"], []),
    ({"region_code": "110105", "name": "王**"}, ["masked_name"], []),
    ({"region_code": "110105", "phone": "138****1111"}, ["masked_phone"], []),
    ({"region_code": "810001"}, ["not_served"], []),
    ({"address": "香港九龙油尖旺区弥敦道1号", "phone": "+852 2345 6789"}, ["not_served"], []),
    ({"address": "澳门大堂区新马路1号", "phone": "+853 6612 3456"}, ["not_served"], []),
    ({"address": "台湾省台北市大安区信义路1号", "phone": "+886 912 345 678"}, ["not_served"], []),
]


@pytest.mark.parametrize(("written", "gaps", "candidates"), HELD, ids=[str(row[0]) for row in HELD])
def test_what_nobody_could_deliver_comes_in_and_waits_for_a_person(api, shop, written, gaps, candidates):
    answer = send(api, shop, **written)
    assert answer.status_code == 201, answer.content
    order = Order.objects.get()
    asked, shown = held_for(order)
    assert asked == gaps
    assert shown[: len(candidates)] == candidates
    assert answer.json() == api.get(answer["Location"]).json()
    assert answer.json()["held"] is True
    if gaps == ["no_region"]:
        assert order.recipient_address == written["address"]  # whole


def test_many_held_orders_come_in_at_once(api, shop):
    bodies = [shop.body(recipient={"name": "张华", "phone": "13800001111", "address": "****"}) for _ in range(40)]
    answer = api.post(f"{ORDERS}/bulk", json.dumps({"orders": bodies}), content_type="application/json")
    assert {row["status"] for row in answer.json()["results"]} == {"created"}
    for order in Order.objects.all():
        assert held_for(order) == (["masked_address", "no_region"], [])
        assert list(order.events.values_list("kind", flat=True)) == ["received", "held"]


def test_an_order_that_is_not_served_goes_on_once_the_region_is(api, shop, boss):
    send(api, shop, region_code="810001")
    order, hold = Order.objects.get(), Hold.objects.get()
    with translation.override("en"):
        assert words.why(hold) == "The region is not served: no warehouse or carrier sends there."
    with pytest.raises(holds.CannotRelease):
        holds.release_hold(hold.pk, note="", actor=steps.STAFF)
    boss.post(reverse("admin:inventory_region_changelist"), {"action": "serve", "_selected_action": ["810001"]})
    assert Region.objects.get(pk="810001").is_served
    assert holds.release_hold(hold.pk, note="Hong Kong by SF", actor=steps.STAFF).open_holds == 0
    send(api, shop, region_code="810001")
    assert Order.objects.exclude(pk=order.pk).get().open_holds == 0


@pytest.fixture
def boss(db: None) -> Client:
    """Somebody who may do everything."""
    return client_of(is_superuser=True)


@pytest.mark.parametrize(("written", "form"), PHONES, ids=[repr(row[0]) for row in PHONES])
def test_a_phone_is_kept_in_one_form_and_found_however_it_is_written(api, shop, boss, written, form):
    answer = send(api, shop, region_code="110105", phone=written)
    if not form:
        assert refusals(answer) == [("recipient.phone", "invalid_phone")]
        return
    order = Order.objects.get()
    assert (order.recipient_phone, answer.json()["recipient"]["phone"]) == (form, form)
    for text in (written, form):
        assert find(text).order_ids == {order.pk}
        found = api.get(ORDERS, {"phone": text}).json()["results"]
        assert [row["number"] for row in found] == [order.number]
        assert (
            order.number
            in boss.get(reverse("admin:orders_order_changelist"), {"q": text}, follow=True).content.decode()
        )
        assert Order.objects.filter(recipient_phone=text).exists()


@pytest.mark.parametrize("text", ["13877776666", "138 7777 6666", "+86 13877776666", "+86-138-7777-6666"])
def test_what_came_with_the_country_code_is_found_without(api, shop, text):
    send(api, shop, region_code="110105", phone="+8613877776666")
    assert len(api.get(ORDERS, {"phone": text}).json()["results"]) == 1
    assert len(find(text).order_ids) == 1


def test_a_denied_phone_is_kept_in_the_one_form_and_looked_for_in_any(boss):
    shipped.install_default_lists()
    deny = ReviewList.objects.get(code="deny")
    form = {"review_list": deny.pk, "kind": "phone", "phone": "+86 138 0000 9999", "is_active": "on", "reason": "fraud"}
    boss.post(reverse("admin:orders_reviewlistentry_add"), form)
    assert ReviewListEntry.objects.exclude(phone="").get().phone == "13800009999"
    page = boss.get(reverse("admin:orders_reviewlistentry_changelist"), {"q": "138-0000-9999"})
    assert "13800009999" in page.content.decode()


def test_staff_may_paste_an_address_whole(api, shop, boss):
    send(api, shop, address="杭州西湖文化广场")
    order = Order.objects.get()
    form = {"name": "张华", "phone": "(0571) 87654321", "region_code": "", "address": "浙江省杭州市拱墅区中山北路1号"}
    address = reverse("admin:orders_order_recipient", args=[order.pk])
    seen = boss.post(address, {**form, "preview": "1"}).content.decode()
    stamp = re.search(r'name="stamp" value="([^"]+)"', seen)[1]
    boss.post(address, {**form, "stamp": stamp, "confirm": "1"})
    order = Order.objects.get()
    assert (order.region_id, order.recipient_address) == ("330105", "中山北路1号")
    assert (order.recipient_phone, order.open_holds) == ("0571-87654321", 0)


@pytest.mark.parametrize(
    ("new", "attr", "code"),
    [
        (readdressing.Recipient(address="****"), "address", "masked"),
        (readdressing.Recipient(name="王**"), "name", "masked"),
        (readdressing.Recipient(phone="138****1111"), "phone", "invalid_phone"),
        (
            readdressing.Recipient(region_code="110105", address="北京市海淀区学院路1号"),
            *("region_code", "region_mismatch"),
        ),
    ],
)
def test_a_change_of_recipient_cannot_make_it_worse(shop, new, attr, code):
    order = shop.place_order()
    with pytest.raises(readdressing.WrongFields) as refusal:
        readdressing.change_recipient(order.pk, new, actor=steps.STAFF)
    assert [(error.attr, error.code) for error in refusal.value.errors] == [(attr, code)]


def test_a_change_to_where_nobody_sends_holds_the_order(shop):
    order = shop.place_order()
    changed = readdressing.change_recipient(order.pk, readdressing.Recipient(region_code="820004"), actor=steps.STAFF)
    assert held_for(changed) == (["not_served"], [])


def test_loc_holds_what_is_masked(api, shop):
    body = {
        "order_id": "T9",
        "user_id": "H900",
        "items": [{"item_id": shop.sku.code, "quantity": 1}],
        "delivery_address": "王** 138****1111 北京市朝阳区****",
    }
    answer = api.post("/api/order/create", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    order = Order.objects.get()
    # The county is clear, though the rest is masked.
    assert held_for(order)[0] == ["no_phone", "masked_address"]
    assert order.region_id == "110105"
