"""Django's handle on the app."""

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    """Names the app in the admin, and keeps the chart of accounts and the triggers of ledger and bills in step."""

    name = "payments"
    verbose_name = _("Payments")

    def ready(self) -> None:
        from payments.reconciling import troubles  # noqa: F401 - it registers what people look at

        post_migrate.connect(_prepare_ledger, sender=self)


def _prepare_ledger(using: str, **_: object) -> None:
    from oms.common.postgresql.appending import append_only
    from payments.ledger import chart, posting

    connection = connections[using]
    if {"payments_account", "payments_ledgerline", "payments_billrow"} <= set(connection.introspection.table_names()):
        with connection.cursor() as cursor:
            cursor.execute(posting.trigger_sql())
            cursor.execute(append_only("payments_billrow"))
        chart.install_default_accounts()
