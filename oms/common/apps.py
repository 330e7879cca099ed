"""Django's handle on the app."""

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CommonConfig(AppConfig):
    """Names the app and keeps the state guards in step with the code."""

    name = "oms.common"
    verbose_name = _("Common")

    def ready(self) -> None:
        from oms.common.work import sandbox_speaker, signed_json  # noqa: F401 - they register their protocols

        post_migrate.connect(_install_guards, sender=self)


def _install_guards(using: str, **_: object) -> None:
    from oms.common import states

    connection = connections[using]
    states.install_triggers(connection, connection.introspection.table_names())
