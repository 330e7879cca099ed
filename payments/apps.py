"""Django's handle on the app."""

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    """Names the app in the admin, and keeps the chart of accounts and the money's triggers in step."""

    name = "payments"
    verbose_name = _("Payments")

    def ready(self) -> None:
        """Make the protocols of payment providers known, and have the ledger ready after migrations."""
        import payments.balances.claiming  # it keeps what orders ask for of balances
        import payments.exchanging.in_changes
        import payments.invoicing.in_changes
        import payments.invoicing.services.nuonuo.speaker
        import payments.providers.alipay.notices
        import payments.providers.wechat.notices  # noqa: F401
        from payments import objecting
        from payments.reconciling import troubles  # noqa: F401 - it registers what people look at

        objecting.register()
        post_migrate.connect(_prepare_ledger, sender=self)


def _prepare_ledger(using: str, **_: object) -> None:
    from oms.common.postgresql.appending import append_only
    from payments.balances import moving
    from payments.invoicing import guarding
    from payments.ledger import chart, posting
    from payments.statements import closing

    connection = connections[using]
    if {"payments_account", "payments_settlementrow"} <= set(connection.introspection.table_names()):
        with connection.cursor() as cursor:
            cursor.execute(posting.trigger_sql())
            cursor.execute(closing.trigger_sql())
            for table in ("payments_billrow", "payments_depositmovement", "payments_statementremark"):
                cursor.execute(append_only(table))
            cursor.execute(guarding.trigger_sql())
            cursor.execute(moving.trigger_sql())
        chart.install_default_accounts()
