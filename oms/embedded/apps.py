from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    """Brings the commands `up` and `prepare`."""

    name = "oms.embedded"
