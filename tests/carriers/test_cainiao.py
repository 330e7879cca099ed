"""Cainiao's waybills: what is asked, what comes back, and whom it is told of; and its published client."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from cainiao.clients import WayBillClient
from cainiao.templates import Item, PackageInfo, Recipient, Sender, WayBillGetForm
from cainiao.waybill import WayBill

from logistics.carriers import dispatching
from logistics.carriers.adapters.cainiao import CARRIER, wire
from logistics.models import CarrierCode, Shipment, ShipmentLabel
from oms.common.models import Connection
from oms.common.secrecy import unseal
from oms.common.work import protocols
from oms.common.work.singly import Unclear
from oms.simulators import cainiao as peer
from oms.simulators.cainiao import CainiaoPeer
from oms.simulators.keys import CainiaoKeys
from oms.simulators.mischief import Trick
from oms.simulators.notifying import Posted
from orders.models import OrderEvent
from tests import factories, steps
from tests.carriers import world
from tests.carriers.world import HOUR, Served

pytestmark = pytest.mark.django_db
KEYS = CainiaoKeys("TOKEN-1", "sec")
REFUSALS = ["PARAM", "BUSINESS"]


@pytest.fixture
def served() -> Iterator[Served[CainiaoPeer]]:
    with world.serving("cainiao", lambda: CainiaoPeer(KEYS)) as one:
        yield one


@pytest.fixture
def link(shop: factories.Shop, served: Served[CainiaoPeer]) -> Connection:
    """The connection over which 圆通 is asked."""
    secrets = {"token": KEYS.token, "app_secret": KEYS.app_secret}
    url = f"{served.address}/cainiao/gateway/link.do"
    return world.connect("cainiao", url, secrets, "YTO", refusals=REFUSALS, cod_service="SVC-COD", channel="TB")


@pytest.fixture
def shipment(shop: factories.Shop, link: Connection) -> Shipment:
    """A packed parcel of two units, paid on delivery, that has no waybill yet."""
    shop.sku.length_mm, shop.sku.width_mm, shop.sku.height_mm = 200, 100, 50
    shop.sku.save()
    world.packed(shop.place_order(payment_method="cod"))
    return Shipment.objects.get()


def told(served: Served[CainiaoPeer]) -> dict[str, Any]:
    """What was told of the only parcel."""
    (entry,) = served.peer.book.entries()
    return dict(entry.content)


@pytest.mark.parametrize("sign", [wire.digest, peer.sign])
def test_the_digest_is_that_of_the_published_vector(sign) -> None:
    assert sign('{"cpCode": "YTO"}', "sec") == "fnY8wY2kcJ48GVyMuBCMMA=="


@pytest.mark.parametrize("speaks_xml", [False, True])
def test_parcels_go_out_and_waybills_and_sorting_marks_come_back_as_json_or_xml(
    shipment: Shipment, served: Served[CainiaoPeer], speaks_xml: bool
) -> None:
    served.peer.speaks_xml = speaks_xml
    factories.run(dispatching.run)

    content = told(served)
    (parcel,) = content["tradeOrderInfoDtos"]
    assert (content["cpCode"], content["sender"]["name"], content["sender"]["mobile"]) == ("YTO", "王五", "13900002222")
    assert parcel["orderInfo"] == {
        "orderChannelsType": "TB",
        "tradeOrderList": [shipment.sub_order.order.external_number],
    }
    assert (parcel["packageInfo"]["weight"], parcel["packageInfo"]["volume"]) == (1000, 2000)
    assert parcel["packageInfo"]["items"][0]["count"] == 2
    assert (parcel["recipient"]["name"], parcel["recipient"]["mobile"]) == ("张华", "13800001111")
    assert json.loads(parcel["logisticsServices"]) == {"SVC-COD": {"value": "26.00"}}
    row = steps.fresh(shipment)
    (entry,) = served.peer.book.entries()
    assert (row.waybill_number, row.carrier.code) == (entry.waybill, "YTO")
    label = ShipmentLabel.objects.get()
    assert (label.destination_mark, label.sorting_code, label.package_name) == ("北京 010-03", "380D-56-04", "北京集包")
    assert entry.waybill in unseal(label.template)


def test_a_hidden_recipient_is_told_by_the_platforms_token_and_decoded_by_nobody(
    shop: factories.Shop, link: Connection, served: Served[CainiaoPeer]
) -> None:
    hidden = shop.body()["recipient"] | {"name": "张*", "phone": "138****1111", "address": "中山路***"}
    world.packed(shop.place_order(recipient=hidden, receiver_token="OAID-1", payment_method="cod"))
    factories.run(dispatching.run)

    recipient = told(served)["tradeOrderInfoDtos"][0]["recipient"]
    assert recipient == {
        "oaid": "OAID-1",
        "address": {
            "province": "北京市",
            "city": "北京市",
            "district": "东城区",
            "town": None,
            "detail": "中山路***",
        },
    }
    assert Shipment.objects.get().waybill_number is not None
    assert not OrderEvent.objects.filter(kind="receiver_decoded").exists()


@pytest.mark.parametrize("trick", [Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.GARBAGE, Trick.SYSTEM_ERROR_AFTER])
def test_a_waybill_whose_answer_was_lost_is_the_same_when_it_is_asked_for_again(
    shipment: Shipment, served: Served[CainiaoPeer], trick: Trick
) -> None:
    served.peer.mischief.plan(trick)
    steps.once(dispatching.run)
    assert steps.fresh(shipment).waybill_number is None
    steps.once(dispatching.run)

    (entry,) = served.peer.book.entries()
    assert (entry.asked, served.peer.left("YTO"), steps.fresh(shipment).waybill_number) == (2, 9999, entry.waybill)


def test_a_definite_refusal_switches_the_carrier_and_a_wrong_secret_does_not(
    shipment: Shipment, link: Connection, served: Served[CainiaoPeer]
) -> None:
    link.set_secrets({"token": KEYS.token, "app_secret": "another"}).save()
    steps.once(dispatching.run)
    row = steps.fresh(shipment)
    assert (row.carrier.code, "S02" in row.last_error) == ("YTO", True)

    link.set_secrets({"token": KEYS.token, "app_secret": KEYS.app_secret}).save()
    served.peer.is_closed = True
    steps.once(dispatching.run)
    assert steps.fresh(shipment).carrier.code == "LAST"
    assert OrderEvent.objects.get(kind="waybill_refused").data["text"] == "BUSINESS_CLOSED 网点暂停服务"


@pytest.mark.parametrize("boxes", [1, 2])
def test_cash_that_cannot_be_collected_is_refused_in_words_before_cainiao_is_called(
    shop: factories.Shop, link: Connection, served: Served[CainiaoPeer], boxes: int
) -> None:
    link.options = {"refusals": REFUSALS} | ({"cod_service": "SVC-COD"} if boxes == 2 else {})
    link.save()
    if boxes == 2:
        world.in_two_boxes(shop)
    else:
        world.packed(shop.place_order(payment_method="cod"))
    steps.once(dispatching.run)

    assert served.peer.book.entries() == []
    texts = set(OrderEvent.objects.filter(kind="waybill_refused").values_list("data__text", flat=True))
    (text,) = texts
    assert text == ("cod_in_parcels" if boxes == 2 else "no_cod_service")


def test_waybills_are_given_back_and_counted_by_cainiaos_code_of_the_carrier(
    shipment: Shipment, link: Connection, served: Served[CainiaoPeer]
) -> None:
    carrier = shipment.carrier
    CarrierCode.objects.create(carrier=carrier, protocol="cainiao", code="YTO2")
    factories.run(dispatching.run)
    parcel = world.booked(steps.fresh(shipment))
    assert (told(served)["cpCode"], CARRIER.balance(link, "YTO")) == ("YTO2", 9999)

    served.peer.turn(4 * HOUR)
    assert not CARRIER.cancel(link, [parcel])[parcel.reference].taken
    served.peer.turn(-4 * HOUR)
    for _again in range(2):
        assert CARRIER.cancel(link, [parcel])[parcel.reference].taken
    unknown = replace(parcel, reference="nobody", waybill="0")
    assert CARRIER.cancel(link, [unknown])["nobody"].reason == "BUSINESS_UNKNOWN 面单不存在"


def test_nothing_that_comes_in_its_name_is_taken(link: Connection, served: Served[CainiaoPeer]) -> None:
    protocols.speaker(link).test(link)
    status, answer = world.post(Posted(world.push_url("cainiao-1"), "{}", {"content-type": "application/json"}))
    assert (status, json.loads(answer)) == (401, {"success": "false"})


@pytest.mark.parametrize("body", ["<a", "[]", "<!DOCTYPE x><response/>", "<response/>", '{"a": NaN}'])
def test_an_answer_that_is_neither_json_nor_xml_is_unclear(body: str) -> None:
    with pytest.raises(Unclear):
        wire.opened(body)


@pytest.mark.parametrize("speaks_xml", [False, True])
def test_the_published_client_gets_waybills_and_the_balance(served: Served[CainiaoPeer], speaks_xml: bool) -> None:
    served.peer.speaks_xml = speaks_xml
    sender = Sender("YTO", "北京市", "北京市", "东城区", "物流园3号库", "王五", mobile="13900002222")
    place = ("广东省", "深圳市", "南山区", "粤海街道16B", "张华")
    parcels = [
        Recipient(
            *place,
            mobile="13800001111",
            tradeOrderList=[f"T{n}"],
            orderChannelsType="OTHERS",
            templateUrl="http://t",
            packageInfo=PackageInfo(items=[Item(1, "茶")]),
            userId="1",
        )
        for n in range(3)
    ]

    async def run(secret: str) -> list[Any]:
        async with WayBillClient() as session:
            mine = WayBill(f"{served.address}/cainiao/gateway/link.do", KEYS.token, secret, session=session)
            made = await mine.tms_waybill_get(WayBillGetForm(sender, parcels))
            return [made, await mine.subscription_query("YTO")]

    made, counted = asyncio.run(run(KEYS.app_secret))
    made, counted = (made["response"], counted["response"]) if speaks_xml else (made, counted)
    waybills = made["waybillCloudPrintResponseList"]
    waybills = waybills["waybillCloudPrintResponse"] if speaks_xml else waybills
    assert made["success"] == "true"
    assert {one["waybillCode"] for one in waybills} == {one.waybill for one in served.peer.book.entries()}
    assert Decimal(served.peer.left("YTO")) == 9997
    assert counted["success"] == "true"
    refused = asyncio.run(run("another"))[0]
    assert (refused["response"] if speaks_xml else refused)["errorCode"] == "S02"
