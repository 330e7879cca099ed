"""Merchants that report at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from logistics.by_merchant import shipping
from logistics.by_merchant.reported import Leaving
from logistics.models import Shipment
from tests import steps
from tests.portal import world


@pytest.mark.django_db(transaction=True)
def test_a_waybill_that_two_merchants_report_at_once_is_one_of_them() -> None:
    sellers = [world.make_seller() for _ in range(2)]
    works = [seller.orders(4) for seller in sellers]
    for turn in range(4):
        start, waybill = Barrier(2), f"SF0000000{turn}"

        def report(side: int, turn: int = turn, start: Barrier = start, waybill: str = waybill) -> list[str]:
            try:
                start.wait()
                leaving = [Leaving(works[side][turn].number, "SF", waybill)]
                (told,) = shipping.ship(sellers[side].merchant, leaving, actor=steps.STAFF)
                return [error.code for error in told.errors]
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as threads:
            told = sorted(threads.map(report, range(2)))
        assert told == [[], ["waybill_taken"]]
        assert Shipment.objects.filter(waybill_number=waybill).count() == 1
    assert Shipment.objects.filter(left_at__isnull=False, waybill_number=None).count() == 0
    assert steps.broken_invariants() == []
