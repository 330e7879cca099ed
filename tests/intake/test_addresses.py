"""Addresses as senders write them: each kind of trouble seen in the field, read by the one reader of all doors."""

import csv
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oms.common.masking import is_masked
from orders.intake.addressing import ParsedAddress, Parts, misfit, read_latin_within, read_parts, read_text
from orders.intake.divisions import Divisions, Place, city_forms, grown, province_forms

HERE = Path(__file__).resolve().parent
CASE_FILES = (
    "addresses.txt",
    "addresses_unseen.txt",
    "zones.txt",
    "later.txt",
    "breaker.txt",
    "second.txt",
    "beside.txt",
    "hard.txt",
    "everyday.txt",
    "checked.txt",
    "field.txt",
    "two_places.txt",
)
CASE = re.compile(r"(.*?)\|([^|/]+/[^|/]+/[^|]+|-)\|([^|]*)(?:\|([^|]*)\|([^|]*))?")


def _grown() -> Divisions:
    with (HERE.parents[1] / "sample" / "regions.csv").open(encoding="utf-8-sig") as file:
        return grown(Place(row["code"], row["province"], row["city"], row["district"]) for row in csv.DictReader(file))


KNOWN = _grown()
CODES = {(place.province, place.city, place.district): place.code for place in KNOWN.by_code.values()}


def read(text: str) -> ParsedAddress:
    """The text as the reader has it."""
    return read_text(text, KNOWN)


def _cases() -> Iterator[tuple[str, str, str | None, str, str | None, str | None]]:
    kind = ""
    texts = [(HERE / "cases" / name).read_text(encoding="utf-8") for name in CASE_FILES]
    for line in "\n".join(texts).splitlines():
        if line.startswith("## "):
            kind = line[3:]
        elif line and not line.startswith("#"):
            found = CASE.fullmatch(line)
            assert found, line
            text, region, rest, name, phone = found.groups()
            yield kind, text, None if region == "-" else CODES[tuple(region.split("/"))], rest, name, phone  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "text", "code", "rest", "name", "phone"), list(_cases()), ids=[f"{c[0]}: {c[1]}" for c in _cases()]
)
def test_an_address_of_each_kind_is_read_or_left_to_a_person(kind, text, code, rest, name, phone):
    parsed = read(text)
    assert parsed.region_code == code
    if rest != "*":
        assert parsed.rest == rest
    if name is not None:
        assert (parsed.name, parsed.phone) == (name, phone)


# The rows of the field's report, by kind: text, code (None: held), rest (None: not compared).
FIELD = [
    ("云南省大理州祥云县祥城镇1号", "532923", "祥城镇1号"),
    ("湖北恩施州利川市清江大道1号", "422802", "清江大道1号"),
    ("云南红河州蒙自市天马路1号", "532503", "天马路1号"),
    ("贵州省黔西南州兴义市瑞金路", "522301", "瑞金路"),
    ("四川阿坝州九寨沟县漳扎镇", "513225", "漳扎镇"),
    ("青海省玉树州囊谦县香达镇", "632725", "香达镇"),
    ("湖南湘西州吉首市人民路", "433101", "人民路"),
    ("贵州黔东南州凯里市北京路", "522601", "北京路"),
    ("吉林省延边州延吉市光明街", "222401", "光明街"),
    ("新疆伊犁州伊宁市解放路", "654002", "解放路"),
    ("四川省凉山州西昌市航天大道", "513401", "航天大道"),
    ("新疆巴州库尔勒市人民路", "652801", "人民路"),
    ("重庆石柱县南宾街道", "500240", "南宾街道"),
    ("重庆秀山县中和街道", "500241", "中和街道"),
    ("甘肃积石山县吹麻滩镇", "622927", "吹麻滩镇"),
    ("云南寻甸县仁德街道", "530129", "仁德街道"),
    ("天津南开大学津南校区", None, "天津南开大学津南校区"),
    ("重庆江北国际机场T3", None, "重庆江北国际机场T3"),
    ("武汉江汉大学", None, "武汉江汉大学"),
    ("北京朝阳医院京西院区", None, "北京朝阳医院京西院区"),
    ("杭州西湖文化广场", None, "杭州西湖文化广场"),
    ("深圳罗湖口岸联检楼", None, "深圳罗湖口岸联检楼"),
    ("上海崇明县城桥镇1号", "310151", "城桥镇1号"),
    ("山东即墨市蓝村镇", "370215", "蓝村镇"),
    ("浙江省杭州市江干区凯旋路1号", None, "浙江省杭州市江干区凯旋路1号"),
    ("北京市-朝阳区-建国路88号", "110105", "建国路88号"),
    ("北京>朝阳>建国路88号", "110105", "建国路88号"),
    ("(100022)北京市朝阳区建国路88号", "110105", "建国路88号"),
    ("[收货地址]北京市朝阳区建国路88号", "110105", "建国路88号"),
    ("北京市朝阳区建国路88号 3 1502", "110105", "建国路88号 3 1502"),
    ("上海市静安区南京西路1266/1268号", "310106", "南京西路1266/1268号"),
    ("江苏省苏州工业园区星湖街328号", "320576", "星湖街328号"),
    ("吉林省吉林市船营区北京路1号", "220204", "北京路1号"),
    ("新疆和田地区和田市北京西路", "653201", "北京西路"),
    ("内蒙古兴安盟乌兰浩特市兴安路", "152201", "兴安路"),
    ("江苏省鼓楼区中山路1号", None, "江苏省鼓楼区中山路1号"),
    ("深圳南山路5号", None, "深圳南山路5号"),
]


