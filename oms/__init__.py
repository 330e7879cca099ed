"""The project: settings, wiring, and the kernel under the apps."""

from oms.celery import app as celery_app

__all__ = ["celery_app"]
