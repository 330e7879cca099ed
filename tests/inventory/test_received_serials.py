"""Serial numbers of units that come in: one a unit, and none that is another unit's."""

import json

import pytest
from django.db import transaction
from django.urls import reverse

from inventory import purchase_arrivals, purchasing, transfer_arrivals, transferring, typed_rows
from inventory.models import Receipt, ReceivedSerial, Sku, Stock
from inventory.purchasing import Bought, Unloaded
from inventory.transferring import Moved
from logistics.models import UnitSerial
from logistics.warehouses import events
from oms.common.errors import WrongFields
from tests import factories, steps
from tests.api.calls import idempotency

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    made = factories.make_shop()
    Sku.objects.filter(pk=made.sku.pk).update(wants_serials=True)
    made.sku.wants_serials = True
    return made


def receive(shop, *unloaded: Unloaded, reference: str = "GRN-1") -> Receipt:
    with transaction.atomic():
        return purchase_arrivals.receive_goods(
            shop.warehouse, unloaded, reference=reference, actor="lin", merchant=shop.merchant
        )


def refused(call, *args, **kwargs) -> list[tuple[str, str]]:
    with pytest.raises(WrongFields) as refusal, transaction.atomic():
        call(*args, **kwargs)
    return [(error.attr, error.code) for error in refusal.value.errors]


def came(sku: Sku, units: int, *serials: str, quality: str = "good") -> Unloaded:
    return Unloaded(sku.code, units, quality, serials=serials)


def kept() -> list[str]:
    return sorted(ReceivedSerial.objects.values_list("serial", flat=True))


def test_each_unit_has_a_number_and_rows_that_lack_one_are_named(shop):
    sku = shop.sku
    wrong = refused(
        receive,
        shop,
        came(sku, 2, "A1", " A2 "),
        came(sku, 2, "A3"),
        came(sku, 1),
        came(sku, 1, "A4", "A5"),
        came(sku, 1, "A1"),
        came(sku, 1, "S" * 65),
        came(sku, 2, "A6", "A6"),
        came(shop.other_sku, 1, "B1"),
        came(shop.other_sku, 1),
    )
    assert wrong == [
        ("lines.1.serials", "incomplete"),
        ("lines.2.serials", "incomplete"),
        ("lines.3.serials", "incomplete"),
        ("lines.4.serials", "named_twice"),
        ("lines.5.serials", "invalid"),
        ("lines.6.serials", "named_twice"),
        ("lines.7.serials", "not_wanted"),
    ]
    assert (kept(), Receipt.objects.count(), Stock.objects.get(sku=sku).on_hand) == ([], 0, 100)

    receive(shop, came(sku, 2, "A1", " A2 "), came(sku, 1, "A3", quality="damaged"), came(shop.other_sku, 1))
    assert kept() == ["A1", "A2", "A3"]
    assert Stock.objects.get(sku=sku).on_hand == 102
    assert steps.broken_invariants() == []


def test_a_number_comes_once_and_the_same_receipt_again_changes_nothing(shop):
    first = receive(shop, came(shop.sku, 1, "A1"))
    assert receive(shop, came(shop.sku, 1, "A1")) == first
    with pytest.raises(purchasing.OtherContents):
        receive(shop, came(shop.sku, 1, "A9"))
    assert refused(receive, shop, came(shop.sku, 2, "A2", "A1"), reference="GRN-2") == [("lines.0.serials", "known")]
    other = factories.SkuFactory(merchant=shop.merchant, wants_serials=True)
    receive(shop, came(other, 1, "A1"), reference="GRN-3")
    assert kept() == ["A1", "A1"], "another SKU's units are numbered by themselves"


def test_a_unit_that_was_sold_comes_back_as_a_return_and_not_with_a_receipt(shop):
    receive(shop, came(shop.sku, 1, "A1"))
    work = steps.work_of(steps.released(shop.place_order((shop.sku, 2, "10.00"), payment_method="cod")))
    steps.tell(work, "shipped", lines=[{"sku": shop.sku.code, "quantity": 2, "serials": ["A1", "A2"]}])
    factories.run(events.run)
    assert UnitSerial.objects.count() == 2

    with pytest.raises(WrongFields) as refusal:
        receive(shop, came(shop.sku, 2, "A2", "A3"), reference="GRN-2")
    (error,) = refusal.value.errors
    assert work.number in error.detail
    assert error.code == "known"