@pytest.mark.parametrize(("text", "code", "rest"), FIELD, ids=[row[0] for row in FIELD])
def test_what_the_field_sent_is_read_or_left_to_a_person(text, code, rest):
    parsed = read(text)
    assert (parsed.region_code, parsed.rest) == (code, rest)


CONTACTS = [
    ("上海市静安区南京西路1266号 恒隆广场 李雷 13900001111", "南京西路1266号恒隆广场", "李雷", "13900001111"),
    (
        "收货人：王五 手机号码：13800001111 所在地区：广东省深圳市南山区 详细地址：科苑路15号",
        *("科苑路15号", "王五", "13800001111"),
    ),
    ("广东省深圳市南山区科苑路15号 王五 13500001111-7804", "科苑路15号", "王五", "13500001111-7804"),
    ("广东省深圳市南山区科苑路15号 王五 13500001111转7804", "科苑路15号", "王五", "13500001111-7804"),
    ("上海市静安区南京西路1266号 徐志 021-22233334", "南京西路1266号", "徐志", "021-22233334"),
    ("上海市静安区南京西路1266号 路遥 139 0000 2222", "南京西路1266号", "路遥", "13900002222"),
    ("上海市静安区南京西路1266号 13900001111 江一燕(收)", "南京西路1266号", "江一燕", "13900001111"),
    ("上海市静安区南京西路1266号 John Smith 13900001111", "南京西路1266号", "John Smith", "13900001111"),
    ("13900001111 Mary-Ann O'Neil 上海市静安区南京西路1266号", "南京西路1266号", "Mary-Ann O'Neil", "13900001111"),
    (
        "Li Lei, 13900001111, Room 5, 88 Keyuan Road, Nanshan District, Shenzhen",
        *("Room 5, 88 Keyuan Road, Nanshan District, Shenzhen", "Li Lei", "13900001111"),
    ),
    ("上海市静安区南京西路1266号 Apple Store 13900001111", "南京西路1266号 Apple Store", "", "13900001111"),
    (
        "山东大学中心校区 山东省济南市历城区山大南路27号 王五 13900001111",
        *("山大南路27号山东大学中心校区", "王五", "13900001111"),
    ),
]


@pytest.mark.parametrize(("text", "rest", "name", "phone"), CONTACTS, ids=[row[0] for row in CONTACTS])
def test_name_and_phone_in_one_text_with_the_address_are_read(text, rest, name, phone):
    parsed = read(text)
    assert (parsed.rest, parsed.name, parsed.phone) == (rest, name, phone)
    assert parsed.region_code


@pytest.mark.parametrize(
    ("parts", "text", "code"),
    [
        (("Guangdong", "Shenzhen", ""), "Room 5, 88 Keyuan Road, Nanshan District", "440305"),
        (("广东", "", ""), "88 Keyuan Road, Nanshan District, Shenzhen", "440305"),
        (("Guangdong", "Shenzhen", ""), "88 Keyuan Road", None),
        (("Guangdong", "Guangzhou", ""), "88 Keyuan Road, Nanshan District", None),
    ],
)
def test_a_latin_address_goes_on_where_its_columns_end(parts, text, code):
    read = read_latin_within(Parts(*parts), text, KNOWN)
    assert (read.region_code, read.rest) == (code, text)


