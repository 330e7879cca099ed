"""The WSGI entry point for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oms.settings")
_site = get_wsgi_application()

from oms import chunked  # noqa: E402 - needs the settings, like the next ones
from oms.common import memory  # noqa: E402
from oms.common.postgresql.limits import limit_waits  # noqa: E402
from oms.common.work import nudging  # noqa: E402

limit_waits()
application = chunked.with_length(_site)

nudging.prepare()
memory.collect_rarely()
