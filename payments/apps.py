"""Django's handle on the app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    """Names the app in the admin."""

    name = "payments"
    verbose_name = _("Payments")

    def ready(self) -> None:
        """Make the protocols of payment providers known."""
        import payments.providers.alipay.notices
        import payments.providers.wechat.notices  # noqa: F401
