"""Django's handle on the app."""

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class LogisticsConfig(AppConfig):
    """Names the app in the admin, and guards the log of what was printed."""

    name = "logistics"
    verbose_name = _("Logistics")

    def ready(self) -> None:
        import logistics.carriers.adapters.cainiao.speaker
        import logistics.carriers.adapters.courier.speaker
        import logistics.carriers.adapters.jdl.speaker
        import logistics.carriers.adapters.kdniao.speaker
        import logistics.carriers.adapters.kuaidi100.speaker
        import logistics.carriers.adapters.sf.speaker
        import logistics.warehouses.adapters.qimen.speaker  # noqa: F401 - they make their protocols known
        from inventory import serials as of_receipts
        from inventory.promising import naming
        from logistics import fact_words, forgetting, tickets  # noqa: F401 - they say how our rows and messages are called
        from logistics.buyer import asking, signed  # noqa: F401 - their kinds of tickets and messages
        from logistics.by_merchant import kinds  # noqa: F401 - its events
        from logistics.by_merchant import speaker as by_merchants  # noqa: F401 - its protocol
        from logistics.carriers import braking, carried, freight, wishing
        from logistics.carriers.recalling import kinds as of_recalls  # noqa: F401 - its events
        from logistics.floor import speaker  # noqa: F401 - its protocol
        from logistics.floor import trouble as of_floors  # noqa: F401 - its kinds of tickets
        from logistics.returning import following as returns
        from logistics.returning import kinds as of_pick_ups  # noqa: F401 - its events
        from logistics.virtual import messages, revealing, trouble  # noqa: F401 - their kinds of messages and tickets
        from logistics.warehouses import serials
        from logistics.watching.robots import known  # noqa: F401 - they register their protocols
        from orders.asked import freight as freight_books
        from orders.asked import parcels, unseen
        from orders.intake import terms
        from orders.returning import serials as of_returns
        from orders.returning import tracks
        from orders.reviewing import holds

        holds.register_brake(braking.without_waybill)
        terms.register_carriers(wishing.directory)
        naming.register_carriers(lambda: [one.code for one in wishing.directory()])
        parcels.register(carried.find)
        unseen.register(revealing.unseen)
        forgetting.register()
        freight_books.register(freight)
        tracks.register(returns.Tracks())
        of_returns.register(serials.sold, serials.whose)
        of_receipts.register(serials.packed, serials.away)
        post_migrate.connect(_guard_printouts, sender=self)
        post_migrate.connect(_guard_codes, sender=self)


def _guard_printouts(using: str, **_: object) -> None:
    from oms.common.postgresql.appending import append_only

    connection, table = connections[using], "logistics_printout"
    if table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(append_only(table))


def _guard_codes(using: str, **_: object) -> None:
    from logistics.virtual import guards

    connection = connections[using]
    if {*guards.TABLES} <= {*connection.introspection.table_names()}:
        with connection.cursor() as cursor:
            cursor.execute(guards.trigger_sql())
