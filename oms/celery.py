"""The Celery application; tasks live in the apps' `tasks.py`."""

import os

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oms.settings")

app = Celery("oms")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _tune(**_: object) -> None:
    from oms.common import memory

    memory.collect_rarely()
