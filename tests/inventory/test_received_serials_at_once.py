"""A serial number that two receipts name at once, in real threads: it comes once, and the other is told."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import transaction

from inventory import purchase_arrivals
from inventory.models import Receipt, ReceivedSerial, Sku, Stock
from inventory.purchasing import Unloaded
from oms.common.errors import WrongFields
from tests import factories
from tests.pipeline.test_races import in_thread, wait_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_two_receipts_that_name_a_number_at_once_the_second_is_refused() -> None:
    shop = factories.make_shop()
    Sku.objects.filter(pk=shop.sku.pk).update(wants_serials=True)
    booked, go_on = Event(), Event()

    def receive(reference: str) -> Receipt:
        told = [Unloaded(shop.sku.code, 1, serials=["SN-1"])]
        return purchase_arrivals.receive_goods(
            shop.warehouse, told, reference=reference, actor="lin", merchant=shop.merchant
        )

    def receive_and_wait() -> None:
        with transaction.atomic():
            receive("G1")
            booked.set()
            go_on.wait(20)

    with ThreadPoolExecutor(2) as pool:
        one = in_thread(pool, receive_and_wait)
        assert booked.wait(20)
        other = in_thread(pool, lambda: receive("G2"))
        try:
            wait_for_a_lock()
        finally:
            go_on.set()
        one.result(20)
        with pytest.raises(WrongFields) as refusal:
            other.result(20)
    assert [(error.attr, error.code) for error in refusal.value.errors] == [("lines.0.serials", "known")]
    assert ReceivedSerial.objects.count() == Receipt.objects.count() == 1
    assert Stock.objects.get(sku=shop.sku).on_hand == 101
