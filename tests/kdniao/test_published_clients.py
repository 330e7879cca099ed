"""The clients that others published speak with our peer, unmodified but for the address: so what our adapter is tested
against is what kdniao speaks."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from kdniao import KdNiaoClient
from kdniao.conf import APIPath, APIPathBuilder, RequestTypeAPIPathMap

from oms.simulators.mischief import Trick
from tests.kdniao.published import KDNiaoAPIError, KDNiaoClient, RecognizeRequest, TrackRequest
from tests.kdniao.world import HOUR, KEYS, Platform

PERSON = {
    "Name": "张华",
    "Mobile": "13800001111",
    "ProvinceName": "北京",
    "CityName": "北京市",
    "ExpAreaName": "东城区",
    "Address": "中山路861号",
}
ORDER = {
    "OrderCode": "SO-1",
    "ShipperCode": "YTO",
    "PayType": 3,
    "ExpType": "1",
    "Quantity": 1,
    "Sender": PERSON,
    "Receiver": PERSON,
    "Commodity": [{"GoodsName": "茶"}],
}


@pytest.fixture
def old(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> KdNiaoClient:
    """`kdniao`, which encodes once."""
    monkeypatch.setattr(APIPathBuilder, "PROD", platform.address.removeprefix("http://"))
    # It forgot where it cancels.
    monkeypatch.setitem(RequestTypeAPIPathMap, "1004", APIPath.OrderCreate)
    return KdNiaoClient(KEYS.business_id, KEYS.app_key)


@pytest.fixture
def new(platform: Platform) -> Iterator[Any]:
    """`kdnmcp`, which encodes twice: a function that runs one of its calls."""

    def run(call: str, request: Any, app_key: str = KEYS.app_key) -> Any:
        async def within() -> Any:
            async with KDNiaoClient(KEYS.business_id, app_key, f"{platform.address}/api/dist") as client:
                client.max_retries = 0
                return await getattr(client, call)(request)

        return asyncio.run(within())

    return run


def test_the_old_client_buys_a_waybill_once_and_follows_it(old: KdNiaoClient, platform: Platform) -> None:
    made = old.api_eorder.create(ORDER)["data"]
    repeated = old.api_eorder.create(ORDER)
    again = repeated["data"]

    waybill = made["Order"]["LogisticCode"]
    assert (made["Success"], made["ResultCode"], waybill[:3]) == (True, "100", "YTO")
    assert (again["Success"], again["ResultCode"], again["Order"]["LogisticCode"]) == (False, "106", waybill)
    assert (repeated["code_biz"], repeated["msg"]) == (-100, "该订单号已下单成功")
    assert [one["ShipperCode"] for one in old.recognise(waybill)["data"]["Shippers"]] == ["YTO"]
    assert old.track(waybill, "YTO")["msg"] == "暂无轨迹信息"
    platform.peer.turn(12 * HOUR)
    for answer in (old.track(waybill, "YTO", "SO-1"), old.api_monitor.track(waybill, "YTO", "SO-1")):
        found = answer["data"]
        assert (found["State"], found["StateEx"]) == ("2", "204")
        assert [trace["Action"] for trace in found["Traces"]] == ["1", "204"]


def test_the_old_client_subscribes_and_books_and_cancels_a_courier(old: KdNiaoClient, platform: Platform) -> None:
    assert old.follow("YTO777", "YTO")["code_biz"] == 100
    assert old.api_monitor.subscribe({"LogisticCode": "YTO778", "ShipperCode": "YTO"})["code_biz"] == 100
    assert platform.peer.book.of_waybill("YTO778").is_told
    times = {"StartDate": "2026-01-02 09:00:00", "EndDate": "2026-01-02 18:00:00"}

    booked = old.api_order.create({**ORDER, **times})["data"]
    cancelled = old.api_order.cancle(booked["Order"]["LogisticCode"], "YTO", "SO-1")["data"]

    assert (booked["Success"], cancelled["Success"]) == (True, True)


def test_the_old_client_asks_for_several_boxes_with_one_order(old: KdNiaoClient, platform: Platform) -> None:
    several = {**ORDER, "Quantity": 3, "IsReturnPrintTemplate": "1"}
    made = old.api_eorder.create(several)["data"]
    again = old.api_eorder.create(several)["data"]

    waybills = [made["Order"]["LogisticCode"], *made["SubOrders"]]
    assert (made["Success"], made["SubCount"], len(set(waybills))) == (True, 2, 3)
    assert [template.split()[0] for template in (made["PrintTemplate"], *made["SubPrintTemplates"])] == [
        f"<div>{waybill}" for waybill in waybills
    ]
    assert (again["ResultCode"], again["SubOrders"]) == ("106", waybills[1:])
    assert platform.peer.left("YTO") == 100_000 - 3
    # A child is a parcel of its own.
    platform.peer.turn(12 * HOUR)
    assert old.track(waybills[2], "YTO")["data"]["State"] == "2"

    refused = old.api_eorder.create({**several, "OrderCode": "SO-2", "ShipperCode": "ZTO"})["data"]
    assert (refused["Success"], refused["ResultCode"], refused["Reason"]) == (False, "105", "该快递公司不支持子母件")


def test_the_old_client_recognises_our_signature_and_is_refused_with_a_wrong_key(
    old: KdNiaoClient, platform: Platform
) -> None:
    form = dict(parse_qsl(platform.peer.wrapped('{"EBusinessID":"1000001"}').body))
    assert old.valid_sign(form["DataSign"], form["RequestData"])
    stranger = KdNiaoClient(KEYS.business_id, "another")
    assert stranger.track("YTO1", "YTO")["data"]["ResultCode"] == "102"
    assert KdNiaoClient("2000002", KEYS.app_key).track("YTO1", "YTO")["data"]["ResultCode"] == "104"


def test_the_new_client_follows_a_parcel_with_and_without_its_carrier(
    new: Any, old: KdNiaoClient, platform: Platform
) -> None:
    waybill = old.api_eorder.create(ORDER)["data"]["Order"]["LogisticCode"]
    platform.peer.turn(40 * HOUR)

    for carrier in ("YTO", None):
        found = new("track_logistics", TrackRequest(LogisticCode=waybill, ShipperCode=carrier or ""))
        assert (found.Success, str(found.State)[-1], len(found.Traces)) == (True, "3", 5)
    recognised = new("recognize_logistics_code", RecognizeRequest(LogisticCode=waybill))
    assert [one.ShipperName for one in recognised.Shippers] == ["圆通速递"]
    assert new("recognize_logistics_code", RecognizeRequest(LogisticCode="0")).Shippers == []


def test_the_new_client_is_told_errors_as_it_expects_them(new: Any, platform: Platform) -> None:
    request = RecognizeRequest(LogisticCode="YTO1")
    assert new("recognize_logistics_code", request, "another").Success is False
    platform.peer.mischief.plan(Trick.ERROR_AFTER, Trick.GARBAGE)
    with pytest.raises(KDNiaoAPIError, match="500"):
        new("recognize_logistics_code", request)
    with pytest.raises(KDNiaoAPIError, match="Invalid JSON"):
        new("recognize_logistics_code", request)


def test_the_peer_answers_at_all_of_kdniaos_paths(platform: Platform) -> None:
    form = {"RequestData": "{}", "EBusinessID": KEYS.business_id, "RequestType": "2002", "DataSign": "x"}
    for path in ("api/dist", "Ebusiness/EbusinessOrderHandle.aspx", "api/EOrderService", "api/oorderservice", "kdniao"):
        assert httpx.post(f"{platform.address}/{path}", data=form).json()["ResultCode"] == "102", path
