"""Reading addresses in free text: what is certain is taken, everything else is a person's to say."""

import csv
import gzip
import json
from itertools import islice
from pathlib import Path

import pytest

from inventory.models import Region
from orders.intake.addressing import parse_address
from orders.models import Hold, Order
from tests.api.calls import errors_of, send

pytestmark = pytest.mark.django_db

SAMPLE = Path(__file__).resolve().parents[2] / "sample"


@pytest.fixture
def regions(db):
    with (SAMPLE / "regions.csv").open(encoding="utf-8-sig") as file:
        rows = [
            Region(**{**row, "longitude": float(row["longitude"]), "latitude": float(row["latitude"])})
            for row in csv.DictReader(file)
        ]
    Region.objects.bulk_create(rows)
    return {row.code: row for row in rows}


CERTAIN = [
    ("北京市朝阳区建国路88号", "110105", "建国路88号"),
    ("北京朝阳区建国路88号", "110105", "建国路88号"),
    ("北京市北京市朝阳区建国路88号", "110105", "建国路88号"),
    ("北京市市辖区朝阳区建国路88号", "110105", "建国路88号"),
    ("北京朝阳建国门外大街1号", "110105", "建国门外大街1号"),
    ("广东深圳南山科技园科苑路15号", "440305", "科技园科苑路15号"),
    ("广东省深圳市南山区科技园科苑路15号", "440305", "科技园科苑路15号"),
    ("深圳市南山区粤海街道", "440305", "粤海街道"),
    ("深圳南山粤海街道", "440305", "粤海街道"),
    ("上海浦东新区张江路1号", "310115", "张江路1号"),
    ("上海市浦东张江高科技园区", "310115", "张江高科技园区"),
    ("浦东新区张江路1号", "310115", "张江路1号"),
    ("重庆市渝北区龙溪街道", "500112", "龙溪街道"),
    ("广东省东莞市长安镇振安路1号", "441900", "长安镇振安路1号"),
    ("东莞长安镇振安路1号", "441900", "长安镇振安路1号"),
    ("广东中山石岐街道民生路38号", "442000", "石岐街道民生路38号"),
    ("南京市鼓楼区中山路1号", "320106", "中山路1号"),
    ("江苏南京鼓楼中央门街道", "320106", "中央门街道"),
    ("江苏省徐州市鼓楼区黄楼街道", "320302", "黄楼街道"),
    ("福州鼓楼区五四路", "350102", "五四路"),
    ("长春市朝阳区红旗街1号", "220104", "红旗街1号"),
    ("吉林朝阳区红旗街1号", "220104", "红旗街1号"),
    ("江苏省昆山市玉山镇前进路1号", "320583", "玉山镇前进路1号"),
    ("昆山市玉山镇前进路1号", "320583", "玉山镇前进路1号"),
    ("内蒙古呼和浩特新城区中山东路", "150102", "中山东路"),
    ("广西南宁青秀区民族大道1号", "450103", "民族大道1号"),
    ("新疆乌鲁木齐天山区解放北路", "650102", "解放北路"),
    ("浙江省 杭州市 西湖区 文三路 100号", "330106", "文三路100号"),
    ("中国浙江省杭州市西湖区文三路100号", "330106", "文三路100号"),
    ("收货地址：浙江省杭州市西湖区文三路100号", "330106", "文三路100号"),
    ("张三 13800001111 浙江省杭州市西湖区文三路100号", "330106", "文三路100号"),
    ("湖北省仙桃市沔州大道1号", "429004", "沔州大道1号"),
]
# Not certain: the candidates that must be among those named; none where nothing is known.
UNCERTAIN = [
    ("朝阳区建国路88号", {"110105", "220104"}),
    ("鼓楼区中山路1号", {"320106", "320302", "350102", "410204"}),
    ("江苏鼓楼区中山路1号", {"320106", "320302"}),
    ("深圳市科技园科苑路15号", {"440303", "440305"}),
    ("深圳南山路5号", {"440303", "440305"}),  # a road's name, not the district's
    ("北京朝阳门内大街81号", {"110101", "110105"}),  # which lies in 东城
    ("广东省朝阳区建国路", set()),  # there is none
    ("建国路88号", set()),
    ("someone's house", set()),
    ("", set()),
]


