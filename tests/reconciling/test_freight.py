"""Freight: reckoned when the waybill is there, by what the warehouse weighed, and compared with the carrier's bills."""

import csv
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.models import CarrierAccount, ParcelFreight, Shipment, WaybillShare, WaybillUse
from oms.common.models import Ticket
from oms.common.zones import CHINA
from payments.ledger.chart import Code
from payments.models import Bill, BillForm, BillMatch, BillSource, LedgerLine
from payments.reconciling import importing, refreshing, resolving
from tests import factories, fakes, steps
from tests.admin.conftest import client_of
from tests.promising.world import populate
from tests.reconciling.world import BILLS, broken

pytestmark = pytest.mark.django_db
EXPECTED_FEN = {"SF1000000000001": 1440, "SF1000000000002": 2340, "SF1000000000003": 1440, "SF1000000000005": 0}


def parcel(shop, waybill, fen, *, left="2026-11-02 12:00:00"):
    """A parcel with SF that should cost so much."""
    shipment = steps.dispatched(shop.place_order(payment_method="cod"))
    at = datetime.fromisoformat(left).replace(tzinfo=CHINA)
    Shipment.objects.filter(pk=shipment.pk).update(waybill_number=waybill, left_at=at)
    ParcelFreight.objects.update_or_create(
        shipment=shipment, defaults={"estimated_fen": fen, "estimated_g": 1000, "weighed_fen": None}
    )
    return Shipment.objects.get(pk=shipment.pk)


@pytest.fixture
def source(shop):
    """Bills of SF, and the parcels of `books.csv`."""
    install_default_carriers()
    parcels = [parcel(shop, waybill, fen) for waybill, fen in EXPECTED_FEN.items()]
    return BillSource.objects.create(connection=parcels[0].connection, form=BillForm.FREIGHT, account="0210000001")


def read(source, name="freight-sf-202611.csv", content=None):
    """Read one of the bills."""
    return importing.import_bill(source.pk, content or (BILLS / name).read_bytes(), file_name=name, by="li")


def balance(code):
    """What the account has in debit, in fen."""
    return sum(line.debit_fen - line.credit_fen for line in LedgerLine.objects.filter(account_id=code))


@pytest.mark.parametrize("name", ["freight-sf-202611.csv", "freight-sf-202611.xlsx"])
def test_the_example_comes_out_as_expected_and_its_sums_are_booked(source, name):
    read(source, name)

    with (BILLS / "expected.csv").open(encoding="utf-8") as file:
        expected = {
            (row["key"].partition("#")[0], row["outcome"], row["difference"])
            for row in csv.DictReader(file)
            if row["file"].startswith("freight")
        }
    matches = BillMatch.objects.filter(source=source)
    found = Counter((one.key, one.outcome, f"{Decimal(one.difference_fen) / 100:.2f}") for one in matches)
    # Both rows of the second parcel are matched, as one.
    assert (set(found), sum(found.values())) == (expected, len(expected) + 1)
    assert sorted(Ticket.objects.filter(kind="bill_difference").values_list("reason", flat=True)) == [
        *("amount_differs", "duplicate_row", "no_shipment", "other_weight"),
    ]
    billed = dict(ParcelFreight.objects.values_list("shipment__waybill_number", "billed_fen"))
    assert billed == {
        "SF1000000000001": 1440,
        "SF1000000000002": 2340,
        "SF1000000000003": 3440,
        "SF1000000000005": 1040,
    }
    assert ParcelFreight.objects.get(shipment__waybill_number="SF1000000000003").billed_g == 4000
    # 14.40, 23.40, 14.40, nothing expected of the two others, less 28.00 given back; the differences are unexplained.
    assert [balance(code) for code in (Code.CARRIAGE, Code.UNEXPLAINED, Code.CARRIERS_PAYABLE)] == [2420, 5840, -8260]
    assert broken() == []


