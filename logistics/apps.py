"""Django's handle on the app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LogisticsConfig(AppConfig):
    """Names the app in the admin."""

    name = "logistics"
    verbose_name = _("Logistics")

    def ready(self) -> None:
        import logistics.carriers.adapters.kdniao.speaker  # noqa: F401 - it makes the protocol known
        from logistics import fact_words, tickets  # noqa: F401 - they say how our rows and messages are called
        from logistics.buyer import asking  # noqa: F401 - its kinds of tickets
        from logistics.carriers import braking, carried, wishing
        from logistics.watching.robots import known  # noqa: F401 - they register their protocols
        from orders import parcels
        from orders.intake import terms
        from orders.reviewing import holds

        holds.register_brake(braking.without_waybill)
        terms.register_carriers(wishing.directory)
        parcels.register(carried.find)
