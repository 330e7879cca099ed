"""A warehouse that is run on this site: waves, scan to check, weighing, handing over; what must not go stays."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from inventory.models import SkuBarcode, Stock
from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.floor import gathering, waves
from logistics.floor.defaults import install_default_wave_rules
from logistics.floor.trouble import NotNow
from logistics.models import Paper, PickTask, Shipment, WarehouseOrder, Wave, WaveRule
from logistics.printing import choosing
from logistics.warehouses import events, releasing, sending, stopping
from oms.common.models import Connection, SandboxJob, SystemKind, Ticket
from oms.common.work import clock
from orders.changing import cancelling
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding, holds
from tests import factories, fakes, steps
from tests.admin.conftest import client_of
from tests.logistics.test_printing import pages, printed

pytestmark = pytest.mark.django_db
RIGHTS = ("gather_wave", "check_picktask", "view_wave", "view_picktask")


@pytest.fixture(autouse=True)
def _floor(shop: factories.Shop) -> None:
    """The shop's warehouse is run here."""
    install_default_carriers()
    link = Connection.objects.create(code="floor", name="floor", kind=SystemKind.WAREHOUSE, protocol="floor")
    shop.warehouse.connection = link
    shop.warehouse.save(update_fields=["connection"])
    Stock.objects.filter(sku=shop.sku).update(bin="A-01-1")
    Stock.objects.filter(sku=shop.other_sku).update(bin="B-02-3")


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody on the floor, in English."""
    return client_of(*RIGHTS, username="zhao")


def work_of(order: Order) -> WarehouseOrder:
    return steps.work_of(SubOrder.objects.get(order=order))


def on_the_floor(shop: factories.Shop, *lines: object) -> WarehouseOrder:
    """The warehouse order of a new order, on the floor."""
    order = shop.place_order(*lines, payment_method="cod")  # type: ignore[arg-type]
    factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
    return work_of(order)


def gather() -> int:
    with clock.skipping_waits():
        made = gathering.gather()
    factories.run(events.run)
    return made


def task_of(work: WarehouseOrder) -> PickTask:
    return PickTask.objects.get(warehouse_order=work)


def begin(client: Client, number: str):
    return client.post(reverse("admin:logistics_floor_number"), {"number": number})


def post(client: Client, work: WarehouseOrder, step: str, **form: object):
    address = reverse("admin:logistics_floor_check", args=[task_of(work).pk])
    return client.post(address, {"step": step, **form})


def hand_over(client: Client, *numbers: str):
    answer = client.post(reverse("admin:logistics_floor_hand_over"), {"numbers": "\n".join(numbers)})
    factories.run(events.run)
    return answer


def checked(client: Client, work: WarehouseOrder, *codes: str, weight: int | None = None) -> WarehouseOrder:
    """The parcel, with these units in it, closed and with its waybill."""
    begin(client, work.number)
    for code in codes:
        assert post(client, work, "scan", code=code).status_code == 200
    assert post(client, work, "finish", weight_g=weight or "").status_code == 200
    factories.run(events.run)
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    work = steps.fresh(work)
    return work


def test_an_order_goes_through_the_floor_from_its_wave_to_the_carrier(shop, clerk):
    install_default_wave_rules()
    SkuBarcode.objects.create(merchant=shop.merchant, sku=shop.other_sku, code="6901234567892")
    work = on_the_floor(shop, (shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"))
    assert work.state == "sent"
    assert gather() == 1
    work = steps.fresh(work)
    wave = Wave.objects.get()
    assert (work.state, wave.kind, task_of(work).slot) == ("accepted", "multi", 1)

    clerk.post(reverse("admin:logistics_wave_start", args=[wave.pk]))
    factories.run(events.run)
    work = steps.fresh(work)
    assert work.state == "picking"

    # A parcel that nobody has in hand yet is begun by its number.
    page = clerk.get(reverse("admin:logistics_floor_check", args=[task_of(work).pk]))
    assert (page.status_code, page["Location"]) == (302, reverse("admin:logistics_floor_number"))
    assert begin(clerk, work.number).status_code == 302
    wrong = post(clerk, work, "scan", code="NOT-OURS")
    assert (wrong.status_code, wrong.context["error"]) == (409, "NOT-OURS does not belong in this parcel.")
    assert post(clerk, work, "scan", code=f"2*{shop.sku.code.lower()}").context["done"] == shop.sku.name
    extra = post(clerk, work, "scan", code=shop.sku.code)
    assert extra.context["error"] == f"Too many of {shop.sku.name}: the parcel wants 2 in all."
    early = post(clerk, work, "finish", weight_g="1600")
    assert (early.status_code, early.context["error"]) == (409, "1 unit was not scanned.")
    assert post(clerk, work, "scan", code="6901234567892").context["is_complete"]
    done = post(clerk, work, "finish", weight_g="1650")
    assert done.context["done"] == f"{work.number} is packed."
    factories.run(events.run)
    work = steps.fresh(work)
    parcel = Shipment.objects.get(warehouse_order=work)
    assert (work.state, parcel.weight_g, Wave.objects.get().over_at is not None) == ("packed", 1650, True)

    waits = hand_over(clerk, work.number)
    assert [row.why for row in waits.context["left"]] == ["It has no waybill yet."]
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    parcel = steps.fresh(parcel)
    left = hand_over(clerk, parcel.waybill_number, "NOTHING", parcel.waybill_number)
    assert left.context["done"] == 1
    assert {row.number: row.why for row in left.context["left"]} == {
        "NOTHING": "Nothing on the floor has the number NOTHING.",
        parcel.waybill_number: "It is in the list twice.",
    }
    work = steps.fresh(work)
    assert (work.state, SubOrder.objects.get(pk=work.sub_order_id).state) == ("shipped", "shipped")
    again = hand_over(clerk, parcel.waybill_number)
    assert [row.why for row in again.context["left"]] == ["It was handed over already."]
    assert steps.broken_invariants() == []


def test_a_shortage_is_told_and_frozen_and_the_rest_is_sourced_anew(shop, clerk):
    before = stock = shop.sku.stock.get()
    work = on_the_floor(shop, (shop.sku, 3, "10.00"))
    begin(clerk, work.number)
    post(clerk, work, "scan", code=shop.sku.code)
    asked = post(clerk, work, "finish", weight_g="")
    assert asked.context["asks_whether_short"]
    post(clerk, work, "finish", weight_g="", is_short="on")
    factories.run(events.run)
    ticket = Ticket.objects.get(kind="goods_missing")
    assert (ticket.subject_id, ticket.values["units"], ticket.values["skus"]) == (work.pk, 2, shop.sku.code)
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)

    hand_over(clerk, work.number)

    units = {part.state: sum(line.quantity for line in part.lines.all()) for part in SubOrder.objects.all()}
    assert (units["shipped"], sum(units.values())) == (1, 3)
    stock = steps.fresh(stock)
    assert (stock.on_hand, stock.frozen) == (before.on_hand - 1, 2)
    assert [kind for kind, _reason in steps.tickets() if kind == "warehouse_lacks"] == []
    assert steps.broken_invariants() == []


def test_where_nothing_is_found_the_warehouse_refuses(shop, clerk):
    work = on_the_floor(shop, (shop.sku, 1, "10.00"))
    begin(clerk, work.number)
    answer = post(clerk, work, "finish", weight_g="", is_short="on")
    factories.run(events.run)
    work = steps.fresh(work)

    assert answer.context["done"] == f"{work.number} is given back: nothing of it was found."
    assert (work.state, task_of(work).dropped_why) == ("refused", "missing")
    assert set(Ticket.objects.values_list("kind", flat=True)) == {"goods_missing", "warehouse_refused"}
    assert (shop.sku.stock.get().frozen, shop.sku.stock.get().reserved) == (1, 0)
    assert steps.broken_invariants() == []


def test_a_weight_that_is_off_is_asked_about_and_told(shop, clerk):
    work = on_the_floor(shop, (shop.sku, 2, "10.00"))  # 2 x 500 g and 100 g of packaging
    begin(clerk, work.number)
    post(clerk, work, "scan", code=f"2*{shop.sku.code}")

    asked = post(clerk, work, "finish", weight_g="1211")
    assert asked.context["error"] == "It weighs 1211 g; its goods should weigh 1100 g. Open it and look."
    assert not Ticket.objects.exists()
    post(clerk, work, "finish", weight_g="1211", weight_is_right="on")

    task = task_of(work)
    assert (task.weight_g, task.expected_g, Ticket.objects.get().kind) == (1211, 1100, "weight_differs")
    other = on_the_floor(shop, (shop.sku, 2, "10.00"))
    checked(clerk, other, f"2*{shop.sku.code}", weight=1210)
    assert Ticket.objects.count() == 1


def test_what_is_held_or_cancelled_is_put_aside_and_stopped_until_it_is_handed_over(shop, clerk):
    install_default_wave_rules()
    held, cancelled, gone = (on_the_floor(shop, (shop.sku, 1, "10.00")) for _ in range(3))
    orders = {work: SubOrder.objects.get(pk=work.sub_order_id).order_id for work in (held, cancelled, gone)}
    holds.hold_order(orders[held], reason="x", actor=steps.STAFF)
    assert gather() == 1
    assert task_of(held).wave is None
    assert "The order is held." in begin(clerk, held.number).context["error"]
    page = clerk.get(reverse("admin:logistics_wave_changelist"))
    assert page.context["reasons"] == {"The order is held.": 1}
    checked(clerk, gone, shop.sku.code)
    hand_over(clerk, gone.number)

    cancelling.cancel_order(orders[cancelled], reason="x", actor=steps.STAFF)
    assert "being cancelled" in begin(clerk, cancelled.number).context["error"]
    factories.run(stopping.PASS_ON_STAGE.run, stopping.run, events.run)

    states = {work: steps.fresh(work).state for work in orders}
    assert states == {held: "sent", cancelled: "cancelled", gone: "shipped"}
    assert task_of(cancelled).dropped_why == "stopped"
    left = hand_over(clerk, cancelled.number)
    assert [row.why for row in left.context["left"]] == ["It is not wanted any more: put its goods back."]
    assert steps.broken_invariants() == []


def test_a_wave_is_dissolved_before_it_is_picked_and_never_after(shop, clerk):
    install_default_wave_rules()
    work = on_the_floor(shop, (shop.sku, 1, "10.00"))
    gather()
    first = Wave.objects.get()
    boss = client_of("view_wave", username="sun")
    assert "0 / 1" in boss.get(reverse("admin:logistics_wave_change", args=[first.pk])).content.decode()
    clerk.post(reverse("admin:logistics_wave_dissolve", args=[first.pk]))
    assert (task_of(work).wave, Wave.objects.get().over_at is not None) == (None, True)

    clerk.post(reverse("admin:logistics_wave_gather"))
    gather()
    second = Wave.objects.exclude(pk=first.pk).get()
    waves.start(second.pk)
    with pytest.raises(NotNow):
        waves.dissolve(second.pk)
    assert task_of(work).wave == second


def test_pick_lists_are_in_the_order_of_bins_and_name_the_boxes_of_the_trolley(shop):
    install_default_wave_rules()
    on_the_floor(shop, (shop.other_sku, 1, "25.50"), (shop.sku, 2, "10.00"))
    on_the_floor(shop, (shop.sku, 1, "10.00"), (shop.other_sku, 1, "25.50"))
    gather()

    (text,) = pages(printed(client_of("print_lists", username="qian"), "pick_list", Wave.objects.get().number))

    # The bin stands first in each row, under a head of its own.
    assert "BinSKUArticleBarcodeUnits" in text
    assert text.index(f"A-01-1{shop.sku.code}") < text.index(f"B-02-3{shop.other_sku.code}")
    assert "Boxes:1×22×1" in text
    assert "2warehouseorders" in text


NOW = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)  # noon in China


def waiting(count: int, *, minutes: int = 0, skus: tuple[int, ...] = (1,), bins=("",), carrier=None) -> list:
    since = NOW - timedelta(minutes=minutes)
    waiting.ids = getattr(waiting, "ids", 0)
    found = []
    for _ in range(count):
        waiting.ids += 1
        found.append(gathering.Waiting(waiting.ids, str(waiting.ids), 1, 7, carrier, "ambient", since, skus, bins))
    return found


def rule(pk: int, **values: object) -> WaveRule:
    return WaveRule(pk=pk, name=str(pk), priority=pk, **{"kind": "single", "waits_minutes": 30, **values})


def sizes(rules, tasks) -> list[tuple[int, int]]:
    return [(wave.rule.pk, len(wave.tasks)) for wave in gathering.choose(rules, tasks, NOW)]


def test_full_waves_go_at_once_and_the_rest_when_it_waited_long_enough_or_at_a_cut_off():
    assert sizes([rule(1, at_most=3)], waiting(7, minutes=29)) == [(1, 3), (1, 3)]
    assert sizes([rule(1, at_most=3)], waiting(7, minutes=30)) == [(1, 3), (1, 3), (1, 1)]
    assert sizes([rule(1, cut_offs="11:45")], waiting(2, minutes=16)) == [(1, 2)]
    assert sizes([rule(1, cut_offs="11:45 18:00")], waiting(2, minutes=15)) == []
    assert sizes([rule(1, at_least=3)], waiting(2, minutes=60)) == []


def test_orders_fall_to_the_next_rule_only_where_too_few_fit_the_first():
    hot = rule(1, kind="hot", at_least=3, at_most=5)
    single = rule(2, at_most=10)
    tasks = [*waiting(5, minutes=60), *waiting(2, minutes=60, skus=(2,)), *waiting(1, minutes=60, skus=(1, 2))]
    assert sizes([hot, single], tasks) == [(1, 5), (2, 2)]
    assert sizes([hot, single, rule(3, kind="multi")], tasks) == [(1, 5), (2, 2), (3, 1)]
    assert sizes([hot, single], waiting(4, minutes=5)) == []


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({"zone": "A"}, 1),
        ({"warehouse_id": 8}, 0),
        ({"carrier_id": 3}, 1),
        ({"storage_class": "frozen"}, 0),
        ({"starts_on": (NOW + timedelta(days=1)).date()}, 0),
        ({"ends_on": NOW.date()}, 2),
    ],
)
def test_rules_take_only_what_they_are_about(values, size):
    tasks = [*waiting(1, minutes=60, bins=("A-1", "A-2"), carrier=3), *waiting(1, minutes=60, bins=("A-1", "B-1"))]
    assert sum(count for _rule, count in sizes([rule(1, **values)], tasks)) == size


def test_who_may_not_check_sees_no_desk(shop):
    stranger = client_of("view_picktask", username="sun")
    for name in ("floor_number", "floor_hand_over"):
        assert stranger.get(reverse(f"admin:logistics_{name}")).status_code == 403
    assert stranger.post(reverse("admin:logistics_wave_gather")).status_code == 403


def test_a_wave_of_hundreds_takes_as_many_statements_as_one_of_two(shop, django_assert_max_num_queries):
    install_default_wave_rules()
    for _ in range(12):
        on_the_floor(shop, (shop.sku, 1, "10.00"))
    with clock.skipping_waits(), django_assert_max_num_queries(22):
        assert gathering.gather() == 1
    assert PickTask.objects.filter(wave__isnull=False).count() == 12


def test_labels_of_a_wave_are_printed_of_what_has_a_waybill_and_the_rest_is_named(shop, clerk):
    install_default_wave_rules()
    works = [on_the_floor(shop, (shop.sku, 1, "10.00")) for _order in range(3)]
    assert gather() == 1
    wave = task_of(works[0]).wave
    begin(clerk, works[0].number)
    post(clerk, works[0], "scan", code=shop.sku.code)
    post(clerk, works[0], "finish", weight_g="")
    factories.run(events.run)
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)

    of_wave, by_number = (choosing.choose(Paper.LABEL, numbers) for numbers in ([wave.number], [works[1].number, "NO"]))

    assert list(of_wave.ids) == list(works[0].shipments.values_list("pk", flat=True))
    with translation.override("en"):
        said = [{row.number: [str(why) for why in row.reasons] for row in one.left_out} for one in (of_wave, by_number)]
    waits = ["It has no waybill yet."]
    assert said == [
        {works[1].number: waits, works[2].number: waits},
        {works[1].number: waits, "NO": ["Nothing here has this number."]},
    ]


def test_a_pretended_courier_takes_a_parcel_only_once_it_was_handed_over(shop, clerk):
    install_default_wave_rules()
    work = on_the_floor(shop, (shop.sku, 1, "10.00"))
    gather()
    begin(clerk, work.number)
    post(clerk, work, "scan", code=shop.sku.code)
    assert post(clerk, work, "finish", weight_g="").status_code == 200
    factories.run(events.run)
    factories.run(dispatching.run)
    parcel = Shipment.objects.get(warehouse_order=work)
    assert parcel.waybill_number
    waits = SandboxJob.objects.get(system="carrier", reference=parcel.number)
    assert (waits.due_at, waits.step) == (None, 0)

    assert hand_over(clerk, parcel.waybill_number).context["done"] == 1

    waits.refresh_from_db()
    assert waits.due_at is not None
