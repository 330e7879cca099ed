"""Django's handle on the app."""

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class InventoryConfig(AppConfig):
    """Names the app in the admin, and keeps the triggers of its ledgers in step."""

    name = "inventory"
    verbose_name = _("Inventory")

    def ready(self) -> None:
        """Make its kinds of tickets known, and have the ledgers ready after migrations."""
        from inventory.promising import calendar_watch  # noqa: F401 - its kind of ticket can be read everywhere
        from inventory.replenishing import watching  # noqa: F401 - so can this one

        post_migrate.connect(_prepare_ledgers, sender=self)


def _prepare_ledgers(using: str, **_: object) -> None:
    from inventory import ledger

    connection = connections[using]
    if "inventory_stockmovement" in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(ledger.trigger_sql())
