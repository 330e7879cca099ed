"""Django's handle on the app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InventoryConfig(AppConfig):
    """Names the app in the admin."""

    name = "inventory"
    verbose_name = _("Inventory")

    def ready(self) -> None:
        from inventory.promising import calendar_watch  # noqa: F401 - its kind of ticket can be read everywhere
