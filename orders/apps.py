"""Django's handle on the app."""

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    """Names the app in the admin; loads every app's kinds of events, and keeps the triggers of its tables in step."""

    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from orders import tickets  # noqa: F401 - says how tickets name orders
        from orders.changing import bulk, contacting, half_bundles, noting, telling  # noqa: F401 - jobs, messages and tickets of theirs
        from orders.stock import demand, demanding, guests  # noqa: F401 - what stock and its places ask of orders

        autodiscover_modules("kinds")
        import orders.changing.kinds
        import orders.returning.kinds  # noqa: F401 - those of changes and returns

        post_migrate.connect(_install_triggers, sender=self)


def _install_triggers(using: str, **_: object) -> None:
    from orders.changing import charging, merge_guard
    from orders.telling import events

    connection = connections[using]
    existing = connection.introspection.table_names()
    events.install_triggers(connection, existing)
    charging.install_triggers(connection, existing)
    merge_guard.install_triggers(connection, existing)
