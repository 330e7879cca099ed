"""A new state finds its place: in a group that code asks for, and in a colour for the staff's pages."""

import re

from django.apps import apps

from logistics.models import ShipmentState
from oms.common.models import QUEUE_COLUMNS, WorkItem
from oms.common.states import state_fields
from oms.common.templatetags.staff import TONES
from oms.doors.loc import words
from oms.embedded import CHECKOUT
from orders.models import FulfilmentState, OrderPaymentState, OrderState, SubOrderState
from orders.models.order import ONCE_SPLIT, OVER
from orders.models.sub_order import (
    ARRIVED,
    AT_WAREHOUSE,
    BEFORE_RELEASE,
    HOLDING_STOCK,
    IN_WAREHOUSE,
    LEFT_WAREHOUSE,
    UNALLOCATED_STATES,
    UNDONE,
)


def test_every_state_of_a_sub_order_is_before_in_or_after_the_warehouse_or_cancelled():
    groups = [BEFORE_RELEASE, AT_WAREHOUSE, LEFT_WAREHOUSE, (SubOrderState.CANCELLED,)]

    assert sorted(state for group in groups for state in group) == sorted(SubOrderState)
    assert set(HOLDING_STOCK) == {SubOrderState.ALLOCATED, *AT_WAREHOUSE}
    assert set(IN_WAREHOUSE) < set(AT_WAREHOUSE)
    assert set(UNALLOCATED_STATES) < set(BEFORE_RELEASE)
    assert set(ARRIVED) < set(LEFT_WAREHOUSE)
    assert set(UNDONE) == {SubOrderState.CANCELLED, SubOrderState.RETURNED}


def test_every_state_of_an_order_is_on_its_way_or_over():
    on_its_way = (OrderState.AWAITING_PAYMENT, OrderState.IN_REVIEW, OrderState.READY_TO_SPLIT, OrderState.SPLIT)

    assert sorted([*on_its_way, *OVER]) == sorted(OrderState)
    assert set(ONCE_SPLIT) == {OrderState.SPLIT, OrderState.COMPLETED, OrderState.CLOSED}


def test_every_state_has_a_colour():
    states = {
        str(value)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.name in ("state", "status") or field.name.endswith("_state")
        for value, _label in field.flatchoices
    }
    coloured = [state for names in TONES.values() for state in names.split()]

    assert states - set(coloured) == set(), "Name each in oms/common/templatetags/staff.py, if only as muted."
    assert len(coloured) == len(set(coloured))


def test_every_state_has_its_sentence_on_the_page_of_an_order():
    """What says nothing of itself is told by others: a split order by its parts, an ended one by its story."""
    source = (CHECKOUT / "orders" / "admin" / "remarks.py").read_text(encoding="utf-8")
    told = set(re.findall(r"case (\w*OrderState\.\w+)", source))
    silent = {"OrderState.SPLIT", "SubOrderState.COMPLETED", "SubOrderState.CANCELLED", "SubOrderState.RETURNED"}
    silent |= {f"SubOrderState.{state.name}" for state in (SubOrderState.SHIPPED, SubOrderState.REJECTED)}
    silent |= {f"SubOrderState.{state.name}" for state in AT_WAREHOUSE} - {"SubOrderState.RELEASED"}

    states = {f"{enum.__name__}.{state.name}" for enum in (OrderState, SubOrderState) for state in enum}
    assert (states - told, told & silent) == (silent, set())


def test_every_state_has_a_word_in_the_loc_interface():
    """What is under way is told by its holds and parts, in `order_status`."""
    under_way = {OrderState.IN_REVIEW, OrderState.READY_TO_SPLIT, OrderState.SPLIT}
    unshipped = {FulfilmentState.UNFULFILLED, FulfilmentState.CANCELLED}

    assert words._BY_STATE.keys() ^ under_way == set(OrderState)
    assert words._BY_FULFILMENT.keys() ^ unshipped == set(FulfilmentState)
    assert words.PAYMENTS.keys() == set(OrderPaymentState)
    assert words.PARCELS.keys() == set(ShipmentState)


def test_every_column_of_a_queue_changes_no_version():
    own = {field.column for field in WorkItem._meta.get_fields()}

    assert own <= QUEUE_COLUMNS
    for model, _field in state_fields():
        if issubclass(model, WorkItem):
            assert own <= {field.column for field in model._meta.concrete_fields}
