"""Sizes, barcodes and batches of SKUs: by the API, the admin and files; what they do to freight."""

import pytest
from django.urls import reverse
from django.utils import translation

from inventory.loading import load_folder
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

    too_long = admin_client.post(page, {**form, "barcodes": "6" * 65})
    assert set(too_long.context["adminform"].form.errors) == {"barcodes"}

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


CATALOGUE = (
    "merchant,sku,name,brand,department,category,storage_class,weight_g,list_price,barcodes,wants_batches",
    "SELF,A1,米,,,,ambient,500,10.00,690001|690002,true",
    "SELF,A2,面,,,,ambient,500,10.00,690002|690003,false",
    f"SELF,A3,油,,,,ambient,500,10.00,{'6' * 65},false",
    "SELF,A4,盐,,,,ambient,500,10.00,690004,false",
)


def test_a_barcode_that_another_sku_has_costs_its_own_line_alone(tmp_path):
    stock = factories.StockFactory(sku__merchant=factories.MerchantFactory(code="SELF"), sku__code="A1", on_hand=7)
    others = factories.StockFactory(sku__code="A1", on_hand=7)
    Sku.objects.filter(pk=others.sku.pk).update(wants_batches=True)
    for name in ("merchants", "regions", "warehouses"):
        (tmp_path / f"{name}.csv").write_text("code\n", encoding="utf-8")
    (tmp_path / "catalogue.csv").write_text("\n".join(CATALOGUE), encoding="utf-8")

    with translation.override("en"):
        *_loaded, found = load_folder(tmp_path, progress=lambda rows, _name: rows, with_stock=False)

    assert (found.rows, found.problems) == (
        3,
        [
            "catalogue.csv, line 4: a barcode has at most 64 characters",
            "catalogue.csv, line 3: barcodes of A2 stay as they are: SKU A1 has the barcode 690002 already.",
        ],
    )
    assert list(SkuBarcode.objects.values_list("sku__code", "code").order_by("code")) == [
        ("A1", "690001"),
        ("A1", "690002"),
        ("A4", "690004"),
    ]
    assert Stock.objects.get(pk=stock.pk).keeps_lots
    assert not Stock.objects.get(pk=others.pk).keeps_lots, "the file is about the other merchant's SKU"
