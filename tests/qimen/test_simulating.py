"""The pretended warehouse beside a site: connected once, found again."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from inventory.models import Warehouse
from oms.common.models import Connection
from oms.simulators import connecting, keys
from oms.simulators.depots import DELIVERY, Depot, Document, Line
from tests import factories
from tests.qimen import world

pytestmark = pytest.mark.django_db


def test_one_of_the_samples_warehouses_is_kept_by_it_whatever_the_number_of_starts(shop: factories.Shop) -> None:
    other = factories.WarehouseFactory(code="ZZ-9", merchant=shop.merchant, region=shop.region)
    known = cast(keys.Keys, SimpleNamespace(qimen=world.KEYS))

    for address in ("http://127.0.0.1:9000", "http://127.0.0.1:9001"):
        connecting.connect_warehouse(known, address)

    link = Connection.objects.get(code="qimen-sim")
    assert (link.protocol, link.base_url) == ("qimen", "http://127.0.0.1:9001/qimen/router/qimen/service")
    kept = Warehouse.objects.get(connection=link)
    assert (kept.pk, kept.waybill_when, bool(kept.contact_phone)) == (shop.warehouse.pk, "at_release", True)
    other.refresh_from_db()
    assert other.connection
    assert other.connection.protocol == "sandbox"


def test_its_book_outlives_it(tmp_path: Path) -> None:
    book = Depot(tmp_path / "book.sqlite3")
    book.keep(Document("1", DELIVERY, "JYCK", "W1", "M", "WH", "", "", 0.0, [Line("1", "P1", 2)]))
    book.tell_item("M", "P1", "茶")
    book.say("1", "orderprocess.report", {"a": {"b": 1}}, 0.0)
    book.shut()

    again = Depot(tmp_path / "book.sqlite3")

    assert [(one.code, one.left) for one in again.open_documents()] == [("1", {"P1": 2})]
    assert again.items() == {("M", "P1"): 1}
    assert [push.content for push in again.pushes(1.0)] == [{"a": {"b": 1}}]
    again.shut()
