"""Django's handle on the app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LocConfig(AppConfig):
    """Names the app."""

    name = "oms.doors.loc"
    label = "loc"
    verbose_name = _("LOC interface")
