"""A process that stands still in the middle of a transaction keeps nobody waiting for long."""

import signal

import pytest

from oms.merchants.models import Merchant
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

FREEZE = """
import sys, time, django
django.setup()
from django.db import transaction
from oms.merchants.models import Merchant
with transaction.atomic():
    Merchant.objects.filter(pk=int(sys.argv[1])).update(name="never seen")
    print("locked", flush=True)
    time.sleep(600)
"""


def test_the_locks_of_a_frozen_process_are_free_again_after_a_while(start):
    merchant = factories.make_shop().merchant
    frozen = start("-c", FREEZE, str(merchant.pk), OMS_IDLE_IN_TRANSACTION_SECONDS="2")
    assert frozen.stdout.readline() == b"locked\n"
    frozen.send_signal(signal.SIGSTOP)

    # Raises where the row stays locked.
    Merchant.objects.filter(pk=merchant.pk).update(name="after it")
    merchant.refresh_from_db()
    assert merchant.name == "after it"
