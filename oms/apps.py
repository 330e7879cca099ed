"""Django's handles on the project itself and on its admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _

from oms.celery import app as celery_app  # noqa: F401 - tasks bind to it wherever Django is set up


class OmsConfig(AppConfig):
    """The wiring: commands and tasks that know every app."""

    name = "oms"
    label = "wiring"
    verbose_name = _("Order management")

    def ready(self) -> None:
        """Roles and scheduled tasks are called by the names that come with them."""
        from oms import shipped_roles, shipped_tasks  # noqa: F401


class OmsAdminConfig(AdminConfig):
    """Puts `oms.admin.OmsAdminSite` in the place of Django's admin site."""

    default_site = "oms.admin.OmsAdminSite"