def test_who_asks_for_an_abolished_district_is_shown_its_successors():
    parsed = read("浙江省杭州市江干区凯旋路1号")
    assert (parsed.gone, [place.code for place in parsed.candidates]) == ("江干区", ["330102", "330114"])
    assert [place.code for place in KNOWN.abolished["330104"].successors] == ["330102", "330114"]


PARTS = [
    (("江苏省", "苏州市", "姑苏区"), "320508", ""),
    (("江苏", "苏州", "姑苏"), "320508", ""),
    (("江苏省", "", "姑苏区"), "320508", ""),
    (("北京市", "市辖区", "朝阳区"), "110105", ""),
    (("北京市", "北京市", "朝阳区"), "110105", ""),
    (("重庆市", "县", "云阳县"), "500235", ""),
    (("湖北省", "省直辖县级行政区划", "仙桃市"), "429004", ""),
    (("江苏省", "昆山市", ""), "320583", ""),
    (("江苏省", "昆山市", "玉山镇"), "320583", "玉山镇"),
    (("广东省", "东莞市", "长安镇"), "441900", "长安镇"),
    (("湖北省", "仙桃市", "沔城回族镇"), "429004", "沔城回族镇"),
    (("广东省", "中山市", "石岐区"), "442000", "石岐区"),
    (("云南省", "大理州", "祥云县"), "532923", ""),
    (("上海市", "上海市", "崇明县"), "310151", ""),
    (("江苏省", "苏州市", "鼓楼区"), None, ""),
    (("广东省", "深圳市", "白云区"), None, ""),
    (("吉林省", "长春市", "铁西区"), None, ""),
    (("河北省", "", "桥西区"), None, ""),
    (("河北省", "市辖区", "桥西区"), None, ""),
    (("浙江省", "杭州市", "江干区"), None, ""),
    (("广东省", "东莞市", "白云区"), None, ""),
    (("江苏省", "昆山市", "鼓楼区"), None, ""),
    (("江苏省", "苏州市", ""), None, ""),
    (("江苏省", "没有市", "姑苏区"), None, ""),
    (("Guangdong", "Shenzhen", "Nanshan District"), "440305", ""),
    (("广东省", "Shenzhen City", "Nanshan"), "440305", ""),
    (("Jiangsu", "Suzhou", "Gulou"), None, ""),
    (("Hong Kong", "Kowloon", "Kwun Tong"), "810009", ""),
    (("廣東省", "深圳市", "南山區"), "440305", ""),
]


@pytest.mark.parametrize(("names", "code", "town"), PARTS, ids=["/".join(row[0]) for row in PARTS])
def test_names_of_province_city_and_district_fit_one_division_or_none(names, code, town):
    parsed = read_parts(Parts(*names), KNOWN)
    assert (parsed.region_code, parsed.rest) == (code, town)


MISFITS = [
    ("110105", ("北京市", "市辖区", "朝阳区"), ""),
    ("500235", ("重庆市", "县", "云阳县"), ""),
    ("532923", ("云南", "大理州", "祥云县"), ""),
    ("441900", ("广东省", "东莞市", "长安镇"), ""),
    ("320583", ("江苏省", "苏州市", "昆山市"), ""),
    ("310151", ("上海", "", "崇明县"), ""),
    ("110105", ("北京市", "北京市", "海淀区"), "district"),
    ("654002", ("新疆", "伊犁州", "伊宁县"), "district"),
    ("110105", ("上海市", "", ""), "province"),
    ("130702", ("河北省", "石家庄市", "桥东区"), "city"),
    ("430802", ("湖南省", "张家口市", ""), "city"),
    ("440305", ("Guangdong", "Shenzhen", "Nanshan District"), ""),
    ("440305", ("Guangdong", "Guangzhou", ""), "city"),
]


@pytest.mark.parametrize(("code", "names", "wrong"), MISFITS, ids=["/".join([row[0], *row[1]]) for row in MISFITS])
def test_names_beside_a_code_must_be_its_own(code, names, wrong):
    assert misfit(KNOWN.by_code[code], Parts(*names), KNOWN) == wrong


@pytest.mark.parametrize(
    "write", ["{p}{c}{d}", "{p} {c} {d} ", "{p}-{c}-{d}-", "{p}{c}{d}{p}{c}{d}", "地址：{p}{c}{d}"]
)
def test_every_division_is_read_in_every_layout(write):
    for place in KNOWN.by_code.values():
        parsed = read(write.format(p=place.province, c=place.city, d=place.district) + "中山路8号")
        assert (parsed.region_code, parsed.rest) == (place.code, "中山路8号")


