"""Django's handle on the app."""

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CommonConfig(AppConfig):
    """Names the app; keeps the state guards, and the triggers of tickets, in step with the code."""

    name = "oms.common"
    verbose_name = _("Workbench")

    def ready(self) -> None:
        from oms.common import stuck
        from oms.common.access import revealing  # noqa: F401 - its kind of ticket
        from oms.common.messages import sending  # noqa: F401 - its kind of ticket
        from oms.common.work import sandbox_speaker, signed_json  # noqa: F401 - they register their protocols

        stuck.register_kinds()
        post_migrate.connect(_install_triggers, sender=self)


def _install_triggers(using: str, **_: object) -> None:
    from oms.common import states, stuck
    from oms.common.postgresql.appending import append_only

    connection = connections[using]
    tables = connection.introspection.table_names()
    states.install_triggers(connection, tables)
    stuck.install_triggers(connection, tables)
    with connection.cursor() as cursor:
        for table in {"common_securityevent", "common_invariantrepair"}.intersection(tables):
            cursor.execute(append_only(table))