def test_reading_again_changes_nothing_and_a_difference_ends_by_accepting_or_when_the_parcel_is_known(shop, source):
    read(source)
    assert Bill.objects.count() == 1
    read(source)
    assert (Bill.objects.count(), BillMatch.objects.count()) == (1, 8)

    parcel(shop, "SF1000000000004", 2800)
    heavier = BillMatch.objects.get(key="SF1000000000003", outcome="amount_differs")
    boss = client_of(is_superuser=True)
    page = boss.get(f"/admin/payments/billmatch/{heavier.pk}/change/").content.decode()
    assert "accept-fee" in page
    resolving.accept_fee(heavier.pk, actor=steps.STAFF)
    again = BillMatch.objects.get(key="SF1000000000003", outcome="duplicate_row")
    resolving.note(again.pk, reason="claimed", actor=steps.STAFF)
    refreshing.refresh()

    assert BillMatch.objects.get(key="SF1000000000004").resolution == "by_itself"
    assert ParcelFreight.objects.get(shipment__waybill_number="SF1000000000004").billed_fen == 2800
    assert [balance(code) for code in (Code.CARRIAGE, Code.UNEXPLAINED)] == [2420 + 2000 + 2800, 1040]
    assert broken() == []


HEADER = "日期,运单,金额,重量"


def test_an_unknown_layout_is_read_by_its_columns_and_what_no_bill_has_is_missed_until_it_comes(shop, source):
    columns = {"waybill": "运单", "amount": "金额", "weight": "重量"}
    BillSource.objects.filter(pk=source.pk).update(mapping={"columns": columns, "totals": {}, "labels": {}})
    parcel(shop, "SF9", 700, left="2026-11-25 12:00:00")

    read(
        source,
        "a.csv",
        f"{HEADER}\n2026-11-02,SF1000000000001,14.40,1\n2026-11-30,SF1000000000002,23.40,2.5\n".encode(),
    )

    missed = BillMatch.objects.filter(outcome="order_without_money")
    # The one of the 25th may still come; what costs nothing is not missed.
    assert [(one.key, one.difference_fen) for one in missed] == [("SF1000000000003", 1440)]
    assert missed[0].order_id == Shipment.objects.get(waybill_number="SF1000000000003").sub_order.order_id
    late = "2026-11-03,SF1000000000003,14.40,1\n2026-12-31,SF9,7.00,1\n2026-11-02,SF1000000000001,14.40,1.0\n"
    read(source, "b.csv", f"{HEADER}\n{late}".encode())
    assert BillMatch.objects.get(outcome="order_without_money").resolution == "by_itself"
    # The first parcel stood in the bill before.
    assert BillMatch.objects.get(key="SF1000000000001", outcome="duplicate_row").difference_fen == 1440
    assert ParcelFreight.objects.get(shipment__waybill_number="SF1000000000001").billed_fen == 1440
    assert broken() == []


COLUMNS = {"columns": {"waybill": "运单", "amount": "金额", "weight": "重量"}, "totals": {}, "labels": {}}


def unbilled():
    """The tickets on bills that ended early: state, how many parcels and what they should cost."""
    found = Ticket.objects.filter(kind="parcels_unbilled").order_by("pk")
    return [(one.state, one.values["parcels"], one.values["amount"]) for one in found]