STREETS = ["新村街1号", "红旗镇2号"]


def test_a_province_or_city_without_its_district_is_no_county_elsewhere():
    for place in {(place.province, place.city): place for place in KNOWN.by_code.values()}.values():
        scopes = {"province": province_forms(place.province), "city": city_forms(place.city)}
        texts = {f"{province}{city}" for province in scopes["province"] for city in scopes["city"]}
        for text in {f"{start}{street}" for start in {*texts, *scopes["city"]} for street in STREETS}:
            read_as = KNOWN.by_code.get(read(text).region_code or "")
            assert read_as is None or read_as.city == place.city, (text, read_as)
        for text in {f"{start}{street}" for start in scopes["province"] for street in STREETS}:
            read_as = KNOWN.by_code.get(read(text).region_code or "")
            assert read_as is None or read_as.province == read_as.city == place.province, (text, read_as)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        *(
            (text, True)
            for text in ("****", "王**", "王*", "138****1111", "北京市朝阳区***", "朝阳区**路*号", "＊＊＊", "*明")
        ),
        *((text, False) for text in ("北京市朝阳区XX街道", "3*502室", "王五", "13800001111", "2#3-4", "")),
    ],
)
def test_what_a_platform_has_hidden_is_noticed(text, masked):
    assert is_masked(text) == masked


def digits(text: str) -> list[str]:
    """All digits of the text in one script."""
    return sorted(re.findall(r"\d", unicodedata.normalize("NFKC", text), re.ASCII))


WORDS = [
    "北京市",
    "朝阳区",
    "广东",
    "深圳",
    "南山",
    "市辖区",
    "建国路",
    "号",
    "栋",
    "李雷",
    "收货人：",
    "电话",
    "(收)",
    "路遥",
    "大学",
]
PIECES = st.one_of(
    st.sampled_from([*WORDS, " ", "-", "/", "，", "（", "）", "转", "+86", "邮编", "\u200b", "　"]),
    st.from_regex(r"\A[0-9]{1,12}\Z"),
    st.sampled_from(
        ["13800001111", "138 0000 1111", "０２１－２２２３３３３４", "13500001111-7804", "100022", "1266/1268号"]
    ),
)


@given(pieces=st.lists(PIECES, max_size=14))
@hypothesis_settings(max_examples=400, deadline=None)
def test_no_digit_is_lost_on_the_way(pieces):
    text = "".join(pieces)
    parsed = read(text)
    kept = digits(parsed.rest + parsed.name + parsed.phone + parsed.postcode)
    left = digits(text)
    # The country code and the zeros before it, or before a mobile number, are no part of a number's normal form.
    for digit in kept:
        left.remove(digit)
    assert "".join(left) in ("", "0", "68", "0068"), (left, parsed)


@given(text=st.text(max_size=60))
@hypothesis_settings(max_examples=300, deadline=None)
def test_any_text_can_be_read(text):
    parsed = read(text)
    assert parsed.region_code is None or parsed.region_code in KNOWN.by_code


def test_a_zone_in_several_divisions_names_them_and_no_others():
    parsed = read("四川省成都市高新区天府大道1号")
    assert parsed.in_zone
    assert [place.district for place in parsed.candidates] == ["武侯区", "双流区", "郫都区"]


def test_every_zone_of_the_list_is_in_divisions_of_the_table_and_is_certain_only_where_it_says_so():
    with (HERE.parents[1] / "orders" / "intake" / "zones.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        codes = row["codes"].split("|")
        assert set(codes) <= KNOWN.by_code.keys(), row
        assert KNOWN.by_code[codes[0]].city == row["city"] or row["basis"] == "several", row
        assert row["basis"] in {"same", "within", "renamed", "several"}
        assert (len(codes) > 1) == (row["basis"] == "several"), row
        for name in row["names"].split("|"):
            parsed = read_parts(Parts(row["province"], row["city"], name.removeprefix("*")), KNOWN)
            found = [parsed.region_code] if parsed.region_code else [place.code for place in parsed.candidates]
            assert (found, parsed.rest) == (codes, name.removeprefix("*")), row


def test_sender_and_recipient_on_lines_of_their_own_are_told_apart():
    text = "发货人 李四 13611110000 上海市徐汇区漕溪路18号\n收货人 王五 13611112222 北京市丰台区方庄路5号"
    read = read_text(text, KNOWN)
    assert (read.region_code, read.rest, read.name, read.phone) == ("110106", "方庄路5号", "王五", "13611112222")