@pytest.mark.parametrize("text", [row[0] for row in CERTAIN])
def test_what_is_certain_is_read(regions, text):
    wanted = next(row for row in CERTAIN if row[0] == text)
    parsed = parse_address(text)
    assert (parsed.region_code, parsed.rest) == wanted[1:], parsed


@pytest.mark.parametrize(("text", "candidates"), UNCERTAIN)
def test_what_is_not_certain_is_not_guessed(regions, text, candidates):
    parsed = parse_address(text)
    assert parsed.region_code is None
    assert candidates <= {place.code for place in parsed.candidates}
    assert bool(candidates) == bool(parsed.candidates)


def test_name_and_phone_beside_the_address_are_read():
    parsed = parse_address("李小明，13800001111，北京市朝阳区建国路88号")
    assert (parsed.name, parsed.phone) == ("李小明", "13800001111")


def test_the_addresses_of_the_sample_are_read_in_every_way_of_writing(regions):
    with gzip.open(SAMPLE / "orders.jsonl.gz", "rt", encoding="utf-8") as file:
        # One in four: reading all of them in every way takes a minute.
        recipients = {
            (r["region_code"], r["address"])
            for line in islice(file, 0, None, 4)
            for r in [json.loads(line)["recipient"]]
        }
    right = dict.fromkeys(WRITINGS, 0)
    wrong = []
    for code, address in recipients:
        region = regions[code]
        for name, write in WRITINGS.items():
            parsed = parse_address(write(region) + address)
            right[name] += parsed.region_code == code
            if parsed.region_code not in (code, None):
                wrong.append((write(region) + address, code, parsed.region_code))
    shares = {name: count / len(recipients) for name, count in right.items()}
    assert wrong == []
    assert shares["in full"] == 1
    assert shares["without the province"] > 0.99
    assert shares["without 省 and 市"] > 0.98


WRITINGS = {
    "in full": lambda r: f"{r.province}{r.city}{r.district}",
    "each once": lambda r: "".join(dict.fromkeys([r.province, r.city, r.district])),
    "without the province": lambda r: "".join(dict.fromkeys([r.city, r.district])),
    "without 省 and 市": lambda r: "".join(
        dict.fromkeys([r.province.removesuffix("省").removesuffix("市"), r.city.removesuffix("市"), r.district])
    ),
}


def test_an_order_to_a_zone_goes_on_where_one_division_is_meant_and_waits_with_the_candidates_where_several_are(
    regions, api, shop
):
    def placed(city: str, province: str, **recipient: str) -> Order:
        body = shop.body()
        parts = {"region_code": "", "province": province, "city": city, "district": "高新区", **recipient}
        response = send(api, {**body, "recipient": {**body["recipient"], "address": "天府大道1号", **parts}})
        assert response.status_code == 201, response.content
        return Order.objects.get(number=response.json()["number"])

    certain = placed("苏州市", "江苏省")
    asked = placed("成都市", "四川省")
    said = placed("成都市", "四川省", region_code="510107")

    assert (certain.region_id, certain.recipient_address, certain.open_holds) == ("320505", "高新区天府大道1号", 0)
    assert (asked.region_id, asked.recipient_address) == (None, "高新区天府大道1号")
    held = Hold.objects.get()
    assert (held.order_id, held.details["gaps"]) == (asked.pk, ["no_region"])
    assert [text.split()[0] for text in held.details["candidates"]] == ["510107", "510116", "510117"]
    assert (said.region_id, said.recipient_address, said.open_holds) == ("510107", "高新区天府大道1号", 0)


@pytest.mark.parametrize("parts", [{}, {"province": "北京市", "city": "北京市"}])
def test_a_nul_in_an_address_is_refused_and_not_dropped(regions, api, shop, parts):
    recipient = {"name": "张华", "phone": "13800001111", "address": "北京市朝阳区\0建国路88号", **parts}

    response = send(api, shop.body(recipient=recipient))

    assert ("recipient.address", "control_character") in errors_of(response)
    assert not Order.objects.exists()
