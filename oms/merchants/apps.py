"""Django's handle on the app."""

from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class MerchantsConfig(AppConfig):
    """Names the app in the admin."""

    name = "oms.merchants"
    verbose_name = _("Merchants")

    def ready(self) -> None:
        import oms.merchants.joining.messages
        import oms.merchants.tickets  # noqa: F401 - kinds of messages and tickets
        from oms.merchants.calls.checks import check_scopes

        checks.register(check_scopes, checks.Tags.urls)
