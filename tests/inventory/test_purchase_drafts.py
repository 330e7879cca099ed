"""Drafts of purchase orders: nothing of them is expected before somebody says from whom and when."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from inventory import hosting, purchase_arrivals, purchasing
from inventory.models import PurchaseOrder, Stock, StockLot
from inventory.purchasing import Bought, Unloaded
from oms.common.errors import ChangedMeanwhile, OmsError, WrongFields
from oms.common.models import Ticket
from tests import factories, steps
from tests.api.calls import send

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()


@pytest.fixture
def draft(shop: factories.Shop) -> PurchaseOrder:
    lines = [Bought(shop.sku.code, 10, timezone.localdate() + timedelta(days=3))]
    return purchasing.order(shop.merchant, "RP-1", shop.warehouse, lines, is_draft=True, actor="replenish")


def tomorrow() -> date:
    return timezone.localdate() + timedelta(days=1)


def test_nothing_of_a_draft_is_expected_before_it_is_approved_with_supplier_and_day(shop, draft):
    place = (shop.warehouse.pk, shop.sku.pk)
    assert purchasing.expected({place[0]}, {place[1]}) == []
    assert purchasing.on_order([place]) == {place: 10}, "it is not suggested again"
    assert Ticket.objects.open().get().kind == "purchase_to_approve"
    with pytest.raises(WrongFields), transaction.atomic():
        purchasing.approve(draft.pk, supplier=" ", expected_on=tomorrow(), actor="lin")
    with pytest.raises(WrongFields), transaction.atomic():
        purchasing.approve(draft.pk, supplier="光明", expected_on=date(2026, 1, 1), actor="lin")
    with pytest.raises(ChangedMeanwhile), transaction.atomic():
        purchasing.approve(draft.pk, supplier="光明", expected_on=tomorrow(), actor="lin", version=draft.version + 1)
    with pytest.raises(purchasing.NotExpected), transaction.atomic():
        purchase_arrivals.receive_goods(
            *(shop.warehouse, [Unloaded(shop.sku.code, 1)]),
            reference="G",
            actor="gate",
            merchant=shop.merchant,
            purchase_order=draft,
        )

    bought = purchasing.approve(draft.pk, supplier="光明", expected_on=tomorrow(), actor="lin", version=draft.version)

    assert (bought.state, bought.supplier, bought.approved_by) == ("open", "光明", "lin")
    assert purchasing.expected({place[0]}, {place[1]}) == [purchasing.Expected(*place, tomorrow(), 10)]
    assert not Ticket.objects.open().exists()
    with pytest.raises(purchasing.NotExpected), transaction.atomic():
        purchasing.approve(draft.pk, supplier="光明", expected_on=tomorrow(), actor="lin")
    with pytest.raises(IntegrityError), transaction.atomic():
        PurchaseOrder.objects.filter(pk=draft.pk).update(supplier="")
    assert steps.broken_invariants() == []


def test_a_draft_that_is_called_off_is_wanted_again(shop, draft):
    purchasing.end(draft.pk, is_cancelled=False, actor="lin")
    assert PurchaseOrder.objects.get().state == "cancelled", "nothing was bought that could be closed"
    assert not Ticket.objects.open().exists()
    place = (shop.warehouse.pk, shop.sku.pk)
    assert purchasing.on_order([place]) == {place: 0}


def test_a_stay_does_not_end_while_a_draft_waits_and_what_is_kept_no_longer_is_not_bought(shop):
    host = factories.WarehouseFactory()
    stay = hosting.begin(host, shop.merchant, actor="lin")
    draft = purchasing.order(shop.merchant, "D", host, [Bought(shop.sku.code, 1)], is_draft=True, actor="lin")
    with pytest.raises(hosting.StillThere), transaction.atomic():
        hosting.end(stay.pk, actor="lin")
    # As a stay that ended before there were drafts.
    stay.__class__.objects.update(ended_at=timezone.now())
    with pytest.raises(OmsError), transaction.atomic():
        purchasing.approve(draft.pk, supplier="光明", expected_on=tomorrow(), actor="lin")
    assert (Stock.objects.filter(warehouse=host).count(), StockLot.objects.count()) == (0, 0)


def test_a_merchant_buys_what_was_suggested_by_the_api(shop, draft):
    api = factories.client_of(shop.merchant)
    path = f"/api/v1/purchase-orders/{draft.number}"
    assert api.get(path).json()["state"] == "draft"
    body = {"supplier": "光明", "expected_on": str(tomorrow())}
    stranger = factories.client_of(factories.make_shop().merchant)
    assert send(stranger, body, f"{path}/approval").status_code == 404
    assert send(api, {"supplier": "光明"}, f"{path}/approval").status_code == 400
    bought = send(api, body, f"{path}/approval")
    assert (bought.status_code, bought.json()["state"], bought.json()["supplier"]) == (200, "open", "光明")
    assert send(api, body, f"{path}/approval").status_code == 409
    new = {"number": "D-2", "warehouse": shop.warehouse.code, "is_draft": True}
    made = send(api, {**new, "lines": [{"sku": shop.sku.code, "quantity": 1}]}, "/api/v1/purchase-orders")
    assert (made.status_code, made.json()["state"]) == (201, "draft")
