"""What merchants, buyers and files are told of several parcels that go with one order at the carrier (子母件)."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from logistics.buyer import links
from logistics.carriers import dispatching
from logistics.models import Carrier
from oms.common.models import Connection
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.kdniao.test_consignments import in_boxes, parcels
from tests.kdniao.test_consignments import link as link
from tests.kdniao.world import Platform
from tests.operations.test_exporting import content_of, csv_rows, export

pytestmark = pytest.mark.django_db
PARCELS = "/api/v1/shipments"


def told(api: APIClient) -> list[Any]:
    """What the API says of each parcel's consignment, the oldest parcel first."""
    return [one["consignment"] for one in reversed(api.get(PARCELS).json()["results"])]


def test_the_api_says_which_parcels_go_together_and_which_each_is(
    api: APIClient, shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    in_boxes(shop, 1, 1, 1)
    alone = steps.fresh(in_boxes(shop, 2).shipments.get())
    mother, *children = parcels()[:3]
    expected = {"mother": mother.number, "waybill_number": None, "children": [one.number for one in children]}
    assert told(api) == [*({**expected, "piece": piece, "pieces": 3} for piece in (1, 2, 3)), None]

    steps.once(dispatching.run)

    expected["waybill_number"] = steps.fresh(mother).waybill_number
    assert expected["waybill_number"]
    assert told(api) == [*({**expected, "piece": piece, "pieces": 3} for piece in (1, 2, 3)), None]
    assert api.get(f"{PARCELS}/{children[1].number}").json()["consignment"]["piece"] == 3
    assert api.get(f"{PARCELS}/{alone.number}").json()["consignment"] is None


def test_boxes_with_an_order_each_are_no_consignment(
    api: APIClient, shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    link.options = {}
    link.save()
    in_boxes(shop, 1, 1, is_cod=False)
    steps.once(dispatching.run)
    assert told(api) == [None, None]


def test_a_box_that_does_not_exist_is_counted_no_more(
    api: APIClient, shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    part = in_boxes(shop, 1, 1, 1)
    steps.once(dispatching.run)
    mother, second, third = parcels()
    line = str(part.lines.get().pk)
    boxes = [
        {"carrier": "YTO", "waybill": one.waybill_number, "lines": [{"line": line, "quantity": units}]}
        for one, units in ((mother, 1), (third, 2))
    ]
    steps.warehouse_says(part, "packed", minutes=5, parcels=boxes)

    assert [steps.state_of(one) for one in (mother, second, third)] == ["waybill_issued", "cancelled", "waybill_issued"]
    first, gone, last = told(api)
    assert gone is None
    assert (first["piece"], last["piece"], last["pieces"], last["children"]) == (1, 2, 2, [third.number])


def test_a_page_of_consignments_takes_no_more_statements_than_one(
    api: APIClient, shop: factories.Shop, link: Connection, platform: Platform, django_assert_num_queries: Any
) -> None:
    in_boxes(shop, 1, 1)
    api.get(PARCELS)
    with CaptureQueriesContext(connection) as one:
        api.get(PARCELS)
    for _more in range(3):
        in_boxes(shop, 1, 1)
    with django_assert_num_queries(len(one)):
        assert len(api.get(PARCELS).json()["results"]) == 8


def test_the_export_of_parcels_says_mother_and_piece(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    in_boxes(shop, 1, 1, 1)
    in_boxes(shop, 2)
    steps.once(dispatching.run)
    mother = parcels()[0].waybill_number
    clerk = client_of("view_shipment", "export_orders")

    rows = csv_rows(content_of(clerk, export(clerk, "/admin/logistics/shipment/export/")))

    found = {(one["mother's waybill number"], one["piece of its consignment"]) for one in rows}
    assert found == {("", "1/3"), (mother, "2/3"), (mother, "3/3"), ("", "")}


def test_the_buyer_s_page_says_which_box_each_is(shop: factories.Shop, link: Connection, platform: Platform) -> None:
    Carrier.objects.filter(code="YTO").update(name="圆通速递")
    part = in_boxes(shop, 1, 1)
    steps.once(dispatching.run)
    path = links.path_of(part.order)
    client = Client(headers={"accept-language": "en"})
    client.post(path, {"digits": "1111"})

    page = client.get(path).content.decode()

    assert all(f"box {piece} of 2" in page for piece in (1, 2))
    assert all(str(one.waybill_number) in page for one in parcels())