def test_a_bill_that_ends_early_opens_one_ticket_with_the_list_of_its_parcels(shop, source):
    BillSource.objects.filter(pk=source.pk).update(mapping=COLUMNS)
    for number in range(3):
        parcel(shop, f"SF90{number}", 700)
    start = f"{HEADER}\n2026-11-02,SF1000000000001,14.40,1\n2026-11-30,SF1000000000002,23.40,2.5\n"
    bill = read(source, "a.csv", start.encode())

    assert unbilled() == [("open", 4, "35.40")]
    assert Ticket.objects.count() == 1
    boss = client_of(is_superuser=True)
    page = boss.get(f"/admin/payments/bill/{bill.pk}/change/").content.decode()
    assert "4, of which 4 are open" in page
    listed = boss.get(f"/admin/payments/billmatch/?missed_by__id__exact={bill.pk}").content.decode()
    assert all(number in listed for number in ("SF1000000000003", "SF900", "SF901", "SF902"))
    assert "SF1000000000001" not in listed

    # Three come with the rest of the bill; nobody will ever bill the fourth.
    rest = "2026-11-03,SF1000000000003,14.40,1\n2026-11-03,SF900,7.00,1\n2026-11-30,SF901,7.00,1\n"
    read(source, "b.csv", f"{HEADER}\n{rest}".encode())
    assert unbilled() == [("open", 4, "35.40")]
    assert broken() == []
    address = f"/admin/payments/bill/{bill.pk}/note-missed/"
    assert client_of("view_bill", "view_billmatch").post(address, {"reason": "free"}).status_code == 403
    boss.post(address, {"reason": "carried for free"})
    assert unbilled() == [("closed", 4, "35.40")]
    assert Ticket.objects.count() == 1
    assert BillMatch.objects.get(key="SF902").resolution == "noted"
    assert "ended already" in boss.post(address, {"reason": "again"}, follow=True).content.decode()
    assert broken() == []


def test_the_ticket_of_a_bill_closes_with_the_last_parcel_that_comes(shop, source):
    BillSource.objects.filter(pk=source.pk).update(mapping=COLUMNS)
    start = f"{HEADER}\n2026-11-02,SF1000000000001,14.40,1\n2026-11-30,SF1000000000002,23.40,2.5\n"
    read(source, "a.csv", start.encode())
    assert unbilled() == [("open", 1, "14.40")]
    read(source, "b.csv", f"{HEADER}\n2026-11-30,SF1000000000003,14.40,1\n".encode())

    assert unbilled() == [("closed", 1, "14.40")]
    assert Ticket.objects.get().closed_by == ""
    assert broken() == []


def test_what_the_bill_says_counts_for_the_user_of_the_account(shop, source):
    shipment = Shipment.objects.get(waybill_number="SF1000000000003")
    account = CarrierAccount.objects.create(carrier=shipment.carrier, connection=shipment.connection, name="x")
    share = WaybillShare.objects.create(account=account, merchant=shop.merchant, used_in_total=1, used_fen=1440)
    WaybillUse.objects.create(
        share=share,
        shipment=shipment,
        state="bought",
        day=datetime.now(CHINA).date() - timedelta(days=9),
        freight_fen=1440,
    )
    read(source)
    assert (steps.fresh(share).used_fen, WaybillUse.objects.get().freight_fen) == (3440, 3440)


def test_freight_is_estimated_with_the_waybill_and_again_by_what_the_warehouse_weighed(shop):
    install_default_carriers()
    populate(shop.warehouse)
    part = steps.released(shop.place_order((shop.sku, 2, "10.00")[:3], payment_method="cod"))
    steps.warehouse_says(part, "packed", parcels=[{"carrier": "", "waybill": "", "weight_g": 2600, "lines": []}])
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    freight = ParcelFreight.objects.get()
    # SF's service takes no cash by these tables: nobody can say what it costs.
    assert (freight.estimated_fen, freight.weighed_g) == (None, 2600)

    order = shop.place_order()
    steps.pay(order)
    part = steps.released(order)
    steps.warehouse_says(part, "packed", parcels=[{"carrier": "", "waybill": "", "weight_g": 2600, "lines": []}])
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    freight = ParcelFreight.objects.get(shipment__sub_order=part)
    # A kilogram for 12.00; 2.6 kg count as 3 and cost 4.00 more.
    assert (freight.estimated_g, freight.estimated_fen, freight.weighed_fen) == (1000, 1200, 1600)
    page = client_of("view_shipment").get(f"/admin/logistics/shipment/{freight.pk}/change/").content.decode()
    assert "12.00" in page
    assert "16.00" in page
    assert steps.broken_invariants() == []
