"""Claims on parcels: opened from the parcel, followed to their end, counted in the report of carriers."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone, translation

from logistics.carriers import claiming
from logistics.models import AlertGroup, ParcelClaim, Shipment, TrackingEvent
from logistics.watching.report import report
from oms.common.errors import OmsError
from oms.common.zones import CHINA
from orders.models import OrderEvent
from tests import steps
from tests.admin.conftest import client_of
from tests.logistics.test_watching import by, scanned, watch

pytestmark = pytest.mark.django_db


def test_a_claim_goes_from_the_parcel_to_its_payment_and_the_report_counts_it(shop):
    parcel = steps.shipped(shop.place_order(payment_method="cod"))
    boss = client_of("view_shipment", "view_parcelclaim", "work_parcelclaim")
    form = {"kind": "lost", "amount": "120.00", "due_on": "2026-12-03", "text": "photo 1 in the cabinet"}
    Shipment.objects.filter(pk=parcel.pk).update(state="lost")
    address = f"/admin/logistics/shipment/{parcel.pk}/claim/"
    assert client_of("view_shipment").post(address, form).status_code == 403
    boss.post(address, form)
    claim = ParcelClaim.objects.get()
    assert (claim.state, str(claim.wanted), str(claim.due_on)) == ("open", "120.00", "2026-12-03")
    assert steps.tickets() == [("claim_running", "")]
    with translation.override("en"), pytest.raises(OmsError, match="runs already"):
        claiming.open_claim(parcel.pk, "lost", claim.wanted, due_on=claim.due_on, text="", actor=steps.STAFF)

    own = f"/admin/logistics/parcelclaim/{claim.pk}/"
    order = parcel.sub_order.order
    assert f'href="/admin/orders/order/{order.pk}/change/"' in boss.get(f"{own}change/").content.decode()
    boss.post(f"{own}pay/", {"amount": "1", "text": "early"})
    assert steps.fresh(claim).state == "open"
    boss.post(f"{own}file/", {"text": "sent by mail"})
    boss.post(f"{own}agree/", {"amount": "120.01", "text": "too much"})
    assert steps.fresh(claim).state == "filed"
    boss.post(f"{own}agree/", {"amount": "100.00", "text": "they said"})
    boss.post(f"{own}remedy/", {"kind": "reissued", "text": "order 1"})
    boss.post(f"{own}pay/", {"amount": "9900", "text": "a dot was forgotten"})
    assert steps.fresh(claim).state == "agreed"
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


def test_a_parcel_that_moves_in_time_is_claimed_as_lost_only_where_the_carrier_told_so(shop):
    parcel = by("ZTO", steps.shipped(shop.place_order(payment_method="cod")))
    scanned(parcel, "collected", "in_transit", hours_ago=2)
    boss = client_of("view_shipment", "view_parcelclaim", "work_parcelclaim")
    address = f"/admin/logistics/shipment/{parcel.pk}/claim/"
    form = {"kind": "lost", "amount": "120.00", "due_on": "2026-12-03", "text": "they called"}

    refused = boss.post(address, form, headers={"X-Oms-Dialog": "1", "Accept-Language": "en"})

    assert refused.status_code == 400
    (said,) = refused.json()["errors"]
    assert "“In transit”" in said
    assert not ParcelClaim.objects.exists()
    boss.post(address, form | {"kind": "damaged"})
    boss.post(address, form | {"although_on_time": "on"})
    assert sorted(ParcelClaim.objects.values_list("kind", flat=True)) == ["damaged", "lost"]


def test_a_parcel_that_is_late_or_that_the_buyer_never_got_may_be_claimed_as_lost(shop):
    late, signed = (by("ZTO", steps.shipped(shop.place_order(payment_method="cod"))) for _parcel in range(2))
    scanned(late, "collected", "in_transit", hours_ago=30)
    scanned(signed, "collected", "in_transit", "signed", hours_ago=2)
    assert watch() == [("stalled", 1)]
    due = datetime.now(CHINA).date()
    for parcel in (late, signed):
        claiming.open_claim(parcel.pk, "lost", shop.sku.list_price, due_on=due, text="", actor=steps.STAFF)


def nearly(share: float, values: list[float]) -> float | None:
    """The value that so large a share of the values does not exceed, between neighbours in proportion."""
    if not values:
        return None
    values = sorted(values)
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def test_the_report_says_the_median_and_nearly_all_hours_of_each_part_of_the_way(shop):
    now = timezone.now()
    went: list[tuple[float, float, float]] = []
    for place in range(6):
        parcel = steps.shipped(shop.place_order(payment_method="cod"))
        hours = (2.0 + place, 30.0 + place * place, 33.0 + place * place * 2)
        left = now - timedelta(hours=100)
        collected, out, signed = (left + timedelta(hours=one) for one in hours)
        Shipment.objects.filter(pk=parcel.pk).update(left_at=left, collected_at=collected)
        if place < 5:
            Shipment.objects.filter(pk=parcel.pk).update(signed_at=signed)
            TrackingEvent.objects.create(
                shipment=parcel, event_key=f"out-{place}", state="out_for_delivery", occurred_at=out
            )
            went.append(hours)
    # One whose times contradict each other counts in what they do not.
    Shipment.objects.filter(pk=parcel.pk).update(collected_at=left - timedelta(hours=1))

    (row,) = report(now - timedelta(days=10), now)

    assert (row.parcels, row.signed) == (6, 5)
    assert row.on_time == sum(signed <= 72 for _collected, _out, signed in went)
    parts = {
        "pickup": [one[0] for one in went],
        "transit": [one[1] - one[0] for one in went],
        "delivery": [one[2] - one[1] for one in went],
        "total": [one[2] for one in went],
    }
    for name, hours_of_part in parts.items():
        found = getattr(row, name)
        assert found.median == pytest.approx(nearly(0.5, hours_of_part)), name
        assert found.most == pytest.approx(nearly(0.95, hours_of_part)), name


def test_what_is_late_together_is_claimed_for_from_its_alert(shop):
    parcels = [by("ZTO", steps.shipped(shop.place_order(payment_method="cod"))) for _parcel in range(3)]
    for parcel in parcels:
        scanned(parcel, "collected", "in_transit", hours_ago=30)
    assert watch() == [("stalled", 1)] * 3
    group = AlertGroup.objects.get()
    address = f"/admin/logistics/alertgroup/{group.pk}/claim/"
    form = {"kind": "late", "amount": "8.00", "due_on": "2026-12-03", "text": "stuck", "waybill": ""}
    assert client_of("view_alertgroup").post(address, form).status_code == 403
    boss = client_of("view_alertgroup", "work_parcelclaim")
    boss.post(address, form | {"waybill": parcels[0].waybill_number})
    assert [claim.shipment for claim in ParcelClaim.objects.all()] == [parcels[0]]

    boss.post(address, form)

    claims = ParcelClaim.objects.order_by("shipment_id")
    assert [(claim.shipment, claim.kind, str(claim.wanted), claim.state) for claim in claims] == [
        (parcel, "late", "8.00", "open") for parcel in parcels
    ]
    assert [kind for kind, _reason in steps.tickets()].count("claim_running") == 3
    assert OrderEvent.objects.filter(kind="parcel_claim").count() == 3
    boss.post(address, form)
    assert ParcelClaim.objects.count() == 3
