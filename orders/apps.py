"""Django's handle on the app."""

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    """Names the app in the admin; keeps the trigger that tells merchants in step with the catalogue of news."""

    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from oms.merchants.webhooks import endpoints
        from orders import events, tickets  # noqa: F401 - says how tickets name orders

        endpoints.register_types(events.TYPES)
        post_migrate.connect(_install_trigger, sender=self)


def _install_trigger(using: str, **_: object) -> None:
    from orders import events

    events.install_trigger(connections[using])
