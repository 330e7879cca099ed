"""Claims on parcels: opened from the parcel, followed to their end, counted in the report of carriers."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone, translation

from logistics.carriers import claiming
from logistics.models import ParcelClaim, Shipment
from logistics.watching.report import report
from oms.common.errors import OmsError
from oms.common.zones import CHINA
from orders.models import OrderEvent
from tests import steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db


def test_a_claim_goes_from_the_parcel_to_its_payment_and_the_report_counts_it(shop):
    parcel = steps.shipped(shop.place_order(payment_method="cod"))
    boss = client_of("view_shipment", "view_parcelclaim", "work_parcelclaim")
    form = {"kind": "lost", "amount": "120.00", "due_on": "2026-12-03", "text": "photo 1 in the cabinet"}
    address = f"/admin/logistics/shipment/{parcel.pk}/claim/"
    assert client_of("view_shipment").post(address, form).status_code == 403
    boss.post(address, form)
    claim = ParcelClaim.objects.get()
    assert (claim.state, str(claim.wanted), str(claim.due_on)) == ("open", "120.00", "2026-12-03")
    assert steps.tickets() == [("claim_running", "")]
    with translation.override("en"), pytest.raises(OmsError, match="runs already"):
        claiming.open_claim(parcel.pk, "lost", claim.wanted, due_on=claim.due_on, text="", actor=steps.STAFF)

    own = f"/admin/logistics/parcelclaim/{claim.pk}/"
    boss.post(f"{own}pay/", {"amount": "1", "text": "early"})
    assert steps.fresh(claim).state == "open"
    boss.post(f"{own}file/", {"text": "sent by mail"})
    boss.post(f"{own}agree/", {"amount": "120.01", "text": "too much"})
    assert steps.fresh(claim).state == "filed"
    boss.post(f"{own}agree/", {"amount": "100.00", "text": "they said"})
    boss.post(f"{own}remedy/", {"kind": "reissued", "text": "order 1"})
    boss.post(f"{own}pay/", {"amount": "99.00", "text": "taken off the bill"})

    claim = steps.fresh(claim)
    assert (claim.state, str(claim.agreed), str(claim.paid), claim.remedy) == ("paid", "100.00", "99.00", "reissued")
    assert claim.ended_at is not None
    assert steps.tickets() == []
    assert [note.text for note in claim.notes.all()][-1] == "taken off the bill"
    assert list(
        OrderEvent.objects.filter(kind="parcel_claim").order_by("id").values_list("data__state", flat=True)
    ) == [
        "open",
        "filed",
        "agreed",
        "paid",
    ]
    now = timezone.now()
    Shipment.objects.filter(pk=parcel.pk).update(left_at=now - timedelta(hours=1))
    (row,) = report(now - timedelta(days=1), now)
    assert (row.claims, str(row.claims_paid)) == (1, "99.00")
    assert "99.00" in client_of(is_superuser=True).get("/admin/logistics/alertgroup/carriers/").content.decode()
    assert steps.broken_invariants() == []


def test_what_ended_does_not_go_on_and_what_no_carrier_had_is_not_claimed(shop):
    parcel = steps.shipped(shop.place_order(payment_method="cod"))
    due = datetime.now(CHINA).date()
    claim = claiming.open_claim(parcel.pk, "late", shop.sku.list_price, due_on=due, text="", actor=steps.STAFF)
    claiming.refuse(claim.pk, text="no", actor=steps.STAFF)
    assert steps.tickets() == []
    for again in (claiming.file, claiming.withdraw):
        with pytest.raises(OmsError):
            again(claim.pk, text="", actor=steps.STAFF)
    claiming.open_claim(parcel.pk, "late", shop.sku.list_price, due_on=due, text="", actor=steps.STAFF)
    Shipment.objects.filter(pk=parcel.pk).update(state="cancelled", waybill_number=None)
    with translation.override("en"), pytest.raises(OmsError, match="No carrier"):
        claiming.open_claim(parcel.pk, "lost", shop.sku.list_price, due_on=due, text="", actor=steps.STAFF)
