"""Real orders by the thousand on floors that are run here, and labels by the hundred."""

import os
import time
from pathlib import Path

import pytest

from inventory import receiving
from inventory.models import Warehouse
from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.floor import gathering
from logistics.floor.defaults import install_default_wave_rules
from logistics.models import Paper, PickTask, Shipment, WarehouseOrder, Wave
from logistics.printing import printing
from logistics.printing.printing import Wanted
from logistics.warehouses import events, releasing, sending
from oms.benchmarks import stage
from oms.common.models import Connection, SystemKind
from oms.common.work import clock
from oms.common.work.claiming import run_until_empty
from oms.embedded import CHECKOUT
from oms.pipeline import STAGES
from orders.fulfilling import allocating
from orders.reviewing import versions
from tests import factories, fakes, steps
from tests.reconciling.lived import cut

# A folder with orders*.jsonl.gz and the reference data that belong to them.
FOLDER = Path(os.environ.get("OMS_MONTH_DATA", CHECKOUT / "sample"))
ORDERS = int(os.environ.get("OMS_MONTH_ORDERS", "20000"))
_RELEASING = ("review", "split", "allocate", "release", "send_release", "warehouse_facts")
_LABELS = 500


@pytest.mark.parametrize(
    "orders", [pytest.param(200, id="few"), pytest.param(ORDERS, marks=pytest.mark.soak, id="all")]
)
def test_nearly_all_released_parts_of_real_orders_land_in_a_wave(
    transactional_db: None, tmp_path: Path, orders: int
) -> None:
    stage.load(cut(FOLDER, orders, tmp_path), stock_factor=20)
    versions.switch_off()
    install_default_carriers()
    install_default_wave_rules()
    floor = Connection.objects.create(code="floor", kind=SystemKind.WAREHOUSE, protocol="floor")
    Warehouse.objects.update(connection=floor)
    at_the_door = (line.replace(b'"prepaid"', b'"cod"') for line in stage.order_lines(FOLDER, orders))
    assert stage.place(at_the_door) == orders
    with clock.skipping_waits():
        for name in _RELEASING:
            run_until_empty(STAGES[name], 1000)
        while gathering.gather():
            pass

    released = WarehouseOrder.objects.filter(is_current=True, sub_order__state="released").count()
    assert released > orders
    assert PickTask.objects.count() == released
    in_waves = PickTask.objects.filter(wave__isnull=False, dropped_at=None).count()
    assert in_waves >= 0.95 * released, f"{in_waves} of {released}"
    assert {wave.kind for wave in Wave.objects.all()} >= {"single", "multi"}
    assert steps.broken_invariants() == []


@pytest.mark.soak
@pytest.mark.django_db
def test_five_hundred_labels_take_less_than_five_seconds_of_the_processor(shop: factories.Shop) -> None:
    install_default_carriers()
    receiving.receive(shop.warehouse.pk, shop.sku.pk, 10 * _LABELS, actor="li")
    for _number in range(_LABELS):
        shop.place_order(payment_method="cod")
    steps.approve_and_split()
    with fakes.warehouse(fakes.FakeWarehouse()), fakes.carrier(fakes.FakeCarrier()):
        factories.run(allocating.run, releasing.run, sending.run)
        for work in WarehouseOrder.objects.order_by("pk"):
            steps.tell(work, "packed")
        factories.run(events.run, dispatching.run)
    parcels = list(Shipment.objects.exclude(waybill_number=None).order_by("pk"))
    assert len(parcels) == _LABELS

    numbers, ids = [parcel.number for parcel in parcels], [parcel.pk for parcel in parcels]
    started = time.process_time()
    content = printing.print_out(Wanted(Paper.LABEL, numbers, ids), by="li", may_print_again=False)
    seconds = time.process_time() - started
    print(f"{_LABELS} labels: {seconds:.2f} s")

    assert content.startswith(b"%PDF")
    assert seconds < 5
