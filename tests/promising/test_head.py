"""What the head of the order's page says of promises."""

import pytest
from django.utils import timezone

from orders.admin.promises import _fact
from orders.models import DeliveryPromise, SubOrder
from orders.models.promise import PromiseOutcome

pytestmark = pytest.mark.usefixtures("in_english")


@pytest.mark.parametrize(
    ("number", "part"), [("2453788593065001-1", "1"), ("2453788593065001-1-1", "1-1"), ("2453788593065001-2", "2")]
)
def test_each_part_is_named_apart_from_what_was_split_off_it(number, part):
    outcome = PromiseOutcome.values[0]
    promise = DeliveryPromise(promised_by=timezone.now(), sub_order=SubOrder(number=number), outcome=outcome)
    fact = _fact(promise)
    assert fact is not None
    assert fact.label == f"Promised for {part}"
