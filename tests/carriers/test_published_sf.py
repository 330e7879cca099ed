"""`sf-sdk`, as it was published, speaks with our peer, unmodified but for the addresses."""

from collections.abc import Iterator

import pytest
from sf.api import SF
from sf.comm import comm
from sf.model.cargo import CargoDetail
from sf.model.contact import ContactInfo

from oms.simulators.sf import SfPeer
from tests.carriers import world
from tests.carriers.test_sf import KEYS
from tests.carriers.world import HOUR, Served


@pytest.fixture
def served() -> Iterator[Served[SfPeer]]:
    with world.serving("sf", lambda: SfPeer(KEYS)) as one:
        yield one


@pytest.fixture
def client(served: Served[SfPeer], monkeypatch: pytest.MonkeyPatch) -> SF:
    """The client of a customer."""
    for name in ("URL", "SANDBOXURL"):
        monkeypatch.setattr(comm, name, f"{served.address}/sf/std/service")
    for name in ("TOKEN_URL", "TOKEN_SANDBOXURL"):
        monkeypatch.setattr(comm, name, f"{served.address}/sf/oauth2/accessToken")
    return SF(KEYS.partner_id, KEYS.check_word)


def order(client: SF, number: str = "SO-1", **more: object) -> dict:
    """Order with two contacts and one article."""
    people = [
        ContactInfo("昌平区回龙观1号", contactType=1, contact="王五", mobile="13900002222", city="北京市"),
        ContactInfo("南山区粤海街道16B", contactType=2, contact="张华", mobile="13800001111", city="深圳市"),
    ]
    return client.order.create_order(number, people, [CargoDetail("茶")], **more)


def test_the_client_orders_once_finds_the_order_and_follows_the_parcel(client: SF, served: Served[SfPeer]) -> None:
    made = order(client)
    assert (made["success"], made["errorCode"], made["msgData"]["filterResult"]) == (True, "S0000", 2)
    waybill = made["msgData"]["waybillNoInfoList"][0]["waybillNo"]

    again = order(client)
    assert (again["success"], again["errorCode"]) == (False, "8016")
    assert client.order.get_order("SO-1")["msgData"]["waybillNoInfoList"][0]["waybillNo"] == waybill
    assert client.order.get_order("SO-2")["errorCode"] == "8018"

    served.peer.turn(12 * HOUR)
    found = client.order.get_route_info(waybill, checkPhoneNo="1111")["msgData"]["routeResps"]
    assert [(one["mailNo"], [route["opCode"] for route in one["routes"]]) for one in found] == [(waybill, ["50", "31"])]
    by_order = client.order.get_route_info(["SO-1"], trackingType=2)["msgData"]["routeResps"]
    assert len(by_order[0]["routes"]) == 2


def test_the_client_gets_child_numbers_confirms_and_cancels(client: SF, served: Served[SfPeer]) -> None:
    numbers = order(client, parcelQty=3, totalWeight=9)["msgData"]["waybillNoInfoList"]
    assert [one["waybillType"] for one in numbers] == [1, 2, 2]
    more = client.order.create_sub_order("SO-1", 2)["msgData"]["waybillNoInfoList"]
    assert len({one["waybillNo"] for one in [*numbers, *more]}) == 5

    assert client.order.confirm_order("SO-1", waybillNoInfoList=numbers[:1])["success"] is True
    assert client.order.confirm_order("SO-1", dealType=2)["success"] is True
    assert client.order.confirm_order("SO-1", dealType=2)["errorCode"] == "8037"
    assert client.order.can_delivery("SO-9")["msgData"]["filterResult"] == 2


def test_a_wrong_check_word_is_told_as_the_client_expects_it(client: SF, served: Served[SfPeer]) -> None:
    stranger = SF(KEYS.partner_id, "another")
    with pytest.raises(Exception, match="A1006"):
        order(stranger)
    assert served.peer.book.entries() == []
