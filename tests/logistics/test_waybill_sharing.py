"""One account of a carrier for several shops and merchants: who may, how much, told in time, and never more."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory.models import Warehouse
from logistics import retrying
from logistics.carriers import adapters, choosing, dispatching, sharing
from logistics.carriers.defaults import install_default_carriers
from logistics.carriers.sharing import Purse
from logistics.invariants import INVARIANTS
from logistics.models import Carrier, CarrierAccount, CarrierDecision, Shipment, WaybillShare, WaybillUse
from oms.common.models import Connection, SystemKind
from tests import factories, fakes, steps
from tests.admin.conftest import client_of
from tests.invariants import check
from tests.logistics.test_wishes import allocated, asked_in_turn, place
from tests.machines import run_apart
from tests.promising.world import populate

pytestmark = pytest.mark.django_db


def account(carrier="SF", position=1):
    """An account with the carrier, over a connection of its own."""
    link = Connection.objects.create(
        code=f"acc-{carrier}-{position}".lower(), name="x", kind=SystemKind.CARRIER, protocol="sandbox"
    )
    return CarrierAccount.objects.create(
        carrier=Carrier.objects.get(code=carrier), connection=link, name=f"{carrier} {position}", position=position
    )


def share(of, merchant, **limits):
    """Who may use an account."""
    return WaybillShare.objects.create(account=of, merchant=merchant, **limits)


@pytest.fixture
def shared(shop):
    """SF, JD and ZTO; freight is known of SF: 12.00, and 3.00 for cash."""
    install_default_carriers()
    populate(shop.warehouse)
    Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.AT_RELEASE)
    return shop


def parcel_of(shop, **changes):
    """The parcel of an order, written at release."""
    order = place(shop, **changes)
    allocated(order)
    return Shipment.objects.get(sub_order__order=order)


def broken():
    """What of parcels does not hold."""
    return [finding.invariant.name for finding in check(INVARIANTS)]


def test_the_limit_of_the_day_holds_then_the_next_account_then_another_carrier_and_it_is_told(shared):
    first, second = account(), account(position=2)
    mine = share(first, shared.merchant, most_a_day=2, warn_at_percent=100)
    share(second, shared.merchant, most_in_total=1)

    parcels = [parcel_of(shared) for _ in range(4)]

    assert [(one.carrier.code, one.connection.code) for one in parcels] == [
        *[("SF", "acc-sf-1")] * 2,
        ("SF", "acc-sf-2"),
        ("JD", "carrier-jd"),
    ]
    last = CarrierDecision.objects.get(shipment=parcels[-1])
    assert {code: verdict for code, verdict, *_ in last.details["of"]}["SF"] == "used_up"
    mine = steps.fresh(mine)
    assert (mine.used_that_day, mine.used_in_total, mine.used_fen) == (2, 2, 0)
    assert steps.tickets() == [("waybill_share_low", "a_day"), ("waybill_share_low", "in_total")]

    # The next day there are two again, and the ticket of the first account ends.
    WaybillShare.objects.update(used_on=sharing.today() - timedelta(days=1))
    WaybillUse.objects.update(day=sharing.today() - timedelta(days=1))
    assert parcel_of(shared).connection.code == "acc-sf-1"
    assert steps.tickets() == [("waybill_share_low", "in_total")]
    assert broken() == []


def test_a_shop_counts_before_its_merchant_and_a_stranger_gets_nothing(shared):
    one = account()
    of_shop = share(one, shared.merchant, channel=shared.channel, most_in_total=5)
    of_merchant = share(one, shared.merchant)
    assert parcel_of(shared).connection == one.connection
    assert (steps.fresh(of_shop).used_in_total, steps.fresh(of_merchant).used_in_total) == (1, 0)

    WaybillShare.objects.update(is_active=False)
    parcel = parcel_of(shared)
    assert parcel.carrier.code == "JD"
    decision = CarrierDecision.objects.get(shipment=parcel)
    assert {code: verdict for code, verdict, *_ in decision.details["of"]}["SF"] == "not_shared"


def test_freight_in_total_is_a_limit_and_where_nobody_is_left_a_person_is_called(shared):
    Carrier.objects.exclude(code="SF").update(is_active=False)
    mine = share(account(), shared.merchant, most_fen=3000)
    # 12.00 a parcel; the tables do not let SF collect cash, so nothing is known of that.
    Carrier.objects.filter(code="SF").update(priority=1)
    prepaid = [shared.place_order() for _ in range(3)]
    for order in prepaid:
        steps.pay(order)
        allocated(order)
    waiting = Shipment.objects.get(carrier=None)
    assert (steps.fresh(mine).used_in_total, steps.fresh(mine).used_fen) == (2, 2400)
    assert waiting.needs_person_since is not None
    assert ("no_carrier_left", "rules") in steps.tickets()

    WaybillShare.objects.update(most_fen=9000)
    retrying.retry(Shipment, waiting.pk, actor=steps.STAFF)
    factories.run(choosing.run)
    assert steps.fresh(waiting).carrier.code == "SF"
    assert broken() == []


def test_a_refused_waybill_goes_back_and_a_bought_one_only_where_the_carrier_cancelled_it(shared):
    mine = share(account(), shared.merchant, most_in_total=1)
    parcel = parcel_of(shared)
    assert asked_in_turn(["SF"]) == ["SF", "JD"]
    assert steps.fresh(mine).used_in_total == 0
    assert WaybillUse.objects.get().state == "given_back"

    second = parcel_of(shared)
    assert asked_in_turn() == ["SF"]
    assert WaybillUse.objects.get(shipment=second).state == "bought"
    with transaction.atomic():
        assert [sharing.give_back([second.pk]), sharing.give_back([second.pk, parcel.pk])] == [1, 0]
    assert steps.fresh(mine).used_in_total == 0
    assert broken() == []


def test_silence_spends_the_waybill_and_what_will_never_be_asked_for_goes_back(shared):
    mine = share(account(), shared.merchant)
    silent, never = parcel_of(shared), parcel_of(shared)
    with fakes.carrier(fakes.FakeCarrier(lambda one: fakes.lose() if one.reference == silent.number else None)):
        Shipment.objects.filter(pk=never.pk).update(ready_at=None)
        steps.once(dispatching.run)
    for one in (silent, never):
        Shipment.objects.filter(pk=one.pk).update(state="cancelled", ready_at=None)
    assert steps.once(sharing.run) == 1
    assert steps.once(sharing.run) == 0
    assert {use.shipment_id: use.state for use in WaybillUse.objects.all()} == {
        silent.pk: "asked",
        never.pk: "given_back",
    }
    assert steps.fresh(mine).used_in_total == 1


def test_the_warehouses_own_waybill_costs_no_share(shared):
    mine = share(account(), shared.merchant)
    parcel = parcel_of(shared)
    Shipment.objects.filter(pk=parcel.pk).update(
        state="waybill_issued", waybill_number="Z1", connection=None, ready_at=None
    )
    factories.run(sharing.run)
    assert steps.fresh(mine).used_in_total == 0


def test_staff_set_limits_not_below_what_is_used_and_merchants_read_their_own(shared, client):
    mine = share(account(), shared.merchant, most_in_total=5)
    other = factories.MerchantFactory()
    share(mine.account, other)
    parcel_of(shared)
    boss = client_of(is_superuser=True)
    address = f"/admin/logistics/carrieraccount/{mine.account_id}/change/"
    form = {
        "carrier": mine.account.carrier_id,
        "connection": mine.account.connection_id,
        "name": "x",
        "position": 1,
        "is_active": "on",
        "shares-TOTAL_FORMS": 1,
        "shares-INITIAL_FORMS": 1,
        "shares-0-id": mine.pk,
        "shares-0-account": mine.account_id,
        "shares-0-merchant": shared.merchant.pk,
        "shares-0-most_in_total": 0,
        "shares-0-warn_at_percent": 90,
        "shares-0-is_active": "on",
    }
    assert "1 are used already." in boss.post(address, form).content.decode()
    boss.post(address, form | {"shares-0-most_in_total": 1})
    assert steps.fresh(mine).most_in_total == 1
    assert steps.tickets() == [("waybill_share_low", "in_total")]
    page = boss.get("/admin/logistics/waybillshare/").content.decode()
    assert "in total 0" in page

    shown = factories.client_of(shared.merchant).get("/api/v1/waybill-shares").json()
    assert [(row["carrier"], row["used_in_total"], row["left_in_total"]) for row in shown["results"]] == [("SF", 1, 0)]
    assert [
        row["used_in_total"] for row in factories.client_of(other).get("/api/v1/waybill-shares").json()["results"]
    ] == [0]


@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_use_more_than_there_is(shop):
    install_default_carriers()
    mine = share(account(), shop.merchant, most_a_day=7)
    parcels = [steps.dispatched(shop.place_order(payment_method="cod")) for _ in range(12)]
    WaybillUse.objects.all().delete()
    WaybillShare.objects.update(used_on=None, used_that_day=0, used_in_total=0, used_fen=0)
    got = []
    start = threading.Barrier(4)

    def take(keys):
        try:
            start.wait()
            for key in keys:
                with transaction.atomic():
                    purse = Purse.of([mine.pk], [key])
                    got.append(purse.take(mine.pk, key, 100))
                    purse.write()
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=([one.pk for one in parcels[i::4]],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (sum(got), len(got)) == (7, 12)
    assert (steps.fresh(mine).used_that_day, WaybillUse.objects.count()) == (7, 7)


def machine(shop):
    """Parcels of two accounts that are used, refused, lost, cancelled and given back in any order."""

    class Sharing(RuleBasedStateMachine):
        shares = ()

        @initialize()
        def begin(self):
            self.shares = [
                share(account(position=1), shop.merchant, most_a_day=3, most_in_total=5),
                share(account(position=2), shop.merchant, most_in_total=2, most_fen=3000),
            ]

        def some(self, draw, **which):
            rows = list(Shipment.objects.filter(**which).order_by("pk"))
            return rows[draw % len(rows)] if rows else None

        @rule()
        def write(self):
            parcel_of(shop)

        @rule(answer=st.sampled_from(["taken", "refused", "silent"]))
        def ask(self, answer):
            def say(parcel):
                if answer == "silent":
                    return None
                return adapters.Answer(answer == "taken", "full", f"W{parcel.reference}{parcel.carrier}")

            with fakes.carrier(fakes.FakeCarrier(say)):
                steps.once(dispatching.run)

        @rule(draw=st.integers(0, 9))
        def cancel(self, draw):
            parcel = self.some(draw, state="created")
            if parcel:
                Shipment.objects.filter(pk=parcel.pk).update(state="cancelled", ready_at=None)

        @rule(draw=st.integers(0, 9))
        def cancel_at_the_carrier(self, draw):
            parcel = self.some(draw, state="waybill_issued")
            if parcel:
                sharing.give_back([parcel.pk])
                Shipment.objects.filter(pk=parcel.pk).update(state="cancelled")

        @rule(fen=st.integers(0, 2500), draw=st.integers(0, 9))
        def bill(self, fen, draw):
            parcel = self.some(draw, state="waybill_issued")
            if parcel:
                sharing.note_freight({parcel.pk: fen})

        @rule()
        def sweep(self):
            steps.once(sharing.run)

        @rule()
        def next_day(self):
            yesterday = sharing.today() - timedelta(days=1)
            WaybillUse.objects.filter(day=sharing.today()).update(day=yesterday)
            WaybillShare.objects.filter(used_on=sharing.today()).update(used_on=yesterday)

        @invariant()
        def holds(self):
            assert broken() == []
            for row in self.shares:
                now = steps.fresh(row)
                assert now.used_that_day <= (now.most_a_day or 99)
                assert now.used_in_total <= now.most_in_total
            # A waybill that was bought over a shared account and not cancelled is paid for by somebody.
            bought = Shipment.objects.filter(state="waybill_issued", connection__carrier_accounts__isnull=False)
            paid = WaybillUse.objects.filter(state="bought").values("shipment")
            assert not bought.exclude(pk__in=paid).exists()
            refused = Shipment.objects.filter(carrier_decisions__cause="refused", carrier__code="JD")
            assert not WaybillUse.objects.filter(shipment__in=refused, state="asked").exists()

    return Sharing


def test_shares_hold_whatever_happens_in_which_order(shared):
    Carrier.objects.filter(code="ZTO").update(is_active=False)
    run_apart(machine(shared), examples=20, steps=12)
