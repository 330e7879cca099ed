"""The WSGI entry point for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oms.settings")
application = get_wsgi_application()

from oms.common import memory  # noqa: E402 - needs the settings
from oms.common.work import nudging  # noqa: E402 - needs the settings

nudging.prepare()
memory.collect_rarely()
