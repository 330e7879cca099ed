"""Which carrier a parcel gets: by rules as data, with reasons, and by people."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from inventory.models import CarrierService, FreightRate, RemoteArea, Warehouse
from logistics.carriers import adapters, dispatching, intending, switching
from logistics.carriers.defaults import install_default_carriers
from logistics.carriers.rules import words
from logistics.models import CarrierDecision, CarrierRule, Shipment, WarehouseOrder
from oms.common.errors import OmsError
from orders.fulfilling import allocating, splitting
from orders.models import DeliveryPromise, OrderEvent
from orders.reviewing import deciding
from tests import factories, fakes, steps
from tests.admin.conftest import client_of
from tests.logistics.test_wishes import allocated, asked_in_turn, place
from tests.promising.world import populate

pytestmark = pytest.mark.django_db


@pytest.fixture
def carriers(shop):
    """SF, JD and ZTO carry: the first kilogram for 12.00, 11.04 and 5.00; ZTO takes no cash."""
    install_default_carriers()
    populate(shop.warehouse)
    common = {"round_up_kg": 1, "max_side_cm": 100}
    CarrierService.objects.create(
        carrier="JD", service="premium", volumetric_divisor=8000, max_kg=60, factor=Decimal("0.92"), **common
    )
    CarrierService.objects.create(
        carrier="ZTO", service="economy", volumetric_divisor=8000, max_kg=20, takes_cod=False, **common
    )
    FreightRate.objects.create(service="economy", zone=1, first_kg=1, first_fee=5, step_kg=1, step_fee=1)
    CarrierService.objects.exclude(carrier="ZTO").update(takes_cod=True)
    Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.AT_RELEASE)
    return shop


def rule(name="r", **values):
    """A rule that counts."""
    return CarrierRule.objects.create(name=name, **values)


def parcel_of(shop, *lines, **changes):
    """The parcel of an order on delivery, written at release."""
    order = place(shop, *lines, **changes)
    allocated(order)
    return Shipment.objects.get(sub_order__order=order)


def looked_at(parcel):
    """What became of each carrier for the parcel, by its last decision."""
    decision = CarrierDecision.objects.filter(shipment=parcel).latest("id")
    return decision.details["rule"][1], {code: verdict for code, verdict, *_rest in decision.details["of"]}


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ({"provinces": ["北京市"]}, True),
        ({"provinces": ["上海市"]}, False),
        ({"regions": ["11"]}, True),
        ({"regions": ["3101", "54"]}, False),
        ({"min_weight_g": 1000}, True),
        ({"min_weight_g": 1001}, False),
        ({"max_weight_g": 1001}, True),
        ({"max_weight_g": 1000}, False),
        ({"storage_classes": ["frozen"]}, False),
        ({"payment_method": "cod"}, True),
        ({"payment_method": "prepaid"}, False),
        ({"merchants": ["nobody"]}, False),
        ({"channels": ["x/y"]}, False),
        ({"warehouses": ["nowhere"]}, False),
        ({"valid_from": timezone.now() + timedelta(days=1)}, False),
        ({"valid_until": timezone.now() - timedelta(days=1)}, False),
        ({"is_active": False}, False),
    ],
)
def test_a_rule_counts_for_the_parcels_that_it_is_for(carriers, condition, fits):
    rule("by hand", carriers=["ZTO"], **condition)
    rule(
        "of this shop",
        priority=20,
        carriers=["JD"],
        merchants=[carriers.merchant.code],
        channels=[f"{carriers.merchant.code}/{carriers.channel.code}"],
        warehouses=[carriers.warehouse.code],
    )
    parcel = parcel_of(carriers)
    assert parcel.carrier.code == ("ZTO" if fits else "JD")
    assert looked_at(parcel)[0] == ("by hand" if fits else "of this shop")


def test_the_cheapest_that_takes_the_cash_is_asked_first_and_the_reasons_are_kept_and_worded(carriers):
    rule("cheapest", needs=["reaches", "takes_cod"], sorts=["cost"])
    parcel = parcel_of(carriers)
    assert parcel.carrier.code == "JD"
    name, verdicts = looked_at(parcel)
    assert (name, verdicts) == ("cheapest", {"JD": "chosen", "SF": "worse", "ZTO": "no_cod"})
    with translation.override("en"):
        (told,) = words.tell(CarrierDecision.objects.filter(shipment=parcel))
    assert told.sentence == "京东物流, by rule “cheapest”."
    # 1 kg at 12.00 by 0.92, and 3.00 for the cash.
    assert [(line.carrier, line.verdict, line.freight) for line in told.lines] == [
        ("JD", "chosen", "14.04 yuan"),
        ("SF", "the rule prefers another one", "15.00 yuan"),
        ("ZTO", "collects no cash", ""),
    ]
    page = client_of("view_shipment").get(f"/admin/logistics/shipment/{parcel.pk}/change/").content.decode()
    assert "by rule “cheapest”" in page
    assert "collects no cash" in page
    assert steps.broken_invariants() == []


def test_what_the_tables_say_of_weight_area_price_and_promise_leaves_carriers_out(carriers):
    strict = rule("strict", needs=["reaches", "keeps_promise"], max_freight="60.00", sorts=["arrival", "cost"])
    # Each unit weighs half a kilogram: 22.5 kg are 12 + 22 × 2 yuan with SF, and 3 for the cash.
    heavy = parcel_of(carriers, (carriers.sku, 45, "10.00"))
    assert looked_at(heavy)[1] == {"JD": "chosen", "SF": "worse", "ZTO": "too_heavy"}
    strict.max_freight = Decimal("58.99")
    strict.save()
    dear = parcel_of(carriers, (carriers.other_sku, 45, "10.00"))
    assert looked_at(dear)[1] == {"JD": "chosen", "SF": "too_dear", "ZTO": "too_heavy"}

    RemoteArea.objects.create(area="110101", kind="no_service")
    nobody = parcel_of(carriers)
    assert (nobody.carrier, nobody.needs_person_since is not None) == (None, True)
    assert looked_at(nobody)[1] == dict.fromkeys(("SF", "JD", "ZTO"), "not_served")
    assert nobody.last_error == "no carrier fits: SF not_served, JD not_served, ZTO not_served"
    assert ("no_carrier_left", "rules") in steps.tickets()


def test_who_would_break_the_promise_is_left_out(carriers):
    rule("in time", needs=["keeps_promise"], sorts=["named"], carriers=["ZTO", "SF"])
    order = place(carriers)
    factories.run(deciding.run, splitting.run, allocating.run)
    (part,) = order.sub_orders.all()
    DeliveryPromise.objects.filter(sub_order=part).delete()
    now = timezone.now()
    DeliveryPromise.objects.create(
        order=order,
        sub_order=part,
        number=1,
        source="platform",
        starts_at=now,
        region=carriers.region,
        warehouse=carriers.warehouse,
        expected_warehouse=carriers.warehouse,
        tables_version=0,
        promised_by=now + timedelta(hours=1),
    )
    allocated(order)
    parcel = Shipment.objects.get()
    assert looked_at(parcel)[1]["SF"] == "too_late"


@pytest.mark.parametrize(
    ("mode", "wished", "first"),
    [("first", "ZTO", "ZTO"), ("ignored", "ZTO", "SF"), ("only", "ZTO", "ZTO"), ("only", "JD", None)],
)
def test_a_rule_says_what_the_wish_counts(carriers, mode, wished, first):
    rule("wishes", wish=mode, carriers=["SF", "ZTO"], on_nobody="person")
    parcel = parcel_of(carriers, carrier=wished)
    assert (parcel.carrier.code if parcel.carrier else None) == first
    if first is None:
        assert looked_at(parcel)[1] == {"SF": "not_wished", "ZTO": "not_wished", "JD": "not_named"}


def test_after_a_refusal_the_rules_choose_again_without_who_refused_and_after_silence_nobody_does(carriers):
    rule("these two", carriers=["ZTO", "SF"], on_nobody="person")
    parcel = parcel_of(carriers)
    with fakes.carrier(fakes.FakeCarrier(fakes.lose)) as silent:
        for _ in range(2):
            steps.once(dispatching.run)
    assert {one.carrier for one in silent.booked} == {"ZTO"}
    assert CarrierDecision.objects.count() == 1

    assert asked_in_turn(["ZTO"]) == ["ZTO", "SF"]

    decision = CarrierDecision.objects.latest("id")
    assert (decision.cause, decision.former.code, decision.carrier.code, decision.text) == (
        "refused",
        "ZTO",
        "SF",
        "full",
    )
    assert looked_at(parcel)[1]["ZTO"] == "refused"
    with translation.override("en"):
        sentence = words.tell([decision])[0].sentence
    assert sentence == "中通快递 refused it (“full”); then 顺丰速运, by rule “these two”."


def test_where_all_that_a_rule_names_refused_a_person_is_called_once(carriers):
    rule("only one", carriers=["ZTO"], on_nobody="person")
    parcel_of(carriers)
    assert asked_in_turn(["ZTO"]) == ["ZTO"]
    assert steps.tickets() == [("no_carrier_left", "")]
    assert CarrierDecision.objects.filter(carrier=None).count() == 1


def test_a_person_gives_a_parcel_to_another_carrier_and_must_know_of_an_unclear_answer(carriers):
    parcel = parcel_of(carriers)
    boss = client_of("view_shipment", "switch_carrier")
    address = f"/admin/logistics/shipment/{parcel.pk}/switch/"
    assert client_of("view_shipment").post(address, {"carrier": "JD"}).status_code == 403

    boss.post(address, {"carrier": "JD"})
    assert steps.fresh(parcel).carrier.code == "JD"
    decision = CarrierDecision.objects.latest("id")
    assert (decision.cause, decision.former.code, decision.details) == ("staff", "SF", {})
    assert OrderEvent.objects.get(kind="carrier_switched").data["carrier"] == "JD"

    with fakes.carrier(fakes.FakeCarrier(fakes.lose)):
        steps.once(dispatching.run)
    with translation.override("en"), pytest.raises(OmsError, match="may have issued"):
        switching.switch(parcel.pk, "ZTO", actor=steps.STAFF)
    boss.post(address, {"carrier": "ZTO", "although_unknown": "on"})
    assert CarrierDecision.objects.latest("id").details == {"unknown": True}
    with fakes.carrier(fakes.FakeCarrier()) as carrier:
        factories.run(dispatching.run)
    assert [one.carrier for one in carrier.booked] == ["ZTO"]
    with translation.override("en"), pytest.raises(OmsError, match="waits for a waybill"):
        switching.switch(parcel.pk, "SF", actor=steps.STAFF)
    assert steps.broken_invariants() == []


def test_after_a_clear_refusal_a_person_needs_to_confirm_nothing(carriers):
    rule("only one", carriers=["ZTO"], on_nobody="person")
    parcel = parcel_of(carriers)
    asked_in_turn(["ZTO"])
    switching.switch(parcel.pk, "SF", actor=steps.STAFF)
    assert steps.tickets() == []
    assert asked_in_turn() == ["SF"]


def test_the_preview_shows_carriers_reasons_and_broken_conditions_and_writes_nothing(carriers):
    rule("light ones", carriers=["JD"], max_weight_g=500, priority=1)
    rule("off", carriers=["ZTO"], is_active=False, priority=2)
    order = place(carriers)
    factories.run(deciding.run, splitting.run, allocating.run)
    boss = client_of("view_carrierrule", "view_order")
    address = f"/admin/logistics/carrierrule/preview/?numbers={order.number}+unknown-1"

    page = boss.get(address).content.decode()
    assert "Not found: unknown-1" in page
    assert "“light ones”: less than (g)" in page
    assert "the order&#x27;s wish, then the carriers&#x27; priority" in page
    assert "rule “off”" in boss.get(f"{address}&all_rules=on").content.decode()
    assert not CarrierDecision.objects.exists()
    assert client_of("view_carrierrule").get(address).status_code == 403


def test_a_rule_with_codes_that_nobody_has_is_refused_at_its_field(carriers):
    boss = client_of("view_carrierrule", "add_carrierrule")
    form = {
        "priority": 1,
        "name": "x",
        "wish": "first",
        "on_nobody": "next",
        "provinces": "北京",
        "regions": "1",
        "carriers": "SF,NONE",
        "excluded": "SF",
        "min_weight_g": 10,
        "max_weight_g": 5,
    }
    answer = boss.post("/admin/logistics/carrierrule/add/", form)
    errors = answer.context["adminform"].form.errors
    assert errors["provinces"] == ["There is no 北京."]
    assert errors["carriers"] == ["There is no NONE."]
    assert errors["regions"] == ["There is no 1."]
    assert errors["excluded"] == ["SF is both named and excluded."]
    form |= {
        "provinces": "北京市",
        "regions": "11",
        "carriers": "SF",
        "excluded": "JD",
        "max_weight_g": 50,
        "sort_0": "cost",
        "sort_1": "named",
    }
    boss.post("/admin/logistics/carrierrule/add/", form)
    made = CarrierRule.objects.get()
    assert (made.carriers, made.sorts, made.regions) == (["SF"], ["cost", "named"], ["11"])


def test_choosing_takes_as_many_statements_for_ten_parcels_as_for_one(carriers):
    rule("cheapest", needs=["reaches", "takes_cod", "keeps_promise"], sorts=["cost"])

    def statements(count):
        orders = [place(carriers) for _ in range(count)]
        Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.OWN)
        for order in orders:
            steps.released(order)
        Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.AT_RELEASE)
        works = list(WarehouseOrder.objects.filter(sub_order__order__in=orders).values_list("pk", flat=True))
        with CaptureQueriesContext(connection) as captured:
            intending.intend(works)
        return len(captured)

    statements(1)
    assert statements(1) == statements(10)


def test_dispatching_takes_as_many_statements_for_ten_refused_parcels_as_for_one(carriers):
    def statements(count):
        for _ in range(count):
            parcel_of(carriers)
        refuses = fakes.FakeCarrier(lambda one: adapters.Answer(one.carrier != "SF", "full", f"W{one.reference}"))
        with fakes.carrier(refuses), CaptureQueriesContext(connection) as captured:
            steps.once(dispatching.run)
        with fakes.carrier(fakes.FakeCarrier()):
            factories.run(dispatching.run)
        return len(captured)

    statements(1)
    assert statements(1) == statements(10)
