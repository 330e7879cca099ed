"""Several drain processes at once, one of them killed: nothing is lost, nothing is done twice."""

import json
from io import StringIO
from time import monotonic, sleep

import pytest
from django.core.management import call_command
from django.db.models import Count, Q

from logistics.models import Shipment
from oms.common.models import SandboxJob
from oms.embedded import CHECKOUT
from orders.models import Hold, Order, OrderEvent, SubOrder
from payments.models import Payment, SettlementRow
from tests import steps

pytestmark = pytest.mark.django_db(transaction=True)


def import_orders(limit: int) -> int:
    out = StringIO()
    path = CHECKOUT / "sample" / "orders.jsonl.gz"
    call_command("import_orders", str(path), f"--limit={limit}", "--json", stdout=out, verbosity=0)
    return json.loads(out.getvalue())["imported"]


def wait_until_work_is_under_way(done_at_least: int) -> None:
    """Until so many sub-orders are allocated or further."""
    end = monotonic() + 60
    while monotonic() < end:
        if SubOrder.objects.exclude(state="awaiting_allocation").count() >= done_at_least:
            return
        sleep(0.02)
    raise AssertionError("the drains did nothing")


def drain_with_a_murder(start, orders: int, processes: int, batch: int, seconds: int) -> None:
    """Import, drain by several processes, kill one in the middle, and look at every order."""
    imported = import_orders(orders)
    assert imported > 0.9 * orders
    assert import_orders(orders) == 0

    drains = [start("manage.py", "drain", "--json", f"--batch={batch}") for _ in range(processes)]
    wait_until_work_is_under_way(orders // 10)
    victim, *others = drains
    assert victim.poll() is None, "it ended before it could be killed"
    victim.kill()
    for process in others:
        output, errors = process.communicate(timeout=seconds)
        assert process.returncode == 0, errors.decode()[-3000:]
        assert json.loads(output)["claimed"]

    assert_all_is_at_its_right_end(imported)


def assert_all_is_at_its_right_end(imported: int) -> None:
    assert steps.broken_invariants() == []
    assert Order.objects.count() == imported
    assert not Order.objects.exclude(needs_person_since=None).exists()
    assert not SubOrder.objects.exclude(needs_person_since=None).exists()
    states = dict(Order.objects.values_list("state").annotate(count=Count("id")))
    assert set(states) <= {"completed", "closed", "split", "in_review"}, states
    assert states["completed"] > 0.5 * imported
    # What is in review is held; what is split waits for goods that nobody has.
    assert not Order.objects.filter(state="in_review", open_holds=0).exists()
    unfinished = SubOrder.objects.filter(order__state="split").exclude(
        state__in=["completed", "returned", "backordered"]
    )
    assert not unfinished.exists()
    assert not SubOrder.objects.filter(state="backordered", shortage=None).exists()
    # Nothing twice: one payment an order, one parcel a sub-order, one end.
    assert not Order.objects.annotate(n=Count("payments", filter=Q(payments__sub_order=None))).filter(n__gt=1).exists()
    assert not SubOrder.objects.annotate(n=Count("shipments")).filter(n__gt=1).exists()
    assert SettlementRow.objects.count() > 0
    for kind in ("received", "approved", "split", "completed", "closed"):
        events = OrderEvent.objects.filter(kind=kind).values("order").annotate(n=Count("id")).filter(n__gt=1)
        assert not events.exists(), kind
    assert not Payment.objects.filter(state="intended").exists()
    assert not Shipment.objects.filter(state="created").exists()
    assert not SandboxJob.objects.exclude(due_at=None).exists()
    assert Hold.objects.filter(released_at=None).count() >= states.get("in_review", 0)


def test_150_orders_come_to_their_end_although_one_of_two_drains_is_killed(start, sample):
    drain_with_a_murder(start, orders=150, processes=2, batch=25, seconds=90)


@pytest.mark.soak
def test_2000_orders_come_to_their_end_although_one_of_three_drains_is_killed(start, sample):
    drain_with_a_murder(start, orders=2000, processes=3, batch=50, seconds=300)
