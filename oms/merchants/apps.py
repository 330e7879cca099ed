"""Django's handle on the app."""

from django.apps import AppConfig
from django.core import checks
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class MerchantsConfig(AppConfig):
    """Names the app in the admin; keeps the trigger of sandboxes' tickets in step."""

    name = "oms.merchants"
    verbose_name = _("Merchants")

    def ready(self) -> None:
        import oms.merchants.joining.messages
        import oms.merchants.tickets  # noqa: F401 - kinds of messages and tickets
        from oms.merchants.calls.checks import check_scopes

        checks.register(check_scopes, checks.Tags.urls)
        post_migrate.connect(_install_triggers, sender=self)


def _install_triggers(using: str, **_: object) -> None:
    from oms.merchants import sandboxes

    connection = connections[using]
    sandboxes.install_triggers(connection, connection.introspection.table_names())
