"""Whom carriers are told as sender comes with the file of warehouses, where it says so."""

import pytest

from inventory import loading
from inventory.models import Warehouse
from tests import factories

pytestmark = pytest.mark.django_db


def test_senders_are_loaded_from_their_file_and_kept_by_one_that_says_nothing(tmp_path, shop: factories.Shop):
    head = "code,name,merchant,kind,storage_classes,region_code,longitude,latitude,daily_capacity,cutoff_same_day,"
    head += "cutoff_next_day,serves"
    row = f"W1,一号仓,{shop.merchant.code},self_operated,general,{shop.region.code},116.3,39.7,800,11:00,23:00,"
    path = tmp_path / "warehouses.csv"

    def load(*lines):
        path.write_text("\n".join(lines))
        loaded = loading._load_warehouses(path, lambda rows, _title: rows)
        assert (loaded.rows, loaded.problems) == (1, [])
        return Warehouse.objects.values_list("address", "contact_name", "contact_phone").get(code="W1")

    known = load(f"{head},contact_name,contact_phone,address", f"{row},值班,010-88880001,物流园3号库")
    assert known == ("物流园3号库", "值班", "010-88880001")
    assert load(head, row) == known