def test_units_of_a_transfer_are_named_once_more_where_they_arrive(shop):
    target = factories.WarehouseFactory(merchant=shop.merchant)
    receive(shop, came(shop.sku, 3, "A1", "A2", "A3"))
    transfer = transferring.draft(shop.warehouse, target, [Moved(shop.sku, 3)], actor="lin")
    transferring.approve(transfer.pk, actor="lin")
    transferring.ship(transfer.pk, actor="lin")
    told = {"reference": "IN-1", "actor": "lin"}

    missing = refused(transfer_arrivals.receive, transfer.pk, [came(shop.sku, 2, "A1")], **told)
    assert missing == [("lines.0.serials", "incomplete")]
    rows = [came(shop.sku, 1, "A1"), came(shop.sku, 1, "A2", quality="damaged")]
    first = transfer_arrivals.receive(transfer.pk, rows, **told)
    assert transfer_arrivals.receive(transfer.pk, rows, **told) == first
    with pytest.raises(purchasing.OtherContents), transaction.atomic():
        transfer_arrivals.receive(transfer.pk, [came(shop.sku, 1, "A3"), rows[1]], **told)
    again = {**told, "reference": "IN-2"}
    assert refused(transfer_arrivals.receive, transfer.pk, [came(shop.sku, 1, "A1")], **again) == [
        ("lines.0.serials", "known")
    ]
    transfer_arrivals.receive(transfer.pk, [came(shop.sku, 1, "A3")], **again)
    assert ReceivedSerial.objects.filter(by_transfer=True, line__receipt__warehouse=target).count() == 3
    assert steps.broken_invariants() == []


def test_numbers_stand_behind_the_day_in_typed_rows(shop):
    (row,) = typed_rows.rows_of(f"{shop.sku.code},2,,,,SN1 SN2", typed_rows.unloaded)
    assert row == Unloaded(shop.sku.code, 2, "good", "", None, ["SN1", "SN2"])
    (row,) = typed_rows.rows_of(f"{shop.sku.code}\t2\t\t\t\tSN1\tSN2", typed_rows.unloaded)
    assert row.serials == ["SN1", "SN2"]


def test_staff_type_numbers_on_the_page_and_find_the_receipt_by_one(shop, admin_client):
    page = reverse("admin:inventory_receipt_add")
    new = {"merchant": shop.merchant.pk, "warehouse": shop.warehouse.pk, "reference": "G1", "note": ""}
    for rows in (f"{shop.sku.code} 2", f"{shop.sku.code},2,,,,SN1 SN1", f"{shop.other_sku.code},1,,,,SN1"):
        assert "rows" in admin_client.post(page, {**new, "rows": rows}).context["adminform"].form.errors
    admin_client.post(page, {**new, "rows": f"{shop.sku.code},2,,,,SN1 SN2"})
    receipt = Receipt.objects.get()
    refusal = admin_client.post(page, {**new, "reference": "G2", "rows": f"{shop.sku.code},1,,,,SN2"})
    assert "SN2" in str(refusal.context["adminform"].form.errors["rows"])
    assert Receipt.objects.count() == 1
    shown = admin_client.get(reverse("admin:inventory_receipt_change", args=[receipt.pk])).content.decode()
    assert "SN1, SN2" in shown
    listed = {
        serial: list(
            admin_client.get(reverse("admin:inventory_receipt_changelist"), {"q": serial}).context["cl"].result_list
        )
        for serial in ("SN2", "SN9")
    }
    assert listed == {"SN2": [receipt], "SN9": []}


def test_merchants_tell_numbers_by_the_api_and_refusals_name_the_row(shop):
    purchasing.order(shop.merchant, "PO-1", shop.warehouse, [Bought(shop.sku.code, 3)], actor="lin")
    client = factories.client_of(shop.merchant)

    def book(reference: str, *serials: str, units: int = 2):
        line = {"sku": shop.sku.code, "quantity": units, "serials": list(serials)}
        body = json.dumps({"reference": reference, "lines": [line]})
        url = "/api/v1/purchase-orders/PO-1/receipts"
        return client.post(url, body, content_type="application/json", **idempotency())

    short = book("G1", "A1")
    assert (short.status_code, short.json()["errors"][0]["attr"]) == (400, "lines.0.serials")
    assert book("G1", "A1", "A2").status_code == 201
    assert book("G1", "A1", "A2").status_code == 201
    assert book("G1", "A1", "A3").status_code == 409
    assert book("G2", "A2", units=1).json()["errors"][0]["code"] == "known"
    assert kept() == ["A1", "A2"]
