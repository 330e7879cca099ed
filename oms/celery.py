"""The Celery application; tasks live in the apps' `tasks.py`."""

import logging
import os
import time
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun, worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oms.settings")

app = Celery("oms")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _tune(**_: object) -> None:
    from oms.common import memory

    memory.collect_rarely()


@setup_logging.connect
def _log_as_everywhere(loglevel: int | None = None, **_: object) -> None:
    """Keep Celery from setting up logging of its own, which would print events as they are."""
    import logging.config

    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
    if loglevel is not None:
        logging.getLogger().setLevel(loglevel)


@task_prerun.connect
def _name_the_task(task_id: str, task: Any = None, args: tuple = (), **_: object) -> None:
    """Every line of a task carries its id, its name, and the stage that it runs."""
    import structlog

    name = getattr(task, "name", "")
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task_id=task_id, task_name=name)
    if name == "oms.run_stage" and args:
        structlog.contextvars.bind_contextvars(stage=str(args[0]))
    if task is not None:
        task.request.begun_at = time.monotonic()


@task_postrun.connect
def _note_the_end(task: Any = None, state: str = "", retval: object = None, **_: object) -> None:
    """Keep how a run of a scheduled task ended; nothing of the task fails where that cannot be kept."""
    from django.db import Error

    from oms.common.masking import describe
    from oms.common.work import schedule

    name = schedule.name_of(getattr(task, "name", ""))
    begun = getattr(getattr(task, "request", None), "begun_at", None)
    if name is None or begun is None:
        return
    error = describe(retval) if isinstance(retval, BaseException) else ""
    result = str(retval) if isinstance(retval, int) and not error else ""
    try:
        schedule.note_end(name, took_ms=round((time.monotonic() - begun) * 1000), result=result, error=error)
    except Error:
        logging.getLogger(__name__).warning("the end of %s was not kept", name)


@task_postrun.connect
def _forget_the_task(**_: object) -> None:
    import structlog

    structlog.contextvars.clear_contextvars()
