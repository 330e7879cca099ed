"""Sizes, barcodes and batches of SKUs: by the API, the admin and files; what they do to freight."""

import pytest
from django.urls import reverse

from inventory.models import Sku, SkuBarcode, Stock, StockLot
from inventory.promising.freight import Measures
from inventory.promising.quoting import measured
from tests import factories, steps

pytestmark = pytest.mark.django_db


def test_volume_counts_where_all_sizes_are_known_and_mass_alone_where_one_is_not():
    box = factories.SkuFactory.build(weight_g=300, length_mm=205, width_mm=100, height_mm=50)
    loose = factories.SkuFactory.build(weight_g=100)

    assert measured([(box, 3)]) == Measures(900, 3075, 21), "205 × 100 × 50 mm are 1,025 cm³"
    assert measured([(box, 1), (loose, 2)]) == Measures(500, None, None)


def test_staff_give_a_sku_its_size_barcodes_and_batches(admin_client):
    stock = factories.StockFactory(on_hand=7)
    other = factories.SkuFactory(merchant=stock.sku.merchant)
    SkuBarcode.objects.create(merchant=other.merchant, sku=other, code="690002")
    page = reverse("admin:inventory_sku_change", args=[stock.sku.pk])
    form = {"name": "奶粉", "weight_g": 900, "list_price": "10.00", "is_active": "on", "tax_mark": ""}

    refused = admin_client.post(page, {**form, "length_mm": 100, "barcodes": "690001 690002"})
    assert refused.status_code == 200
    assert len(refused.context["adminform"].form.errors) == 2, "half a size, and another SKU's barcode"

    sizes = {"length_mm": 100, "width_mm": 100, "height_mm": 180}
    changed = admin_client.post(page, {**form, **sizes, "barcodes": "690001, 690003", "wants_batches": "on"})
    assert changed.status_code == 302
    sku = Sku.objects.get(pk=stock.sku.pk)
    assert (sku.volume_mm3, sku.longest_side_mm, sku.wants_batches) == (1_800_000, 180, True)
    assert set(sku.barcodes.values_list("code", flat=True)) == {"690001", "690003"}
    assert list(StockLot.objects.values_list("lot", "on_hand")) == [("", 7)], "what lies there has no batch"
    assert Stock.objects.get(pk=stock.pk).keeps_lots
    found = admin_client.get(reverse("admin:inventory_sku_changelist"), {"q": "690003"})
    assert [row.pk for row in found.context["cl"].result_list] == [sku.pk]

    kept = admin_client.post(page, {**form, "barcodes": ""})
    assert "wants_batches" in kept.context["adminform"].form.errors, "units lie there by batches"
    assert steps.broken_invariants() == []
