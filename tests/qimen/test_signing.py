"""The signature, by the vectors of the reference; and XML that is not trusted."""

import pytest

from logistics.warehouses.adapters.qimen import signing
from oms.common.work import xml
from oms.simulators.qimen import sign as signed_by_the_peer

B1 = (
    '<?xml version="1.0" encoding="utf-8"?><request><deliveryOrder><deliveryOrderCode>FH0001</deliveryOrderCode>'
    "<warehouseCode>BJ01</warehouseCode><orderType>JYCK</orderType></deliveryOrder><orderLines><orderLine>"
    "<orderLineNo>1</orderLineNo><itemCode>P1</itemCode><planQty>2</planQty></orderLine></orderLines>"
    "<remark>加急</remark></request>"
)
B2 = (
    "<request><deliveryOrder><deliveryOrderCode>FH0001</deliveryOrderCode><deliveryOrderId>W0001</deliveryOrderId>"
    "<warehouseCode>BJ01</warehouseCode><orderType>JYCK</orderType><status>DELIVERED</status>"
    "<outBizCode>OB-1</outBizCode><confirmType>0</confirmType><orderConfirmTime>2026-01-01 10:00:00</orderConfirmTime>"
    "</deliveryOrder><packages><package><logisticsCode>SF</logisticsCode><expressCode>SF1000000000001</expressCode>"
    "<weight>0.52</weight><items><item><itemCode>P1</itemCode><quantity>2</quantity></item></items></package></packages>"
    "<orderLines><orderLine><orderLineNo>1</orderLineNo><itemCode>P1</itemCode><planQty>2</planQty>"
    "<actualQty>2</actualQty></orderLine></orderLines></request>"
)
B0 = "<request><deliveryOrder/></request>"
CREATE, CONFIRM = "deliveryorder.create", "taobao.qimen.deliveryorder.confirm"


@pytest.mark.parametrize(
    ("method", "sign_method", "body", "expected"),
    [
        (CREATE, "md5", B0, "38B7E7BF7C4CB84C4E36EC6CF04C61F4"),
        (CREATE, "md5", B1, "5125560C1511920F75AB76D28E4805FF"),
        (CREATE, "hmac", B1, "D21B7EF0716CA64B58ABC4A472B3EF64"),
        (CREATE, "hmac-sha256", B1, "B26F4DCDE41C3BD140D64652B6172BC8F072B9E9009DCC196D037C332BDF739E"),
        (CONFIRM, "md5", B2, "AFCBDFC27DC6A333845D87D34FAAC21E"),
    ],
)
def test_the_vectors_hold_in_both_directions(method: str, sign_method: str, body: str, expected: str) -> None:
    parameters = {
        "app_key": "ak",
        "customerId": "C001",
        "format": "xml",
        "method": method,
        "sign_method": sign_method,
        "timestamp": "2026-01-01 08:00:00",
        "v": "2.0",
        "session": "",
    }

    assert signing.sign(parameters, body, "SECRET") == expected
    assert signed_by_the_peer(parameters, body, "SECRET") == expected
    assert signing.is_signed({**parameters, "sign": expected}, body, "SECRET")
    assert signing.is_signed({**parameters, "timestamp": "2026-01-01+08%3A00%3A00", "sign": expected}, body, "SECRET")
    assert not signing.is_signed({**parameters, "sign": expected}, f"{body} ", "SECRET")
    assert not signing.is_signed({**parameters, "extra": "1", "sign": expected}, body, "SECRET")
    assert not signing.is_signed({**parameters, "sign": ""}, body, "SECRET")


def test_a_body_without_a_document_is_signed_as_the_platforms_own_calls_are() -> None:
    parameters = {"app_key": "ak", "method": "taobao.time.get", "v": "2.0"}

    assert signing.sign(parameters, "", "SECRET") == "5B54B89B4C9F2E9C29EC25135492BC86"


def test_a_sender_that_counts_empty_parameters_is_understood_and_an_unknown_way_is_not() -> None:
    parameters = {"app_key": "ak", "target": "", "sign_method": "md5"}
    with_empty = signing.sign(parameters, "", "SECRET", keeps_empty=True)

    assert with_empty != signing.sign(parameters, "", "SECRET")
    assert signing.is_signed({**parameters, "sign": with_empty}, "", "SECRET")
    with pytest.raises(signing.UnknownMethod):
        signing.is_signed({**parameters, "sign_method": "rsa", "sign": "x"}, "", "SECRET")


def test_headers_that_are_named_and_fields_of_a_form_are_signed_along() -> None:
    headers = {"top-sign-list": "X-Trace, x-other", "x-trace": "a%20b", "content-type": "text/xml"}
    parts, body = signing.signed_parts({"v": "2.0"}, headers, "<a/>")
    form = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}

    assert (parts, body) == ({"v": "2.0", "X-Trace": "a b", "x-other": ""}, "<a/>")
    assert signing.signed_parts({"v": "2.0"}, form, "a=1&b=%E4%BA%AC") == ({"v": "2.0", "a": "1", "b": "京"}, "")


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        "<a>&x;</a>",
        "<a>\0</a>",
        "<a><b></a>",
        "",
        "{}",
        "<a>" * 100 + "</a>" * 100,
    ],
)
def test_what_is_no_plain_xml_is_not_read(text: str) -> None:
    with pytest.raises(xml.Malformed):
        xml.parse(text)


def test_xml_is_read_with_a_mark_of_its_byte_order_or_another_encodings_name_and_written_so_that_it_is_xml() -> None:
    assert xml.text_of(xml.parse('\ufeff<?xml version="1.0" encoding="GBK"?>\n<a><b> 京 </b></a>'), "b") == "京"
    written = xml.write("a", {"b": "x\0<&>\x0b京\U0001f600", "c": None, "d": "", "e": [{"f": 1}, {"f": 0}]})
    assert written == (
        '<?xml version="1.0" encoding="utf-8"?><a><b>x &lt;&amp;&gt; 京\U0001f600</b><e><f>1</f></e><e><f>0</f></e></a>'
    )
    assert xml.parse(written).findtext("b") == "x <&> 京\U0001f600"
